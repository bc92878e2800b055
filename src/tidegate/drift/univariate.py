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


def compare_columns(reference: Column, current: Column) -> ColumnTest:
    """Test whether a column's distribution changed between two windows that both have rows."""
    if reference.kind == current.kind == "number":
        return _numeric(reference, current)
    findings = () if reference.kind == current.kind else (f"was {reference.kind}, is {current.kind}",)
    return _categorical(reference, current, findings)


def _numeric(reference: Column, current: Column) -> ColumnTest:
    findings = tuple(
        f"{int(np.isinf(column.values).sum()):,} infinite values in the {window} window, taken as missing"
        for window, column in (("reference", reference), ("current", current))
        if np.isinf(column.values).any()
    )
    x, y = (np.sort(column.values[np.isfinite(column.values)]) for column in (reference, current))
    gaps = np.array([len(reference.values) - len(x), len(current.values) - len(y)])
    filled = np.array([len(x), len(y)])
    parts: list[tuple[float, float, float, str]] = []
    details: list[str] = []
    if len(x) and len(y):
        change = compare_numeric(x, y, assume_sorted=True)
        spread = float(x.std()) or float(np.concatenate((x, y)).std())
        effect = change.effect / spread if spread > 0 else 0.0
        parts.append((change.ks.p_value, change.ks.statistic, effect, "Kolmogorov-Smirnov"))
        details.append(f"median {np.median(x):.4g} → {np.median(y):.4g}")
    if gaps.any():
        # Missing values are a change of their own; the two tests share the level (Bonferroni).
        shares = gaps / (gaps + filled)
        counts = np.array([gaps, filled]).T
        test = homogeneity(counts[0], counts[1])
        effect = _chance_corrected(counts[0], counts[1])
        parts.append((test.p_value, test.statistic, effect, "chi-squared on missing values"))
        details.append(f"missing {shares[0]:.1%} → {shares[1]:.1%}")
    p_value, statistic, effect, name = min(parts, key=lambda part: (part[0], -part[2]))
    return ColumnTest(
        name=reference.name,
        kind="numeric",
        test=name,
        statistic=statistic,
        p_value=min(1.0, len(parts) * p_value),
        effect=effect,
        detail="; ".join(details),
        distribution=_histogram(x, y) if len(x) and len(y) else None,
        findings=findings,
    )


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
    biggest = int(np.argmax(np.abs(a / a.sum() - b / b.sum())))
    details.append(f"{names[biggest]} {a[biggest] / a.sum():.1%} → {b[biggest] / b.sum():.1%}")
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
    """Equal bins over the middle 99%; what lies beyond is counted in the outer ones."""
    low, high = np.quantile(x, (0.005, 0.995))
    low, high = min(float(low), float(np.quantile(y, 0.005))), max(float(high), float(np.quantile(y, 0.995)))
    if low == high:
        high = low + 1
    edges = np.linspace(low, high, _BINS + 1)
    shares = [np.histogram(np.clip(values, low, high), edges)[0] / len(values) for values in (x, y)]
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
