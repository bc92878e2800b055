"""What a replay leaves behind; the fields are those of the JSON document."""

from dataclasses import dataclass, field
from typing import Any, Literal

Outcome = Literal["better", "worse", "not told", "not judged"]
Kind = Literal["configured", "given", "baseline", "variant"]


@dataclass(frozen=True, slots=True)
class Value:
    """The metric of a model on one window.

    Attributes:
        value: None where it does not exist there, such as an AUC of one class alone.
        ci: two-sided at 95%; None where the rows do not bound it.
    """

    value: float | None
    ci: tuple[float, float] | None
    rows: int


@dataclass(frozen=True, slots=True)
class Contrast:
    """Two models on the same rows.

    Attributes:
        delta: how much better the new one is, whichever direction the metric has; None where it is not known.
        ci: of it, two-sided at 95%.
    """

    delta: float | None
    ci: tuple[float, float] | None

    @property
    def outcome(self) -> Outcome:
        """What the comparison says of the new model."""
        if self.delta is None or self.ci is None:
            return "not judged"
        if self.ci[0] > 0:
            return "better"
        return "worse" if self.ci[1] < 0 else "not told"


@dataclass(frozen=True, slots=True)
class Served:
    """One window under one policy.

    Attributes:
        model: that served it.
        decision: at its end; None after the last window, which nothing is decided about.
        fired: conditions that fired.
        alarm: whether a condition fired that may act, or a schedule was due.
        why: the first reason.
        loss: points (hundredths) of the metric below the best of all policies in this window.
        cost: of that loss and of a retraining decided at its end.
    """

    window: int
    model: str
    value: Value
    decision: str | None
    fired: list[str]
    alarm: bool
    why: str
    loss: float | None = None
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class Retrained:
    """One retraining.

    Attributes:
        window: at whose end it was decided.
        model, replaced: the new model and the one that it took the place of.
        contrast: of the two on the next window.
    """

    window: int
    model: str
    replaced: str
    why: str
    contrast: Contrast

    @property
    def outcome(self) -> Outcome:
        """What the next window says of it."""
        return self.contrast.outcome


@dataclass(frozen=True, slots=True)
class Run:
    """One policy, replayed.

    Attributes:
        settings: keys of the configuration that make it.
        stopped: the window at whose end it asked for a training that was one too many; None for a whole run.
    """

    name: str
    kind: Kind
    settings: dict[str, Any]
    windows: list[Served]
    retrains: list[Retrained]
    stopped: int | None = None

    @property
    def path(self) -> tuple[int, ...]:
        """What makes two policies the same on this history: when they retrained."""
        return tuple(each.window for each in self.retrains)


@dataclass(frozen=True, slots=True)
class Onset:
    """When the first model began to be worse.

    Attributes:
        window: the first that is worse; None when none is.
        at: the beginning of that window, or the time that was given.
        given: whether it was given rather than estimated.
    """

    window: int | None
    at: str | None
    given: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class Judged:
    """One policy with what it achieved.

    Attributes:
        alarms: windows in which a condition fired that may act.
        false_alarms: those of them that were for nothing.
        days_to_alarm, days_to_retrain: from the onset to the end of the first window with an alarm or a retraining at
            or after it; None without an onset, or when there was none.
        mean_metric: over the windows that every policy has a value in.
        points_lost: sum of losses over those windows.
        cost: of losses and retrainings together; None without `retrain.costs`.
        ci: of the cost, two-sided at 95%, over windows like these; None for too few.
        same_as: the first policy that retrained after the same windows.
    """

    name: str
    kind: Kind
    settings: dict[str, Any]
    retrains: list[Retrained]
    windows: list[Served]
    alarms: int
    false_alarms: int
    days_to_alarm: float | None
    days_to_retrain: float | None
    mean_metric: float | None
    points_lost: float
    cost: float | None
    ci: tuple[float, float] | None
    same_as: str | None = None


@dataclass(frozen=True, slots=True)
class Recommendation:
    """Which policy to take.

    Attributes:
        settings: keys of the configuration that make it.
        snippet: the same as YAML, to be pasted.
        not_told_apart: other policies that the windows cannot tell from it.
    """

    policy: str
    settings: dict[str, Any]
    sentence: str
    snippet: str
    not_told_apart: list[str] = field(default_factory=list)
