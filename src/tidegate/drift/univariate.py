"""One column in two windows: a test, an effect size, and the two distributions to look at."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tidegate.drift import level_test, numeric_test
from tidegate.drift.column_test import NOTHING, Baseline, ColumnTest, Distribution, Part, Shares, worst
from tidegate.drift.dependence import column_design_effect, joint_design_effect
from tidegate.drift.level_test import LevelPair
from tidegate.drift.numeric_test import NumericPair
from tidegate.drift.summaries import (
    CategorySummary,
    DateSummary,
    NumericSummary,
    Summary,
    TextSummary,
    summarise,
    without_values,
)
from tidegate.drift.texts import UNKNOWN_WORDS
from tidegate.metrics.data import canonical
from tidegate.stats.detectable import detectable_variation, effective_size
from tidegate.stats.divergence import jensen_shannon, psi
from tidegate.tables import Column
from tidegate.wording import plural

__all__ = [
    "ColumnTest",
    "Distribution",
    "column_design_effect",
    "compare_columns",
    "compare_summaries",
]

LEVEL = 0.01
_POWER_NORMAL = 0.8416
"""Standard deviations below the mean that a normal variable exceeds with 80% probability."""
_STORED_AS = {"numeric": "number", "date": "time", "text": "free text", "categorical": "category"}


def compare_columns(
    reference: Column, current: Column, *, min_effect: float, level: float = LEVEL
) -> ColumnTest:
    """Test whether a column's distribution changed between two windows that both have rows.

    Args:
        reference: the column in the window that things are compared with.
        current: the same column in the window under watch.
        min_effect: the size that counts.
        level: of the test of this column, for what it could detect.
    """
    then = summarise(reference)
    return compare_summaries(then, summarise(current, like=then), min_effect=min_effect, level=level)


def compare_summaries(
    reference: Summary,
    current: Summary,
    *,
    min_effect: float,
    level: float,
    design_effect: float = 1.0,
) -> ColumnTest:
    """Test whether a column's distribution changed, from summaries of tables or of profiles on either side.

    Args:
        reference: of the window that things are compared with; it has rows.
        current: of the window under watch, made like the reference; it has rows.
        min_effect: the size that counts, which decides between a large change and a more certain small one.
        level: of the test of this column, for what it could detect.
        design_effect: by how much dependence enlarges the noise of shares in both windows, at least 1 (infinite:
            nothing can be said); what a summary itself knows of its clusters counts where that is more.
    """
    if not (reference.rows and current.rows):
        which = "current" if reference.rows else "reference"
        return replace(_nothing(reference), findings=(f"the {which} window has no rows",))
    findings, reference, current = _alike(reference, current)
    gaps = (_gaps(reference), _gaps(current))
    rows = (reference.rows, current.rows)
    if isinstance(reference, CategorySummary) and isinstance(current, CategorySummary):
        result = _of_levels(reference, current, min_effect, level, design_effect)
    elif isinstance(reference, NumericSummary) and isinstance(current, NumericSummary):
        result = _of_numbers(reference, current, min_effect, level, design_effect)
        findings = (*findings, *_infinities(reference, current))
    elif isinstance(reference, DateSummary) and isinstance(current, DateSummary):
        result = _of_dates(reference, current, min_effect, level, design_effect)
    elif isinstance(reference, TextSummary) and isinstance(current, TextSummary):
        result = _of_texts(reference, current, min_effect, level, design_effect)
    else:
        detail = f"{reference.kind} values cannot be compared with {current.kind} ones"
        result = _result(reference, current, [], min_effect, detail)
    if any(gaps) and "missing" not in result.detail:
        shares = f"missing {gaps[0] / rows[0]:.1%} → {gaps[1] / rows[1]:.1%}"
        result = replace(result, detail="; ".join(filter(None, (result.detail, shares))))
    return replace(result, findings=findings, baseline=_baseline(reference, current, design_effect))


def _alike(reference: Summary, current: Summary) -> tuple[tuple[str, ...], Summary, Summary]:
    """What is wrong with the kinds, and summaries of one kind where there is a way."""
    # A column without any value has whatever kind it was stored as, which says nothing.
    if _gaps(reference, infinite=False) == reference.rows:
        return (), without_values(reference.name, reference.rows, current), current
    if _gaps(current, infinite=False) == current.rows:
        finding = "all values are missing in the current window"
        return (finding,), reference, without_values(current.name, current.rows, reference)
    then, now = (_stored_as(each) for each in (reference, current))
    # True and false in other spellings are the same values.
    if then == now or (isinstance(reference, CategorySummary) and _spelt_alike(reference, current)):
        return (), reference, current
    return (f"was {then}, is {now}",), _by_level(reference), _by_level(current)


def _stored_as(summary: Summary) -> str:
    return _STORED_AS.get(summary.kind, summary.kind)


def _spelt_alike(reference: CategorySummary, current: Summary) -> bool:
    return isinstance(current, CategorySummary) and all(
        each.counts.keys() <= {"0", "1"} for each in (reference, current)
    )


def _by_level(summary: Summary) -> Summary:
    """Numbers as levels, by their spelling, where all of them are known."""
    if not isinstance(summary, NumericSummary) or not summary.exact:
        return summary
    counts = np.diff(summary.upto, prepend=0).tolist()
    levels = {canonical(value): count for value, count in zip(summary.points.tolist(), counts, strict=True)}
    return CategorySummary(
        name=summary.name,
        rows=summary.rows,
        missing=_gaps(summary),
        counts=levels,
        design_effect=summary.design_effect,
        clusters=summary.clusters,
    )


def _gaps(summary: Summary, *, infinite: bool = True) -> int:
    return summary.missing + (summary.infinite if infinite and isinstance(summary, NumericSummary) else 0)


def _infinities(reference: NumericSummary, current: NumericSummary) -> tuple[str, ...]:
    if not current.infinite or reference.infinite:
        return ()
    values = plural(current.infinite, "infinite value")
    return (f"{values}, of which the reference has none; taken as missing",)


def _baseline(reference: Summary, current: Summary, design_effect: float) -> Baseline:
    clustered = design_effect > 1 or any(each.clusters is not None for each in (reference, current))
    return "clusters" if clustered else "rows"


def _result(
    reference: Summary, current: Summary, parts: Sequence[Part], min_effect: float, detail: str
) -> ColumnTest:
    part = worst(parts, min_effect)
    return ColumnTest(
        name=reference.name,
        kind=reference.kind,
        test=part.test,
        statistic=part.statistic,
        p_value=part.p_value,
        effect=part.effect,
        detail=detail,
        distribution=None,
        missing=Shares(_gaps(reference) / reference.rows, _gaps(current) / current.rows),
    )


def _nothing(summary: Summary) -> ColumnTest:
    return ColumnTest(summary.name, summary.kind, NOTHING.test, 0.0, 1.0, 0.0, "", None)


def _missing_parts(reference: Summary, current: Summary, design_effect: float) -> list[Part]:
    gaps = (_gaps(reference), _gaps(current))
    if not any(gaps):
        return []
    rows = (reference.rows, current.rows)
    effects = (max(each.design_effect, design_effect) for each in (reference, current))
    return [level_test.missing_part(rows, gaps, joint_design_effect(*rows, *effects))]


def _counting(detectable: float | None, min_effect: float, size: float) -> float | None:
    """What is detected and also counts: an estimate exceeds the size that counts when the truth does by its noise."""
    if detectable is None or size <= 0:
        return None
    return max(detectable, min_effect + _POWER_NORMAL / math.sqrt(size) if min_effect > 0 else 0.0)


def _of_numbers(
    reference: NumericSummary, current: NumericSummary, min_effect: float, level: float, design_effect: float
) -> ColumnTest:
    missing = _missing_parts(reference, current, design_effect)
    if not (reference.finite and current.finite):
        return _result(reference, current, missing, min_effect, "")
    pair = NumericPair.of(reference, current, design_effect)
    parts = [numeric_test.values_part(pair), *missing]
    bins = numeric_test.decile_counts(pair)
    detectable = numeric_test.detectable_effect(pair, level=level / len(parts))
    return replace(
        _result(reference, current, parts, min_effect, numeric_test.medians(pair)),
        distribution=numeric_test.histogram(pair),
        psi=psi(*bins),
        jensen_shannon=jensen_shannon(*bins),
        detectable=_counting(detectable, min_effect, pair.size),
    )


def _of_levels(
    reference: CategorySummary,
    current: CategorySummary,
    min_effect: float,
    level: float,
    design_effect: float,
) -> ColumnTest:
    pair = LevelPair.of(reference, current, design_effect)
    part, test = level_test.shares_part(pair)
    parts = [part]
    # Levels frequent enough to be tested one by one need no second look.
    if test.pooled_levels and (new := level_test.unseen_part(pair, reference, current)):
        parts.append(new)
    added, vanished = level_test.only_in(current, reference), level_test.only_in(reference, current)
    size = effective_size(reference.rows, current.rows, pair.design_effect)
    detectable = None
    if size > 0:
        detectable = detectable_variation(pair.a / pair.a.sum(), size, level=level / len(parts))
    return replace(
        _result(reference, current, parts, min_effect, level_test.described(pair, added, vanished)),
        distribution=level_test.bars(pair),
        psi=psi(pair.a, pair.b),
        jensen_shannon=jensen_shannon(pair.a, pair.b),
        # Total variation is half a sum of absolute differences, each of the noise of a share.
        detectable=_within_one(_counting(detectable, min_effect, 4 * size)),
        new_levels=added,
        vanished_levels=vanished,
    )


def _within_one(share: float | None) -> float | None:
    return share if share is not None and share <= 1 else None


def _of_dates(
    reference: DateSummary, current: DateSummary, min_effect: float, level: float, design_effect: float
) -> ColumnTest:
    """Times always move on, so that only what comes again can drift."""
    parts, details = [], []
    for name in ("weekday", "hour"):
        then, now = getattr(reference, name), getattr(current, name)
        if then is not None and now is not None:
            pair = LevelPair.of(then, now, design_effect)
            parts.append(level_test.shares_part(pair, of=name)[0])
            details.append(level_test.described(pair, None, None))
    if reference.age and current.age and reference.age.finite and current.age.finite:
        ages = NumericPair.of(reference.age, current.age, design_effect)
        parts.append(numeric_test.values_part(ages, of="age in days"))
        details.append(f"age in days: {numeric_test.medians(ages)}")
    if not parts:
        details.append("times always move on; the windows have too few weeks for weekdays and hours")
    parts += _missing_parts(reference, current, design_effect)
    return _result(reference, current, parts, min_effect, "; ".join(details))


def _of_texts(
    reference: TextSummary, current: TextSummary, min_effect: float, level: float, design_effect: float
) -> ColumnTest:
    parts, details, pairs = [], [], []
    for name, then in reference.descriptors.items():
        now = current.descriptors.get(name)
        if now is None or not (then.finite and now.finite):
            continue
        if name == UNKNOWN_WORDS and reference.vocabulary != current.vocabulary:
            continue
        pairs.append(NumericPair.of(then, now, design_effect))
        parts.append(numeric_test.values_part(pairs[-1], of=name))
        details.append(f"{name}: {numeric_test.medians(pairs[-1])}")
    parts += _missing_parts(reference, current, design_effect)
    found = _result(reference, current, parts, min_effect, "; ".join(details))
    at = next((i for i, part in enumerate(parts[: len(pairs)]) if part.test == found.test), None)
    if at is None:
        return found
    worst_pair = pairs[at]
    bins = numeric_test.decile_counts(worst_pair)
    detectable = numeric_test.detectable_effect(worst_pair, level=level / len(parts))
    return replace(
        found,
        distribution=numeric_test.histogram(worst_pair),
        psi=psi(*bins),
        jensen_shannon=jensen_shannon(*bins),
        detectable=_counting(detectable, min_effect, worst_pair.size),
    )
