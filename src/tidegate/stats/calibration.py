"""Do probabilities hold what they say? Calibration error and parts of the Brier score, on bins of the score.

A label is 0 or 1, and a score the probability of 1. For several classes pass whether the predicted class
was right, and its probability.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

from tidegate.stats.intervals import t_quantile
from tidegate.stats.results import FloatArray, IntArray, Interval, tail

Binning = Literal["uniform", "quantile"]

_SEED = 20150125
_DRAWS = 9_999
_SURE = 3.0  # standard errors by which a bin's gap may be overestimated, one time in 700


@dataclass(frozen=True, slots=True)
class ReliabilityTable:
    """Rows in bins of their scores: what a reliability diagram draws. All arrays are of shape (bins,).

    Attributes:
        rows: in each bin.
        mean_label: share of ones; 0 in an empty bin.
        mean_score: 0 in an empty bin.
        squared_error: sum of (score - label) squared.
        expected_error: sum of score * (1 - score), which `squared_error` is on average if the scores are true.
        score_variation: sum of squared deviations of the scores from their bin's mean.
        covariation: sum of products of the deviations of scores and labels.
    """

    rows: IntArray
    mean_label: FloatArray
    mean_score: FloatArray
    squared_error: FloatArray
    expected_error: FloatArray
    score_variation: FloatArray
    covariation: FloatArray

    @property
    def gaps(self) -> FloatArray:
        """Mean label minus mean score, times the share of rows in the bin; NaN without rows."""
        with np.errstate(invalid="ignore"):
            gaps: FloatArray = (self.mean_label - self.mean_score) * (self.rows / self.rows.sum())
        return gaps

    @property
    def expected_calibration_error(self) -> float:
        """How far the scores of a row's bin are from its labels, on average (Naeini et al., 2015).

        Of confidences it is Guo et al.'s (2017). NaN without rows. Never negative, it is too large by
        chance, by about 0.8 * sqrt(bins * Brier score / rows) for a model without any error.
        """
        return float(np.abs(self.gaps).sum())


@dataclass(frozen=True, slots=True)
class BrierParts:
    """Parts of the Brier score that add up to it (Murphy, 1973; Stephenson et al., 2008).

    Attributes:
        reliability: mean squared difference of the scores and labels of a bin; lower is better.
        resolution: variance of the labels between bins; higher is better.
        uncertainty: variance of the labels: what is given.
        within_bin_variance: of the scores, which the bins hide.
        within_bin_covariance: of scores and labels, twice.
    """

    reliability: float
    resolution: float
    uncertainty: float
    within_bin_variance: float
    within_bin_covariance: float

    @property
    def brier_score(self) -> float:
        """The sum: reliability - resolution + uncertainty + the variance - the covariance within bins."""
        remainder = self.within_bin_variance - self.within_bin_covariance
        return self.reliability - self.resolution + self.uncertainty + remainder


def reliability_table(
    label: NDArray[Any], score: NDArray[np.floating], *, bins: int = 15, binning: Binning = "uniform"
) -> ReliabilityTable:
    """Count rows in bins of their scores.

    A bin holds its upper edge and not its lower one, which only the first has as well (Guo et al., 2017, and
    scikit-learn's ``calibration_curve``). ``uniform`` edges are equally spaced over [0, 1]; ``quantile``
    ones are quantiles of the scores, so that equal scores share a bin, and with many of them some stay empty.

    Args:
        label: shape (n,), 0 or 1.
        score: shape (n,), within [0, 1].
        bins: how many.
        binning: ``uniform`` or ``quantile``.
    """
    y, p = np.asarray(label, dtype=np.float64), np.asarray(score, dtype=np.float64)
    index = bin_index(p, bins=bins, binning=binning)
    rows = np.bincount(index, minlength=bins)

    def sums(values: FloatArray) -> FloatArray:
        return np.bincount(index, weights=values, minlength=bins).astype(np.float64, copy=False)

    mean_label, mean_score = sums(y) / np.maximum(rows, 1), sums(p) / np.maximum(rows, 1)
    of_label, of_score = y - mean_label[index], p - mean_score[index]
    return ReliabilityTable(
        rows=rows,
        mean_label=mean_label,
        mean_score=mean_score,
        squared_error=sums((p - y) ** 2),
        expected_error=sums(p * (1 - p)),
        score_variation=sums(of_score**2),
        covariation=sums(of_score * of_label),
    )


def bin_index(score: FloatArray, *, bins: int, binning: Binning) -> IntArray:
    """The bin of each score, shape (n,), as in :func:`reliability_table`."""
    edges = np.linspace(0, 1, bins + 1)
    if binning == "quantile" and len(score):
        # The scores themselves, which no interpolation can move to the other side of a row.
        ends = np.sort(score)[(len(score) - 1) * np.arange(1, bins) // bins]
        return np.searchsorted(ends, score)
    return np.searchsorted(edges[1:-1], score)


def calibration_error_interval(table: ReliabilityTable, *, confidence: float) -> Interval:
    """Interval of the expected calibration error of the population, on the same bins.

    A bootstrap resamples around the estimate's own excess over zero and never covers the zero of a
    perfectly calibrated model. Here each side is an argument of its own:

    * Below, the excess of the estimate is at most that of sums of absolute noise, because
      ``|gap + noise| - |gap|`` grows as the gap shrinks. Its quantile comes from normal noise about
      gaps that are three standard errors smaller than observed, and zero if they are no larger.
    * Above, the true error is a mean over rows of label minus score with the true sign of each bin.
      The estimate exceeds the same mean with any signs, so the limit of that mean serves: that of a rare
      outcome with the same variance, which is exact where labels show few surprises or none.

    In simulations of 95% intervals each side misses at most 2.6% of the time, from 5 to 50% of ones down to
    one in 10,000 (100 to 10,000 rows), and hardly ever where the error is within the noise.
    Infinite without rows.
    """
    n = int(table.rows.sum())
    if n == 0:
        return Interval(-math.inf, math.inf)
    alpha, gaps, value = tail(confidence), table.gaps, table.expected_calibration_error
    # Where labels have not yet shown a rare surprise, the scores themselves say how large it would be.
    spread = np.maximum(table.squared_error / n - gaps**2, table.expected_error / n) + _hidden(table) / n
    noise = np.random.default_rng(_SEED).standard_normal((_DRAWS, len(gaps))) * np.sqrt(spread / n)
    surely = np.maximum(np.abs(gaps) - _SURE * np.sqrt(spread / n), 0.0)
    excess = float(np.quantile((np.abs(surely + noise) - surely).sum(axis=1), 1 - alpha))
    high = value + float(_shortfall(table.squared_error.sum() - n * value**2, n, alpha))
    return Interval(min(max(value - excess, 0.0), value), max(min(high, 1.0), value))


def calibration_error_excess(first: FloatArray, second: FloatArray) -> Interval:
    """By how much the difference of two calibration errors, the first less the second, is too large on average.

    Each error is too large by the sum over bins of ``E|gap + noise| - |gap|``: most where there is no gap, and hardly
    at all where it is many standard errors wide. The true gaps are not known, so each is taken to be a standard
    error smaller than it is seen to be, which is too small on average over bins. Noise that both models share is
    in both errors: in no bin do their excesses differ by more than their gaps do, plus what their standard errors
    differ by.

    Args:
        first: sums over independent units of the rows, the labels and the scores in each bin of that model, shape
            (3, units, bins).
        second: the same of the other model.

    Returns:
        Bounds of the average excess; both infinite for one unit.
    """
    (of_first, gaps_first, off_first), (of_second, gaps_second, off_second) = map(_gap_noise, (first, second))
    units, rows = first.shape[1], float(first[0].sum())
    if units < 2:
        return Interval(-math.inf, math.inf)
    apart = _spread(off_first - off_second) / rows
    shared = (
        np.abs(gaps_first - gaps_second)
        + _SURE * apart
        + math.sqrt(2 / math.pi) * np.abs(of_first - of_second)
    )
    most = [
        np.minimum(_folded_excess(gaps, noise), shared).sum()
        for gaps, noise in ((gaps_second, of_second), (gaps_first, of_first))
    ]
    return Interval(-float(most[0]), float(most[1]))


def _gap_noise(sums: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Standard errors of the gaps, the gaps, both shape (bins,), and what they are sums of, (units, bins)."""
    rows, labels, scores = sums
    n, each = rows.sum(), labels - scores
    inside = rows.sum(axis=0)
    said = np.divide(scores.sum(axis=0), inside, out=np.zeros_like(inside), where=inside > 0)
    # As for one model: where labels have not yet shown a rare surprise the scores say how large it would be.
    noise = np.maximum(_spread(each), np.sqrt(inside * said * (1 - said)))
    return noise / n, each.sum(axis=0) / n, each


def _spread(each: FloatArray) -> FloatArray:
    """Standard error of sums over independent units, shape (units, bins) to (bins,)."""
    units = len(each)
    deviations: FloatArray = np.sqrt(
        ((each - each.mean(axis=0)) ** 2).sum(axis=0) * units / max(units - 1, 1)
    )
    return deviations


def _folded_excess(gaps: FloatArray, noise: FloatArray) -> FloatArray:
    """Mean of ``|gap + noise| - |gap|`` for normal noise (Leone, Nelson & Nottingham, 1961), of gaps seen with it."""
    likely = np.maximum(np.abs(gaps) - noise, 0.0)
    ratio = np.divide(likely, noise, out=np.zeros_like(likely), where=noise > 0)
    folded: FloatArray = noise * math.sqrt(2 / math.pi) * np.exp(-(ratio**2) / 2)
    return np.asarray(folded - 2 * likely * special.ndtr(-ratio))


def square_excess(first: FloatArray, second: FloatArray) -> Interval:
    """As :func:`calibration_error_excess`, of means over bins of squared means: by the variance of those means.

    Args:
        first: sums over independent units of the rows and of what is squared, shape (2, units, bins).
        second: the same of the other model.
    """
    if first.shape[1] < 2:
        return Interval(-math.inf, math.inf)
    each = [_variance_of_means(*sums) for sums in (first, second)]
    return Interval(each[0] - each[1], each[0] - each[1])


def _variance_of_means(rows: FloatArray, values: FloatArray) -> float:
    inside = rows.sum(axis=0)
    means = np.divide(values.sum(axis=0), inside, out=np.zeros_like(inside), where=inside > 0)
    squares = _spread(values - rows * means) ** 2
    return float(np.divide(squares, inside, out=np.zeros_like(inside), where=inside > 0).sum() / inside.sum())


def brier_parts(table: ReliabilityTable) -> BrierParts:
    """Decompose the Brier score; all NaN without rows."""
    n = int(table.rows.sum())
    if n == 0:
        return BrierParts(*[math.nan] * 5)
    share = table.rows / n
    overall = float(share @ table.mean_label)
    return BrierParts(
        reliability=float(share @ (table.mean_score - table.mean_label) ** 2),
        resolution=float(share @ (table.mean_label - overall) ** 2),
        uncertainty=overall * (1 - overall),
        within_bin_variance=float(table.score_variation.sum()) / n,
        within_bin_covariance=2 * float(table.covariation.sum()) / n,
    )


def reliability_interval(table: ReliabilityTable, *, confidence: float) -> Interval:
    """Interval of the reliability of the population, on the same bins; see :func:`_square_interval`."""
    n = max(int(table.rows.sum()), 1)
    gaps = table.mean_label - table.mean_score
    spread = np.maximum(table.squared_error - table.rows * gaps**2, table.expected_error) + _hidden(table)
    return _square_interval(table.rows / n, gaps, spread, table.rows, confidence)


def resolution_interval(table: ReliabilityTable, *, confidence: float) -> Interval:
    """Interval of the resolution of the population, on the same bins; see :func:`_square_interval`."""
    share = table.rows / max(int(table.rows.sum()), 1)
    apart = table.mean_label - float(share @ table.mean_label)
    spread = np.maximum(table.rows * table.mean_label * (1 - table.mean_label), table.expected_error)
    return _square_interval(share, apart, spread, table.rows, confidence)


def _square_interval(
    share: FloatArray, apart: FloatArray, spread: FloatArray, rows: IntArray, confidence: float
) -> Interval:
    """Interval of a mean over bins of squares, which noise always makes larger.

    Each side is an argument of its own about the root of the mean, a Euclidean norm:

    * Below, it is too large by at most the norm of the noise (the triangle inequality), whose quantile
      comes from normal noise.
    * Above, it is too small by at most the noise in the one direction of the true values, and in no
      direction is there more than in the noisiest bin. How far that one may be from its truth is
      said by an exact limit, which holds for a rare outcome that the bin has not yet seen.

    That the shares of the bins vary, too, is added as for a difference of two estimates (Zou & Donner, 2008).

    In simulations of 95% intervals each side misses at most 2.6% of the time, from 5 to 50% of ones down to
    one in 10,000 (100 to 10,000 rows), and with many bins seldom at all. There are two limits to that. A
    bin that the rows leave empty counts for nothing. And where most of the population's resolution is in bins
    of which fewer than ten rows are expected, its upper limit misses 3 to 6% of the time.

    Args:
        share: of the rows in each bin, shape (bins,), as all others.
        apart: what is squared.
        spread: of `apart`: sum of squared deviations within the bin.
        rows: in each bin.
        confidence: of the two-sided interval.
    """
    n = int(rows.sum())
    if n == 0:
        return Interval(-math.inf, math.inf)
    alpha, size = tail(confidence), np.maximum(rows, 1)
    noise = np.random.default_rng(_SEED).standard_normal((_DRAWS, len(rows))) * (np.sqrt(spread) / size)
    excess = float(np.quantile(np.sqrt(noise**2 @ share), 1 - alpha))
    # Nothing is further apart than 1.
    lack = np.minimum(_shortfall(spread, size, alpha), 1 - np.abs(apart))
    reach = float((np.sqrt(share) * lack).max())
    value = float(share @ apart**2)
    root = math.sqrt(value)
    moved = float(share @ apart**4) - value**2
    fewer = t_quantile(confidence, math.inf) * math.sqrt(max(moved, 0.0) / n)
    # Few rows of a bin far apart say little of its share: an exact limit here, too, in units of the largest square.
    farthest = float(np.abs(apart[rows > 0]).max())
    more = 0.0
    if farthest > 0:
        squares = (apart / farthest) ** 2
        varied = max(float(share @ squares**2) - float(share @ squares) ** 2, 0.0)
        more = farthest**2 * float(_shortfall(n * varied, n, alpha))
    low = value - math.hypot(value - max(root - excess, 0.0) ** 2, fewer)
    high = value + math.hypot((root + reach) ** 2 - value, more)
    return Interval(max(low, 0.0), max(min(high, 1.0), value))


def _shortfall(spread: FloatArray | float, rows: IntArray | int, alpha: float) -> FloatArray:
    """How far a mean may be above its estimate but `alpha` of the time, if values lie within a range of 1.

    The limit is exact for the share of an outcome (Clopper & Pearson, 1934), and taken for the rare one
    that varies as much as the values: of all laws with their variance it is the one that hides most.

    Args:
        spread: sum of squared deviations.
        rows: how many values.
        alpha: probability above the limit.
    """
    variance = np.maximum(spread, 0.0) / rows
    least = np.minimum(variance, 0.25)
    rare = 2 * least / (1 + np.sqrt(1 - 4 * least))
    lack = special.betaincinv(rows * rare + 1, rows * (1 - rare), 1 - alpha) - rare
    # Differences of labels and scores vary more than any outcome where the scores are far out in both directions.
    result: FloatArray = lack * np.sqrt(np.maximum(4 * variance, 1.0))
    return result


def _hidden(table: ReliabilityTable) -> FloatArray:
    """Sum of squared deviations that neither the labels nor the scores of a bin show, shape (bins,).

    Labels that are all 0 under scores near 1 do not vary, nor would they if the scores were true,
    though they may for any share of ones in between.
    """
    label, score = table.mean_label, table.mean_score
    between = np.clip(0.5, np.minimum(label, score), np.maximum(label, score))
    seen = np.maximum(label * (1 - label), score * (1 - score))
    hidden: FloatArray = table.rows * np.maximum(between * (1 - between) - seen, 0.0)
    return hidden
