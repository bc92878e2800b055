"""What the gate says without being asked: a model that is no better than a trivial one, a score too good to be true."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tidegate.findings import Finding
from tidegate.metrics import METRICS
from tidegate.metrics.base import Estimate, needed
from tidegate.metrics.data import Groups, Predictions
from tidegate.stats import ranked
from tidegate.stats.intervals import mean_t
from tidegate.wording import number

_CONFIDENCE = 0.95
_FEWEST_ROWS = 100
"""On fewer rows a perfect score is no surprise."""


@dataclass(frozen=True, slots=True)
class _Standing:
    """How a model stands between the trivial one and perfection.

    Attributes:
        measure: in words.
        trivial: what the trivial model has.
        suspicious: from where on a score is hardly possible without a leak.
    """

    measure: str
    estimate: Estimate
    trivial: float
    trivial_model: str
    suspicious: float


def look(data: Predictions) -> Iterator[Finding]:
    """What there is to say about these predictions as a whole; nothing where label or answer was not read."""
    if data.label is None or (data.score is None and data.prediction is None) or data.rows == 0:
        return
    standing = _standing(data)
    if standing is None or standing.estimate.value is None:
        return
    value, interval = standing.estimate.value, standing.estimate.interval
    low = interval.low if interval is not None and math.isfinite(interval.low) else value
    if value <= standing.trivial:
        yield Finding(
            "trivial_model",
            None,
            value,
            f"{standing.measure} {number(value)} is no better than {standing.trivial_model}"
            f" ({number(standing.trivial)})",
        )
    elif low <= standing.trivial:
        yield Finding(
            "trivial_model",
            None,
            value,
            f"{standing.measure} {number(value)} cannot be told from {standing.trivial_model}"
            f" ({number(standing.trivial)}) on these rows: its {_CONFIDENCE:.0%} interval starts at {number(low)}",
        )
    if value >= standing.suspicious and data.rows >= _FEWEST_ROWS:
        yield Finding(
            "too_good",
            None,
            value,
            f"{standing.measure} {number(value)} is hardly possible without a leak: look for the label, or what"
            " follows from it, among the features",
        )


def _standing(data: Predictions) -> _Standing | None:
    whole = Groups.everything(data.rows)
    if data.task == "regression":
        if data.prediction is None:
            return None
        estimate = METRICS["r2"].estimate(data, whole, {}, _CONFIDENCE)[0]
        return _Standing("r2", estimate, 0.0, "always answering the mean", 0.9999)
    if data.task == "ranking":
        return _ranking(data)
    if data.task == "binary" and data.score is not None:
        estimate = METRICS["roc_auc"].estimate(data, whole, {}, _CONFIDENCE)[0]
        return _Standing(
            "roc_auc", estimate, 0.5, "one score for all rows, such as always the majority class", 0.999
        )
    return _classes(data, whole)


def _classes(data: Predictions, whole: Groups) -> _Standing:
    label = needed(data.label)
    prediction = data.prediction
    if prediction is None:
        prediction = np.argmax(needed(data.score), axis=1)
    of_classes = Predictions(data.task, data.rows, data.classes, label=label, prediction=prediction)
    # Accuracy would call a model trivial that finds what is rare.
    estimate = METRICS["balanced_accuracy"].estimate(of_classes, whole, {}, _CONFIDENCE)[0]
    trivial = 1 / len(np.unique(label))
    return _Standing("balanced_accuracy", estimate, trivial, "always answering the majority class", 0.999)


def _ranking(data: Predictions) -> _Standing | None:
    if data.score is None or data.query is None:
        return None
    in_order = ranked.rank_items(data.query, needed(data.label), data.score)
    right = ranked.concordance(in_order)
    known = right[~np.isnan(right)]
    if len(known) == 0:
        return None
    mean = float(known.mean())
    variance = float(known.var(ddof=1)) if len(known) > 1 else math.nan
    interval = mean_t(mean, variance, len(known), confidence=_CONFIDENCE)
    what = "share of pairs in the right order"
    return _Standing(what, Estimate(mean, len(known), interval), 0.5, "a random order", 0.9999)
