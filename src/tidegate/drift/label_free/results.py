"""What an estimate of performance without labels hands back. Plain values: they go straight to JSON."""

from dataclasses import dataclass, field
from typing import Literal

Method = Literal["cbpe", "pape", "dle"]
Verdict = Literal["well calibrated", "poor", "not known"]


class CannotEstimateError(Exception):
    """There is no estimate, for the reason in the message."""


@dataclass(frozen=True, slots=True)
class CalibrationQuality:
    """How well calibrated chances hold on rows that the calibration was not fitted on.

    Attributes:
        error: expected calibration error over ten bins of equal rows, or weights.
        ci: two-sided interval of it; None when there is none.
        raw_error: the same of the scores as the model gives them.
        verdict: ``poor`` when the error is surely above 0.02, ``well calibrated`` when it is surely below 0.05.
        rows: labelled rows of the reference, or as many as its weighted rows are worth.
        detail: one sentence.
    """

    error: float
    ci: tuple[float, float] | None
    raw_error: float
    verdict: Verdict
    rows: int
    detail: str


@dataclass(frozen=True, slots=True)
class ErrorModel:
    """How well the errors of production's predictions are foreseen.

    Attributes:
        explained: share of the variance of the loss on rows left out; 0 or less when nothing is foreseen.
        fitted_on: rows of the reference.
        detail: one sentence.
    """

    explained: float
    fitted_on: int
    detail: str


@dataclass(frozen=True, slots=True)
class Overlap:
    """How far the reference can speak for the current window.

    Attributes:
        effective_rows: what the weighted rows of the reference are worth.
        uncovered_share: share of the current window where the reference has next to no rows.
        truncated_share: share of the reference's rows whose weight was cut.
        auc: how well the two windows are told apart by their features; 0.5 not at all.
        moved: whether that is more than chance.
        detail: how the weights were found, and what to mind.
    """

    effective_rows: float
    uncovered_share: float
    truncated_share: float
    auc: float
    moved: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Agreement:
    """The estimate against the labels of the current window that have arrived, on the same rows.

    Attributes:
        difference: realised minus estimated.
        ci: of the difference; it holds zero as long as the assumptions hold.
        disagrees: the interval excludes zero: concept drift is suspected.
    """

    rows: int
    realised: float
    estimated: float
    difference: float
    ci: tuple[float, float]
    disagrees: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Stratum:
    """Rows of the current window to label: `rows` at random of those whose `of` lies from `low` to `high`."""

    of: str
    low: float
    high: float
    rows: int
    available: int


@dataclass(frozen=True, slots=True)
class LabelsNeeded:
    """Labels that would settle, with 80% power, whether performance dropped by the size that counts.

    Attributes:
        rows: labels in all, spread over `which`; all rows of the window when it has too few.
        random_rows: labels that a plain random sample would take.
        which: how many of which rows (Neyman, 1934).
        enough: whether the window has so many rows.
        sentence: the same in words.
    """

    rows: int
    random_rows: int
    which: list[Stratum]
    enough: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class Estimated:
    """A metric of the current window, as it is expected without its labels.

    Attributes:
        method: ``cbpe`` (confidence-based performance estimation), ``pape`` (the same with a calibration that is
            fitted anew on the reference weighted towards the current window) or ``dle`` (direct loss estimation).
        reference_value: realised on the reference.
        value: expected of the current window.
        drop: how much worse the current window is; positive is worse, whichever direction the metric has.
        value_ci: of the metric that the labels of this window will show.
        ci: of the drop: it covers that of this window, and that of the law which the window is drawn from.
        confidence: of both, two-sided.
        min_drop: the size that counts.
        fired: the interval of the drop excludes zero and the estimate exceeds `min_drop`.
        rows_reference, rows_current: labelled rows of the reference, and rows that the estimate is of.
        effective_rows: rows of the reference that the estimate rests on.
        calibration: of classification; otherwise None.
        error_model: of regression; otherwise None.
        overlap: None when features were not compared.
        agreement: None when no label of the current window has arrived.
        confusion: expected counts by label and prediction; None where there are none, or more than 20 classes.
        assumptions: on what the estimate stands.
        broken: assumptions that visibly do not hold.
        notes: what to mind besides.
        detail: one sentence.
    """

    method: Method
    metric: str
    reference_value: float
    value: float
    drop: float
    ci: tuple[float, float]
    value_ci: tuple[float, float]
    confidence: float
    min_drop: float
    fired: bool
    rows_reference: int
    rows_current: int
    effective_rows: float
    assumptions: list[str]
    broken: list[str]
    labels_needed: LabelsNeeded
    detail: str
    calibration: CalibrationQuality | None = None
    error_model: ErrorModel | None = None
    overlap: Overlap | None = None
    agreement: Agreement | None = None
    confusion: list[list[float]] | None = None
    notes: list[str] = field(default_factory=list)
