"""How far the reference can speak for the current window: weights under which it looks like it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from tidegate.covariates import pair
from tidegate.drift.label_free.results import CannotEstimateError, Overlap
from tidegate.drift.label_free.rows import answers, arranged
from tidegate.errors import DataError
from tidegate.metrics.data import Predictions
from tidegate.reweighting import Importance, importance_weights
from tidegate.tables import Column
from tidegate.wording import number, plural

_REFERENCE_ROWS, _CURRENT_ROWS, _COLUMNS = 30_000, 20_000, 12
_SURE, _CLEAR = 4.0, 0.01
_FEWEST, _FEWEST_SHARE = 100.0, 0.05
_MUCH_UNCOVERED = 0.05


@dataclass(frozen=True, slots=True)
class Weighed:
    """Rows of the reference with the weights that make them look like the current window.

    Attributes:
        rows: positions, shape (k,).
        weights: shape (k,), of mean 1.
    """

    rows: np.ndarray
    weights: np.ndarray
    overlap: Overlap

    @property
    def suffices(self) -> bool:
        """Whether the weighted rows are worth enough to rest an estimate on."""
        return self.overlap.effective_rows >= max(_FEWEST, _FEWEST_SHARE * len(self.rows))

    @property
    def problems(self) -> list[str]:
        """What of the assumption that the windows overlap visibly does not hold."""
        found = []
        if self.overlap.uncovered_share >= _MUCH_UNCOVERED:
            found.append(
                f"{self.overlap.uncovered_share:.0%} of the current window lies where the reference has next to no rows"
            )
        if not self.suffices:
            found.append(
                "weighted towards the current window the reference is worth"
                f" {self.overlap.effective_rows:,.0f} of {plural(len(self.rows), 'row')}"
            )
        return found


def weigh(
    reference: Predictions,
    current: Predictions,
    reference_features: Mapping[str, Column],
    current_features: Mapping[str, Column],
    seed: int,
) -> Weighed:
    """Weigh rows of the reference towards the current window, by features and by what the model said.

    Of very many rows some are taken, whatever their order.

    Raises:
        CannotEstimateError: there is nothing to weigh by, or too few rows.
    """
    shared = sorted(reference_features.keys() & current_features.keys())
    columns = [
        {**{name: features[name] for name in shared}, **answers(data)}
        for features, data in ((reference_features, reference), (current_features, current))
    ]
    rows = [
        arranged(each, most, seed)
        for each, most in zip(columns, (_REFERENCE_ROWS, _CURRENT_ROWS), strict=True)
    ]
    taken = [
        {name: column.take(chosen) for name, column in each.items()}
        for each, chosen in zip(columns, rows, strict=True)
    ]
    kept, beside = _most_moved(*taken), len(taken[0])
    try:
        found = importance_weights(
            *({name: each[name] for name in kept if name in each} for each in taken), seed=seed
        )
    except DataError:
        few = min(reference.rows, current.rows)
        raise CannotEstimateError(f"{plural(few, 'row')} are too few to weigh the reference by") from None
    overlap = _overlap(found, len(rows[0]), len(rows[1]))
    if len(kept) < beside:
        more = f"; of {beside} columns the {len(kept)} that moved most by themselves were weighed by"
        overlap = replace(overlap, detail=overlap.detail + more)
    return Weighed(rows[0], found.weights, overlap)


def _most_moved(reference: Mapping[str, Column], current: Mapping[str, Column]) -> list[str]:
    """The columns that moved most by themselves: the fit takes time in the square of their number."""
    if len(reference) <= _COLUMNS:
        return sorted(reference)
    moved = {name: _distance(reference[name], current[name]) for name in reference}
    return sorted(sorted(moved, key=lambda name: (-moved[name], name))[:_COLUMNS])


def _distance(reference: Column, current: Column) -> float:
    """Of the shares of levels (total variation), or of the distributions of numbers (Kolmogorov & Smirnov).

    Missing values are a level, or the lowest number. 0 for what cannot be compared, and for a category of which next to
    each row has a level of its own.
    """
    both = pair(reference, current)
    if both is None:
        return 0.0
    values, codes = np.unique(np.where(both.missing, -np.inf, both.values), return_inverse=True)
    shares = [
        np.bincount(part, minlength=len(values)) / max(len(part), 1)
        for part in (codes[: both.split], codes[both.split :])
    ]
    apart = shares[0] - shares[1]
    if not both.numeric and len(values) > len(codes) / 2:
        return 0.0
    return float(np.abs(np.cumsum(apart)).max() if both.numeric else np.abs(apart).sum() / 2)


def _overlap(found: Importance, reference_rows: int, current_rows: int) -> Overlap:
    # Of a cross-fitted AUC the error is somewhat larger than this of a given score.
    error = math.sqrt((reference_rows + current_rows + 1) / (12 * reference_rows * current_rows))
    moved = found.auc > 0.5 + max(_SURE * error, _CLEAR)
    told = "the windows differ in their features" if moved else "the features of the windows hardly differ"
    return Overlap(
        effective_rows=found.effective_rows,
        uncovered_share=found.uncovered_share,
        truncated_share=found.truncated_share,
        auc=found.auc,
        moved=moved,
        detail=(
            f"{told} (told apart with an AUC of {number(found.auc)}); {plural(reference_rows, 'row')} of the reference"
            f" weighted towards {current_rows:,} of the current window are worth {found.effective_rows:,.0f}:"
            f" {found.method}"
        ),
    )
