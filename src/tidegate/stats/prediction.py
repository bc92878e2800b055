"""What a new chunk of time may look like, learnt from chunks of the past: prediction intervals of random effects.

Each chunk's value varies by the sampling of its rows and by what differs between chunks. A band of mean ± 3 standard
deviations of ten chunks forgets that the deviation itself is an estimate, that the mean is, and that neighbouring
chunks resemble each other; all three are counted here.
"""

from dataclasses import dataclass

import numpy as np
from scipy import special

from tidegate.stats.results import FloatArray, IntArray

LEAST_CHUNKS = 3
_MOST_CORRELATED = 0.9
_NOTHING = 0.01


@dataclass(frozen=True, slots=True)
class Prediction:
    """The law of summaries in a new chunk: Student's t around a centre.

    Attributes:
        centre: shape (j,), weighted mean over chunks.
        centre_variance: shape (j,), of that mean.
        between: shape (j,), variance between chunks beyond the sampling of rows.
        per_row: shape (j,), sampling variance of one row.
        rows: of the typical chunk (harmonic mean).
        df: shape (j,), degrees of freedom: independent chunks less one.
    """

    centre: FloatArray
    centre_variance: FloatArray
    between: FloatArray
    per_row: FloatArray
    rows: float
    df: FloatArray

    def error(self, rows: float) -> FloatArray:
        """Standard error of a new chunk of so many rows around the centre, shape (j,)."""
        # How variance between chunks shrinks with rows is not known: a smaller window gets more of all of it.
        less = max(self.rows / rows, 1.0)
        typical = less * (self.between + self.per_row / self.rows)
        return np.asarray(
            np.sqrt(self.centre_variance + np.maximum(typical, self.between + self.per_row / rows))
        )

    def t(self, values: FloatArray, rows: float) -> FloatArray:
        """A new chunk's distances from the centre in standard errors, shape (j,)."""
        return np.asarray((values - self.centre) / self.error(rows))

    def p_values(self, values: FloatArray, rows: float) -> FloatArray:
        """Two-sided, shape (j,), each valid by itself."""
        return np.asarray(2 * special.stdtr(self.df, -np.abs(self.t(values, rows))))

    def quantile(self, level: float) -> FloatArray:
        """Distance in standard errors that a two-sided p-value of `level` takes, shape (j,)."""
        return np.asarray(-special.stdtrit(self.df, level / 2))


def fit_prediction(values: FloatArray, rows: IntArray, per_row: FloatArray) -> Prediction:
    """Learn the law of a new chunk (DerSimonian & Laird, 1986; Higgins, Thompson & Spiegelhalter, 2009).

    Args:
        values: shape (k, j), summaries of chunks in the order of time, on a scale where sampling variance hangs on rows
            alone; k at least ``LEAST_CHUNKS``.
        rows: shape (k,), of each chunk, positive.
        per_row: shape (j,), positive: a summary of n rows has the sampling variance per_row / n.
    """
    k = len(values)
    sampling = per_row / rows[:, None]
    between = _between(values, sampling)
    weights = 1 / (between + sampling)
    centre = (weights * values).sum(axis=0) / weights.sum(axis=0)
    squares = weights * (values - centre) ** 2
    # Less variance than the sampling of rows gives is luck (Hartung & Knapp, 2001, with that floor).
    scale = np.maximum(squares.sum(axis=0) / (k - 1), 1.0)
    repeats = _repeats((values - centre) * np.sqrt(weights))
    # Neighbours that resemble each other show less variance than there is: its expectation is (k - repeats) / (k - 1).
    scale = scale * (k - 1) / np.maximum(k - repeats, 1.0)
    return Prediction(
        centre=centre,
        centre_variance=scale * repeats / weights.sum(axis=0),
        between=np.maximum(scale * (between + per_row / _harmonic(rows)) - per_row / _harmonic(rows), 0.0),
        per_row=per_row,
        rows=_harmonic(rows),
        df=np.maximum(k / repeats - 1, 1.0),
    )


def _harmonic(rows: IntArray) -> float:
    return float(1 / np.mean(1 / rows))


def _between(values: FloatArray, sampling: FloatArray) -> FloatArray:
    weights = 1 / sampling
    total = weights.sum(axis=0)
    centre = (weights * values).sum(axis=0) / total
    excess = (weights * (values - centre) ** 2).sum(axis=0) - (len(values) - 1)
    return np.asarray(np.maximum(excess / (total - (weights**2).sum(axis=0) / total), 0.0))


def _repeats(residuals: FloatArray) -> FloatArray:
    """Chunks that count as one, (1 + r) / (1 - r), by the correlation r of neighbours, shape (j,); at least 1.

    A correlation of few chunks is biased towards -1/k (Marriott & Pope, 1954): it is corrected, and a summary whose own
    looks lower than that of all summaries together gets theirs.
    """
    k = len(residuals)
    # Residuals are near 1 in size: where they are far smaller nothing varies, and signs of rounding say nothing.
    squares = np.maximum((residuals**2).sum(axis=0), _NOTHING * k)
    r = (residuals[1:] * residuals[:-1]).sum(axis=0) / squares
    r = (k * r + 1) / max(k - 3, 1)
    r = np.clip(np.maximum(r, r.mean()), 0.0, _MOST_CORRELATED)
    return np.asarray((1 + r) / (1 - r))
