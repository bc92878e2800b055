"""Rows in pools that are resampled whole, so that a large table costs no more draws than one of as many rows.

Sums over random pools of equal size vary as sums over the rows do, and a statistic of sums is resampled just as well by
them: what is lost is what 20,000 pools do not know of a spread, half a percent of it.
"""

import math
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np

from tidegate.metrics.base import Options
from tidegate.metrics.data import Predictions
from tidegate.stats.bootstrap import SEED, Statistic
from tidegate.stats.intervals import t_p_value
from tidegate.stats.results import Interval, PairedResult

POOLS = 20_000


@dataclass(frozen=True, slots=True)
class Pools:
    """To which pool each row belongs.

    Attributes:
        codes: shape (n,), from 0.
        count: how many there are.
        weight: shape (n,), how much each row counts.
    """

    codes: np.ndarray
    count: int
    weight: np.ndarray

    @classmethod
    def of_units(cls, units: np.ndarray, weight: np.ndarray) -> "Pools":
        """Whole units in each pool, one as long as there are few.

        Args:
            units: shape (n,), codes from 0 of what is independent, numbered by what they hold.
            weight: shape (n,).
        """
        count = int(units.max(initial=-1)) + 1
        if count <= POOLS:
            return cls(units, count, weight)
        drawn = np.random.default_rng(SEED).permutation(count) % POOLS
        return cls(drawn[units], POOLS, weight)

    @classmethod
    def of_rows(cls, rows: int) -> "Pools":
        """Of rows in an order that their values alone decide."""
        return cls.of_units(np.arange(rows), np.ones(rows))

    @property
    def sizes(self) -> np.ndarray:
        """Weight of each pool, of mean 1, shape (count,)."""
        sums = np.bincount(self.codes, weights=self.weight, minlength=self.count)
        return sums / sums.mean()

    def take(self, rows: np.ndarray) -> "Pools":
        """The same pools, with some of the rows."""
        return Pools(self.codes[rows], self.count, self.weight[rows])

    def sums(self, values: np.ndarray, index: np.ndarray, bins: int) -> np.ndarray:
        """Weighted sums of values by pool and bin, shape (count, bins)."""
        cell = self.codes.astype(np.int64) * bins + index
        summed = np.bincount(cell, weights=self.weight * values, minlength=self.count * bins)
        return summed.reshape(self.count, bins)


def totals(weights: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """Sums over all pools, from how often each is there (k, pools) and its sums (pools, bins): shape (k, bins).

    A matrix product that waits for no other thread, of which the matrices have too little to share out.
    """
    added: np.ndarray = np.einsum("kp,pb->kb", weights, sums)
    return added


def widened(result: PairedResult, excess: Interval) -> PairedResult:
    """A difference that chance makes too large by something within bounds: its interval has room for all of them."""
    if result.standard_error == 0 or not math.isfinite(result.standard_error):
        return result
    above, below = max(excess.high, 0.0), max(-excess.low, 0.0)
    surely = max(abs(result.estimate) - (above if result.estimate > 0 else below), 0.0)
    p_value = max(result.p_value, t_p_value(surely / result.standard_error, math.inf))
    return replace(result, low=result.low - above, high=result.high + below, p_value=p_value)


@runtime_checkable
class Overstated(Protocol):
    """A metric that chance makes larger, so that differences of it are too large or too small on average."""

    def excess_of_pools(
        self, models: tuple[Predictions, Predictions], options: Options, pools: Pools
    ) -> Interval | None:
        """Bounds of how much too large the difference is, the first less the second; None where it is not."""


@runtime_checkable
class Pooled(Protocol):
    """A metric that is a function of sums over rows."""

    def of_pools(self, data: Predictions, options: Options, pools: Pools) -> Statistic | None:
        """Its value as a function of how often each pool is there, shape (k, pools) to (k,).

        NaN where it does not exist; None when it is not one of these rows.
        """
