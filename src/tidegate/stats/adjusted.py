"""Did something change beyond what the covariates say? Doubly robust comparison of two samples.

A mean under the covariates of one sample and the relation of another is estimated by weights, and by a regression of
what is averaged on the covariates; each corrects the errors of the other (Robins, Rotnitzky & Zhao, 1994), and with
cross-fitting the interval holds when both come near the truth at modest rates (Chernozhukov et al., 2018).
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from tidegate.stats.results import BoolArray, FloatArray, IntArray

_PENALTIES = (1.0, 10.0, 100.0, 1_000.0, 10_000.0, 100_000.0)
_REFINING = 10.0


@dataclass(frozen=True, slots=True)
class Regressions:
    """Linear forms of k outcomes, one for each fold, fitted without its rows; shape (folds, 1 + p, k)."""

    coefficients: FloatArray

    def own(self, design: FloatArray, fold: IntArray) -> FloatArray:
        """For rows that were fitted on: each by the form without its fold, shape (n, k)."""
        result = np.empty((len(design), self.coefficients.shape[2]))
        for k, form in enumerate(self.coefficients):
            here = fold == k
            result[here] = design[here] @ form[1:] + form[0]
        return result

    def other(self, design: FloatArray) -> FloatArray:
        """For rows of another sample: the mean of all forms, shape (m, k)."""
        form = self.coefficients.mean(axis=0)
        return np.asarray(design @ form[1:] + form[0])


@dataclass(frozen=True, slots=True)
class Sums:
    """Squares and products of a part of the rows, from which any ridge regression follows."""

    gram: FloatArray
    cross: FloatArray
    squares: FloatArray

    @classmethod
    def of(cls, design: FloatArray, outcomes: FloatArray) -> "Sums":
        """Of rows of a design, shape (n, p), and outcomes, shape (n, k); a constant is added."""
        x = np.column_stack((np.ones(len(design)), design))
        return cls(x.T @ x, x.T @ outcomes, (outcomes**2).sum(axis=0))

    def __add__(self, other: "Sums") -> "Sums":
        """Of both parts together."""
        return Sums(self.gram + other.gram, self.cross + other.cross, self.squares + other.squares)

    def without(self, other: "Sums") -> "Sums":
        """Of the rows that are not in the other part."""
        return Sums(self.gram - other.gram, self.cross - other.cross, self.squares - other.squares)


def cross_fitted(parts: list[Sums], refining: BoolArray) -> Regressions:
    """Ridge regressions without each fold in turn; the penalty of each outcome is the best on the rows left out.

    Args:
        parts: of each fold.
        refining: shape (p,), terms that are penalised more.
    """
    whole = parts[0]
    for part in parts[1:]:
        whole = whole + part
    rest = [whole.without(part) for part in parts]
    each = np.concatenate(([0.0], np.where(refining, _REFINING, 1.0)))
    fits = np.array(
        [[_ridge(sums, penalty * each) for sums in rest] for penalty in _PENALTIES]
    )  # (penalties, folds, 1 + p, k)
    losses = np.array(
        [sum(_squared_error(part, form) for part, form in zip(parts, forms, strict=True)) for forms in fits]
    )
    best = losses.argmin(axis=0)
    return Regressions(np.stack([fits[best[k], :, :, k] for k in range(len(best))], axis=-1))


def _ridge(sums: Sums, penalties: FloatArray) -> FloatArray:
    # The constant alone is not penalised; a trace of it keeps folds without rows solvable.
    return np.asarray(np.linalg.solve(sums.gram + np.diag(penalties + 1e-9), sums.cross))


def _squared_error(part: Sums, form: FloatArray) -> FloatArray:
    products = np.einsum("pk,pq,qk->k", form, part.gram, form)
    return np.asarray(part.squares - 2 * (form * part.cross).sum(axis=0) + products)


@dataclass(frozen=True, slots=True)
class Moved:
    """An estimate with the variance of its k parts.

    Attributes:
        value: shape (k,).
        covariance: shape (k, k).
        degrees_of_freedom: of the covariance.
    """

    value: FloatArray
    covariance: FloatArray
    degrees_of_freedom: float

    @property
    def error(self) -> FloatArray:
        """Standard errors, shape (k,)."""
        return np.sqrt(np.maximum(np.diag(self.covariance), 0.0))

    def chi_squared(self) -> tuple[float, int, float]:
        """Statistic, degrees of freedom and p-value of no move at all; parts that cannot vary are left out."""
        if not np.isfinite(self.covariance).all():
            return 0.0, 0, 1.0
        values, vectors = np.linalg.eigh(self.covariance)
        kept = values > 1e-10 * max(float(values.max(initial=0.0)), np.finfo(float).tiny)
        if not kept.any():
            return 0.0, 0, 1.0
        along = vectors[:, kept].T @ self.value
        statistic, df = float((along**2 / values[kept]).sum()), int(kept.sum())
        # Hotelling's law (1931): the covariance is estimated, too.
        freedom = self.degrees_of_freedom
        if math.isinf(freedom) or freedom <= df:
            return statistic, df, float(special.chdtrc(df, statistic)) if math.isinf(freedom) else 1.0
        scaled = statistic * (freedom - df + 1) / (freedom * df)
        return statistic, df, float(special.fdtrc(df, freedom - df + 1, scaled))


@dataclass(frozen=True, slots=True)
class Contributions:
    """How far each row of one sample moves an estimate: shape (n, k), with the cluster of each row."""

    rows: FloatArray
    cluster: NDArray[Any] | None = None

    def covariance(self) -> tuple[FloatArray, float]:
        """Of their sum, rows of one cluster moving together (Liang & Zeger, 1986); and the units less one."""
        each = self.rows
        if self.cluster is not None:
            codes = np.unique(self.cluster, return_inverse=True)[1]
            each = np.column_stack([np.bincount(codes, column) for column in self.rows.T])
        units = len(each)
        if units < 2:
            return np.full((self.rows.shape[1],) * 2, np.inf), 0.0
        apart = each - each.mean(axis=0)
        return np.asarray(apart.T @ apart * (units / (units - 1))), units - 1.0


def moved(value: FloatArray, *samples: Contributions) -> Moved:
    """An estimate from independent samples, with their covariances added."""
    found = [each.covariance() for each in samples]
    total = np.sum([covariance for covariance, _ in found], axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        variances = np.array([np.trace(covariance) for covariance, _ in found])
        # Satterthwaite (1946), by the traces.
        each = variances**2 / np.array([freedom for _, freedom in found])
        freedom = float(variances.sum() ** 2 / each.sum())
    return Moved(np.atleast_1d(value), total, freedom if math.isfinite(freedom) and freedom > 0 else 0.0)


def standardised(weight: FloatArray) -> FloatArray:
    """Weights of sum 1."""
    return np.asarray(weight / math.fsum(weight))


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows of one sample.

    Attributes:
        values: what is averaged, shape (n, k).
        expected: the same by regression on the source, cross-fitted, shape (n, k).
        weight: how much each row counts, shape (n,); of the source so that it looks like the target.
        cluster: codes of what rows come from, shape (n,); None where they are independent.
    """

    values: FloatArray
    expected: FloatArray
    weight: FloatArray
    cluster: NDArray[Any] | None = None

    def residual(self) -> tuple[FloatArray, Contributions]:
        """Weighted mean of what is not expected, shape (k,), and how far each row moves it."""
        share = standardised(self.weight)
        left = self.values - self.expected
        mean = share @ left
        return mean, Contributions(share[:, None] * (left - mean), self.cluster)


def adjusted_difference(source: Sample, target: Sample) -> Moved:
    """Means of the target beyond those that the source's relation has under the target's covariates."""
    (there, from_source), (here, from_target) = source.residual(), target.residual()
    return moved(here - there, from_source, from_target)
