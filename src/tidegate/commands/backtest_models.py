"""Where the models of a backtest come from: trained as it goes, or predictions of versions that were stored."""

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from tidegate.answers import answer_columns
from tidegate.backtest import OneTooMany, Serving, Timeline
from tidegate.commands.backtest_history import History
from tidegate.commands.backtest_state import State, digest
from tidegate.config import Model
from tidegate.errors import ConfigError, DataError
from tidegate.scoring import Scorer, join_answers
from tidegate.tables import Table, open_table, quote
from tidegate.training import choose_rows, train


class Models(Protocol):
    """Models that can be had at the end of each window."""

    @property
    def first(self) -> str:
        """The one that serves first."""

    def train(self, window: int, serving: str) -> str | None:
        """The one that is had at the end of `window`."""

    def scored(self, model: str, window: int) -> Table:
        """A window with what the model answers."""

    def reference(self, serving: Serving, window: int) -> Table | None:
        """Labelled rows that the model was not trained on, known at the end of `window`, with what it answers."""

    def trained_rows(self, serving: Serving) -> int:
        """Rows of the history up to the newest one that the model was trained on."""


@dataclass(frozen=True, slots=True)
class _Made:
    """A trained model: its folder, rows kept out of its training (None: those of a window), and how far it saw."""

    folder: Path
    held_out: Path | None
    held_out_window: int
    seen: int


class TrainedModels:
    """Models trained by the user's ``train:`` command on what is known at the end of a window.

    The newest rows are kept out of training, as `retrain.holdout` says or else the newest labelled window: they are
    the reference of the model. Models of the same rows are trained once.

    Args:
        model: the configuration.
        history: the windows.
        timeline: when labels are known.
        state: where models and predictions are kept.
        last: how much of the history a model is trained on; None for all.
        most: models that may be trained after the first; None for any number.
        on_line: called with each line that the commands print.
    """

    def __init__(
        self,
        model: Model,
        history: History,
        timeline: Timeline,
        state: State,
        *,
        last: timedelta | None = None,
        most: int | None = None,
        on_line: Callable[[str], None],
    ) -> None:
        if model.retrain is None or model.retrain.train is None:
            raise ConfigError(
                "`retrain.train:` is missing in the config: the command that trains a model; or give stored"
                " predictions with --predictions"
            )
        self._model = model
        self._history = history
        self._timeline = timeline
        self._state = state
        self._last = last
        self._most = most
        self._on_line = on_line
        self._made: dict[str, _Made] = {}
        self._named: dict[str, str] = {}
        self._scorer = Scorer(model, Path.cwd(), state.scored, on_line)
        self._first: str | None = None

    @property
    def trained(self) -> int:
        """How many models there are."""
        return len(self._named)

    @property
    def first(self) -> str:
        """See :class:`Models`."""
        if self._first is None:
            self._first = self._at(self._timeline.first - 1)
        return self._first

    def train(self, window: int, serving: str) -> str | None:
        """See :class:`Models`."""
        return self._at(window)

    def scored(self, model: str, window: int) -> Table:
        """See :class:`Models`."""
        return self._answers(model, self._history.tables[window], f"model {model} on window {window + 1}")

    def reference(self, serving: Serving, window: int) -> Table | None:
        """See :class:`Models`."""
        made = self._made[serving.model]
        if made.held_out is None:
            return self.scored(serving.model, made.held_out_window)
        return self._answers(
            serving.model, open_table(str(made.held_out)), f"model {serving.model}, held out"
        )

    def trained_rows(self, serving: Serving) -> int:
        """See :class:`Models`."""
        return self._made[serving.model].seen

    def _answers(self, model: str, rows: Table, name: str) -> Table:
        return self._scorer.table(self._made[model].folder, rows, name)

    def _at(self, window: int) -> str:
        newest = self._timeline.known(window)
        spans, retrain = self._timeline.spans, self._model.retrain
        oldest = 0
        if self._last is not None:
            since = spans[newest].end - self._last
            oldest = next(i for i in range(newest + 1) if spans[i].end > since or i == newest - 1)
        whole = retrain is not None and retrain.holdout is None
        key = digest(
            {
                "train": retrain.train if retrain else None,
                "rows": [table.sha256 for table in self._history.tables[oldest : newest + 1]],
                "holdout": None if whole or retrain is None else retrain.holdout,
                "timestamp": self._model.columns.timestamp,
                "label": self._model.columns.label,
            }
        )
        if key not in self._named:
            # The first model is no retraining.
            if self._most is not None and len(self._named) > self._most:
                raise OneTooMany(f"more than {self._most:,} models would have to be trained")
            # By its rows, as models of different rows have different references even where they are alike.
            name = key[:12]
            self._made[name] = self._train(key, range(oldest, newest + 1), whole=whole)
            self._named[key] = name
        return self._named[key]

    def _train(self, key: str, windows: range, *, whole: bool) -> _Made:
        folder = self._state.models / key
        if not (folder / "made.json").is_file():
            part = self._state.models / f"part-{os.getpid()}"
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            try:
                self._make(part, windows, whole=whole)
                part.replace(folder)
            finally:
                shutil.rmtree(part, ignore_errors=True)
        about = json.loads((folder / "made.json").read_text(encoding="utf-8"))
        held_out = None if whole else folder / about["held_out"]
        before = sum(self._timeline.spans[i].rows for i in range(windows.start))
        return _Made(folder / "model", held_out, windows[-1], before + int(about["trained"]))

    def _make(self, place: Path, windows: range, *, whole: bool) -> None:
        """Train into `place`, and write beside the model what it was trained on."""
        tables = [self._history.tables[i] for i in windows]
        rows = tables[:-1] if whole else tables
        files = [file for table in rows for file in table.files]
        data = Table("the rows that are known", files, rows[0].format)
        suffix = files[0].suffix.lower()
        if whole:
            training = place / f"training{suffix}"
            data.export(training)
            train(self._model, open_table(str(training)), place / "model", Path.cwd(), self._on_line)
            about: dict[str, object] = {"trained": data.rows}
            training.unlink()
        else:
            chosen = choose_rows(data, self._model, None, place)
            train(self._model, chosen.training, place / "model", Path.cwd(), self._on_line)
            held_out = chosen.recent.files[0].name if chosen.recent is not None else ""
            about = {"trained": chosen.training.rows, "held_out": held_out}
            chosen.training.files[0].unlink()
        (place / "made.json").write_text(json.dumps(about), encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Version:
    """Stored predictions of one version of the model.

    Attributes:
        since: until when its training rows reach; from then on it could serve.
        table: of its predictions, by id; None where they are a column of the history.
        column: of the history with its predictions.
    """

    since: datetime
    name: str
    table: Table | None
    column: str | None


class StoredVersions:
    """Versions whose predictions were stored; a retraining brings the newest that there was at the time.

    Its reference is the newest window that lies wholly after its training rows and whose labels were known when it was
    put to work; without such a window the first that it serves, once the labels of that are known.
    """

    def __init__(
        self,
        model: Model,
        history: History,
        timeline: Timeline,
        state: State,
        versions: Sequence[Version],
    ) -> None:
        self._model = model
        self._history = history
        self._timeline = timeline
        self._state = state
        self._versions: Mapping[str, Version] = {
            each.name: each for each in sorted(versions, key=lambda v: v.since)
        }

    @property
    def trained(self) -> int:
        """How many versions there are."""
        return len(self._versions)

    @property
    def first(self) -> str:
        """See :class:`Models`."""
        return self._newest(self._timeline.spans[self._timeline.first].start) or next(iter(self._versions))

    def train(self, window: int, serving: str) -> str | None:
        """See :class:`Models`."""
        newest = self._newest(self._timeline.at(window))
        return None if newest == serving else newest

    def scored(self, model: str, window: int) -> Table:
        """See :class:`Models`."""
        version, rows = self._versions[model], self._history.tables[window]
        suffix = rows.files[0].suffix.lower()
        made_from = {"rows": rows.sha256, "column": version.column, "table": _sha(version.table)}
        kept = self._state.scored / f"{digest(made_from)}{suffix}"
        if not kept.is_file():
            kept.parent.mkdir(parents=True, exist_ok=True)
            if version.table is not None:
                self._join(rows, version.table, kept)
            else:
                self._choose(rows, str(version.column), kept)
        scored = open_table(str(kept), shown=f"predictions of version {model} on window {window + 1}")
        if scored.rows != rows.rows:
            raise DataError(
                f"version {model} has predictions of {scored.rows:,} of the {rows.rows:,} rows of window"
                f" {window + 1}: store one for each row from {version.since:%Y-%m-%d} on"
            )
        return scored

    def reference(self, serving: Serving, window: int) -> Table | None:
        """See :class:`Models`."""
        version, spans = self._versions[serving.model], self._timeline.spans
        newest = self._timeline.known(serving.since) if serving.since >= 0 else -1
        if newest >= 0 and spans[newest].start >= version.since:
            return self.scored(serving.model, newest)
        first_served = serving.since + 1
        if first_served < window and self._timeline.known(window) >= first_served:
            return self.scored(serving.model, first_served)
        return None

    def trained_rows(self, serving: Serving) -> int:
        """See :class:`Models`."""
        since = self._versions[serving.model].since
        return sum(span.rows for span in self._timeline.spans if span.end <= since)

    def _newest(self, moment: datetime) -> str | None:
        return next(
            (each.name for each in reversed(list(self._versions.values())) if each.since <= moment), None
        )

    def _join(self, rows: Table, table: Table, kept: Path) -> None:
        identifier = self._model.columns.id
        if identifier is None:
            raise ConfigError("`columns.id:` is missing in the config: stored predictions are joined by it")
        for each in (rows, table):
            each.require([identifier])
            each.require_unique(identifier)
        answers = [name for name in answer_columns(self._model.columns) if name in table.schema]
        if not answers:
            raise DataError(
                f"{table.path} has none of the columns that the config names for score and prediction"
            )
        join_answers(rows, kept, table, identifier, answers)

    def _choose(self, rows: Table, column: str, kept: Path) -> None:
        rows.require([column])
        target = single_answer(self._model)
        # What other versions answered is no feature of a row.
        others = {target, *(each.column for each in self._versions.values() if each.column is not None)}
        gone = ", ".join(quote(name) for name in sorted(others) if name in rows.schema)
        select = f"* EXCLUDE ({gone})"
        part = kept.with_name(f"part-{kept.name}")
        rows.export(part, select=f"{select}, {quote(column)} AS {quote(target)}")
        part.replace(kept)


def single_answer(model: Model) -> str:
    """The one column that a model answers with.

    Raises:
        ConfigError: it answers with several, or none.
    """
    names = model.columns
    found = [name for name in (names.score, names.prediction) if name is not None]
    if len(found) != 1 or not isinstance(found[0], str):
        raise ConfigError(
            "a version can be a column of the history where the config names one column for score or prediction; here"
            " give a table of each version"
        )
    return found[0]


def _sha(table: Table | None) -> str | None:
    return None if table is None else table.sha256
