"""What decides after each window: the trigger policy of a configuration, or a schedule."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Protocol

from tidegate.backtest.timeline import Timeline
from tidegate.drift.alarms import Spent, alarm_level
from tidegate.drift.deciding import decide
from tidegate.drift.levels import Question
from tidegate.drift.policy import Fact
from tidegate.drift.rules import Policy
from tidegate.history.drift import KeptDrift, KeptWindow, KeptWindows, PastReport, condition_key

_QUESTIONS: Mapping[str, frozenset[Question]] = {
    "drift": frozenset({"columns"}),
    "drift.share": frozenset({"columns"}),
    "prediction_drift": frozenset({"columns"}),
    "label_drift": frozenset({"columns"}),
    "performance_drop": frozenset({"performance"}),
    "estimated_drop": frozenset({"estimate"}),
    "multivariate_drift": frozenset({"multivariate"}),
    "concept_drift": frozenset({"concept"}),
    "calibration_drift": frozenset({"calibration"}),
    "segment_drop": frozenset({"segments"}),
    "monitor": frozenset({"columns", "performance", "estimate"}),
    "data_quality": frozenset({"quality"}),
}
"""What must be asked of two windows to know a fact; the others are counts and ages."""


@dataclass(frozen=True, slots=True)
class Serving:
    """The model that serves, and the window after which it was trained (-1: before all)."""

    model: str
    since: int


@dataclass(frozen=True, slots=True)
class Asked:
    """What a policy needs to know of each window, and how sure.

    Attributes:
        false_alarm_rate: of each report.
        metric, min_drop: of the drop in performance; None for the default.
    """

    facts: frozenset[str]
    false_alarm_rate: float
    metric: str | None = None
    min_drop: float | None = None

    @property
    def questions(self) -> frozenset[Question]:
        """Those that the facts stand on."""
        return frozenset().union(*(_QUESTIONS.get(fact, frozenset()) for fact in self.facts))


@dataclass(frozen=True, slots=True)
class Signals:
    """What is known at the end of a window.

    Attributes:
        facts: of the trigger policy, by name.
        labels: of the newest window that has some; None where not known.
        monitor: state of the monitor over all windows, if the policy asks it.
    """

    facts: Mapping[str, Fact]
    labels: int | None = None
    monitor: Mapping[str, Any] | None = None


class Watched(Protocol):
    """What a strategy may look at."""

    @property
    def timeline(self) -> Timeline:
        """The windows."""

    def signals(
        self, serving: Serving, window: int, asked: Asked, level: float, monitor: Mapping[str, Any] | None
    ) -> Signals | None:
        """What is known at the end of a window; None where there is nothing to compare it with."""


@dataclass(frozen=True, slots=True)
class Step:
    """A decision after one window."""

    decision: str
    fired: list[str]
    alarm: bool
    why: str

    @property
    def retrain(self) -> bool:
        """Whether a model is trained."""
        return self.decision == "retrain"


NOTHING = Step("none", [], False, "")


class Strategy(Protocol):
    """Decides after each window, in order; one object for one replay."""

    def decide(self, watched: Watched, serving: Serving, window: int) -> Step:
        """The decision at the end of `window`."""


@dataclass(frozen=True, slots=True)
class Every:
    """Retrain after every so many windows; 0 is never."""

    windows: int

    def decide(self, watched: Watched, serving: Serving, window: int) -> Step:
        """See :class:`Strategy`."""
        served = window - watched.timeline.first + 1
        if self.windows == 0 or served % self.windows:
            return NOTHING
        return Step("retrain", [], True, "it was due")


class Policed:
    """The trigger policy of a configuration, with the memory that a history gives it."""

    def __init__(self, policy: Policy, asked: Asked, *, false_per: timedelta | None = None) -> None:
        self._policy = policy
        self._asked = asked
        self._false_per = false_per
        self._past: list[PastReport] = []

    def decide(self, watched: Watched, serving: Serving, window: int) -> Step:
        """See :class:`Strategy`."""
        now = _utc(watched.timeline.at(window))
        compared = _hash(f"{serving.model}\n{serving.since}\n{window}")
        level = self._level(now, compared)
        signals = watched.signals(serving, window, self._asked, level, self._monitor())
        if signals is None:
            return Step("none", [], False, "there is no labelled window yet to compare with")
        span = watched.timeline.spans[window]
        kept = KeptWindow(
            sha256=_hash(f"window {window}"),
            rows=span.rows,
            start=span.start.isoformat(),
            end=span.end.isoformat(),
        )
        decided = decide(
            self._policy,
            signals.facts,
            now=now,
            window=kept,
            past=self._past,
            labels=signals.labels,
            last_retrained=_utc(watched.timeline.at(serving.since)),
        )
        fired = [trigger for trigger in decided.triggers if trigger.fired]
        self._past.append(
            PastReport(
                now,
                decided.decision,
                KeptDrift(
                    windows=KeptWindows(reference=kept.model_copy(update={"sha256": compared}), current=kept),
                    level=level,
                    fired=[condition_key(trigger.condition) for trigger in fired],
                    acted=decided.decision == "retrain",
                    monitor=None if signals.monitor is None else dict(signals.monitor),
                ),
            )
        )
        return Step(
            decided.decision,
            [trigger.condition for trigger in fired],
            any(trigger.severity != "info" for trigger in fired),
            "; ".join(decided.reasons[:2]) if fired else "",
        )

    def _level(self, now: datetime, compared: str) -> float:
        spent = [
            Spent(report.at, report.kept.windows.reference.sha256, report.kept.level)
            for report in self._past
            if report.kept.windows.reference is not None and report.kept.level is not None
        ]
        rate = self._asked.false_alarm_rate
        return alarm_level(now, compared, spent, false_alarm_rate=rate, false_per=self._false_per).level

    def _monitor(self) -> Mapping[str, Any] | None:
        kept: Sequence[PastReport] = self._past[-1:]
        return kept[0].kept.monitor if kept else None


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
