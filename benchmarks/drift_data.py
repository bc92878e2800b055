"""Windows for the drift benchmarks: the same rows in every tool's environment, from a seed.

Imports nothing of the project, and of what the environments share numpy, scipy and, for a table, pandas.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any
from zlib import crc32

import numpy as np

Draw = Callable[[np.random.Generator, int, int], np.ndarray]
"""Rows and columns to values of which each is standard normal, shape (n, columns)."""

LEVELS = (3, 5, 10, 20, 50)
GAPS, NEW_SHARE, BURST, CORRELATION = 0.03, 0.02, 0.05, 0.8
DAYS, MEMORY, SEASON = 56, 0.1, 0.5
"""Days of a reference whose rows depend on each other, days that such rows remember, and spread of the weekdays."""


@dataclass(frozen=True)
class Values:
    """One column: float64 with NaN where missing, or int32 codes into `levels`."""

    values: np.ndarray
    levels: tuple[str, ...] = ()


Frame = dict[str, Values]


@dataclass(frozen=True)
class Windows:
    """Two windows of the same columns.

    Attributes:
        changed: columns whose law differs, alone or together.
        reference_times, current_times: ascending, datetime64[us]; None where rows have no time.
    """

    reference: Frame
    current: Frame
    changed: tuple[str, ...] = ()
    reference_times: np.ndarray | None = None
    current_times: np.ndarray | None = None


@dataclass(frozen=True)
class Scenario:
    """What is drawn.

    Attributes:
        kind: ``same``, ``autocorrelated``, ``weekly`` or a change of :data:`CHANGES`.
        rows: of each window; where rows have times, of the reference, whose days are as long as the current window.
        columns: four in five are numeric.
    """

    kind: str
    rows: int
    columns: int

    def draw(self, run: int) -> Windows:
        """The windows of one run."""
        seed = [crc32(self.kind.encode()), self.rows, self.columns, run]
        rng = np.random.default_rng(seed)
        if self.kind in DEPENDENT:
            return _in_time(rng, self, run)
        reference = frame(_independent(rng, self.rows, self.columns), rng)
        current = frame(_independent(rng, self.rows, self.columns), rng)
        windows = Windows(reference, current)
        return CHANGES[self.kind](rng, windows) if self.kind in CHANGES else windows


def numeric_columns(columns: int) -> int:
    """Four in five, of one column that one."""
    return columns - columns // 5


def _laws() -> list[Callable[[np.ndarray], np.ndarray]]:
    """From standard normal: as it is, long and heavy tails, counts with ties, many zeros."""
    return [
        lambda z: z,
        np.exp,
        np.sinh,
        lambda z: np.floor(3 * np.exp(0.7 * z)),
        lambda z: np.maximum(z, 0.0),
    ]


def frame(normal: np.ndarray, rng: np.random.Generator) -> Frame:
    """Columns from standard normal ones: numbers of five laws, every sixth with gaps, then levels of uneven shares."""
    made: Frame = {}
    laws, count = _laws(), numeric_columns(normal.shape[1])
    for j in range(count):
        values = laws[j % len(laws)](normal[:, j])
        if j % 6 == 5:
            values = np.where(rng.random(len(values)) < GAPS, np.nan, values)
        made[f"x{j}"] = Values(np.ascontiguousarray(values, dtype=np.float64))
    for j in range(count, normal.shape[1]):
        levels = LEVELS[(j - count) % len(LEVELS)]
        shares = 1 / np.arange(1, levels + 1)
        upto = np.cumsum(shares / shares.sum())[:-1]
        cuts = np.array([NormalDist().inv_cdf(float(p)) for p in upto])
        names = tuple(f"level {i:02d}" for i in range(levels))
        made[f"c{j - count}"] = Values(np.searchsorted(cuts, normal[:, j]).astype(np.int32), names)
    return made


def _independent(rng: np.random.Generator, n: int, columns: int) -> np.ndarray:
    return rng.standard_normal((n, columns))


def _in_time(rng: np.random.Generator, scenario: Scenario, run: int) -> Windows:
    """Days in a row, of which the last is the current window."""
    per_day = max(scenario.rows // DAYS, 2)
    n = per_day * (DAYS + 1)
    # The current window is every weekday in turn.
    start = np.datetime64("2025-01-06", "us") + np.timedelta64(run % 7, "D")
    step = np.timedelta64(86_400_000_000 // per_day, "us")
    times = start + np.arange(n) // per_day * np.timedelta64(1, "D") + np.arange(n) % per_day * step
    made = frame(DEPENDENT[scenario.kind](rng, per_day, n, scenario.columns, times), rng)
    before = n - per_day
    cut = [
        {name: Values(each.values[rows], each.levels) for name, each in made.items()}
        for rows in (slice(None, before), slice(before, None))
    ]
    return Windows(cut[0], cut[1], (), times[:before], times[before:])


def _autocorrelated(
    rng: np.random.Generator, per_day: int, n: int, columns: int, times: np.ndarray
) -> np.ndarray:
    """Each column remembers a tenth of a day: an autoregression of order one."""
    from scipy.signal import lfilter

    keep = float(np.exp(-1 / (MEMORY * per_day)))
    noise = rng.standard_normal((n, columns)) * np.sqrt(1 - keep**2)
    noise[0] = rng.standard_normal(columns)
    return np.asarray(lfilter([1.0], [1.0, -keep], noise, axis=0))


def _weekly(rng: np.random.Generator, per_day: int, n: int, columns: int, times: np.ndarray) -> np.ndarray:
    """Each column has its own seven means, the same in every week."""
    weekday = (times.astype("datetime64[D]").astype(np.int64) + 3) % 7
    means = np.random.default_rng(7).standard_normal((7, columns))
    means = (means - means.mean(axis=0)) / means.std(axis=0) * SEASON
    return (rng.standard_normal((n, columns)) + means[weekday]) / np.sqrt(1 + SEASON**2)


DEPENDENT = {"autocorrelated": _autocorrelated, "weekly": _weekly}


def _shift(by: float) -> Callable[[np.random.Generator, Windows], Windows]:
    def change(rng: np.random.Generator, windows: Windows) -> Windows:
        moved = Values(windows.current["x0"].values + by)
        return Windows(windows.reference, {**windows.current, "x0": moved}, ("x0",))

    return change


def _new_category(rng: np.random.Generator, windows: Windows) -> Windows:
    column = windows.current["c1"]
    codes = np.where(rng.random(len(column.values)) < NEW_SHARE, len(column.levels), column.values)
    new = Values(codes.astype(np.int32), (*column.levels, "new"))
    return Windows(windows.reference, {**windows.current, "c1": new}, ("c1",))


def _missing_burst(rng: np.random.Generator, windows: Windows) -> Windows:
    """A run of neighbouring rows without a value, as when a source fails for some hours."""
    values = windows.current["x0"].values.copy()
    length = max(round(BURST * len(values)), 1)
    first = int(rng.integers(0, len(values) - length + 1))
    values[first : first + length] = np.nan
    return Windows(windows.reference, {**windows.current, "x0": Values(values)}, ("x0",))


def _flip(rng: np.random.Generator, windows: Windows) -> Windows:
    """Both windows have the same margins, but two columns rise together in one and against each other in the next."""

    def tied(frame: Frame, by: float) -> Frame:
        other = frame["x0"].values * by + np.sqrt(1 - by**2) * rng.standard_normal(len(frame["x0"].values))
        return {**frame, "x1": Values(np.exp(other))}

    pair = ("x0", "x1")
    return Windows(tied(windows.reference, CORRELATION), tied(windows.current, -CORRELATION), pair)


CHANGES: dict[str, Callable[[np.random.Generator, Windows], Windows]] = {
    "mean shift 0.1 sd": _shift(0.1),
    "mean shift 0.2 sd": _shift(0.2),
    "mean shift 0.5 sd": _shift(0.5),
    "new category, 2%": _new_category,
    "missing burst, 5%": _missing_burst,
    "correlation flip": _flip,
}


@dataclass(frozen=True)
class Verdict:
    """What a tool said of two windows.

    Attributes:
        drifted: columns it names; ``multivariate`` for a test of all columns together.
        noticed: columns whose data it finds something wrong with, where it tells that from drift.
        own: its verdict about the whole, where it has a rule of its own for that.
        cells: single tests that its report shows.
        p_values: by column, where it has them.
    """

    drifted: list[str]
    noticed: list[str] = field(default_factory=list)
    own: bool | None = None
    cells: int = 0
    p_values: dict[str, float] = field(default_factory=dict)


def table(frame: Frame, times: np.ndarray | None = None) -> Any:
    """As a pandas table, levels as text."""
    import pandas as pd

    made = {
        name: np.array(each.levels, dtype=object)[each.values] if each.levels else each.values
        for name, each in frame.items()
    }
    return pd.DataFrame(made if times is None else {**made, "at": times})
