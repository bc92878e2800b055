"""What is read of the table of one window, each part when it is first needed, features a few at a time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from tidegate.config import Model
from tidegate.drift.label_ages import mature
from tidegate.drift.quality import Finding
from tidegate.errors import DataError
from tidegate.metrics.base import Part
from tidegate.metrics.data import Predictions
from tidegate.predictions import read_predictions
from tidegate.slices import slice_columns
from tidegate.tables import Column, Table, Want

SAMPLE = 200_000
"""Rows whose features are held in memory together."""
_CELLS = {"parquet": 4_000_000}
_MANY_CELLS = 24_000_000
_ODD = 2654435761


@dataclass(frozen=True, slots=True)
class Sample:
    """Some rows, or all, with their features.

    Attributes:
        rows: their positions in the window, ascending.
    """

    rows: np.ndarray
    features: Mapping[str, Column]

    def take(self, inside: np.ndarray) -> "Sample":
        """Those of the rows that a mask over the whole window has."""
        kept = np.flatnonzero(inside[self.rows])
        return Sample(self.rows[kept], {name: column.take(kept) for name, column in self.features.items()})


class Side:
    """One window.

    Attributes:
        problems: findings of reading: what could not be read, and so is not known.
    """

    def __init__(self, table: Table, model: Model) -> None:
        self.table = table
        self.model = model
        self.problems: list[Finding] = []

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.table.rows

    @cached_property
    def vectors(self) -> list[str]:
        """Columns that hold a vector in each row."""
        return self.table.vector_columns()

    def columns(self, names: Sequence[str]) -> Iterator[Column]:
        """Columns in order, as many at a time in memory as fit; a file without columns apart is parsed seldom."""
        at_once = max(1, _CELLS.get(self.table.format, _MANY_CELLS) // max(self.rows, 1))
        for first in range(0, len(names), at_once):
            part = names[first : first + at_once]
            read = self.table.read([(name, "any") for name in part])
            for name in part:
                yield read.pop((name, "any"))

    @cached_property
    def times(self) -> Column | None:
        """The timestamps; None where there are none, or one is no time (which the survey of data quality tells)."""
        name = self.model.columns.timestamp
        if name is None or name not in self.table.schema:
            return None
        try:
            column = self.table.read([(name, "time")])[name, "time"]
        except DataError:
            return None
        return None if column.missing.all() else column

    @cached_property
    def cluster(self) -> Column | None:
        """What rows come from."""
        name = self.model.columns.cluster
        if name is None or name not in self.table.schema:
            return None
        return self.table.read([(name, "category")])[name, "category"]

    @cached_property
    def clusters(self) -> np.ndarray | None:
        """Codes of the clusters from 0, rows without one being clusters of their own; None without clusters."""
        if self.cluster is None:
            return None
        codes = self.cluster.values.astype(np.int64)
        alone = np.flatnonzero(codes < 0)
        codes[alone] = codes.max(initial=-1) + 1 + np.arange(len(alone))
        return codes

    @cached_property
    def label(self) -> Column | None:
        """The label, with its missing values."""
        want: Want = "number" if self.model.task in ("regression", "ranking") else "category"
        return self._named(self.model.columns.label, want)

    @cached_property
    def known(self) -> np.ndarray:
        """Mask of the rows that have a label, shape (n,)."""
        return np.zeros(self.rows, dtype=np.bool_) if self.label is None else ~self.label.missing

    @cached_property
    def answers(self) -> dict[str, Column]:
        """Columns that the model wrote: scores and prediction, with their missing values."""
        names = self.model.columns
        scores = list(names.score.values()) if isinstance(names.score, dict) else [names.score]
        numbers = [name for name in scores if name is not None and name in self.table.schema]
        wanted: list[tuple[str, Want]] = [(name, "number") for name in numbers]
        if names.prediction is not None and names.prediction in self.table.schema:
            wanted.append((names.prediction, "number" if self.model.task == "regression" else "any"))
        try:
            return {name: column for (name, _), column in self.table.read(wanted).items()}
        except DataError as error:
            self.problems.append(Finding("predictions", None, None, str(error), "error"))
            return {}

    @cached_property
    def answered(self) -> np.ndarray:
        """Mask of the rows that the model answered, shape (n,); all of them where the table has no answers at all."""
        missing = [column.missing for column in self.answers.values()]
        return ~np.logical_or.reduce(missing) if missing else np.ones(self.rows, dtype=np.bool_)

    @cached_property
    def prediction(self) -> Column | None:
        """The score, of several classes that of the likeliest, or else the prediction."""
        score, prediction = self.model.columns.score, self.model.columns.prediction
        if isinstance(score, str) and score in self.answers:
            return self.answers[score]
        if isinstance(score, dict) and all(name in self.answers for name in score.values()):
            scores = np.column_stack([self.answers[name].values for name in score.values()])
            return Column("confidence", "number", scores.max(axis=1))
        return self.answers.get(prediction) if prediction is not None else None

    @cached_property
    def predicted_class(self) -> Column | None:
        """The class that was predicted, where that is something else than :attr:`prediction`."""
        names, task = self.model.columns, self.model.task
        if task not in ("binary", "multiclass") or names.score is None:
            return None
        if names.prediction is not None and names.prediction in self.answers:
            return self.answers[names.prediction]
        if isinstance(names.score, str) and names.score in self.answers:
            score = self.answers[names.score]
            codes = np.where(score.missing, -1, score.values >= names.threshold).astype(np.int32)
            return Column("predicted class", "category", codes, (0, 1))
        if isinstance(names.score, dict) and all(name in self.answers for name in names.score.values()):
            scores = np.column_stack([self.answers[name].values for name in names.score.values()])
            missing = np.isnan(scores).any(axis=1)
            best = np.argmax(np.where(np.isnan(scores), -1.0, scores), axis=1)
            codes = np.where(missing, -1, best).astype(np.int32)
            return Column("predicted class", "category", codes, tuple(map(str, names.score)))
        return None

    @cached_property
    def parts(self) -> set[Part]:
        """What of answers and service the table has."""
        names, schema, task = self.model.columns, self.table.schema, self.model.task
        parts: set[Part] = set()
        scores = names.score.values() if isinstance(names.score, dict) else [names.score]
        if task != "regression" and names.score is not None and all(name in schema for name in scores):
            parts.add("score")
        if task != "ranking" and (
            names.prediction in schema or ("score" in parts and names.prediction is None)
        ):
            parts.add("prediction")
        service: tuple[Part, ...] = ("latency", "error", "cost")
        return parts | {part for part in service if getattr(names, part) in schema}

    @cached_property
    def predictions(self) -> Predictions | None:
        """Rows that the model answered, with service, outcomes and the columns of slices; labels are not looked at."""
        if self.model.task in (None, "ranking"):
            return None
        return self._read(self.parts, partial_labels=False)

    @cached_property
    def labelled(self) -> Predictions | None:
        """Answered rows that have a label old enough; None where no metric can be computed."""
        if self.model.task is None or not self.labelled_rows.any():
            return None
        parts: set[Part] = self.parts | ({"query"} if self.model.task == "ranking" else set())
        if not parts & {"score", "prediction", "latency", "error", "cost"}:
            return None
        found = self._read(parts, partial_labels=True)
        young = self._old[self.answered & self.known] if found is not None else None
        return found if found is None or young is None else found.take(np.flatnonzero(young))

    @property
    def labelled_rows(self) -> np.ndarray:
        """Mask of the rows of :attr:`labelled`, shape (n,)."""
        return np.asarray(self.answered & self.known & self._old)

    @cached_property
    def partly_labelled(self) -> Predictions | None:
        """All answered rows, with those labels that are there."""
        rows, labelled = self.predictions, self.labelled
        if rows is None or labelled is None or labelled.label is None or not self.answers:
            return rows
        inside = self.labelled_rows[self.answered]
        nothing = np.nan if self.model.task == "regression" else -1
        label = np.full(rows.rows, nothing, dtype=np.float64 if self.model.task == "regression" else np.int32)
        rows = rows if rows.classes == labelled.classes else _of_classes(rows, labelled.classes)
        label[inside] = labelled.label
        return replace(rows, label=label)

    @cached_property
    def sampled(self) -> np.ndarray:
        """Positions of the rows whose features are held in memory, ascending."""
        if self.rows <= SAMPLE:
            return np.arange(self.rows)
        # Spread over the table; Knuth's multiplicative hash has no period that rows could share.
        mixed = np.arange(self.rows, dtype=np.uint64) * np.uint64(_ODD) % np.uint64(2**32)
        return np.sort(np.argpartition(mixed, SAMPLE)[:SAMPLE])

    @property
    def _old(self) -> np.ndarray:
        delay = self.model.drift.label_delay
        if delay is None or self.times is None:
            return np.ones(self.rows, dtype=np.bool_)
        return mature(self.times, delay)

    def _named(self, name: str | None, want: Want) -> Column | None:
        if name is None or name not in self.table.schema:
            return None
        try:
            return self.table.read([(name, want)])[name, want]
        except DataError as error:
            self.problems.append(Finding("labels", name, None, str(error), "error"))
            return None

    def _read(self, parts: set[Part], *, partial_labels: bool) -> Predictions | None:
        """Predictions of the answered rows; what is wrong with them is a finding."""
        model, schema = self.model, self.table.schema
        extra: list[tuple[str, Want]] = [(name, "number") for name in model.columns.kpi if name in schema]
        extra += [pair for pair in slice_columns(model.drift.slices) if pair[0] in schema]
        try:
            return read_predictions(
                self.table.complete(self.answers),
                _without_missing(model, self.table),
                parts=parts,
                extra=list(dict.fromkeys(extra)),
                partial_labels=partial_labels,
            )
        except DataError as error:
            finding = Finding("predictions", None, None, str(error), "error")
            if finding not in self.problems:
                self.problems.append(finding)
            return None


def _of_classes(rows: Predictions, classes: tuple[str, ...]) -> Predictions:
    known = set(rows.classes) <= set(classes)
    return rows.recoded(classes) if known else replace(rows, classes=classes)


def _without_missing(model: Model, table: Table) -> Model:
    """The model as if columns that only this table lacks had no part."""
    names = model.columns
    gone = {
        part: None
        for part in ("cluster", "weight")
        if (name := getattr(names, part)) is not None and name not in table.schema
    }
    return model.model_copy(update={"columns": names.model_copy(update=gone)}) if gone else model
