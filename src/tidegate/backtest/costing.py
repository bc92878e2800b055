"""What policies cost on the same windows, and which of them the windows can tell apart."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tidegate.backtest.blocks import mean_interval
from tidegate.backtest.results import Run
from tidegate.stats.results import Interval

CONFIDENCE = 0.95
POINT = 0.01
"""Of the metric; what `point_of_metric` is the price of."""

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Prices:
    """What things cost, in any one currency.

    Attributes:
        retrain: one retraining.
        point: one hundredth of the metric lost, over the length of one window.
    """

    retrain: float
    point: float


POINTS_ALONE = Prices(0.0, 1.0)
"""Where nothing is known of prices: points of the metric, and retraining for nothing."""


@dataclass(frozen=True, slots=True)
class Costed:
    """Runs with their costs.

    Attributes:
        runs: with `loss` and `cost` in each window.
        compared: windows in which every run has a value; the others count for retraining alone.
        losses: points lost, shape (runs, windows).
        costs: of losses and retrainings together, shape (runs, windows).
    """

    runs: list[Run]
    compared: list[int]
    losses: Array
    costs: Array

    def total(self, run: int) -> float:
        """Cost of one run."""
        return math.fsum(self.costs[run])

    def interval(self, run: int) -> Interval:
        """Of :meth:`total`, over windows like these."""
        return _of_total(self.costs[run], CONFIDENCE)

    def saving(self, run: int, other: int, confidence: float = CONFIDENCE) -> tuple[float, Interval]:
        """What `run` costs less than `other`, window by window on the same rows."""
        apart = self.costs[other] - self.costs[run]
        return math.fsum(apart), _of_total(apart, confidence)


def costed(runs: Sequence[Run], prices: Prices, *, higher_is_better: bool) -> Costed:
    """Price every window of whole runs over the same windows.

    A window costs ``point x 100 x (best - value)``, the best being that of all runs in it, and ``retrain`` where a
    model was trained at its end. Differences between two runs do not depend on what the best is.
    """
    values = np.array([[_known(each.value.value) for each in run.windows] for run in runs])
    sign = 1.0 if higher_is_better else -1.0
    known = ~np.isnan(values).any(axis=0)
    best = (sign * values).max(axis=0)
    losses = np.where(known, (best - sign * values) / POINT, 0.0)
    trained = np.array([[each.window in run.path for each in run.windows] for run in runs], dtype=np.float64)
    costs = prices.point * losses + prices.retrain * trained
    told = [
        replace(
            run,
            windows=[
                replace(each, loss=float(loss) if there else None, cost=float(cost))
                for each, loss, cost, there in zip(run.windows, losses[i], costs[i], known, strict=True)
            ],
        )
        for i, run in enumerate(runs)
    ]
    compared = [each.window for each, there in zip(runs[0].windows, known, strict=True) if there]
    return Costed(told, compared, losses, costs)


def may_be_best(costs: Costed) -> list[bool]:
    """Which runs may be the cheapest over windows like these.

    One is out when another is cheaper beyond chance, at 5% divided by the number of others (Bonferroni): the truly
    cheapest is out with a chance of at most 5%, however many are compared (Gupta 1965).
    """
    different = {run.path for run in costs.runs}
    confidence = 1 - 2 * (1 - CONFIDENCE) / max(len(different) - 1, 1)
    count = range(len(costs.runs))
    return [not any(costs.saving(other, run, confidence)[1].low > 0 for other in count) for run in count]


def _of_total(values: Array, confidence: float) -> Interval:
    mean = mean_interval(values, confidence)
    return Interval(len(values) * mean.low, len(values) * mean.high)


def _known(value: float | None) -> float:
    return math.nan if value is None else value
