"""One column in two windows: a test, an effect size, and the two distributions to look at."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from tidegate.metrics.data import canonical
from tidegate.stats.categorical import homogeneity, total_variation, total_variation_null
from tidegate.stats.two_sample import compare_numeric, corrected_effect
from tidegate.tables import Column

_BINS = 12
_SHOWN_LEVELS = 12
_FREQUENT = 0.05
_CERTAIN = 1e-9
"""Small enough for any family of columns."""
_MISSING = {
    "number": np.array([np.nan]),
    "category": np.array([-1], dtype=np.int32),
    "time": np.array(["NaT"], dtype="datetime64[us]"),
}


@dataclass(frozen=True, slots=True)
class Distribution:
    """Shares of both windows in the same bins, for the report."""

    labels: list[str]
    reference: list[float]
    current: list[float]


@dataclass(frozen=True, slots=True)
class ColumnTest:
    """What changed in one column.

    Attributes:
        effect: numeric, the Wasserstein distance in standard deviations of the reference; categorical, the total
            variation distance. Both without the part that chance alone gives.
        findings: what is wrong with the column itself, in words.
    """

    name: str
    kind: str
    test: str
    statistic: float
    p_value: float
    effect: float
    detail: str
    distribution: Distribution | None
    findings: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class _Part:
    """One of the questions asked of a column, at a level of its own."""

    test: str
    statistic: float
    p_value: float
    effect: float


def compare_columns(reference: Column, current: Column, *, min_effect: float) -> ColumnTest:
    """Test whether a column's distribution changed between two windows that both have rows.

    Args:
        reference: the column in the window that things are compared with.
        current: the same column in the window under watch.
        min_effect: the size that counts, which decides between a large change and a more certain small one.
    """
    findings: tuple[str, ...] = ()
    # A column without any value has whatever kind it was stored as, which says nothing.
    empty = [column.missing.all() for column in (reference, current)]
    if empty[0]:
        reference = _without_values(reference, current)
    elif empty[1]:
        current = _without_values(current, reference)
        findings = ("all values are missing in the current window",)
    elif reference.kind != current.kind:
        findings = (f"was {reference.kind}, is {current.kind}",)
    if reference.kind == current.kind == "time":
        reference, current = _seconds(reference), _seconds(current)
    if reference.kind == current.kind == "number":
        return _numeric(reference, current, min_effect, findings)
    return _categorical(reference, current, findings)


def _without_values(column: Column, like: Column) -> Column:
    rows = len(column.values)
    return Column(column.name, like.kind, _MISSING[like.kind].repeat(rows), like.levels)


def _seconds(column: Column) -> Column:
    """Times as numbers: as categories no two of them would ever meet."""
    values = column.values.astype("datetime64[us]").astype(np.float64) / 1e6
    return Column(column.name, "number", np.where(column.missing, np.nan, values))


def _numeric(reference: Column, current: Column, min_effect: float, findings: tuple[str, ...]) -> ColumnTest:
    infinite = [int(np.isinf(column.values).sum()) for column in (reference, current)]
    if infinite[1] and not infinite[0]:
        findings += (f"{infinite[1]:,} infinite values, of which the reference has none; taken as missing",)
    x, y = (np.sort(column.values[np.isfinite(column.values)]) for column in (reference, current))
    parts: list[_Part] = []
    details: list[str] = []
    if len(x) and len(y):
        parts.append(_values_part(x, y))
        details.append(f"median {_median(x):.4g} → {_median(y):.4g}")
    gaps = np.array([len(reference.values) - len(x), len(current.values) - len(y)])
    if gaps.any():
        # Missing values are a change of their own; the two parts share the level (Bonferroni).
        filled = np.array([len(x), len(y)])
        shares = gaps / (gaps + filled)
        counts = np.array([gaps, filled]).T
        test = homogeneity(counts[0], counts[1])
        effect = _chance_corrected(counts[0], counts[1])
        parts.append(_Part("chi-squared on missing values", test.statistic, test.p_value, effect))
        details.append(f"missing {shares[0]:.1%} → {shares[1]:.1%}")
    # Of changes that are certain either way the larger one is the news.
    part = min(parts, key=lambda each: (each.effect < min_effect, max(each.p_value, _CERTAIN), -each.effect))
    return ColumnTest(
        name=reference.name,
        kind="numeric",
        test=part.test,
        statistic=part.statistic,
        p_value=min(1.0, len(parts) * part.p_value),
        effect=part.effect,
        detail="; ".join(details),
        distribution=_histogram(x, y) if len(x) and len(y) else None,
        findings=findings,
    )


def _values_part(x: np.ndarray, y: np.ndarray) -> _Part:
    """The test of two ascending samples, and how far apart they lie."""
    change = compare_numeric(x, y, assume_sorted=True)
    spread = _spread(x) or _spread(np.concatenate((x, y)))
    effect = change.effect / spread if spread > 0 else 0.0
    name, statistic, p_value = "Kolmogorov-Smirnov", change.ks.statistic, change.ks.p_value
    counts = _frequent(x, y)
    if len(counts[0]) > 1:
        # Where many rows share a value the law of Kolmogorov-Smirnov is far on the safe side.
        test = homogeneity(counts[0], counts[1])
        if test.p_value < p_value:
            name, statistic, p_value = "chi-squared on frequent values", test.statistic, test.p_value
        p_value = min(1.0, 2 * p_value)
    return _Part(name, statistic, p_value, effect)


def _frequent(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of each value that one row in twenty of both samples together has, and of all others."""
    # Such a value stands at one of the places that divide one of the samples into 40.
    places = [np.arange(len(each) * 2, step=max(1, len(each) // 20)) // 2 for each in (x, y)]
    values = np.unique(np.concatenate([each[at] for each, at in zip((x, y), places, strict=True)]))
    counts = [np.searchsorted(each, values, side="right") - np.searchsorted(each, values) for each in (x, y)]
    often = counts[0] + counts[1] >= _FREQUENT * (len(x) + len(y))
    if not often.any():
        return np.array([len(x)]), np.array([len(y)])
    first, second = (
        np.append(each[often], size - each[often].sum())
        for each, size in zip(counts, (len(x), len(y)), strict=True)
    )
    return first, second


def _spread(values: np.ndarray) -> float:
    """Standard deviation of an ascending sample, without squares beyond the largest number."""
    largest = float(max(abs(values[0]), abs(values[-1])))
    return float((values / largest).std()) * largest if largest > 0 else 0.0


def _median(ascending: np.ndarray) -> float:
    return float(ascending[(len(ascending) - 1) // 2] / 2 + ascending[len(ascending) // 2] / 2)


def _categorical(reference: Column, current: Column, findings: tuple[str, ...]) -> ColumnTest:
    names, a, b = _aligned_counts(reference, current)
    test = homogeneity(a, b)
    known, now = (
        {n for n, c in zip(names, a, strict=True) if c},
        {n for n, c in zip(names, b, strict=True) if c},
    )
    details = [
        f"{what}: {', '.join(sorted(values)[:5])}{' and more' if len(values) > 5 else ''}"
        for what, values in (("new", now - known), ("vanished", known - now))
        if values
    ]
    moved = np.abs(a / a.sum() - b / b.sum()).round(9)
    # Of two values that moved alike the last is the one to name: 1 rather than 0.
    biggest = len(moved) - 1 - int(np.argmax(moved[::-1]))
    details.append(f"share of {names[biggest]}: {a[biggest] / a.sum():.1%} → {b[biggest] / b.sum():.1%}")
    return ColumnTest(
        name=reference.name,
        kind="categorical",
        test="two-sample chi-squared" if test.df else "Fisher's exact",
        statistic=test.statistic,
        p_value=test.p_value,
        effect=_chance_corrected(a, b),
        detail="; ".join(details),
        distribution=_levels(names, a, b),
        findings=findings,
    )


def _chance_corrected(a: np.ndarray, b: np.ndarray) -> float:
    return corrected_effect(total_variation(a, b), total_variation_null(a, b))


def _aligned_counts(reference: Column, current: Column) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Rows per value of both windows, over the union of their values; missing is a value."""
    tables = [_counts(reference), _counts(current)]
    names = sorted(set(tables[0]) | set(tables[1]))
    first, second = (np.array([table.get(name, 0) for name in names], dtype=np.int64) for table in tables)
    return names, first, second


def _counts(column: Column) -> dict[str, int]:
    if column.kind == "category":
        counts = np.bincount(column.values + 1, minlength=len(column.levels) + 1)
        names = ["(missing)", *(canonical(level) for level in column.levels)]
    else:
        text = [
            "(missing)" if gap else canonical(value)
            for value, gap in zip(column.values.tolist(), column.missing, strict=True)
        ]
        found, counts = np.unique(np.array(text, dtype=object), return_counts=True)
        names = [str(name) for name in found]
    result: dict[str, int] = {}
    for name, count in zip(names, counts.tolist(), strict=True):
        if count:
            result[name] = result.get(name, 0) + int(count)
    return result


def _histogram(x: np.ndarray, y: np.ndarray) -> Distribution:
    """Equal bins over the middle 99% of two ascending samples; what lies beyond is counted in the outer ones."""
    low = min(float(values[int(0.005 * (len(values) - 1))]) for values in (x, y))
    high = max(float(values[-1 - int(0.005 * (len(values) - 1))]) for values in (x, y))
    if low == high:
        high = low + 1
    # Halves, because the width of two finite values may exceed the largest number.
    edges = 2 * np.linspace(low / 2, high / 2, _BINS + 1)
    shares = [
        np.diff(np.searchsorted(values, edges[1:-1]), prepend=0, append=len(values)) / len(values)
        for values in (x, y)
    ]
    labels = [f"{a:.4g} to {b:.4g}" for a, b in pairwise(edges)]
    return Distribution(labels, shares[0].tolist(), shares[1].tolist())


def _levels(names: Sequence[str], a: np.ndarray, b: np.ndarray) -> Distribution:
    order = np.argsort(-(a / a.sum() + b / b.sum()), kind="stable")
    shown, rest = order[:_SHOWN_LEVELS], order[_SHOWN_LEVELS:]
    labels = [names[i] for i in shown] + ([f"{len(rest)} others"] if len(rest) else [])
    shares = [
        [float(counts[i] / counts.sum()) for i in shown]
        + ([float(counts[rest].sum() / counts.sum())] if len(rest) else [])
        for counts in (a, b)
    ]
    return Distribution(labels, shares[0], shares[1])
