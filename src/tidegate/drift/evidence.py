"""What the monitor is told of each window: quantities that may shift, and tests of columns."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from scipy import special

from tidegate.stats.sequential import chi_squared_given_reference, ks_given_reference, shift_given_reference


@dataclass(frozen=True, slots=True)
class Shift:
    """A quantity estimated in each window: a drop of performance, a mean, a share.

    Attributes:
        name: of the stream, the same in every window.
        difference: current against the reference; positive is what is looked for (the drop of performance).
        reference_error, current_error: standard error of each window's own estimate.
        allowance: difference that does not count.
        two_sided: differences either way count.
        weight: share of the monitor's attention, relative to that of the other streams.
    """

    name: str
    difference: float
    reference_error: float
    current_error: float
    allowance: float = 0.0
    two_sided: bool = False
    weight: float = 1.0

    def usable(self) -> bool:
        """Whether it is evidence at all: without an error of its own a window cannot be judged."""
        numbers = (self.difference, self.reference_error, self.current_error, self.allowance, self.weight)
        return (
            all(map(math.isfinite, numbers))
            and min(self.reference_error, self.allowance) >= 0
            and min(self.current_error, self.weight) > 0
        )

    def p_value(self, risk: float) -> float:
        """Given the reference."""
        return shift_given_reference(
            self.difference,
            self.reference_error,
            self.current_error,
            risk=risk,
            allowance=self.allowance,
            two_sided=self.two_sided,
        )


@dataclass(frozen=True, slots=True)
class Distance:
    """A column's two-sample test.

    Attributes:
        statistic: of Kolmogorov-Smirnov, or of the two-sample chi-squared test when `df` is given.
        rows_reference, rows_current: rows with a value; divided by the design effect where rows depend on each other.
        df: degrees of freedom of chi-squared; None for Kolmogorov-Smirnov.
        allowance: distance that does not count: of distribution functions, or Cohen's w.
    """

    name: str
    statistic: float
    rows_reference: float
    rows_current: float
    df: int | None = None
    allowance: float = 0.0
    weight: float = 1.0

    def usable(self) -> bool:
        """Whether it is evidence at all."""
        numbers = (self.statistic, self.rows_reference, self.rows_current, self.allowance, self.weight)
        return (
            all(map(math.isfinite, numbers))
            and min(self.rows_reference, self.rows_current, self.weight) > 0 <= self.allowance
            and (self.df is None or self.df > 0)
        )

    def p_value(self, risk: float) -> float:
        """Given the reference."""
        if self.df is None:
            return ks_given_reference(
                self.statistic, self.rows_reference, self.rows_current, risk=risk, allowance=self.allowance
            )
        return chi_squared_given_reference(
            self.statistic,
            self.df,
            self.rows_reference,
            self.rows_current,
            risk=risk,
            allowance=self.allowance,
        )


@dataclass(frozen=True, slots=True)
class WindowEvidence:
    """What the monitor needs of one report.

    Attributes:
        window: hash of the current window; one seen before is not counted again.
        reference: hash of what it is compared with (reference window and model version): another one starts anew.
        at: when the window ended, no later than the time of the report (a timestamp far in the future would keep all
            later windows waiting); without a time zone it is UTC.
        start: when the window began; None when rows have no times, and then overlaps go unnoticed.
        streams: the evidence; streams may be missing in some windows.
    """

    window: str
    reference: str
    at: datetime
    start: datetime | None
    streams: Sequence[Shift | Distance]


def shift_from_interval(
    name: str,
    drop: float,
    ci: tuple[float, float] | None,
    confidence: float,
    rows_reference: int,
    rows_current: int,
    *,
    allowance: float = 0.0,
    weight: float = 1.0,
) -> Shift | None:
    """A drop whose interval combines two independent windows, its error shared out by their rows.

    Args:
        name: of the stream.
        drop: positive is worse.
        ci: two-sided, of the drop; None gives no evidence.
        confidence: of the interval.
        rows_reference: rows that the reference's estimate stands on.
        rows_current: likewise, of the current window.
        allowance: drop that does not count.
        weight: see :class:`Shift`.
    """
    if ci is None or min(rows_reference, rows_current) < 1:
        return None
    # The side towards zero is the one that says how certain the drop is.
    error = (drop - ci[0]) / -float(special.ndtri((1 - confidence) / 2))
    rows = rows_reference + rows_current
    reference_error, current_error = (error * math.sqrt(n / rows) for n in (rows_current, rows_reference))
    return Shift(name, drop, reference_error, current_error, allowance, weight=weight)
