"""Reading a predictions table: label, score and prediction checked and typed by the task."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property

import numpy as np

from tidegate.config import Model
from tidegate.errors import ConfigError, DataError
from tidegate.metrics.base import Part
from tidegate.metrics.data import Performance, Predictions, canonical
from tidegate.tables import Column, Table, Want
from tidegate.wording import plural


def read_predictions(
    table: Table,
    model: Model,
    *,
    parts: Iterable[Part],
    extra: Iterable[tuple[str, Want]] = (),
    partial_labels: bool = False,
    performance: Performance | None = None,
) -> Predictions:
    """Read and check the columns that a decision needs, in one pass.

    Args:
        table: the predictions table.
        model: gives the task and the names of the columns.
        parts: which parts are needed.
        extra: further columns that metrics and slices read, each with the kind that it is read as.
        partial_labels: leave out the rows whose label is missing, rather than refuse the table.
        performance: what was measured of the model as a whole; what it may hold is no longer needed by row.

    Raises:
        ConfigError: the config does not name a column that is needed.
        DataError: a column is missing, a label is missing, a score is no probability, or the table has no rows.
    """
    if model.task is None:
        raise ConfigError("`task:` is missing in the config: write binary, multiclass, regression or ranking")
    needed = set(parts)
    if performance is not None:
        needed -= {part for part in _SERVICE if getattr(model.columns, part) is None}
    if partial_labels:
        needed.add("label")
    if "prediction" in needed and model.columns.prediction is None:
        # Without a column of its own the prediction follows from the score.
        needed.add("score")
    extra = list(extra)
    columns = table.read([*_wanted(model, needed), *extra])
    rows = table.rows
    if performance is not None and not columns:
        # Nothing of the table was asked for; what was measured of the model stands on its own.
        return Predictions(model.task, rows, performance=performance)
    if rows == 0:
        raise DataError(f"{table.path} has no rows: there is nothing to judge")
    if partial_labels:
        label = columns[_wanted_label(model)]
        known = np.flatnonzero(~label.missing)
        columns, rows = {key: column.take(known) for key, column in columns.items()}, len(known)
    made = _Maker(table.path, model, columns, needed)
    return Predictions(
        task=model.task,
        rows=rows,
        classes=made.classes,
        label=made.label() if "label" in needed else None,
        prediction=made.prediction() if "prediction" in needed else None,
        score=made.score if "score" in needed and model.task != "regression" else None,
        query=made.query() if "query" in needed else None,
        latency=made.service("latency"),
        production_latency=made.service("production_latency"),
        cost=made.service("cost"),
        error=made.error() if "error" in needed else None,
        cluster=made.cluster(),
        weight=made.weight(),
        performance=performance,
        columns={(name, want): made.measured(name, want) for name, want in extra},
    )


_SERVICE: tuple[Part, ...] = ("latency", "production_latency", "error", "cost")
_NUMBERS = frozenset({"regression", "ranking"})


def _wanted_label(model: Model) -> tuple[str, Want]:
    return _named(model.columns.label, "label"), "number" if model.task in _NUMBERS else "category"


def _wanted(model: Model, parts: set[Part]) -> Iterator[tuple[str, Want]]:
    names = model.columns
    value: Want = "number" if model.task == "regression" else "category"
    if "label" in parts:
        yield _wanted_label(model)
    if "prediction" in parts and names.prediction is not None:
        yield names.prediction, value
    if "score" in parts and model.task != "regression":
        if names.score is None:
            raise ConfigError(
                "`columns.score:` is missing in the config: name the column with the probability"
            )
        for name in names.score.values() if isinstance(names.score, dict) else [names.score]:
            yield name, "number"
    if "query" in parts:
        yield _named(names.query, "query"), "category"
    if names.cluster is not None:
        yield names.cluster, "category"
    if names.weight is not None:
        yield names.weight, "number"
    for part in _SERVICE:
        if part in parts:
            yield _named(getattr(names, part), part), "any" if part == "error" else "number"


def _named(column: str | None, part: str) -> str:
    if column is None:
        raise ConfigError(
            f"`columns.{part}:` is missing in the config: name the column of the predictions table"
        )
    return column


_NAMED = 5
_LONGEST = 60


def _listed(values: Sequence[str]) -> str:
    shown = [value if len(value) <= _LONGEST else f"{value[:_LONGEST]}..." for value in values[:_NAMED]]
    return ", ".join(shown) + (", ..." if len(values) > _NAMED else "")


def _row_of_third(column: Column) -> int:
    """The row of a label in which a third value occurs for the first time."""
    position: dict[str, int] = {}
    of_level = [position.setdefault(canonical(level), len(position)) for level in column.levels]
    codes = np.array([*of_level, -1])[column.values]
    known = np.flatnonzero(codes >= 0)
    first = np.sort(np.unique(codes[known], return_index=True)[1])
    return int(known[first[2]])


class _Maker:
    """Turns raw columns into the arrays of :class:`Predictions`."""

    def __init__(
        self, path: str, model: Model, columns: Mapping[tuple[str, Want], Column], parts: set[Part]
    ) -> None:
        self.path = path
        self.model = model
        self.columns = columns
        self.parts = parts

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; binary: negative, then positive."""
        if self.model.task == "multiclass":
            names = self.model.columns
            found = {canonical(v) for v in names.score} if isinstance(names.score, dict) else set()
            for part, name in (("label", names.label), ("prediction", names.prediction)):
                if part in self.parts and name is not None:
                    found |= {canonical(level) for level in self.columns[name, "category"].levels}
            return tuple(sorted(found))
        return self._binary_classes() if self.model.task == "binary" else ()

    def _binary_classes(self) -> tuple[str, ...]:
        names = self.model.columns
        present: list[tuple[str, Want]] = [
            (name or "", "category") for name in (names.label, names.prediction)
        ]
        column = next((self.columns[key] for key in present if key in self.columns), None)
        declared = names.positive
        positive = "1" if declared is None else canonical(declared)
        found = sorted({canonical(level) for level in column.levels}) if column is not None else []
        if column is not None and len(found) > 2:
            raise DataError(
                f"{self.path}: column {column.name!r} has {len(found)} values ({_listed(found)}), the third of them"
                f" first in row {_row_of_third(column) + 1}: a binary label has two;"
                " use `task: multiclass`, or mend the table"
            )
        if positive not in found and (
            len(found) == 2 or (len(found) == 1 and found != ["0"] and declared is None)
        ):
            raise DataError(
                f"{self.path}: column {column.name if column else ''!r} holds {' and '.join(map(repr, found))}, and"
                f" {positive!r} counts as positive: set `columns.positive:` to the value that does"
            )
        if declared is None and len(found) == 2 and set(found) - {positive} not in ({"0"}, {"-1"}):
            raise DataError(
                f"{self.path}: column {column.name if column else ''!r} holds {' and '.join(map(repr, found))}: set"
                " `columns.positive:` to the one that counts as positive"
            )
        negative = next((value for value in found if value != positive), "0" if positive != "0" else "1")
        return (negative, positive)

    def label(self) -> np.ndarray:
        name = _named(self.model.columns.label, "label")
        if self.model.task != "ranking":
            return self._coded(name)
        values = self.columns[name, "number"].values
        self._refuse(~np.isfinite(values), name, "is missing or not a finite number")
        if (values < 0).any():
            row = int(np.argmax(values < 0))
            raise DataError(
                f"{self.path}: column {name!r} must hold relevance, which is not negative, but row {row + 1} holds"
                f" {values[row]:.6g}: mend the table"
            )
        return values

    def query(self) -> np.ndarray:
        name = _named(self.model.columns.query, "query")
        column = self.columns[name, "category"]
        self._refuse(column.missing, name, "is missing")
        return column.values

    def cluster(self) -> np.ndarray | None:
        """Codes of the clusters; a row that tells none is one of its own."""
        name = self.model.columns.cluster
        if name is None:
            return None
        column = self.columns[name, "category"]
        alone = np.flatnonzero(column.missing)
        codes = column.values.astype(np.int32)
        codes[alone] = len(column.levels) + np.arange(len(alone))
        return codes

    def weight(self) -> np.ndarray | None:
        """How much each row counts."""
        name = self.model.columns.weight
        if name is None:
            return None
        values = self.columns[name, "number"].values
        self._refuse(~np.isfinite(values) | (values < 0), name, "is missing, negative or not finite")
        if not values.any():
            raise DataError(f"{self.path}: column {name!r} is zero in every row: some must count")
        return values

    def service(self, part: Part) -> np.ndarray | None:
        """A number that tells how the answer was served."""
        return self.finite(_named(getattr(self.model.columns, part), part)) if part in self.parts else None

    def error(self) -> np.ndarray:
        """1 where the model failed: true, a number that is not 0, or any message."""
        column = self.columns[_named(self.model.columns.error, "error"), "any"]
        if column.kind != "category":
            return (~column.missing & (column.values != 0)).astype(np.float64)
        failed = [canonical(level) not in ("0", "") for level in column.levels]
        return np.array([*failed, False], dtype=np.float64)[column.values]

    def prediction(self) -> np.ndarray:
        name = self.model.columns.prediction
        if name is not None:
            return self._coded(name)
        if self.model.task in _NUMBERS:
            raise ConfigError(
                "`columns.prediction:` is missing in the config: name the column of the predicted number"
            )
        score = self.score
        if self.model.task == "multiclass":
            return np.argmax(score, axis=1).astype(np.int32)
        return (score >= self.model.columns.threshold).astype(np.int32)

    def _coded(self, name: str) -> np.ndarray:
        column = self.columns[name, "number" if self.model.task == "regression" else "category"]
        if self.model.task == "regression":
            bad = ~np.isfinite(column.values)
            self._refuse(bad, name, "is missing or not a finite number")
            return column.values
        self._refuse(column.missing, name, "is missing")
        position = {value: i for i, value in enumerate(self.classes)}
        codes = [position.get(canonical(level), -1) for level in column.levels]
        if -1 in codes:
            unknown = column.levels[codes.index(-1)]
            raise DataError(
                f"{self.path}: column {name!r} holds {unknown!r}, which is none of the classes"
                f" {', '.join(self.classes[:10])}"
            )
        return np.array(codes, dtype=np.int32)[column.values]

    @cached_property
    def score(self) -> np.ndarray:
        """Probabilities, shape (n,) or (n, K)."""
        names = self.model.columns.score
        if isinstance(names, str):
            if self.model.task == "ranking":
                values = self.columns[names, "number"].values
                self._refuse(~np.isfinite(values), names, "is missing or not a finite number")
                return values
            if self.model.task == "multiclass":
                raise ConfigError(
                    "`columns.score:` for multiclass is a mapping {class: column with its probability}"
                )
            return self._probability(names)
        if names is None:
            raise ConfigError(
                "`columns.score:` is missing in the config: name the column with the probability"
            )
        by_class = {canonical(label): column for label, column in names.items()}
        missing = [label for label in self.classes if label not in by_class]
        if missing:
            raise ConfigError(
                f"`columns.score:` has no column for class {missing[0]!r}, which occurs in {self.path}"
            )
        scores = np.column_stack([self._probability(by_class[label]) for label in self.classes])
        off = np.abs(scores.sum(axis=1) - 1) > 1e-3
        if off.any():
            row = int(np.argmax(off))
            raise DataError(
                f"{self.path}: the class probabilities of row {row + 1} sum to {scores[row].sum():.6g}, not 1"
                f" ({plural(int(off.sum()), 'such row')}): mend the columns that `columns.score:` names"
            )
        return scores

    def finite(self, name: str) -> np.ndarray:
        """Numbers, of which some may be missing."""
        values = self.columns[name, "number"].values
        self._refuse(np.isinf(values), name, "is infinite")
        return values

    def measured(self, name: str, want: Want) -> Column:
        """A column that a metric is taken of."""
        if want == "number":
            self.finite(name)
        return self.columns[name, want]

    def _probability(self, name: str) -> np.ndarray:
        values = self.columns[name, "number"].values
        self._refuse(np.isnan(values), name, "is missing or NaN")
        outside = (values < 0) | (values > 1)
        if outside.any():
            row = int(np.argmax(outside))
            raise DataError(
                f"{self.path}: column {name!r} must hold probabilities between 0 and 1, but row {row + 1} holds"
                f" {values[row]:.6g} ({plural(int(outside.sum()), 'such row')}): write probabilities, not raw scores"
            )
        return values

    def _refuse(self, bad: np.ndarray, name: str, what: str) -> None:
        if bad.any():
            raise DataError(
                f"{self.path}: column {name!r} {what} in {plural(int(bad.sum()), 'row')}, the first of them"
                f" row {int(np.argmax(bad)) + 1}:"
                " every row needs one; leave such rows out before judging"
            )
