"""Data quality of a table that is judged: what is wrong with its columns and rows, apart from any model."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tidegate.findings import Finding
from tidegate.registry.fingerprint import Overlap, fingerprint_of, overlap, read_fingerprint
from tidegate.tables import Column, Misfit, Table
from tidegate.wording import number, plural

SAMPLE = 50_000
_SHOWN = 60
_SMALLEST_CLASS = 20
_FEW_KINDS = 30
_SMALL_CLASS = 50
_NEAR_PERFECT = 0.995
_NEAR_PERFECT_FIT = 0.999
_MEASURE = {
    "binary": "an area under the ROC curve",
    "multiclass": "an accuracy on rows left out",
    "regression": "a share of explained variance, or rank correlation,",
}


def constant_columns(table: Table, columns: Iterable[str]) -> list[Finding]:
    """Columns that hold the same in all rows (at least two), missing values included."""
    if table.rows < 2:
        return []
    return [
        Finding("constant_column", name, None, _constant(value))
        for name, value in table.constant(columns).items()
    ]


def _constant(value: str | None) -> str:
    return "is missing in every row" if value is None else f"holds {value[:_SHOWN]!r} in every row"


def duplicate_rows(table: Table, columns: Iterable[str]) -> Finding | None:
    """The share of rows that repeat another row in all of `columns`, each first one not counted.

    Where few values leave rows no other way than to be alike, as in a table of two categories, repeats say nothing.
    They count when there are ten times as many as independent columns would make by chance, and when they are not a
    handful of kinds of rows that stand ten times each.
    """
    names = list(columns)
    if not names:
        return None
    distinct = table.distinct_rows(names)
    repeats = table.rows - distinct
    few_kinds = distinct <= _FEW_KINDS and table.rows > 10 * distinct
    if repeats <= 0 or few_kinds or repeats <= 10 * _repeats_by_chance(table, names):
        return None
    counted = f"{repeats:,} of {plural(table.rows, 'row')} repeat another"
    return Finding(
        "duplicate_rows",
        None,
        repeats / table.rows,
        f"{counted} in all {plural(len(names), 'column')} compared",
    )


def _repeats_by_chance(table: Table, names: list[str]) -> float:
    """Pairs of equal rows to expect of independent columns, by Simpson's index (1949) of each among different rows."""
    codes = [
        np.unique(column.values, return_inverse=True)[1] for column in table.sample(names, SAMPLE).values()
    ]
    different = np.unique(np.column_stack(codes).astype(np.int32), axis=0)
    rows, alike = len(different), 1.0
    for values in different.T:
        counts = np.bincount(values).astype(np.float64)
        alike *= float((counts * (counts - 1)).sum()) / max(rows * (rows - 1), 1)
    return alike * table.rows * (table.rows - 1) / 2


def describe_misfit(misfit: Misfit) -> str:
    """A misfit in words: ``'hour' should be integer, but 2 rows hold 'noon'``, of which that is the first in order."""
    if misfit.example is None:
        return f"{misfit.column!r} is missing"
    held = f"hold{'s' if misfit.rows == 1 else ''} {misfit.example[:_SHOWN]!r}"
    return f"{misfit.column!r} should be {misfit.expected}, but {plural(misfit.rows, 'row')} {held}"


def leakage(table: Table, features: Iterable[str], label: str, task: str) -> list[Finding]:
    """Features that alone tell the label almost perfectly: in all likelihood made from it, or after it.

    Each is judged by what it says about rows that it was not fitted on: every row's value or bin predicts by the other
    rows that share it. Numbers are judged by their order as well. A missing value is a value like any other, since
    columns that are filled in after the outcome give it away so. Text that hardly repeats predicts nothing.

    Args:
        table: of which about 50,000 rows are read, spread evenly over it by their position.
        features: without the predictions of the model.
        label: the true outcome; rows without one are left out.
        task: ``binary`` (AUC at least 0.995), ``multiclass`` (accuracy at least 0.995, and a fifth of the errors of the
            majority class at most) or ``regression`` (R² or rank correlation at least 0.999).

    Returns:
        The strongest first; none where a class has under 20 rows.
    """
    names = [name for name in dict.fromkeys(features) if name != label]
    columns = table.sample([label, *names], SAMPLE)
    target = columns[label]
    known = np.flatnonzero(~target.missing)
    truth = _Truth.of(target.take(known), task)
    if truth is None:
        return []
    drawn = len(target.values) < table.rows
    rows = f"a sample of {plural(len(known), 'row')}" if drawn else plural(len(known), "row")
    found = []
    for name in names:
        value = truth.told_by(columns[name].take(known))
        if value >= truth.limit:
            detail = (
                f"alone tells {label!r} with {_MEASURE[task]} of {number(value)} on {rows}:"
                " is it known before the outcome is?"
            )
            found.append(Finding("leakage", name, value, detail))
    return sorted(found, key=lambda finding: (-(finding.value or 0.0), finding.column or ""))


@dataclass(frozen=True, slots=True)
class _Truth:
    """The labels that a feature is to tell: class codes, or centred numbers."""

    task: str
    values: np.ndarray
    limit: float

    @classmethod
    def of(cls, label: Column, task: str) -> "_Truth | None":
        """None where too few rows, or a single class, tell nothing."""
        if task == "regression":
            # A label that is no number or infinite is refused where metrics read it, with its row.
            usable = label.kind == "number" and bool(np.isfinite(label.values).all())
            if not usable or len(label.values) < _SMALLEST_CLASS or not np.ptp(label.values):
                return None
            return cls(task, label.values - label.values.mean(), _NEAR_PERFECT_FIT)
        codes = np.unique(label.values, return_inverse=True)[1]
        sizes = np.sort(np.bincount(codes)) if len(codes) else np.zeros(1, dtype=np.int64)
        rest = int(sizes[:-1].sum())
        if task == "binary":
            if len(sizes) != 2 or sizes[0] < _SMALLEST_CLASS:
                return None
            # Up to some 50 rows an honest feature passes 0.995 now and then; only then perfection is asked for.
            return cls(task, codes, _NEAR_PERFECT if sizes[0] >= _SMALL_CLASS else 1.0)
        if rest < _SMALLEST_CLASS:
            return None
        return cls(task, codes, max(_NEAR_PERFECT, 1 - 0.2 * rest / len(codes)))

    def told_by(self, feature: Column) -> float:
        """How well one feature tells the labels, 1 at best."""
        codes = _bins(feature)
        told = 0.0 if codes is None else self._left_out(codes)
        if feature.kind != "category" and self.task != "multiclass":
            told = max(told, self._by_order(_order(feature)))
        return told

    def _left_out(self, codes: np.ndarray) -> float:
        if self.task == "binary":
            return _rate_auc(codes, self.values)
        return (_majority_accuracy if self.task == "multiclass" else _mean_fit)(codes, self.values)

    def _by_order(self, order: np.ndarray) -> float:
        if self.task == "binary":
            size = int(order.max()) + 1
            positive = np.bincount(order[self.values == 1], minlength=size)
            area = _auc(positive, np.bincount(order, minlength=size) - positive)
            return max(area, 1 - area)
        return abs(_rank_correlation(order, np.unique(self.values, return_inverse=True)[1]))


def _order(feature: Column) -> np.ndarray:
    """Position of each value among the distinct ones, missing first."""
    values = (
        np.where(feature.missing, -np.inf, feature.values) if feature.kind == "number" else feature.values
    )
    return np.unique(values.view(np.int64) if feature.kind == "time" else values, return_inverse=True)[1]


def _bins(feature: Column) -> np.ndarray | None:
    """Codes of values with enough rows each to learn from; of many numbers, equal shares of the rows."""
    rows = len(feature.values)
    if feature.kind == "category":
        codes: np.ndarray = np.unique(feature.values, return_inverse=True)[1]
        return codes if codes.max() < rows // 10 else None
    order = _order(feature)
    counts = np.bincount(order)
    if len(counts) <= rows // 20:
        return order
    bins = min(1000, max(rows // 20, 1))
    shares = (np.cumsum(counts) - counts) * bins // rows
    # A value that fills a bin has one to itself, pure of its neighbours.
    return np.take(np.where(counts * bins >= rows, bins + np.arange(len(counts)), shares), order)


def _rate_auc(codes: np.ndarray, positive: np.ndarray) -> float:
    """AUC of the rate of positives among the other rows with the same code."""
    size = np.bincount(codes)
    hits = np.bincount(codes, weights=positive)
    rows, total = len(codes), float(positive.sum())
    others = np.maximum(size - 1, 1)
    rates = np.concatenate(
        [
            np.where(size > 1, (hits - 1) / others, (total - 1) / (rows - 1)),
            np.where(size > 1, hits / others, total / (rows - 1)),
        ]
    )
    nothing = np.zeros(len(size))
    order = np.unique(rates, return_inverse=True)[1]
    return _auc(
        np.bincount(order, weights=np.concatenate([hits, nothing])),
        np.bincount(order, weights=np.concatenate([nothing, size - hits])),
    )


def _auc(positives: np.ndarray, negatives: np.ndarray) -> float:
    """AUC from the rows of either class at each value, in order of the values."""
    below = np.cumsum(negatives) - negatives
    return float((positives * (below + negatives / 2)).sum() / (positives.sum() * negatives.sum()))


def _majority_accuracy(codes: np.ndarray, classes: np.ndarray) -> float:
    """Accuracy of the most frequent class among the other rows with the same code; a tie counts as wrong."""
    cells, counts = np.unique(codes.astype(np.int64) * (classes.max() + 1) + classes, return_counts=True)
    code = cells // (classes.max() + 1)
    order = np.lexsort((-counts, code))
    code, counts = code[order], counts[order]
    first = np.flatnonzero(np.r_[True, code[1:] != code[:-1]])
    second = np.minimum(first + 1, len(code) - 1)
    runner_up = np.where((second > first) & (code[second] == code[first]), counts[second], 0)
    top = counts[first]
    return float(top[top - 1 > runner_up].sum() / len(codes))


def _mean_fit(codes: np.ndarray, centred: np.ndarray) -> float:
    """R² of the mean of the other rows with the same code."""
    size = np.bincount(codes)
    mean = np.bincount(codes, weights=centred) / np.maximum(size, 1)
    rows = len(codes)
    # Leaving a row out of its mean stretches its residual by n / (n - 1); a row alone has the other rows' mean.
    stretch = np.where(size > 1, size / np.maximum(size - 1, 1), rows / (rows - 1))
    residual = (centred - np.where(size > 1, mean, 0.0)[codes]) * stretch[codes]
    return float(1 - (residual @ residual) / (centred @ centred))


def _rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's rank correlation (1904), ties at their mean rank; 0 of a constant."""
    a, b = (_centred_ranks(order) for order in (first, second))
    spread = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / spread if spread else 0.0


def _centred_ranks(order: np.ndarray) -> np.ndarray:
    counts = np.bincount(order)
    return np.take(np.cumsum(counts) - (counts - 1) / 2 - (len(order) + 1) / 2, order)


def training_overlap(
    golden: Table, folder: Path, *, identifier: str | None, digest: str | None = None
) -> Finding | None:
    """Golden rows that the model was trained on, by the fingerprint beside its lineage.

    Args:
        golden: the rows that it is judged on.
        folder: the model's own, `models/<name>` in the working tree.
        identifier: the id column of the golden set.
        digest: of the artifacts at hand, see :func:`tidegate.registry.artifacts_digest`; a lineage of other artifacts
            tells nothing about them.

    Returns:
        None without such rows, without a fingerprint, or where the golden set has none of the columns to compare.

    Raises:
        RepositoryError: the fingerprint is malformed, or not the one that the lineage names.
    """
    fingerprint = read_fingerprint(folder, digest)
    return None if fingerprint is None else overlap_finding(overlap(golden, fingerprint, identifier))


def table_overlap(golden: Table, training: Table, identifier: str | None) -> Finding | None:
    """Golden rows that stand in a training table at hand, exactly: by id, or by what they hold where one has none."""
    shared = [name for name in training.schema if name in golden.schema]
    content = [] if identifier in shared else shared
    return overlap_finding(
        overlap(golden, fingerprint_of(training, identifier, content, size=None), identifier)
    )


def overlap_finding(overlaps: Iterable[Overlap]) -> Finding | None:
    """The first overlap that shows rows in common, by more than chance makes, as a finding."""
    for each in overlaps:
        if each.share is not None and each.found:
            return Finding("training_overlap", each.column, each.share, each.sentence())
    return None
