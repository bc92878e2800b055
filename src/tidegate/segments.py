"""Segments of one or two conditions on features where the candidate is worse than production, that nobody listed. Pure.

The rows are split in two by their keys. On one half all segments are scanned, and what is found there has at most the
stated share of false discoveries. On the other half, which had no part in the choice, each is tested again (Holm 1979):
when the candidate is worse nowhere, the chance that any is confirmed is at most one minus the level.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from scipy import special

from tidegate.config.comparing import Segments
from tidegate.metrics import METRICS
from tidegate.metrics.base import Metric, Options, finite_bounds
from tidegate.metrics.conditions import Conditions, Tested, measure_all
from tidegate.metrics.data import Predictions
from tidegate.metrics.search_paired import Differences, Halves, PairedScan, by_rows, halves
from tidegate.stats.intervals import t_quantile
from tidegate.stats.multiplicity import holm
from tidegate.stats.paired import tango_interval
from tidegate.stats.results import Interval
from tidegate.stats.segment_scan import Gains, guarded_tail, shared_discovery_rate, sign_tail
from tidegate.tables import Column, Level

MOST = 20
# When the candidate is worse everywhere, thousands of segments are found; these tell enough.
_EXAMINED = 200
# Those that are surely worse come first, rather than small ones that happen to look worst.
_SURELY = 1.645
# How often a pair that adds nothing to a condition seems to add something.
_NOTHING_ADDED = 0.01
_DIGITS = 10
_SAME = 1e-9


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment where the scan found the candidate worse, tested again on the held-back rows.

    Attributes:
        slice: value by column, of one or two columns; None stands for missing.
        rows_scanned: its rows in the half that was scanned.
        delta_scanned: candidate minus production there, turned so that negative is worse; too low, as it was chosen
            for that.
        p_value: one-sided, of being worse by no more than the margin, on the rows scanned.
        q_value: smallest false discovery rate at which it is found.
        rows, delta, ci: on the held-back rows; the interval is two-sided, and None where they cannot bound it.
        p_value_held_back, adjusted_p_value: the same test on the held-back rows, and over all that were found.
        confirmed: it is worse, and not by chance.
        margin: the loss that is acceptable.
    """

    slice: dict[str, Level | None]
    rows_scanned: int
    delta_scanned: float
    p_value: float
    q_value: float
    rows: int
    delta: float
    ci: tuple[float, float] | None
    p_value_held_back: float
    adjusted_p_value: float
    confirmed: bool
    margin: float


@dataclass(frozen=True, slots=True)
class SegmentSearch:
    """A search for segments where the candidate is worse; the fields are those of the JSON document.

    Attributes:
        searched: segments tested, each with enough rows in either half.
        tested_columns: columns whose values were tested.
        left_out: columns with one value, or with a value of its own in most rows.
        false_discovery_rate: of the scan, before what is confirmed.
        rows_scanned, rows_held_back: rows on which the metric stands, in either half.
        discovered: segments that the scan found, those included that only repeat others or overlap with them.
        found: the others, at most 20; by the held-back rows worst first.
    """

    metric: str
    searched: int
    tested_columns: list[str]
    left_out: list[str]
    false_discovery_rate: float
    rows_scanned: int
    rows_held_back: int
    discovered: int = 0
    found: list[Segment] = field(default_factory=list)


def surrogate(primary: Metric, task: str, options: Options | None = None) -> tuple[Metric, Options] | None:
    """A metric that is a mean over rows to search by, with its options: the primary itself where it is one.

    Args:
        primary: what candidates are promoted for.
        task: of the model.
        options: of the primary metric.

    Returns:
        None for a ranking, whose rows are not judged one by one.
    """
    if by_rows(primary):
        return primary, options or {}
    if task == "ranking":
        return None
    if task == "regression":
        return METRICS["mean_absolute_error"], {}
    return METRICS["log_loss" if "score" in primary.parts else "accuracy"], {}


def search(
    candidate: Predictions,
    production: Predictions,
    columns: Sequence[Column],
    config: Segments,
    *,
    metric: Metric,
    options: Options,
    better: Literal["higher", "lower"],
    keys: np.ndarray,
    level: float,
) -> SegmentSearch:
    """Search for segments where the candidate is worse than production by more than the margin.

    Args:
        candidate: its predictions, with clusters and weights where there are any.
        production: of the same rows and in the same classes.
        columns: the features, of the same rows, of any kind.
        config: margin, false discovery rate and the fewest rows of a segment in either half.
        metric: a mean over rows; :func:`surrogate` gives one.
        options: of the metric.
        better: which direction of the metric is.
        keys: what tells rows apart wherever they stand, shape (n,), uint64.
        level: no segment at all is confirmed with this probability when none is worse. The test is one-sided, so the
            two-sided intervals, whose upper end it reads, have 2 * level - 1.

    Raises:
        ConfigError: the metric is not one of rows, or no column holds it by row.
    """
    split = halves(candidate, production, metric, options, better, keys)
    tried = [Conditions.of(column) for column in columns]
    kept = [replace(each, codes=each.codes[split.rows]) for each in tried if each is not None]
    result = SegmentSearch(
        metric=metric.name,
        searched=0,
        tested_columns=[each.name for each in kept],
        left_out=[column.name for column, each in zip(columns, tried, strict=True) if each is None],
        false_discovery_rate=config.false_discovery_rate,
        rows_scanned=split.scanned,
        rows_held_back=split.held_back,
    )
    if not kept or min(split.scanned, split.held_back) < config.min_rows:
        return result
    scan = PairedScan(split, config.margin)
    tested = measure_all(scan, kept, config.min_rows)
    p_values = tested.evidence.p_value
    q_values = _false_discovery_rates(tested, np.arange(len(p_values)), p_values)
    discovered = q_values <= config.false_discovery_rate
    told = _stories(_Subject(scan, tested, kept), discovered, config.false_discovery_rate)
    found = _tested_again(split, [each.rows for each in told], config.margin, 2 * level - 1)
    return replace(
        result,
        searched=len(q_values),
        discovered=int(discovered.sum()),
        found=_worst_first(
            [
                Segment(
                    slice=each.name,
                    rows_scanned=int(np.searchsorted(each.rows, split.scanned)),
                    delta_scanned=-config.margin - float(tested.evidence.badness[each.which]),
                    p_value=float(p_values[each.which]),
                    q_value=float(q_values[each.which]),
                    rows=again.rows,
                    delta=again.delta,
                    ci=finite_bounds(again.interval),
                    p_value_held_back=again.p_value,
                    adjusted_p_value=float(adjusted),
                    confirmed=bool(adjusted <= 1 - level),
                    margin=config.margin,
                )
                for each, again, adjusted in zip(
                    told, found, holm([again.p_value for again in found]), strict=True
                )
            ]
        ),
    )


def _false_discovery_rates(tested: Tested, which: np.ndarray, p_values: np.ndarray) -> np.ndarray:
    """Adjusted p-values of some segments, all others counting as if nothing spoke for them.

    Segments of one condition and those of two may each make half of the false discoveries.
    """
    pairs = tested.parents[:, 0] >= 0
    singles = int(np.count_nonzero(~pairs))
    sizes = np.array([singles, tested.candidates - singles])
    return shared_discovery_rate(p_values, pairs[which].astype(np.int64), sizes)


@dataclass(frozen=True, slots=True)
class _Subject:
    scan: PairedScan
    tested: Tested
    conditions: Sequence[Conditions]

    def describe(self, which: int) -> "_Told":
        """A segment of the scan by its position there."""
        each = zip(self.tested.columns[which].tolist(), self.tested.levels[which].tolist(), strict=True)
        parts = [(self.conditions[column], level) for column, level in each if column >= 0]
        inside = np.logical_and.reduce([column.holds(level) for column, level in parts])
        name = {column.name: column.levels[level] for column, level in parts}
        return _Told(which, name, np.flatnonzero(inside))


@dataclass(frozen=True, slots=True)
class _Told:
    """A segment of the scan, by its position there, and its rows in the order of the halves."""

    which: int
    name: dict[str, Level | None]
    rows: np.ndarray


def _stories(subject: _Subject, discovered: np.ndarray, alpha: float) -> list[_Told]:
    """The segments found that are still worse without the rows of those before them, the surely worst first.

    One bad segment makes thousands of others seem worse that overlap with it, and as each of them counts as found, as
    many more may be false. So of those left the rate of false ones is held anew, by the rows that are theirs alone.
    """
    evidence = subject.tested.evidence
    own = np.flatnonzero(discovered & _beyond_parents(subject.tested, discovered))
    surely = evidence.badness[own] - _SURELY * evidence.error[own]
    told: list[_Told] = []
    left: list[float] = []
    # Rows that are not told yet are in group 1, those of a segment among them in group 0.
    uncovered = np.ones(len(subject.conditions[0].codes), dtype=np.int64)
    for which in own[_ascending(-surely)][:_EXAMINED].tolist():
        if len(told) >= MOST:
            break
        one = subject.describe(which)
        remaining = np.ones_like(uncovered)
        remaining[one.rows] -= uncovered[one.rows]
        p_value = float(subject.scan.measure(remaining, 2).p_value[0])
        # Without any overlap nothing is asked beyond what it was found for.
        if p_value <= max(alpha / len(own), float(evidence.p_value[which]) * (1 + _SAME)):
            told.append(one)
            left.append(p_value)
            uncovered[one.rows] = 0
    if not told:
        return []
    which_told = np.array([each.which for each in told])
    q_values = _false_discovery_rates(subject.tested, which_told, np.array(left))
    return [each for each, q in zip(told, q_values, strict=True) if q <= max(alpha, q_values.min())]


def _beyond_parents(tested: Tested, discovered: np.ndarray) -> np.ndarray:
    """Mask of the segments of one condition, and of the pairs that are worse than each condition alone that was found.

    By more than noise: a pair differs from its parent with its own error, less what both share, and the worst of many
    pairs is always somewhat worse than their parent.
    """
    evidence, pairs = tested.evidence, tested.pairs
    result = np.ones(len(discovered), dtype=bool)
    children = tested.uncrossed + np.bincount(tested.parents[pairs].ravel(), minlength=len(result))
    for parent in tested.parents[pairs].T:
        shared = evidence.support[pairs] / evidence.support[parent]
        errors = -special.ndtri(_NOTHING_ADDED / children[parent])
        noise = errors * evidence.error[pairs] * np.sqrt(1 - shared)
        excess = evidence.badness[pairs] - evidence.badness[parent]
        result[pairs] &= ~discovered[parent] | (excess > noise)
    return result


@dataclass(frozen=True, slots=True)
class _Again:
    """What the held-back rows say of one segment."""

    rows: int
    delta: float
    interval: Interval
    p_value: float


def _tested_again(split: Halves, segments: Sequence[np.ndarray], margin: float, level: float) -> list[_Again]:
    if not segments:
        return []
    everything = split.all.beyond(margin)
    gains = Gains.of(everything.values, everything.weights)
    parts = (everything.take(rows[rows >= split.scanned]) for rows in segments)
    return [_by_signs(part, level) if part.signs else _by_mean(part, gains, margin, level) for part in parts]


def _by_signs(part: Differences, level: float) -> _Again:
    """The exact sign test, which is McNemar's (1947), with Tango's interval (1998)."""
    lost, won = (int(np.count_nonzero(part.values == sign)) for sign in (-1, 1))
    rows = len(part.values)
    p_value = sign_tail(np.array([lost]), np.array([won]), mid=False)
    interval = tango_interval(won, lost, rows, confidence=level)
    return _Again(rows, (won - lost) / rows, interval, float(p_value[0]))


def _by_mean(beyond: Differences, gains: Gains, margin: float, level: float) -> _Again:
    """Student's t, over clusters and with weights where there are any, guarded against rare large gains."""
    rows = len(beyond.values)
    means = beyond.means(np.zeros(rows, dtype=np.int64), 1)
    p_value = guarded_tail(means, np.array([beyond.values.max()]), gains)
    delta, error, units = float(means.mean[0]) - margin, float(means.error[0]), float(means.units[0])
    half = t_quantile(level, units - 1) * error if units > 1 else np.inf
    return _Again(rows, delta, Interval(delta - half, delta + half), float(p_value[0]))


def _worst_first(found: list[Segment]) -> list[Segment]:
    order = _ascending(np.array([each.delta for each in found]))
    return [found[i] for i in order.tolist()]


def _ascending(values: np.ndarray) -> np.ndarray:
    """Ascending order that the last bits of floating-point sums, and so the order of rows, do not decide."""
    scale = 10.0 ** np.floor(np.log10(np.maximum(np.abs(values), np.finfo(np.float64).tiny)))
    return np.argsort(np.round(values / scale, _DIGITS) * scale, kind="stable")
