"""Did the shares of a column's levels change? Tests on summaries, whole or reduced."""

import math
from dataclasses import dataclass

import numpy as np

from tidegate.drift.column_summary import BUCKETS, CategorySummary, bucket
from tidegate.drift.column_test import Distribution, LevelList, Part
from tidegate.drift.dependence import joint_design_effect
from tidegate.stats.categorical import Chi2Result, homogeneity, total_variation, total_variation_null, unseen
from tidegate.stats.two_sample import corrected_effect

MISSING = "(missing)"
_SHOWN_LEVELS = 12
_LISTED_LEVELS = 20
_NAMED = 5
_IDENTIFIER = 0.1
"""Levels per row from which a column names its rows rather than sorting them."""
_SURE = 5.0


@dataclass(frozen=True, slots=True)
class LevelPair:
    """Rows of both windows in the same cells.

    Attributes:
        names: of the cells: levels, hashed groups of rare ones against a reduced summary, and missing values.
        a, b: shape (k,), rows of the reference and of the current window.
        design_effect: of the difference of the two windows.
    """

    names: list[str]
    a: np.ndarray
    b: np.ndarray
    design_effect: float

    @classmethod
    def of(cls, reference: CategorySummary, current: CategorySummary, design_effect: float) -> "LevelPair":
        """Both need a row."""
        n, m = reference.rows, current.rows
        effects = (max(each.design_effect, design_effect) for each in (reference, current))
        joint = joint_design_effect(n, m, *effects)
        cells = _cells(reference, current, joint)
        if reference.missing or current.missing:
            # A level of this name is another one.
            cells[f"{MISSING} " if MISSING in cells else MISSING] = (reference.missing, current.missing)
        table = np.array(list(cells.values()), dtype=np.int64).reshape(-1, 2)
        return cls(list(cells), table[:, 0], table[:, 1], joint)


def _cells(reference: CategorySummary, current: CategorySummary, effect: float) -> dict[str, tuple[int, int]]:
    then, now = reference.counts, current.counts
    names = list(dict.fromkeys((*then, *now)))
    if reference.exact and current.exact:
        return {name: (then.get(name, 0), now.get(name, 0)) for name in names}
    least = max(_least(side, other, effect) for side, other in ((reference, current), (current, reference)))
    rest = [
        np.zeros(BUCKETS, dtype=np.int64) if s.buckets is None else s.buckets.copy()
        for s in (reference, current)
    ]
    cells: dict[str, tuple[int, int]] = {}
    for name in names:
        counts = (then.get(name, 0), now.get(name, 0))
        known = (reference.exact or name in then) and (current.exact or name in now)
        if known and sum(counts) >= least:
            cells[name] = counts
        else:
            at = bucket(name)
            rest[0][at] += counts[0]
            rest[1][at] += counts[1]
    for i, counts in enumerate(zip(rest[0].tolist(), rest[1].tolist(), strict=True), start=1):
        if any(counts):
            cells[f"rare levels, group {i}"] = counts
    return cells


def _least(side: CategorySummary, other: CategorySummary, effect: float) -> float:
    """Rows in both windows from which a level is all but surely kept in a reduced one, whatever its luck there."""
    if side.exact:
        return 0.0
    share = side.rows / (side.rows + other.rows)
    noise = _SURE * math.sqrt(share * (1 - share) * min(effect, float(side.rows)))
    return ((noise + math.sqrt(noise**2 + 4 * share * side.cut)) / (2 * share)) ** 2


def shares_part(pair: LevelPair, *, of: str = "") -> tuple[Part, Chi2Result]:
    """Chi-squared, or Fisher's exact test, with the total variation that chance does not give."""
    test = homogeneity(pair.a, pair.b, design_effect=pair.design_effect)
    name = "two-sample chi-squared" if test.df else "Fisher's exact"
    part = Part(f"{name} of {of}" if of else name, test.statistic, test.p_value, variation(pair))
    return part, test


def variation(pair: LevelPair) -> float:
    """Total variation without what chance gives."""
    null = total_variation_null(pair.a, pair.b) * math.sqrt(pair.design_effect)
    return corrected_effect(total_variation(pair.a, pair.b), null)


def missing_part(rows: tuple[int, int], missing: tuple[int, int], design_effect: float) -> Part:
    """Chi-squared of missing values, which are a change of their own."""
    counts = np.array([[gaps, each - gaps] for each, gaps in zip(rows, missing, strict=True)])
    pair = LevelPair([MISSING, "filled"], counts[0], counts[1], design_effect)
    test = homogeneity(pair.a, pair.b, design_effect=design_effect)
    return Part("chi-squared on missing values", test.statistic, test.p_value, variation(pair))


def unseen_part(pair: LevelPair, reference: CategorySummary, current: CategorySummary) -> Part | None:
    """More rows of levels that the reference never had than its own rare levels foretell.

    None for columns that name rows, whose levels are always new; where rows are not independent; and where not all of
    the levels are known.
    """
    levels, rows = len(pair.names), int(pair.a.sum() + pair.b.sum())
    whole = reference.exact and current.exact
    if not whole or pair.design_effect != 1 or levels > _IDENTIFIER * rows:
        return None
    found = unseen(pair.a, pair.b)
    share = max(found.rows - found.expected, 0.0) / float(pair.b.sum())
    return Part("rows of new levels", float(found.rows), found.p_value, share)


def only_in(own: CategorySummary, other: CategorySummary) -> LevelList | None:
    """Levels of one window that the other has not; None where a reduced summary does not say."""
    if not other.exact:
        return None
    names = sorted(
        (name for name in own.counts if name not in other.counts), key=lambda n: (-own.counts[n], n)
    )
    rows = sum(own.counts[name] for name in names)
    return LevelList(names[:_LISTED_LEVELS], len(names), rows / own.rows if own.rows else 0.0)


def described(pair: LevelPair, new: LevelList | None, vanished: LevelList | None) -> str:
    """New and vanished levels, and the share that moved most."""
    words = [
        f"{what}: {', '.join(levels.names[:_NAMED])}"
        + (f" and {levels.count - _NAMED:,} more" if levels.count > _NAMED else "")
        for what, levels in (("new", new), ("vanished", vanished))
        if levels is not None and levels.count
    ]
    shares = pair.a / pair.a.sum(), pair.b / pair.b.sum()
    moved = np.abs(shares[0] - shares[1]).round(9)
    # Of two values that moved alike the last is the one to name: 1 rather than 0.
    most = max(np.flatnonzero(moved == moved.max()).tolist(), key=lambda i: pair.names[i])
    words.append(f"share of {pair.names[most]}: {shares[0][most]:.1%} → {shares[1][most]:.1%}")
    return "; ".join(words)


def bars(pair: LevelPair) -> Distribution:
    """Shares of the commonest levels, and of all others together."""
    a, b = pair.a / pair.a.sum(), pair.b / pair.b.sum()
    frequent = np.argsort(-(a + b), kind="stable")[: 4 * _SHOWN_LEVELS].tolist()
    shown = sorted(frequent, key=lambda i: (-(a[i] + b[i]), pair.names[i]))[:_SHOWN_LEVELS]
    labels = [pair.names[i] for i in shown]
    shares = [[float(each[i]) for i in shown] for each in (a, b)]
    rest = len(pair.names) - len(shown)
    if rest:
        labels.append(f"{rest} others")
        mask = np.ones(len(pair.names), dtype=np.bool_)
        mask[shown] = False
        for values, each in zip(shares, (a, b), strict=True):
            values.append(float(each[mask].sum()))
    return Distribution(labels, shares[0], shares[1])
