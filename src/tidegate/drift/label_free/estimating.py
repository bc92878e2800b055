"""Performance without labels: the method that fits, and the estimate."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from tidegate.drift.label_free.calibration import Realised, StoredCalibration, calibrate, realise
from tidegate.drift.label_free.classification import estimate_classes
from tidegate.drift.label_free.direct_loss import estimate_losses, require_loss
from tidegate.drift.label_free.outcome import Asked
from tidegate.drift.label_free.overlap import Weighed, weigh
from tidegate.drift.label_free.results import CannotEstimateError, Estimated
from tidegate.drift.label_free.rows import check_answers, usable_reference, with_predictions
from tidegate.errors import ConfigError
from tidegate.metrics import find
from tidegate.metrics.base import Options
from tidegate.metrics.data import Predictions
from tidegate.tables import Column

EstimateMethod = Literal["auto", "cbpe", "pape", "dle"]
Features = Mapping[str, Column]
_CLASSES = ("binary", "multiclass")
_FROM_PROFILE = (
    "estimated from a stored calibration: whether the reference has rows like the current window's, and an estimate"
    " weighted towards them (PAPE), need the reference's rows"
)


def estimate_performance(
    metric: str,
    reference: Predictions,
    current: Predictions,
    *,
    reference_features: Features | None = None,
    current_features: Features | None = None,
    method: EstimateMethod = "auto",
    confidence: float = 0.95,
    min_drop: float | None = None,
    threshold: float = 0.5,
    seed: int = 0,
    options: Options | None = None,
) -> Estimated | str:
    """Estimate a metric of a window whose labels are not there yet.

    Classification: CBPE, or PAPE where features have moved and the reference has rows enough like the current window's.
    Regression: DLE. The order of rows does not matter.

    Args:
        metric: its name.
        reference: m rows with labels; a row whose label is missing (class -1, or NaN) is left out.
        current: n rows; labels None, or missing in some rows. Those that are there are compared with the estimate.
        reference_features: of the m rows, by name; None when not at hand.
        current_features: of the n rows.
        method: ``auto`` for the one that fits.
        confidence: of the intervals, two-sided.
        min_drop: the size that counts; by default 0.02, and for errors 5% of the reference.
        threshold: from which score on a row of two classes is predicted positive, where there are no predictions.
        seed: of what is drawn at random.
        options: of the metric.

    Returns:
        The estimate, or a sentence that says why there is none.

    Raises:
        ConfigError: there is no such metric, or it needs an option.
    """
    asked = _asked(metric, options, confidence, min_drop)
    features = (reference_features, current_features)
    try:
        data, rows = usable_reference(with_predictions(reference, threshold))
        current = with_predictions(current, threshold)
        check_answers(current, "current window")
        if features[0] is not None and len(rows) < reference.rows:
            features = ({name: column.take(rows) for name, column in features[0].items()}, features[1])
        if data.task == "regression":
            return _regression(asked, data, current, features, method, seed)
        return _classification(asked, data, current, features, method, seed)
    except CannotEstimateError as error:
        return str(error)


def fit_calibration(
    reference: Predictions,
    metrics: Sequence[str],
    *,
    options: Mapping[str, Options] | None = None,
    confidence: float = 0.95,
    threshold: float = 0.5,
) -> StoredCalibration | str:
    """Take from a labelled reference all that CBPE needs, to be kept in its stead.

    Args:
        reference: m rows with labels.
        metrics: names of the metrics that will be asked for; one that cannot be estimated is left out.
        options: of metrics, by name.
        confidence: of the interval of the calibration error.
        threshold: as in :func:`estimate_performance`.

    Returns:
        The calibration, or a sentence that says why there is none.

    Raises:
        ConfigError: there is no such metric, or it needs an option.
    """
    given = options or {}
    measured: dict[str, Realised] = {}
    reason = "no metric is asked for"
    try:
        data, _ = usable_reference(with_predictions(reference, threshold))
        if data.task not in _CLASSES:
            return (
                f"a {data.task} model has no scores to calibrate: an estimate needs the rows of the reference"
            )
        for name in metrics:
            asked = _asked(name, given.get(name), confidence, None)
            try:
                measured[name] = realise(asked.metric, data, asked.options)
            except CannotEstimateError as error:
                reason = str(error)
        return calibrate(data, measured, confidence=confidence) if measured else reason
    except CannotEstimateError as error:
        return str(error)


def estimate_from_calibration(
    metric: str,
    stored: StoredCalibration,
    current: Predictions,
    *,
    confidence: float = 0.95,
    min_drop: float | None = None,
    threshold: float = 0.5,
    options: Options | None = None,
) -> Estimated | str:
    """As :func:`estimate_performance` by CBPE, without the rows of the reference.

    PAPE and DLE need these rows, as does finding out whether the reference has rows like the current window's.

    Args:
        metric: one that the calibration was fitted for, with the same options.
        stored: of :func:`fit_calibration`.
        current: n rows.
        confidence: of the intervals, two-sided.
        min_drop: the size that counts.
        threshold: for rows without predictions.
        options: of the metric.

    Raises:
        ConfigError: there is no such metric, or it needs an option.
    """
    asked = _asked(metric, options, confidence, min_drop)
    try:
        found = estimate_classes(
            stored, with_predictions(current, threshold), asked, method="cbpe", weighed=None
        )
    except CannotEstimateError as error:
        return str(error)
    return replace(found, notes=[*found.notes, _FROM_PROFILE])


def _asked(name: str, options: Options | None, confidence: float, min_drop: float | None) -> Asked:
    found = find(name)
    if found is None:
        raise ConfigError(f"there is no metric {name!r}: see the list of metrics in the documentation")
    metric, given = found.metric, {**found.metric.settled, **found.implied, **(options or {})}
    lacking = sorted(metric.options - given.keys())
    if lacking:
        raise ConfigError(f"{name} needs `{lacking[0]}:`")
    return Asked(name, metric, given, confidence, min_drop)


def _regression(
    asked: Asked,
    reference: Predictions,
    current: Predictions,
    features: tuple[Features | None, Features | None],
    method: EstimateMethod,
    seed: int,
) -> Estimated:
    if method not in ("auto", "dle"):
        raise CannotEstimateError(f"{method.upper()} is for classification; a regression is estimated by DLE")
    require_loss(asked.metric)
    then, now = features[0] or {}, features[1] or {}
    weighed = _weighed(reference, current, then, now, seed)
    return estimate_losses(reference, current, asked, then, now, weighed=weighed, seed=seed)


def _classification(
    asked: Asked,
    reference: Predictions,
    current: Predictions,
    features: tuple[Features | None, Features | None],
    method: EstimateMethod,
    seed: int,
) -> Estimated:
    if reference.task not in _CLASSES:
        raise CannotEstimateError(
            f"performance of a {reference.task} model cannot be estimated without labels"
        )
    if method == "dle":
        raise CannotEstimateError("DLE is for regression; a classification is estimated by CBPE or PAPE")
    then, now = features[0] or {}, features[1] or {}
    if method == "pape" and not then.keys() & now.keys():
        raise CannotEstimateError("PAPE needs features of the reference and of the current window")
    realised = {asked.name: realise(asked.metric, reference, asked.options)}
    weighed = (
        None if method == "cbpe" or not then or not now else _weighed(reference, current, then, now, seed)
    )
    if method == "pape" and weighed is None:
        raise CannotEstimateError("there are too few rows to weigh the reference towards the current window")
    if weighed is not None and (method == "pape" or (weighed.overlap.moved and weighed.suffices)):
        stored = calibrate(
            reference,
            realised,
            confidence=asked.confidence,
            chosen=weighed.rows,
            importance=weighed.weights,
        )
        return estimate_classes(stored, current, asked, method="pape", weighed=weighed)
    stored = calibrate(reference, realised, confidence=asked.confidence)
    return estimate_classes(stored, current, asked, method="cbpe", weighed=weighed)


def _weighed(
    reference: Predictions, current: Predictions, then: Features, now: Features, seed: int
) -> Weighed | None:
    try:
        return weigh(reference, current, then, now, seed)
    except CannotEstimateError:
        return None
