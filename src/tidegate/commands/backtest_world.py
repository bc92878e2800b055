"""The history as a world in which models serve: what a drift report would have said, and what was true."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, timedelta
from typing import Any

import numpy as np

from tidegate.backtest import Asked, Contrast, Serving, Signals, Timeline, Value
from tidegate.commands.backtest_history import History
from tidegate.commands.backtest_models import Models
from tidegate.commands.backtest_state import State, digest
from tidegate.commands.base import Invocation
from tidegate.commands.drift_report import Stand, features_of
from tidegate.commands.drift_windows import Side
from tidegate.commands.looking import Looked, Occasion, look
from tidegate.config import Model
from tidegate.config.retraining import PerformanceDrop, PerformanceDropTrigger, Retrain
from tidegate.drift.concluding import Circumstances, conclude
from tidegate.drift.deciding import Decision
from tidegate.drift.figures import Figure, Measure, figures
from tidegate.drift.levels import Question
from tidegate.drift.performance import Realised, realised_drop
from tidegate.drift.rules import Policy
from tidegate.history.drift import KeptDrift, KeptWindow, PastReport
from tidegate.metrics import dependent
from tidegate.metrics.base import finite_bounds
from tidegate.metrics.data import Groups, Predictions
from tidegate.tables import Table, open_table, quote
from tidegate.wording import duration

_CONFIDENCE = 0.95
_ON_LABELS: frozenset[Question] = frozenset({"performance", "concept", "calibration", "segments"})
_WATCH: Decision = "watch"


class HistoryWorld:
    """A labelled history.

    Where labels take time, what needs none is asked of the newest window, from which its labels are taken, and what
    needs some of the newest window that the serving model served and whose labels are known; each at half the level.

    Args:
        invocation: the run.
        model: its configuration.
        metric: that models are judged by.
        history, timeline: the windows.
        models: where models come from.
        state: what an earlier run has left behind.
    """

    def __init__(
        self,
        invocation: Invocation,
        model: Model,
        metric: str,
        history: History,
        timeline: Timeline,
        models: Models,
        state: State,
    ) -> None:
        self.timeline = timeline
        self.measure = Measure(metric)
        self._invocation = invocation
        self._model = model
        self._history = history
        self._models = models
        self._state = state
        self._values: dict[tuple[str, int], Value] = {}
        self._contrasts: dict[tuple[str, str, int], Contrast] = {}
        self._known: dict[str, Signals] = {}
        self._watchers: dict[Asked, tuple[Model, str]] = {}
        # To open a table only for its fingerprint takes longer than most of what is kept under it.
        self._fingerprints: dict[tuple[str, int], str] = {}
        self._references: dict[tuple[Serving, int], str | None] = {}

    @property
    def first(self) -> str:
        """See :class:`tidegate.backtest.World`."""
        return self._models.first

    def train(self, window: int, serving: str) -> str | None:
        """See :class:`tidegate.backtest.World`."""
        return self._models.train(window, serving)

    def value(self, model: str, window: int) -> Value:
        """See :class:`tidegate.backtest.World`."""
        key = (model, window)
        if key not in self._values:
            self._values[key] = self._measured(model, window)
        return self._values[key]

    def contrast(self, new: str, old: str, window: int) -> Contrast:
        """See :class:`tidegate.backtest.World`."""
        key = (new, old, window)
        if key not in self._contrasts:
            self._contrasts[key] = self._compared(new, old, window)
        return self._contrasts[key]

    def _compared(self, new: str, old: str, window: int) -> Contrast:
        first, second = self._shared(new, old, window)
        if first is None or second is None:
            return Contrast(None, None)
        everything = Groups.everything(first.rows)
        found = dependent.compare(
            self.measure.how, first, second, everything, self.measure.settled, _CONFIDENCE
        )[0]
        if found.delta is None or found.interval is None:
            return Contrast(None, None)
        return Contrast(found.delta + 0.0, finite_bounds(found.interval))

    def first_drop(self, window: int, min_drop: float | None, confidence: float) -> Realised | None:
        """The drop of the first model in a window, in hindsight."""
        serving = Serving(self.first, self.timeline.first - 1)
        reference = self._models.reference(serving, len(self.timeline.spans) - 1)
        then = None if reference is None else Side(reference, self._plain).labelled
        now = self._side(self.first, window).labelled
        if then is None or now is None:
            return None
        return realised_drop(
            self.measure.metric, then, now, confidence=confidence, min_drop=min_drop
        ).realised

    def signals(
        self, serving: Serving, window: int, asked: Asked, level: float, monitor: Mapping[str, Any] | None
    ) -> Signals | None:
        """See :class:`tidegate.backtest.strategies.Watched`."""
        compared = self._reference_sha(serving, window)
        if compared is None:
            return None
        now = self.timeline.at(window).replace(tzinfo=UTC)
        age = (self.timeline.at(window) - self.timeline.at(serving.since)).total_seconds()
        newest = self.timeline.known(window)
        known = sum(span.rows for span in self.timeline.spans[: newest + 1])
        new_rows = max(known - self._models.trained_rows(serving), 0)
        labelled = newest if newest > serving.since else None
        if asked not in self._watchers:
            model = self._watched(asked)
            about = model.model_dump(mode="json", include={"task", "columns", "drift", "compare"})
            self._watchers[asked] = (model, digest(about))
        model, settings = self._watchers[asked]
        made_from = {
            "reference": compared,
            "current": self._sha(serving.model, window),
            "labelled": None if labelled is None else self._sha(serving.model, labelled),
            "delayed": newest < window,
            "model": settings,
            "drop": [asked.metric, asked.min_drop],
            "questions": sorted(asked.questions),
            "label_drift": "label_drift" in asked.facts,
            "level": level,
            "age": age,
            "now": now.isoformat(),
            "new_rows": new_rows,
            "monitor": None if monitor is None else dict(monitor),
        }
        key = digest(made_from)
        if key in self._known:
            return self._known[key]
        found = self._state.find(made_from)
        if found is None:
            occasion = Occasion(
                now=now,
                level=level,
                reference=hashlib.sha256(f"{compared} {serving.model}".encode()).hexdigest(),
                window=self._kept(window),
                past=_remembered(monitor, now - timedelta(days=1)),
                new_rows=new_rows,
                age=age,
                questions=asked.questions,
            )
            also: frozenset[Question] = frozenset({"columns"} if "label_drift" in asked.facts else ())
            found = self._looked(serving, window, labelled, model, occasion, _ON_LABELS | also)
            self._state.keep(made_from, found)
        self._known[key] = Signals(found["facts"], found["labels"], found["monitor"])
        return self._known[key]

    def _sha(self, model: str, window: int) -> str:
        key = (model, window)
        if key not in self._fingerprints:
            self._fingerprints[key] = self._models.scored(model, window).sha256
        return self._fingerprints[key]

    def _reference_sha(self, serving: Serving, window: int) -> str | None:
        key = (serving, window)
        if key not in self._references:
            table = self._models.reference(serving, window)
            self._references[key] = None if table is None else table.sha256
        return self._references[key]

    def _looked(
        self,
        serving: Serving,
        window: int,
        labelled: int | None,
        model: Model,
        occasion: Occasion,
        on_labels: frozenset[Question],
    ) -> dict[str, Any]:
        """What a drift report says: facts, labels and the state of the monitor, plain JSON."""
        reference = self._models.reference(serving, window)
        if reference is None:
            raise LookupError("there is nothing to compare with")
        if labelled == window:
            current = Side(self._models.scored(serving.model, window), model)
            found = self._look(reference, current, model, occasion)
            seen, levels = found.seen, found.levels
        else:
            occasion = replace(occasion, level=occasion.level / 2)
            questions = occasion.questions or frozenset()
            current = Side(self._without_labels(serving.model, window), model)
            found = self._look(reference, current, model, replace(occasion, questions=questions - _ON_LABELS))
            seen, levels = replace(found.seen, labels=0), found.levels
            if labelled is not None:
                late = Side(self._models.scored(serving.model, labelled), model)
                again = replace(occasion, questions=questions & on_labels, past=None)
                model = model.model_copy(update={"drift": model.drift.model_copy(update={"monitor": None})})
                told = self._look(reference, late, model, again)
                levels = {**told.levels, **levels}
                seen = replace(
                    seen,
                    columns=replace(seen.columns, label=told.seen.columns.label),
                    realised=told.seen.realised,
                    concept=told.seen.concept,
                    calibration=told.seen.calibration,
                    over_time=told.seen.over_time,
                    labels=told.seen.labels,
                )
        facts = conclude(
            seen, Policy(), levels, Circumstances(now=occasion.now), min_effect=model.drift.min_effect
        ).facts
        state = None if found.monitor is None else found.monitor.state()
        return {"facts": facts, "labels": seen.labels, "monitor": state}

    def _look(self, reference: Table, current: Side, model: Model, occasion: Occasion) -> Looked:
        side = Side(reference, model)
        then = Stand(reference.path, reference.sha256, reference.rows, side, None, None)
        features, alone, _ = features_of(self._invocation, then, current)
        return look(side, current, features, model, replace(occasion, alone=alone))

    def _watched(self, asked: Asked) -> Model:
        """The configuration as the policy has it; labels are taken away here, so that none are young."""
        drop = PerformanceDropTrigger(
            performance_drop=PerformanceDrop(metric=asked.metric, min_drop=asked.min_drop)
        )
        update: dict[str, Any] = {"false_alarm_rate": asked.false_alarm_rate, "label_delay": None}
        if "monitor" not in asked.facts:
            update["monitor"] = None
        return self._model.model_copy(
            update={
                "drift": self._model.drift.model_copy(update=update),
                "retrain": Retrain(when=[drop]),
            }
        )

    @property
    def _plain(self) -> Model:
        """Without a delay of labels, which hindsight does not know."""
        return self._model.model_copy(
            update={"drift": self._model.drift.model_copy(update={"label_delay": None})}
        )

    def _side(self, model: str, window: int) -> Side:
        return Side(self._models.scored(model, window), self._plain)

    def _without_labels(self, model: str, window: int) -> Table:
        scored, label = self._models.scored(model, window), str(self._model.columns.label)
        suffix = scored.files[0].suffix.lower()
        kept = self._state.scored / f"{digest({'unlabelled': scored.sha256, 'label': label})}{suffix}"
        if not kept.is_file():
            part = kept.with_name(f"part-{kept.name}")
            scored.export(part, select=f"* REPLACE (CAST(NULL AS {scored.schema[label]}) AS {quote(label)})")
            part.replace(kept)
        return open_table(str(kept), shown=scored.path)

    def _kept(self, window: int) -> KeptWindow:
        span = self.timeline.spans[window]
        return KeptWindow(
            sha256=self._history.tables[window].sha256,
            rows=span.rows,
            start=span.start.isoformat(),
            end=span.end.isoformat(),
        )

    def _measured(self, model: str, window: int) -> Value:
        data = self._side(model, window).labelled
        if data is None:
            return Value(None, None, 0)
        figure: Figure = figures(self.measure, data, Groups.everything(data.rows), confidence=_CONFIDENCE)[0]
        return Value(
            figure.value, figure.bounds(_CONFIDENCE) if figure.value is not None else None, figure.rows
        )

    def _shared(self, new: str, old: str, window: int) -> tuple[Predictions | None, Predictions | None]:
        """The labelled rows that both models answered."""
        sides = [self._side(new, window), self._side(old, window)]
        both = sides[0].labelled_rows & sides[1].labelled_rows
        found: list[Predictions] = []
        for side in sides:
            data = side.labelled
            if data is None or not both.any():
                return None, None
            found.append(data.take(np.cumsum(side.labelled_rows)[both] - 1))
        classes = tuple(sorted({*found[0].classes, *found[1].classes}))
        if found[0].classes != found[1].classes and self._model.task == "multiclass":
            found = [each.recoded(classes) for each in found]
        return found[0], found[1]


def label_wait(history: History, delay: timedelta | None) -> list[str]:
    """What a reader must know about late labels."""
    if not delay:
        return []
    return [
        f"labels take {duration(delay)} (`drift.label_delay`): performance is that of the newest window that the model"
        " has served and whose labels are known by then, as a drift report on that window would give it"
    ]


def _remembered(monitor: Mapping[str, Any] | None, at: Any) -> list[PastReport]:
    return [] if monitor is None else [PastReport(at, _WATCH, KeptDrift(monitor=dict(monitor)))]
