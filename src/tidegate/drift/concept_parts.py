"""What concept drift is measured by: a change of performance taken apart, and labels against the old relation."""

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from tidegate.drift.calibration_figures import top_class
from tidegate.drift.concept_rows import Windows
from tidegate.drift.figures import Measure
from tidegate.metrics.data import Predictions
from tidegate.stats.adjusted import Contributions, Moved, Sample, adjusted_difference, moved, standardised
from tidegate.stats.intervals import t_p_value, t_quantile
from tidegate.stats.two_sample import corrected_effect

_CERTAIN = 1e-6


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the change of the metric, turned so that positive is worse; `ci` is two-sided."""

    drop: float
    ci: tuple[float, float] | None
    p_value: float


@dataclass(frozen=True, slots=True)
class Parts:
    """A change of a metric: `explained` by other features and what remains add up to `total`.

    Attributes:
        reference: value of the metric there.
    """

    total: Part
    explained: Part
    remaining: Part
    reference: float


@dataclass(frozen=True, slots=True)
class Relation:
    """Labels against what the reference's relation gives for the same features and scores.

    Attributes:
        shift: mean of label minus expected label over the current rows, in probability (spreads, for regression).
        tilt: the same per spread of the score's logit (of the prediction, for regression); None without scores.
        effect: how far labels moved, averaged over rows, without the part that chance alone gives.
        statistic, df, p_value: chi-squared of both together: the score test of Cox's intercept and slope.
    """

    shift: float
    shift_ci: tuple[float, float] | None
    tilt: float | None
    tilt_ci: tuple[float, float] | None
    effect: float
    min_effect: float
    statistic: float
    df: int
    p_value: float


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What rows say of the relation: label less score, the same times the score's place, and the loss.

    Attributes:
        names: of the first and the last.
        reference, current: shapes (n, k) and (m, k), k being 3, or 2 where the score has no spread.
        place: standardised logit of the current rows' scores, shape (m,); of regressions their prediction.
    """

    names: tuple[str, str]
    reference: np.ndarray
    current: np.ndarray
    place: np.ndarray


def take_apart(measure: Measure, windows: Windows, confidence: float) -> Parts | str:
    """Total, explained and remaining change; a sentence where the metric does not exist on a window.

    The metric of the weighted reference is corrected by the regression of its influences (Hampel, 1974).
    """
    first, second = windows.reference.data, windows.current.data
    weighted = replace(first, weight=windows.weight)
    with np.errstate(over="ignore", invalid="ignore"):
        found = [measure.how.linearise(data, measure.settled) for data in (first, weighted, second)]
    then, between, now = found
    if then is None or between is None or now is None:
        return f"{measure.metric} is no smooth function of rows"
    if not all(math.isfinite(each.value) for each in (then, between, now)):
        return f"{measure.name} does not exist on the rows of both windows"
    own, other = (each[:, 0] for each in windows.expected(between.influence[:, None]))
    a, b = standardised(windows.weight), standardised(windows.current.weight)
    there, here = float(a @ own), float(b @ other)
    corrected = between.value + here - there
    left = between.influence - own
    # How far rows of the reference move the value under the current features, and how far current rows do.
    by_source, by_target = a * (left - a @ left), b * (other - here)
    by_then = standardised(windows.reference.weight) * then.influence
    by_now = b * now.influence

    def part(change: float, source: np.ndarray, target: np.ndarray) -> Part:
        estimate = moved(
            np.array([change]),
            Contributions(source[:, None], first.cluster),
            Contributions(target[:, None], second.cluster),
        )
        return _part(estimate, measure.how.sign, confidence)

    return Parts(
        total=part(now.value - then.value, -by_then, by_now),
        explained=part(corrected - then.value, by_source - by_then, by_target),
        remaining=part(now.value - corrected, -by_source, by_now - by_target),
        reference=then.value,
    )


def _part(estimate: Moved, sign: int, confidence: float) -> Part:
    drop, error = -sign * float(estimate.value[0]) + 0.0, float(estimate.error[0])
    freedom = estimate.degrees_of_freedom
    if not (0 < error < math.inf) or freedom <= 0:
        # Rows that are all alike do not tell how far they may be off.
        return Part(drop, None, 1.0)
    half = t_quantile(confidence, freedom) * error
    return Part(drop, (drop - half, drop + half), t_p_value(drop / error, freedom))


def outcomes(windows: Windows) -> Outcomes | str:
    """What the labels of both windows say; a sentence where they cannot be compared with what was predicted."""
    first, second = windows.reference.data, windows.current.data
    if first.task == "regression":
        return _of_numbers(first, second)
    if first.score is None or second.score is None:
        if (
            first.prediction is None
            or second.prediction is None
            or first.label is None
            or second.label is None
        ):
            return "the windows have no scores and no predictions"
        # Without a score the relation is known by how often the prediction is right.
        right = [
            (np.asarray(data.label) == np.asarray(data.prediction)).astype(np.float64)
            for data in (first, second)
        ]
        each = [np.column_stack((values, 1 - values)) for values in right]
        return Outcomes(("correctness", "loss"), each[0], each[1], np.zeros(second.rows))
    pairs = [top_class(data) for data in (first, second)]
    if not all(np.isfinite(score).all() for _, score in pairs):
        return "some scores are no numbers"
    residuals = [label - score for label, score in pairs]
    losses = [residual**2 for residual in residuals]
    logits = [special.logit(np.clip(score, _CERTAIN, 1 - _CERTAIN)) for _, score in pairs]
    return _stacked(("label", "loss"), residuals, logits, losses)


def _of_numbers(first: Predictions, second: Predictions) -> Outcomes | str:
    if first.prediction is None or second.prediction is None or first.label is None or second.label is None:
        return "the windows have no predictions"
    with np.errstate(over="ignore", invalid="ignore"):
        residuals = [first.label - first.prediction, second.label - second.prediction]
        spread = float(np.std(residuals[0]))
    predictions = [first.prediction, second.prediction]
    known = all(np.isfinite(each).all() for each in (*residuals, *predictions))
    if (
        not known
        or not 0 < spread < math.inf
        or not math.isfinite(float(np.std(np.concatenate(predictions))))
    ):
        return "residuals of the reference do not vary, or are no numbers that can be added"
    scaled = [residual / spread for residual in residuals]
    losses = [np.abs(each) for each in scaled]
    return _stacked(("label", "loss"), scaled, predictions, losses)


def _stacked(
    names: tuple[str, str], residuals: list[np.ndarray], places: list[np.ndarray], losses: list[np.ndarray]
) -> Outcomes:
    centre, spread = float(np.concatenate(places).mean()), float(np.concatenate(places).std())
    if spread <= 1e-9 * max(abs(centre), 1.0):
        each = [np.column_stack(pair) for pair in zip(residuals, losses, strict=True)]
        return Outcomes(names, each[0], each[1], np.zeros(len(residuals[1])))
    at = [(place - centre) / spread for place in places]
    each = [
        np.column_stack((residual, residual * place, loss))
        for residual, place, loss in zip(residuals, at, losses, strict=True)
    ]
    return Outcomes(names, each[0], each[1], at[1])


def relation(
    windows: Windows, found: Outcomes, expected: tuple[np.ndarray, np.ndarray], confidence: float, size: float
) -> Relation:
    """Test whether labels given features and score are what they were; `expected` is that of the outcomes."""
    labels = found.reference.shape[1] - 1
    difference = adjusted_difference(
        Sample(
            found.reference[:, :labels],
            expected[0][:, :labels],
            windows.weight,
            windows.reference.data.cluster,
        ),
        Sample(
            found.current[:, :labels],
            expected[1][:, :labels],
            windows.current.weight,
            windows.current.data.cluster,
        ),
    )
    statistic, df, p_value = difference.chi_squared()
    share = standardised(windows.current.weight)
    design = np.column_stack((np.ones(len(share)), found.place))[:, :labels]
    # From mean residuals to a line in the score's place.
    inverse = np.linalg.pinv((design * share[:, None]).T @ design)
    line, covariance = inverse @ difference.value, _carried(inverse, difference.covariance)
    errors = np.sqrt(np.maximum(((design @ covariance) * design).sum(axis=1), 0.0))
    effect, by_chance = float(share @ np.abs(design @ line)), math.sqrt(2 / math.pi) * float(share @ errors)
    half = t_quantile(confidence, max(difference.degrees_of_freedom, 1.0))

    def bounds(value: float, error: float) -> tuple[float, float] | None:
        return (value - half * error, value + half * error) if 0 < error < math.inf else None

    shift = float(difference.value[0])
    tilt = float(line[1]) if labels > 1 else None
    return Relation(
        shift=shift,
        shift_ci=bounds(shift, float(difference.error[0])),
        tilt=tilt,
        tilt_ci=None if tilt is None else bounds(tilt, math.sqrt(max(float(covariance[1, 1]), 0.0))),
        effect=corrected_effect(effect, by_chance) if df else 0.0,
        min_effect=size,
        statistic=statistic,
        df=df,
        p_value=p_value,
    )


def _carried(inverse: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """The covariance of a linear function; zero, which bounds nothing, where it is not known."""
    if not np.isfinite(covariance).all():
        return np.zeros(covariance.shape)
    return np.asarray(inverse @ covariance @ inverse.T)
