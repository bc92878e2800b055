"""Weights that make one sample look like another: the ratio of their densities, by telling the two apart.

Where p is the chance that a row of both samples together is of the target, p / (1 - p) times the ratio of the sample
sizes is the ratio of the densities (Bickel, Brückner & Scheffer, 2009; Sugiyama, Suzuki & Kanamori, 2012).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from tidegate.stats.auc import roc_auc
from tidegate.stats.results import BoolArray, FloatArray, IntArray

FOLDS = 5
SELECTED_ON = 5_000
"""Rows of each sample that the penalty is chosen on; more would change little."""
_LEVELS = (10_000.0, 1_000.0, 100.0, 10.0, 1.0)
_MAIN_LIGHTER = 10.0
_LEAST_PENALTY = 1.0
_INTERCEPT_PENALTY = 1e-9
_LONGEST_STEP = 3.0
_ITERATIONS = 100
_ACCURATE = 1e-9
_CHUNK = 8_192
_SCARCE = 0.1
_NOTICEABLE = 10


@dataclass(frozen=True, slots=True)
class LogRatio:
    """Logarithm of the ratio of two densities, one linear form for each fold, fitted without its rows.

    Attributes:
        coefficients: shape (folds, 1 + p), the constants first.
        penalties: of the terms in each fold, shape (folds, p).
    """

    coefficients: FloatArray
    penalties: FloatArray

    def at(self, design: FloatArray, fold: IntArray) -> FloatArray:
        """The log ratio of rows, shape (n,), each by the form that was fitted without its fold.

        Args:
            design: shape (n, p).
            fold: shape (n,).
        """
        forms = self.coefficients
        return np.asarray(np.einsum("ij,ij->i", design, forms[fold, 1:]) + forms[fold, 0])


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows of both samples, encoded.

    Attributes:
        design: shape (n, p), columns of mean 0 and spread 1.
        target: shape (n,), true for rows of the sample to look like.
        fold: shape (n,), 0 to ``FOLDS`` - 1.
    """

    design: FloatArray
    target: BoolArray
    fold: IntArray

    def where(self, mask: BoolArray) -> "Sample":
        """The rows of a mask."""
        return Sample(self.design[mask], self.target[mask], self.fold[mask])


def fit_log_ratio(sample: Sample, refining: BoolArray, chosen_on: BoolArray) -> LogRatio:
    """Fit the log ratio by cross-fitted logistic regression with a ridge penalty.

    Terms whose mean clearly moved are penalised lightly, refining ones (curvature, products) more than others. The
    level of it all is chosen by the likelihood of rows that a fit has not seen, so that samples of one law get weights
    near 1 however many columns they have.

    Args:
        sample: rows to fit on; each fold should hold rows of both kinds.
        refining: shape (p,), the terms that are penalised more.
        chosen_on: shape (n,), the rows to choose the level on.
    """
    few = sample.where(chosen_on)
    best, least = math.nan, math.inf
    forms: FloatArray = np.zeros((FOLDS, 1 + len(refining)))
    for level in _LEVELS:
        candidate = _cross_fit(few, refining, level, forms)
        loss = _deviance(few, candidate)
        # All of them: what takes several terms to see costs more than it gives until the penalty is light enough.
        forms = candidate.coefficients
        if loss < least:
            best, least = level, loss
    fitted = _cross_fit(sample, refining, best, forms)
    counts = np.array([np.bincount(sample.target[sample.fold != k], minlength=2) for k in range(FOLDS)])
    offset = np.zeros_like(fitted.coefficients)
    offset[:, 0] = np.log(counts[:, 1] / counts[:, 0])
    return replace(fitted, coefficients=fitted.coefficients - offset)


def domain_auc(scores: FloatArray, target: BoolArray, fold: IntArray) -> float:
    """How well rows of the two samples are told apart, on rows left out: 0.5 not at all, 1 always.

    The mean over the folds: scores of different fits are not comparable. 0.5 where no fold has both kinds.
    """
    each = [
        roc_auc(target[fold == k], scores[fold == k])
        for k in range(FOLDS)
        if len(np.unique(target[fold == k])) == 2
    ]
    return math.fsum(each) / len(each) if each else 0.5


def normalised(log_ratio: FloatArray) -> tuple[FloatArray, float]:
    """Weights of mean 1, none above the square root of their number (Ionides, 2008), and the share that was cut.

    Args:
        log_ratio: shape (n,).
    """
    # Ratios may exceed the largest number; the weights are relative to the largest of them.
    weights = np.exp(log_ratio - log_ratio.max())
    limit = math.sqrt(len(weights)) * math.fsum(weights) / len(weights)
    cut = weights > limit
    weights = np.minimum(weights, limit)
    return weights * (len(weights) / math.fsum(weights)), float(cut.mean())


def effective_size(weights: FloatArray) -> float:
    """Rows of equal weight that would give a mean of the same variance (Kish, 1965)."""
    return math.fsum(weights) ** 2 / math.fsum(weights * weights)


def scarce(source: FloatArray, target: FloatArray) -> BoolArray:
    """Rows of the target where the source has less than a tenth of the rows that it would have if it were like it.

    The largest region of high ratios for which this holds, if the source should have at least ten rows there.

    Args:
        source: log ratio of rows of the sample that is weighted, shape (n,).
        target: log ratio of rows of the sample to look like, shape (m,).

    Returns:
        Shape (m,).
    """
    ascending = np.sort(target)
    beyond = np.arange(len(target), 0, -1) / len(target)
    found = (len(source) - np.searchsorted(np.sort(source), ascending)) / len(source)
    lacking = (found <= _SCARCE * beyond) & noticeable(beyond, len(source))
    if not lacking.any():
        return np.zeros(len(target), dtype=np.bool_)
    return np.asarray(target >= ascending[int(np.argmax(lacking))])


def noticeable(share: FloatArray, rows: int) -> BoolArray:
    """Shares of which so many rows should have some: that none are there is hardly chance (under one in 20,000)."""
    return np.asarray(share * rows >= _NOTICEABLE)


def _cross_fit(sample: Sample, refining: BoolArray, level: float, start: FloatArray) -> LogRatio:
    parts = [sample.where(sample.fold != k) for k in range(FOLDS)]
    penalties = [_penalties(part, refining, level) for part in parts]
    forms = [_fit(part, penalty, form) for part, penalty, form in zip(parts, penalties, start, strict=True)]
    return LogRatio(np.array(forms), np.array(penalties)[:, 1:])


def _penalties(sample: Sample, refining: BoolArray, level: float) -> FloatArray:
    """Of each term, lighter the more certain it is that its mean moved, as in the adaptive lasso (Zou, 2006)."""
    share = sample.target.mean()
    moved = sample.design[sample.target].mean(axis=0) - sample.design[~sample.target].mean(axis=0)
    certainty = moved**2 * (len(sample.target) * share * (1 - share))
    each = np.where(refining, level, level / _MAIN_LIGHTER) / np.maximum(certainty, 1.0)
    return np.concatenate(([_INTERCEPT_PENALTY], np.maximum(each, _LEAST_PENALTY)))


def _deviance(sample: Sample, fitted: LogRatio) -> float:
    log_odds = fitted.at(sample.design, sample.fold)
    return math.fsum(np.logaddexp(0.0, np.where(sample.target, -log_odds, log_odds)))


def _fit(sample: Sample, penalties: FloatArray, start: FloatArray) -> FloatArray:
    """Newton's method to full precision, so that the result does not hang on where it starts."""
    form = start
    for _ in range(_ITERATIONS):
        slope, curvature = penalties * form, np.diag(penalties)
        for x, target in _chunks(sample):
            chance = special.expit(x @ form)
            slope = slope + (chance - target) @ x
            curvature = curvature + (x.T * (chance * (1 - chance))) @ x
        step = np.linalg.solve(curvature, slope)
        # Far from the solution the curvature here says little about the one there.
        change = max(float(np.abs(x @ step).max()) for x, _ in _chunks(sample))
        form = form - step * min(1.0, _LONGEST_STEP / max(change, _ACCURATE))
        if change < _ACCURATE:
            break
    return form


def _chunks(sample: Sample) -> Iterator[tuple[FloatArray, BoolArray]]:
    """Parts of the rows that fit a processor's cache, with their constant."""
    for first in range(0, len(sample.design), _CHUNK):
        x = sample.design[first : first + _CHUNK]
        yield np.column_stack((np.ones(len(x)), x)), sample.target[first : first + _CHUNK]
