"""Columns of two tables as numbers for a linear model, in an order that hangs on what rows hold alone."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tidegate.metrics.data import canonical
from tidegate.tables import Column

_TAIL = 0.001
_KNOTS = 4
_BENDS = 300
_LEVELS = 30
_LEAST_SHARE = 0.005
_LEAST_ROWS = 10
_LEADING = 15
_CONSTANT = 1e-9
_MISSING = -1


@dataclass(frozen=True, slots=True)
class Pair:
    """One column in both tables, the second below the first.

    Attributes:
        numeric: whether `values` are numbers; otherwise they are codes of aligned levels.
        values: (n + m,) float64, NaN is missing and not finite; or int64 codes, -1 is missing.
        split: n.
    """

    name: str
    numeric: bool
    values: np.ndarray
    split: int

    @property
    def missing(self) -> np.ndarray:
        """Mask, shape (n + m,)."""
        return np.asarray(np.isnan(self.values) if self.numeric else self.values == _MISSING)


def pair(first: Column, second: Column) -> Pair | None:
    """The two columns in one; None where they hold values of different kinds."""
    kinds = {column.kind for column in (first, second) if not column.missing.all()}
    if len(kinds) > 1:
        return None
    split = len(first.values)
    kind = next(iter(kinds), "number")
    if kind == "category":
        names = [[canonical(level) for level in column.levels] for column in (first, second)]
        position = {name: i for i, name in enumerate(sorted({*names[0], *names[1]}))}
        codes = [
            np.array([*(position[name] for name in own), _MISSING])[
                np.where(column.missing, -1, column.values)
            ]
            if column.kind == kind
            else np.full(len(column.values), _MISSING)
            for column, own in zip((first, second), names, strict=True)
        ]
        return Pair(first.name, False, np.concatenate(codes), split)
    return Pair(
        first.name, True, np.concatenate([_numbers(column, kind) for column in (first, second)]), split
    )


def _numbers(column: Column, kind: str) -> np.ndarray:
    if column.kind != kind:
        return np.full(len(column.values), np.nan)
    values = column.values
    if kind == "time":
        values = np.where(column.missing, np.nan, values.astype("datetime64[us]").astype(np.float64))
    return np.where(np.isfinite(values), values, np.nan)


def fingerprints(pairs: Sequence[Pair], seed: int) -> np.ndarray:
    """A number for each row that hangs on its values and the seed alone, shape (n + m,) uint64."""
    rows = len(pairs[0].values)
    digest = _mixed(np.full(rows, seed % 2**64, dtype=np.uint64))
    for each in pairs:
        # One spelling of zero, and one of missing.
        values = np.where(each.missing, np.nan, each.values) + 0.0 if each.numeric else each.values
        bits = np.where(
            each.missing, np.uint64(1), np.ascontiguousarray(values).view(np.uint64) ^ np.uint64(2)
        )
        digest = _mixed(digest ^ _mixed(bits))
    return digest


def _mixed(bits: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64 (Steele, Lea & Flood, 2014), after its step."""
    bits = bits + np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(bits ^ (bits >> np.uint64(31)))


@dataclass(frozen=True, slots=True)
class _Term:
    """One column of the design: what it is made of, and how it is brought to mean 0 and spread 1."""

    source: int
    kind: str
    at: float
    centre: float = 0.0
    spread: float = 1.0


@dataclass(frozen=True, slots=True)
class Encoding:
    """How rows become numbers: each column's own terms, then those that refine them.

    Attributes:
        pairs: the columns, all in the same order of rows.
        ranges: per column the lowest and highest number; what lies beyond counts as they do.
        main: straight lines and squares of numbers, levels, and whether a value is missing.
        bends: lines that change their slope at a quantile.
        products: pairs of positions in `main`.
    """

    pairs: Sequence[Pair]
    ranges: Sequence[tuple[float, float]]
    main: Sequence[_Term]
    bends: Sequence[_Term]
    products: Sequence[tuple[int, int]]

    @property
    def refining(self) -> np.ndarray:
        """Mask of the terms that refine, shape (p,)."""
        return np.arange(len(self.main) + len(self.bends) + len(self.products)) >= len(self.main)

    def design(self, rows: np.ndarray) -> np.ndarray:
        """The terms of some rows, shape (len(rows), p)."""
        columns = [self._term(term, rows) for term in (*self.main, *self.bends)]
        columns += [columns[a] * columns[b] for a, b in self.products]
        return np.column_stack(columns) if columns else np.empty((len(rows), 0))

    def _term(self, term: _Term, rows: np.ndarray) -> np.ndarray:
        raw = _raw(self.pairs[term.source], term, self.ranges[term.source], rows)
        return np.asarray((raw - term.centre) / term.spread)


def _raw(each: Pair, term: _Term, limits: tuple[float, float], rows: np.ndarray) -> np.ndarray:
    values = each.values[rows]
    if term.kind == "missing":
        return np.asarray(each.missing[rows], dtype=np.float64)
    if term.kind == "level":
        return np.asarray(values == term.at, dtype=np.float64)
    unit = _unit(values, limits)
    if term.kind == "bend":
        unit = np.maximum(unit - term.at, 0.0)
    elif term.kind == "square":
        unit = (unit - term.at) ** 2
    # A missing value says nothing here: it has a term of its own.
    return np.where(np.isnan(unit), term.centre, unit)


def _unit(values: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    low, high = limits
    # Halves, because the width of two finite values may exceed the largest number.
    return np.asarray((np.clip(values, low, high) / 2 - low / 2) / (high / 2 - low / 2))


def encode(pairs: Sequence[Pair]) -> Encoding:
    """Learn the encoding from all rows of both tables; columns that never vary have no terms."""
    ranges, main, bends = [], [], []
    # The work grows with the square of the terms, so that wide tables go without bends.
    knots = min(_KNOTS, _BENDS // max(1, sum(each.numeric for each in pairs)))
    for source, each in enumerate(pairs):
        limits = _limits(each) if each.numeric else (0.0, 0.0)
        ranges.append(limits)
        if each.numeric:
            straight, bent = _numeric_terms(each, source, limits, knots)
            main += straight
            bends += bent
        else:
            main += [_Term(source, "level", code) for code in _frequent_levels(each)]
        main.append(_Term(source, "missing", 0.0))
    everything = np.arange(len(pairs[0].values))
    main, bends = (
        [
            scaled
            for term in terms
            if (scaled := _scaled(term, _raw(pairs[term.source], term, ranges[term.source], everything)))
        ]
        for terms in (main, bends)
    )
    return Encoding(pairs, ranges, main, bends, _products(main))


def _limits(each: Pair) -> tuple[float, float]:
    known = np.sort(each.values[~each.missing])
    if not len(known):
        return 0.0, 0.0
    trimmed = int(_TAIL * len(known))
    low, high = float(known[trimmed]), float(known[-1 - trimmed])
    return (low, high) if low < high else (float(known[0]), float(known[-1]))


def _numeric_terms(
    each: Pair, source: int, limits: tuple[float, float], knots: int
) -> tuple[list[_Term], list[_Term]]:
    if not limits[0] < limits[1]:
        return [], []
    unit = np.sort(_unit(each.values[~each.missing], limits))
    mean = float(unit.mean())
    places = sorted({float(unit[len(unit) * k // (knots + 1)]) for k in range(1, knots + 1)})
    # Terms know the mean of their known values, which a missing one gets.
    straight = _Term(source, "line", 0.0, mean)
    square = _Term(source, "square", mean, float(((unit - mean) ** 2).mean()))
    bends = [_Term(source, "bend", at, float(np.maximum(unit - at, 0.0).mean())) for at in places]
    return [straight, square], bends


def _frequent_levels(each: Pair) -> list[int]:
    """Levels with rows enough to have a term, the most frequent first; the others count as one."""
    size = int(each.values.max(initial=_MISSING)) + 1
    first, second = (
        np.bincount(part[part != _MISSING], minlength=size)
        for part in (each.values[: each.split], each.values[each.split :])
    )
    share = (first / each.split + second / (len(each.values) - each.split)) / 2
    kept = np.flatnonzero((share >= _LEAST_SHARE) & (first + second >= _LEAST_ROWS))
    return [int(code) for code in kept[np.argsort(-share[kept], kind="stable")][:_LEVELS]]


def _scaled(term: _Term, raw: np.ndarray) -> _Term | None:
    spread = float(raw.std())
    return replace(term, centre=float(raw.mean()), spread=spread) if spread > _CONSTANT else None


def _products(main: Sequence[_Term]) -> list[tuple[int, int]]:
    """Pairs of lines and levels of different columns: each column's first, then its second, as far as there is room."""
    turns: dict[int, int] = {}
    ranked = []
    for position, term in enumerate(main):
        if term.kind in ("line", "level"):
            turn = turns[term.source] = turns.get(term.source, 0) + 1
            ranked.append((turn, position))
    leading = [position for _, position in sorted(ranked)[:_LEADING]]
    return [
        (a, b) for i, a in enumerate(leading) for b in leading[i + 1 :] if main[a].source != main[b].source
    ]
