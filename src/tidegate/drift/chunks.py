"""``baseline: chunks``: a column's natural variation, learnt from chunks of time of the reference.

Seasons and rows that follow each other make windows differ although nothing changed. The current window is therefore
held against what chunks of its length were like in the reference: a prediction interval for a new chunk, corrected
for all summaries of the column that are looked at. What chunks of the past never had (a value that comes in rare, long
spells) is judged as if its rows were independent.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
from scipy import special

from tidegate.drift.chunk_baseline import MOST_CHUNKS, ChunkBaseline
from tidegate.drift.chunk_ruler import Measured, Nature, Ruler, bin_names, make_ruler, of_shares
from tidegate.stats.prediction import LEAST_CHUNKS, Prediction, fit_prediction
from tidegate.stats.results import FloatArray, IntArray
from tidegate.stats.two_sample import corrected_effect
from tidegate.tables import Column
from tidegate.wording import number, plural

ENOUGH_CHUNKS = 8
"""Fewer cannot tell seasons and neighbours that resemble each other from change."""
_SLACK = 0.05
_POWER = 0.8
_EVENTS = 5


@dataclass(frozen=True, slots=True)
class ChunkTest:
    """The current window against the natural variation of a column.

    Attributes:
        p_value: corrected for the summaries of this column; 1 when there is nothing to go by.
        statistic: of the summary that stands out most, its distance in standard errors of a new chunk.
        effect: distance beyond natural variation: total variation, or Wasserstein in spreads of the reference.
        detectable: smallest effect found with 80% power at the level; None when it cannot be told.
        detail: what stands out, in words.
        chunks: number of chunks of the reference.
        warning: why the result cannot be vouched for; empty when it can.
    """

    p_value: float
    statistic: float
    effect: float
    detectable: float | None
    detail: str
    chunks: int
    warning: str


def chunk_codes(times: np.ndarray, length: timedelta) -> IntArray:
    """Which chunk each row falls into, in the order of time; -1 for rows without a time or in no whole chunk.

    Chunks are equally long and end with the newest row, so that what is left over is old rather than new; a chunk that
    lacks less than a twentieth of its time is whole. Of very many the newest are kept, which say most about the next.

    Args:
        times: shape (n,), datetime64, NaT is missing.
        length: of a chunk, positive.

    Raises:
        ValueError: the length is not positive.
    """
    step = length // timedelta(microseconds=1)
    if step <= 0:
        raise ValueError("the length of a chunk must be positive")
    stamps = times.astype("datetime64[us]")
    known = ~np.isnat(stamps)
    codes = np.full(len(stamps), -1, dtype=np.int64)
    if not known.any():
        return codes
    micros = stamps[known].astype(np.int64)
    oldest, newest = int(micros.min()), int(micros.max())
    whole = int((newest - oldest) / step + _SLACK)
    place = min(whole, MOST_CHUNKS) - 1 - (newest - micros) // step
    codes[known] = np.maximum(place, -1)
    return codes


def chunk_baseline(column: Column, chunk: IntArray) -> ChunkBaseline:
    """Learn a column's natural variation.

    Args:
        column: in the reference.
        chunk: shape (n,), from :func:`chunk_codes`.
    """
    held = np.bincount(chunk + 1)[1:] > 0
    # Chunks without rows are no chunks; the last place is that of rows in none.
    codes = np.append(np.where(held, np.cumsum(held) - 1, -1), -1)[chunk]
    chunks = int(held.sum())
    ruler, nature = None, None
    usable = (codes >= 0) & ~column.missing
    if column.kind != "time" and usable.any():
        ruler, nature = make_ruler(column, usable)
    seen = (ruler or Ruler("none")).measure(column, codes, chunks)
    valued = seen.filled >= 2
    shares, mean = _together(seen)
    distances = [] if ruler is None else [ruler.distance(*each, shares, mean) for each in _each(seen, valued)]
    missing_share = _share(seen)
    law = missing = None
    if chunks >= LEAST_CHUNKS:
        missing = _learnt(seen.missing(), seen.rows, of_shares(np.array([missing_share])))
    if ruler is not None and nature is not None and np.count_nonzero(valued) >= LEAST_CHUNKS:
        law = _learnt(seen.summaries(ruler)[valued], seen.filled[valued], nature)
    return ChunkBaseline(
        kind=column.kind,
        chunks=chunks,
        ruler=ruler,
        shares=shares,
        mean=mean,
        natural=_typical(distances),
        natural_missing=_typical(np.abs(1 - seen.filled / np.maximum(seen.rows, 1) - missing_share).tolist()),
        missing_share=missing_share,
        values=law,
        missing=missing,
    )


def against_chunks(baseline: ChunkBaseline, current: Column, *, level: float = 0.01) -> ChunkTest:
    """Hold the current window against the natural variation of its column.

    Args:
        baseline: from :func:`chunk_baseline`.
        current: the column in the current window.
        level: at which `detectable` is told.
    """
    problem = _problem(baseline, current)
    if problem or baseline.missing is None:
        return ChunkTest(1.0, 0.0, 0.0, None, "", baseline.chunks, problem)
    ruler = baseline.ruler or Ruler("none")
    now = ruler.measure(current, np.zeros(len(current.values), dtype=np.int64), 1)
    rows, filled = int(now.rows[0]), int(now.filled[0])
    tested = [(baseline.missing, now.missing()[0], rows, ["missing share"])]
    if baseline.values is not None and filled >= 2:
        tested.append((baseline.values, now.summaries(ruler)[0], filled, list(bin_names(ruler))))
    family = 1 + (len(baseline.values.centre) if baseline.values is not None else 0)
    p_values, t, names = (
        np.concatenate([law.p_values(y, n) for law, y, n, _ in tested]),
        np.concatenate([law.t(y, n) for law, y, n, _ in tested]),
        [name for *_, each in tested for name in each],
    )
    first = int(np.lexsort((-np.abs(t), p_values))[0])
    is_missing = first == 0
    effect = _missing_effect(baseline, now) if is_missing else _values_effect(baseline, ruler, now)
    return ChunkTest(
        p_value=min(1.0, family * float(p_values[first])),
        statistic=float(abs(t[first])),
        effect=effect,
        detectable=_detectable(baseline, ruler, filled, level / family),
        detail=f"{names[first]} {_moved(baseline, ruler, now, first - 1)}: {number(abs(float(t[first])))}"
        f" standard errors of a window from {plural(baseline.chunks, 'chunk')} of the reference",
        chunks=baseline.chunks,
        warning=_warning(baseline),
    )


def _learnt(values: FloatArray, rows: IntArray, nature: Nature) -> Prediction:
    """The law of a new chunk, with more room for what stands on few events, whose tails are heavier than Student's.

    Rare values are events, and so are clusters of rows: a chunk has as many independent rows as its variance tells, and
    should have some five events (Cochran, 1954).
    """
    law = fit_prediction(values, rows, nature.per_row)
    sampling = law.per_row / law.rows
    variance = law.between + sampling
    events = nature.regular * law.per_row / variance
    return replace(law, between=variance * np.maximum(_EVENTS / (events + 1), 1.0) - sampling)


def _problem(baseline: ChunkBaseline, current: Column) -> str:
    """Why there is no test at all."""
    if baseline.chunks < LEAST_CHUNKS:
        return (
            f"the reference has {plural(baseline.chunks, 'whole chunk')}: natural variation is not known from fewer"
            f" than {LEAST_CHUNKS}, and not reliably from fewer than {ENOUGH_CHUNKS}"
        )
    if not len(current.values):
        return "the current window has no rows"
    if baseline.kind == "time":
        return "the column holds times, which always move on"
    if baseline.ruler is not None and current.kind != baseline.kind and not current.missing.all():
        return f"was {baseline.kind}, is {current.kind}: its natural variation says nothing about it"
    return ""


def _warning(baseline: ChunkBaseline) -> str:
    if baseline.chunks < ENOUGH_CHUNKS:
        return (
            f"natural variation stands on {plural(baseline.chunks, 'chunk')}, fewer than {ENOUGH_CHUNKS}: seasons and"
            " chunks that resemble their neighbours cannot be told from change, so that an alarm or its absence cannot"
            " be vouched for"
        )
    law = baseline.values or baseline.missing
    independent = float(np.median(law.df)) + 1 if law is not None else 0.0
    if independent < ENOUGH_CHUNKS / 2:
        return (
            f"neighbouring chunks resemble each other so much that {plural(baseline.chunks, 'chunk')} count as"
            f" {number(independent)}: only large changes can be seen"
        )
    return ""


def _together(seen: Measured) -> tuple[FloatArray, float]:
    total = max(int(seen.filled.sum()), 1)
    return seen.counts.sum(axis=0) / total, float(seen.means() @ seen.filled) / total


def _each(seen: Measured, valued: np.ndarray) -> list[tuple[FloatArray, float]]:
    return list(zip(seen.shares()[valued], seen.means()[valued].tolist(), strict=True))


def _share(seen: Measured) -> float:
    return 1 - float(seen.filled.sum()) / max(float(seen.rows.sum()), 1.0)


def _typical(distances: Sequence[float]) -> float:
    """Of a new chunk: one that is part of the whole lies closer to it."""
    k = len(distances)
    return math.fsum(distances) / k * math.sqrt((k + 1) / (k - 1)) if k > 1 else 0.0


def _values_effect(baseline: ChunkBaseline, ruler: Ruler, now: Measured) -> float:
    shares, mean = _together(now)
    distance = ruler.distance(shares, mean, baseline.shares, baseline.mean)
    return corrected_effect(distance, _scaled(baseline.natural, baseline.values, int(now.filled[0])))


def _missing_effect(baseline: ChunkBaseline, now: Measured) -> float:
    natural = _scaled(baseline.natural_missing, baseline.missing, int(now.rows[0]))
    return corrected_effect(abs(_share(now) - baseline.missing_share), natural)


def _scaled(natural: float, law: Prediction | None, rows: int) -> float:
    return natural * math.sqrt(max(law.rows / max(rows, 1), 1.0)) if law is not None else natural


def _detectable(baseline: ChunkBaseline, ruler: Ruler, rows: int, level: float) -> float | None:
    law = baseline.values
    if law is None or rows < 2 or not 0 < level < 1:
        return None
    steps = (law.quantile(level) + special.stdtrit(law.df, _POWER)) * law.error(rows)
    if ruler.kind == "number":
        return float(steps[-1])
    share = baseline.shares
    best = int(np.argmin(np.abs(share - 0.5)))
    p = float(share[best])
    angle, step = 2 * math.asin(math.sqrt(p)), float(steps[best])
    reach = [math.sin(min(angle + step, math.pi) / 2) ** 2 - p, p - math.sin(max(angle - step, 0.0) / 2) ** 2]
    within = [
        change for change, fits in zip(reach, (angle + step <= math.pi, angle >= step), strict=True) if fits
    ]
    return max(within, default=None)


def _moved(baseline: ChunkBaseline, ruler: Ruler, now: Measured, index: int) -> str:
    if index < 0:
        return f"{baseline.missing_share:.1%} → {_share(now):.1%}"
    shares, mean = _together(now)
    if index < len(shares):
        return f"{baseline.shares[index]:.1%} → {shares[index]:.1%}"
    return f"{ruler.middle + ruler.width * baseline.mean:.4g} → {ruler.middle + ruler.width * mean:.4g}"
