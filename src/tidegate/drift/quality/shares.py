"""Findings about columns that chance could make too: each with the probability that it did."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tidegate.drift.quality import chance
from tidegate.drift.quality.facts import ColumnFacts, QualityFacts
from tidegate.drift.quality.findings import Finding, shown
from tidegate.drift.quality.schema import both
from tidegate.stats.categorical import homogeneity
from tidegate.wording import first_few, number, plural


@dataclass(frozen=True, slots=True)
class Suspect:
    """The outcome of one test; without a finding it is of no size that counts, and only takes its part of the level.

    Attributes:
        unless: what is found where the test does not settle it.
    """

    p_value: float
    finding: Finding | None = None
    unless: Finding | None = None


NOTHING = Suspect(1.0)


def suspects(
    reference: QualityFacts, current: QualityFacts, *, min_share: float, design_effect: float
) -> Iterator[Suspect]:
    """The tests of all columns that both windows have.

    Args:
        reference: with at least one row.
        current: with at least one row.
        min_share: the rise of a share that counts.
        design_effect: rows that stand for one independent row.
    """
    for name, then, now in both(reference, current):
        yield _missing(name, then, now, (reference.rows, current.rows), min_share, design_effect)
        if then.filled and now.filled:
            yield _constant(name, then, now, design_effect)
        if then.kind == now.kind == "number":
            yield from _outside(name, then, now, min_share, design_effect)
        elif then.kind == now.kind and then.levels is not None and now.filled:
            yield _new(name, then, now, min_share, design_effect)


def _missing(
    name: str, then: ColumnFacts, now: ColumnFacts, rows: tuple[int, int], min_share: float, effect: float
) -> Suspect:
    shares = [1 - then.filled / rows[0], 1 - now.filled / rows[1]]
    if shares[1] - shares[0] < min_share:
        return NOTHING
    p_value = homogeneity(
        _effective(rows[0] - then.filled, rows[0], effect), _effective(rows[1] - now.filled, rows[1], effect)
    ).p_value
    if now.filled == 0:
        detail = (
            f"is missing in every row of the current window ({number(100 * shares[0])}% of the reference)"
        )
        return Suspect(
            p_value,
            Finding("all_missing", name, 1.0, detail, "error"),
            Finding("all_missing", name, 1.0, f"{detail}; with so few rows that may be chance", "info"),
        )
    detail = f"missing values rose from {number(100 * shares[0])}% to {number(100 * shares[1])}% of the rows"
    return Suspect(p_value, Finding("missing", name, shares[1], detail))


def _effective(part: int, total: int, effect: float) -> np.ndarray:
    """A part and the rest, as of independent rows."""
    rows = max(1, round(total / effect))
    inside = min(rows, round(part / total * rows))
    return np.array([inside, rows - inside])


def _constant(name: str, then: ColumnFacts, now: ColumnFacts, effect: float) -> Suspect:
    if now.constant is None or now.constant == then.constant:
        return NOTHING
    held = _rows_with(then, now.constant)
    p_value = chance.constant((now.filled + held) / effect, now.filled / effect, then.filled / effect)
    before = "the reference varies" if then.constant is None else f"the reference {shown(then.constant)}"
    detail = f"holds {shown(now.constant)} in every row that has a value; {before}"
    return Suspect(p_value, Finding("constant", name, None, detail))


def _rows_with(column: ColumnFacts, value: str) -> int:
    """Rows that hold a value, or the most that can."""
    if column.levels is not None:
        return column.levels.get(value, 0)
    if value == column.constant:
        return column.filled
    if column.commonest is None:
        return column.filled // 2
    return column.commonest_rows if value == column.commonest else column.filled - column.commonest_rows


def _outside(
    name: str, then: ColumnFacts, now: ColumnFacts, min_share: float, effect: float
) -> Iterator[Suspect]:
    """Rows beyond the reference's extremes: by chance about one in m + 1 of them lies beyond either."""
    rows, before = now.filled - now.infinite, then.filled - then.infinite
    if now.below is None or now.above is None or not (rows and before):
        return
    sides = (
        (now.below, "below the reference's smallest", then.minimum, "down to", now.minimum),
        (now.above, "above the reference's largest", then.maximum, "up to", now.maximum),
    )
    for beyond, where, bound, reaching, extreme in sides:
        share = beyond / rows
        if share - 1 / (before + 1) < min_share:
            yield NOTHING
            continue
        p_value = chance.all_drawn(beyond / effect, rows / effect, before / effect)
        detail = f"{number(100 * share)}% of the values are {where}, {number(bound)} ({reaching} {number(extreme)})"
        yield Suspect(p_value, Finding("range", name, share, detail))


def _new(name: str, then: ColumnFacts, now: ColumnFacts, min_share: float, effect: float) -> Suspect:
    known = then.levels or {}
    seen = np.array(list(known.values()), dtype=np.float64)
    if now.levels is None:
        # Which they are is not kept, but some have to be new; each counts once.
        count = now.level_count or 0
        fresh, rows = [], np.append(seen, np.ones(count))
        observed, weights = float(count - len(known)), np.ones(len(rows))
        what = f"at least {plural(int(observed), 'value')} that the reference does not have, of {count:,}"
    else:
        held = now.levels
        fresh = sorted(set(held) - set(known), key=lambda level: (-held[level], level))
        union = [known.get(level, 0) + held.get(level, 0) for level in {**known, **held}]
        rows = weights = np.array(sorted(union), dtype=np.float64)
        observed = float(sum(held[level] for level in fresh))
        what = f"hold values that the reference does not have: {first_few([shown(level) for level in fresh])}"
    n, m = now.filled / effect, then.filled / effect
    rows, weights = rows / effect, weights / effect
    by_chance = chance.expected_new(rows, weights, n, m)
    share = observed / now.filled
    if share - by_chance / n < min_share:
        return NOTHING
    p_value = chance.new_rows(rows, weights, observed / effect, n, m)
    told = f"{number(100 * share)}% of the rows {what}" if fresh else f"has {what}"
    return Suspect(p_value, Finding("new_categories", name, share, told))
