"""How much each golden row should count, so that together they look like production. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tidegate.covariates import Pair, encode, fingerprints, pair
from tidegate.errors import DataError
from tidegate.stats.importance import (
    FOLDS,
    SELECTED_ON,
    Sample,
    domain_auc,
    effective_size,
    fit_log_ratio,
    normalised,
    noticeable,
    scarce,
)
from tidegate.tables import Column
from tidegate.wording import first_few, plural

_LEAST_ROWS = 20
_REFERENCE_ROWS = 100_000
_FITTED_ON = 50_000
_FITTED_CELLS = 10_000_000
_CHUNK = 20_000
_GOLDEN_RATIO = (5**0.5 - 1) / 2
_FEW_EFFECTIVE = 0.2
_MUCH_UNCOVERED = 0.05


@dataclass(frozen=True, slots=True)
class Importance:
    """Weights under which the golden rows look like the reference.

    Attributes:
        weights: shape (n,), mean 1.
        effective_rows: rows of equal weight that would give a mean of the same variance (Kish, 1965).
        largest_weight: what one row counts at most.
        truncated_share: share of the rows whose weight was cut, at the square root of the number of rows.
        uncovered_share: share of the reference where the golden set has next to no rows, which no weight can mend.
        auc: how well rows of the two tables are told apart, on rows left out; 0.5 not at all.
        method: how the weights were found.
        detail: what to mind before trusting them; empty when nothing.
    """

    weights: np.ndarray
    effective_rows: float
    largest_weight: float
    truncated_share: float
    uncovered_share: float
    auc: float
    method: str
    detail: str


@dataclass(frozen=True, slots=True)
class _Rows:
    """Golden rows, and the reference's below them, each in an order that hangs on what rows hold alone.

    Attributes:
        pairs: the columns.
        golden: position that each golden row came from, shape (n,).
        same: where each run of equal golden rows starts.
        fold: shape (n + m,).
        reference_rows: of which m were taken.
    """

    pairs: Sequence[Pair]
    golden: np.ndarray
    same: np.ndarray
    fold: np.ndarray
    reference_rows: int

    @property
    def split(self) -> int:
        """Golden rows: n."""
        return len(self.golden)

    @property
    def target(self) -> np.ndarray:
        """Mask of the reference's rows, shape (n + m,)."""
        return np.asarray(np.arange(len(self.fold)) >= self.split)


def importance_weights(
    golden: Mapping[str, Column], reference: Mapping[str, Column], *, seed: int
) -> Importance:
    """Weigh the golden rows by the ratio of the reference's density to theirs.

    A mean over weighted rows is one over production as long as labels hang on the features as they do there (covariate
    shift), and the features are all that the ratio depends on. The order of rows does not matter, and rows that are the
    same weigh the same.

    Args:
        golden: features of the golden set, by name, of n rows.
        reference: features of rows as production sees them.
        seed: of the folds, and of the reference rows that are taken when there are very many.

    Raises:
        DataError: when the tables share no column that can be used, or one has under 20 rows.
    """
    pairs, clashes = _paired(golden, reference)
    rows = _arranged(pairs, seed)
    log_ratio, fitted_on = _log_ratio(rows)
    of_golden, of_reference = np.split(log_ratio, [rows.split])
    weights = np.empty(rows.split)
    weights[rows.golden], cut = normalised(_averaged(of_golden, rows.same))
    bare = scarce(of_golden, of_reference) | _unseen(rows)
    result = Importance(
        weights=weights,
        effective_rows=effective_size(weights),
        largest_weight=float(weights.max()),
        truncated_share=cut,
        uncovered_share=float(bare.mean()),
        auc=domain_auc(log_ratio, rows.target, rows.fold),
        method=_method(rows, fitted_on),
        detail="",
    )
    return replace(result, detail="; ".join(_warnings(result, clashes)))


def _paired(golden: Mapping[str, Column], reference: Mapping[str, Column]) -> tuple[list[Pair], list[str]]:
    """The columns of both tables, and the names of those that hold values of different kinds."""
    shared = sorted(golden.keys() & reference.keys())
    found = {name: pair(golden[name], reference[name]) for name in shared}
    pairs = [each for each in found.values() if each is not None]
    if not pairs:
        raise DataError(
            "the golden set and the reference have no feature in common to weight by;"
            " store theirs under the same names and types, or remove `compare.reweight:`"
        )
    for rows, what in ((pairs[0].split, "golden set"), (len(pairs[0].values) - pairs[0].split, "reference")):
        if rows < _LEAST_ROWS:
            raise DataError(
                f"the {what} has {plural(rows, 'row')}, too few to weight by; give it {_LEAST_ROWS} at least,"
                " or remove `compare.reweight:`"
            )
    return pairs, [name for name in shared if found[name] is None]


def _arranged(pairs: Sequence[Pair], seed: int) -> _Rows:
    split = pairs[0].split
    digest = fingerprints(pairs, seed)
    golden, reference = (np.argsort(part, kind="stable") for part in (digest[:split], digest[split:]))
    ascending = digest[golden]
    same = np.flatnonzero(np.append(True, ascending[1:] != ascending[:-1]))
    # Equal rows stand together, and evenly spaced places give each its share of those taken.
    kept = _thinned(len(reference), _REFERENCE_ROWS)
    taken = np.concatenate((golden, reference[kept] + split))
    return _Rows(
        pairs=[replace(each, values=each.values[taken]) for each in pairs],
        golden=golden,
        same=same,
        fold=np.concatenate((_folds(split), _folds(len(kept)))),
        reference_rows=len(reference),
    )


def _folds(rows: int) -> np.ndarray:
    """Folds in turn, so that equal rows are in all of them.

    Multiples of an irrational number: whichever stride the rows are thinned by, they meet every fold.
    """
    return np.asarray(np.arange(rows) * _GOLDEN_RATIO % 1.0 * FOLDS, dtype=np.int64)


def _thinned(rows: int, count: int) -> np.ndarray:
    """At most so many places, evenly spaced."""
    count = min(count, rows)
    return np.arange(count) * rows // count


def _log_ratio(rows: _Rows) -> tuple[np.ndarray, int]:
    """The log ratio of each row, by a form fitted without its fold, shape (n + m,); and the rows it was fitted on."""
    encoding = encode(rows.pairs)
    parts = [np.arange(rows.split), np.arange(rows.split, len(rows.fold))]
    most = min(_FITTED_ON, _FITTED_CELLS // max(1, len(encoding.refining)))
    fitted_on = [part[_thinned(len(part), most)] for part in parts]
    chosen_on = np.concatenate([part[_thinned(len(part), SELECTED_ON)] for part in fitted_on])
    places = np.concatenate(fitted_on)
    sample = Sample(encoding.design(places), rows.target[places], rows.fold[places])
    fitted = fit_log_ratio(sample, encoding.refining, np.isin(places, chosen_on))
    chunks = (np.arange(len(rows.fold))[first : first + _CHUNK] for first in range(0, len(rows.fold), _CHUNK))
    values = [fitted.at(encoding.design(chunk), rows.fold[chunk]) for chunk in chunks]
    return np.concatenate(values), len(places)


def _averaged(values: np.ndarray, same: np.ndarray) -> np.ndarray:
    """Each run of equal rows with its mean."""
    lengths = np.diff(np.append(same, len(values)))
    return np.repeat(np.add.reduceat(values, same) / lengths, lengths)


def _unseen(rows: _Rows) -> np.ndarray:
    """Reference rows with a level, a gap or numbers beyond the range of which the golden set has none, shape (m,)."""
    found = np.zeros(len(rows.fold) - rows.split, dtype=np.bool_)
    for each in rows.pairs:
        values, missing = ((part[: rows.split], part[rows.split :]) for part in (each.values, each.missing))
        regions = [missing[1]] if not missing[0].any() else []
        if each.numeric:
            known = values[0][~missing[0]]
            low, high = (known.min(), known.max()) if len(known) else (np.inf, -np.inf)
            regions += [values[1] < low, values[1] > high]
        else:
            new = np.isin(values[1], values[0], invert=True) & ~missing[1]
            counts = np.bincount(values[1][new])
            regions += [
                values[1] == code for code in np.flatnonzero(noticeable(counts / len(new), rows.split))
            ]
        for region in regions:
            if noticeable(region.mean(), rows.split):
                found |= region
    return found


def _method(rows: _Rows, fitted_on: int) -> str:
    size, taken = len(rows.fold), len(rows.fold) - rows.split
    fitted = f", fitted on {fitted_on:,} of {size:,} rows" if fitted_on < size else ""
    thinned = (
        f"; {taken:,} of {plural(rows.reference_rows, 'reference row')}"
        if taken < rows.reference_rows
        else ""
    )
    return (
        f"density ratio of {plural(len(rows.pairs), 'column')} by logistic regression (curves and products,"
        f" ridge penalty by cross-validation, {FOLDS} folds cross-fitted{fitted}){thinned}"
    )


def _warnings(result: Importance, clashes: Sequence[str]) -> Iterator[str]:
    rows = len(result.weights)
    if result.effective_rows < _FEW_EFFECTIVE * rows:
        yield (
            f"the weighted rows are worth {result.effective_rows:,.0f} of {rows:,}: the golden set is so unlike the"
            " reference that a few rows decide; add rows like production's"
        )
    if result.uncovered_share >= _MUCH_UNCOVERED:
        yield (
            f"{result.uncovered_share:.0%} of the reference lies where the golden set has next to no rows, and no"
            " weight can speak for them; add rows like those"
        )
    if clashes:
        yield f"{first_few(clashes)} cannot be used: different kinds of values in the two tables"
