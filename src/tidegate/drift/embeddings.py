"""Did vectors, such as embeddings, change? Whether a linear classifier tells those of two windows apart."""

import math
from dataclasses import dataclass, replace

import numpy as np

from tidegate.drift.column_test import ColumnTest, Part, Shares, worst
from tidegate.drift.folds import Arrangement, arrange, stacked
from tidegate.drift.multivariate import LEAST_ROWS, detectable_auc, effect_of
from tidegate.stats.categorical import homogeneity, total_variation, total_variation_null
from tidegate.stats.classifier_test import FOLDS, classifier_test
from tidegate.stats.results import UndefinedStatisticError
from tidegate.stats.two_sample import corrected_effect
from tidegate.tables import Column
from tidegate.wording import number, plural

TEST = "classifier two-sample test"
_MOST_ROWS = 20_000
_MOST_CELLS = 8_000_000
_MOST_COVARIANCES = 2_048
_HASHED_CELLS = 4_000_000


@dataclass(frozen=True, slots=True)
class _Moments:
    """Sums over rows, of which any folds can be put together.

    Attributes:
        counts: rows of the reference and of the current window, shape (2,).
        sums: of their vectors, shape (2, d).
        products: of the coordinates of all rows, shape (d, d); of vectors that are too long, None.
        fourth: fourth powers of the lengths of the vectors.
    """

    counts: np.ndarray
    sums: np.ndarray
    products: np.ndarray | None
    fourth: float

    def __add__(self, other: "_Moments") -> "_Moments":
        products = None
        if self.products is not None and other.products is not None:
            products = self.products + other.products
        return _Moments(
            self.counts + other.counts, self.sums + other.sums, products, self.fourth + other.fourth
        )


def embedding_drift(
    name: str,
    reference: np.ndarray,
    current: np.ndarray,
    *,
    min_effect: float,
    level: float = 0.01,
    cluster: tuple[Column, Column] | None = None,
    seed: int = 0,
) -> ColumnTest:
    """Test whether vectors are of one law in two windows, by a linear classifier (Lopez-Paz & Oquab, 2017).

    Fisher's discriminant with a covariance shrunk towards that of unrelated coordinates (Ledoit & Wolf, 2004), on
    coordinates of spread 1 and the logarithm of the vector's length. It sees means move, in whichever direction, and
    spreads as far as lengths show them. The order of rows does not matter; of very many rows some are drawn.

    Args:
        name: of the column.
        reference: vectors of the window that things are compared with, shape (n, d); a row of NaN is a missing vector.
        current: vectors of the window under watch, shape (m, d).
        min_effect: the size that counts, in units of 2 auc - 1.
        level: at which the detectable effect is stated.
        cluster: what rows come from in either window; None when rows are independent.
        seed: of folds and draws.

    Returns:
        Of kind ``embedding``; the statistic is the AUC, the effect 2 auc - 1 on vectors that the classifier has not
        seen. Vectors of another length are a finding, and as large a change as there can be.
    """
    gaps = [_gaps(each) for each in (reference, current)]
    missing = Shares(*(float(each.mean()) if len(each) else 0.0 for each in gaps))
    lengths = [each.shape[1] for each in (reference, current)]
    some = [bool((~each).any()) for each in gaps]
    if all(some) and lengths[0] != lengths[1]:
        words = f"vectors had {plural(lengths[0], 'number')}, have {lengths[1]:,}"
        return _result(name, [Part(TEST, 1.0, 0.0, 1.0)], [words], missing, min_effect, (words,))
    findings: tuple[str, ...] = ()
    if some[0] and not some[1] and len(gaps[1]):
        findings = ("all vectors are missing in the current window",)
    parts, details, detectable = [], [], None
    if all(some):
        filled = [np.flatnonzero(~each) for each in gaps]
        own = None if cluster is None else (cluster[0].take(filled[0]), cluster[1].take(filled[1]))
        part, words, detectable = _told_apart(
            reference[filled[0]], current[filled[1]], own, level, min_effect, seed
        )
        parts += [part] if part is not None else []
        details.append(words)
    if any(each.any() for each in gaps) and all(map(len, gaps)):
        parts.append(_missing_part(gaps))
        details.append(f"missing {missing.reference:.1%} → {missing.current:.1%}")
    result = _result(name, parts, details, missing, min_effect, findings, detectable)
    return result if cluster is None else replace(result, baseline="clusters")


def _result(
    name: str,
    parts: list[Part],
    details: list[str],
    missing: Shares,
    min_effect: float,
    findings: tuple[str, ...],
    detectable: float | None = None,
) -> ColumnTest:
    part = worst(parts, min_effect)
    return ColumnTest(
        name=name,
        kind="embedding",
        test=part.test,
        statistic=part.statistic,
        p_value=part.p_value,
        effect=part.effect,
        detail="; ".join(details),
        distribution=None,
        findings=findings,
        detectable=detectable,
        missing=missing,
    )


def _gaps(vectors: np.ndarray) -> np.ndarray:
    """Mask of the rows without any number, shape (n,)."""
    if not vectors.size:
        return np.ones(len(vectors), dtype=np.bool_)
    step = max(1, _HASHED_CELLS // vectors.shape[1])
    parts = [~np.isfinite(vectors[i : i + step]).any(axis=1) for i in range(0, len(vectors), step)]
    return np.concatenate(parts)


def _missing_part(gaps: list[np.ndarray]) -> Part:
    counts = [np.array([np.count_nonzero(each), np.count_nonzero(~each)]) for each in gaps]
    test = homogeneity(counts[0], counts[1])
    effect = corrected_effect(
        total_variation(counts[0], counts[1]), total_variation_null(counts[0], counts[1])
    )
    return Part("chi-squared on missing values", test.statistic, test.p_value, effect)


def _told_apart(
    reference: np.ndarray,
    current: np.ndarray,
    cluster: tuple[Column, Column] | None,
    level: float,
    min_effect: float,
    seed: int,
) -> tuple[Part | None, str, float | None]:
    """The test of filled vectors, what to say of it, and the smallest effect that it would show."""
    split = len(reference)
    if min(split, len(current)) < LEAST_ROWS:
        few = plural(min(split, len(current)), "vector")
        return None, f"a window has {few}, too few to tell the windows apart: it takes {LEAST_ROWS}", None
    most = min(_MOST_ROWS, max(_MOST_CELLS // reference.shape[1], LEAST_ROWS * FOLDS))
    digest = np.concatenate([_digest(reference), _digest(current)])
    arranged = arrange(digest, stacked(cluster), split=split, at_most=most, seed=seed)
    design = _design(reference, current, arranged)
    scores = _scores(design, arranged)
    try:
        test = classifier_test(
            scores, arranged.current, arranged.fold, confidence=0.95, cluster=arranged.cluster
        )
    except UndefinedStatisticError as error:
        return None, str(error), None
    detectable = 2 * detectable_auc(test.standard_error, level, min_effect) - 1
    words = (
        f"vectors of {plural(reference.shape[1], 'number')} of the two windows are told apart with AUC"
        f" {number(test.auc)} [{number(test.interval.low)}, {number(test.interval.high)}]"
    )
    if len(arranged.rows) < split + len(current):
        words += f", on {len(arranged.rows):,} of {split + len(current):,}"
    return Part(TEST, test.auc, test.p_value, effect_of(test.auc)), words, detectable


def _digest(vectors: np.ndarray) -> np.ndarray:
    """A hash of each row, shape (n,) uint64: sums of products with random odd numbers, which no order changes."""
    rng = np.random.default_rng(0)
    factors = rng.integers(0, 2**63, size=vectors.shape[1], dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    digest = np.empty(len(vectors), dtype=np.uint64)
    step = max(1, _HASHED_CELLS // vectors.shape[1])
    for i in range(0, len(vectors), step):
        part = vectors[i : i + step].astype(np.float64)
        # One spelling of zero, and one of missing.
        bits = np.where(np.isnan(part), np.nan, part + 0.0).view(np.uint64)
        bits = (bits ^ (bits >> np.uint64(32))) * np.uint64(0xBF58476D1CE4E5B9)
        digest[i : i + step] = ((bits ^ (bits >> np.uint64(29))) * factors).sum(axis=1, dtype=np.uint64)
    return digest


def _design(reference: np.ndarray, current: np.ndarray, arranged: Arrangement) -> np.ndarray:
    """The rows that were drawn, each coordinate of mean 0 and spread 1 over both windows; 0 where it is missing."""
    rows = arranged.rows
    drawn = np.empty((len(rows), reference.shape[1] + 1))
    drawn[~arranged.current, :-1] = reference[rows[~arranged.current]]
    drawn[arranged.current, :-1] = current[rows[arranged.current] - len(reference)]
    drawn[~np.isfinite(drawn)] = np.nan
    # The size of what is there, whatever is missing; scaled, since squares may exceed the largest number.
    known = drawn[:, :-1]
    largest = float(np.nanmax(np.abs(known)))
    squares = np.nanmean(np.square(known / (largest or 1.0)), axis=1)
    drawn[:, -1] = np.log(np.maximum(squares, 1e-30))
    for j in range(drawn.shape[1]):
        drawn[:, j] = _standardised(drawn[:, j])
    return drawn


def _standardised(values: np.ndarray) -> np.ndarray:
    filled = ~np.isnan(values)
    if not filled.any():
        return np.zeros(len(values))
    largest = float(np.abs(values[filled]).max()) or 1.0
    unit = values / largest
    centred = np.where(filled, unit - unit[filled].mean(), 0.0)
    spread = math.sqrt(float(np.mean(centred**2)))
    return centred / spread if spread > 1e-9 else np.zeros(len(values))


def _scores(design: np.ndarray, arranged: Arrangement) -> np.ndarray:
    """Each fold scored by the discriminant of the folds before it; 0 in the first."""
    scores, seen = np.zeros(len(design)), None
    for k in range(FOLDS):
        here = arranged.fold == k
        if seen is not None and here.any() and seen.counts.all():
            scores[here] = np.round(design[here] @ _direction(seen), 9)
        if k < FOLDS - 1:
            moments = _moments(design[here], arranged.current[here])
            seen = moments if seen is None else seen + moments
    return scores


def _moments(design: np.ndarray, current: np.ndarray) -> _Moments:
    counts = np.array([np.count_nonzero(~current), np.count_nonzero(current)])
    sums = np.array([design[~current].sum(axis=0), design[current].sum(axis=0)])
    products = design.T @ design if design.shape[1] <= _MOST_COVARIANCES else None
    squares = np.einsum("ij,ij->i", design, design)
    return _Moments(counts, sums, products, float(squares @ squares))


def _direction(seen: _Moments) -> np.ndarray:
    """Fisher's discriminant; of vectors that are too long for a covariance, the difference of the means."""
    apart = seen.sums[1] / seen.counts[1] - seen.sums[0] / seen.counts[0]
    if seen.products is not None:
        rows, size = int(seen.counts.sum()), len(apart)
        mean = seen.sums.sum(axis=0) / rows
        covariance = seen.products / rows - np.outer(mean, mean)
        scale = float(np.trace(covariance)) / size
        squared = float((covariance**2).sum())
        off = squared - size * scale**2
        noise = (seen.fourth / rows - squared) / rows
        shrinkage = min(1.0, max(noise / off, 1e-3)) if off > 0 else 1.0
        covariance *= 1 - shrinkage
        covariance[np.diag_indices(size)] += max(shrinkage * scale, 1e-9)
        apart = np.linalg.solve(covariance, apart)
    length = float(np.linalg.norm(apart))
    # Of one length, so that rounding means the same whatever the windows.
    return np.asarray(apart / length if length > 0 else apart)
