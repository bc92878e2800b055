"""Behaviour on known cases: rows that must be answered alike, move in a known direction, or be answered right."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tidegate.config import Directional, Invariance, MustPass
from tidegate.metrics.base import Estimate, Part, needed
from tidegate.metrics.data import Predictions, canonical
from tidegate.tables import Column, Want
from tidegate.wording import first_few, plural

Behaviour = Invariance | Directional | MustPass
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Reads:
    """What a behavioural check reads of the table."""

    parts: frozenset[Part]
    columns: tuple[tuple[str, Want], ...]


def reads(item: Behaviour, task: str | None, *, has_score: bool, identifier: str | None) -> Reads:
    """The parts and columns that a check needs; `identifier` is the id column, which names the rows."""
    columns: list[tuple[str, Want]] = [(identifier, "category")] if identifier is not None else []
    if isinstance(item, MustPass):
        return Reads(frozenset({"label", "prediction"}), tuple(columns))
    if isinstance(item, Invariance):
        columns.append((item.invariance.pair, "category"))
        exact = item.invariance.tolerance is None
        return Reads(_answer(task, has_score=has_score and not exact), tuple(columns))
    columns += [(item.directional.pair, "category"), (item.directional.order, "number")]
    return Reads(_answer(task, has_score=has_score), tuple(columns))


def _answer(task: str | None, *, has_score: bool) -> frozenset[Part]:
    if task == "ranking":
        return frozenset({"score"})
    return frozenset({"score"}) if has_score and task != "regression" else frozenset({"prediction"})


def observe(
    item: Behaviour, data: Predictions, identifier: str | None, known: Sequence[str | int] = ()
) -> Estimate:
    """The share of pairs that break the expectation or, of rows that must pass, the number that does not.

    Args:
        item: the check.
        data: with what :func:`reads` asks for.
        identifier: name of the id column.
        known: ids of the rows that must pass.
    """
    names = data.columns[identifier, "category"] if identifier is not None else None
    if isinstance(item, MustPass):
        return _must_pass(item, data, names, known)
    if isinstance(item, Invariance):
        pair = data.columns[item.invariance.pair, "category"]
        return _share(_invariance(item, data, pair.values), pair, "differ")
    pair = data.columns[item.directional.pair, "category"]
    return _share(_directional(item, data, pair.values), pair, "move the wrong way")


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Which pairs there are, and which of them break the expectation."""

    codes: np.ndarray
    broken: np.ndarray
    aside: str


def _share(pairs: _Pairs, pair: Column, what: str) -> Estimate:
    count = len(pairs.codes)
    aside = f"; {pairs.aside}" if pairs.aside else ""
    if count == 0:
        return Estimate(None, 0, problem=f"no two rows share a {pair.name}{aside}")
    broken = pairs.codes[pairs.broken]
    listed = first_few([str(pair.levels[code]) for code in broken])
    note = f"{len(broken):,} of {plural(count, 'pair')} {what}: {listed}" if len(broken) else ""
    return Estimate(len(broken) / count, count, note=f"{note}{aside}".removeprefix("; "))


def _invariance(item: Invariance, data: Predictions, codes: np.ndarray) -> _Pairs:
    order, starts, found, aside = _grouped(codes)
    tolerance = item.invariance.tolerance
    if data.score is None and data.classes:
        # Codes of classes have no distance.
        tolerance = None
    answers = _answers(data, exact=tolerance is None)[order]
    if len(starts) == 0:
        return _Pairs(found, np.zeros(0, dtype=bool), aside)
    spread = np.maximum.reduceat(answers, starts) - np.minimum.reduceat(answers, starts)
    widest = spread.reshape(len(starts), -1).max(axis=1)
    return _Pairs(found, widest > (tolerance or 0.0) + _ROUNDING, aside)


def _directional(item: Directional, data: Predictions, codes: np.ndarray) -> _Pairs:
    """A step leads from all rows at one place of the order to all at the next: the worst two of them must rise."""
    expected = item.directional
    position = data.columns[expected.order, "number"].values
    unordered = int((np.isnan(position) & (codes >= 0)).sum())
    order, _, _, aside = _grouped(np.where(np.isnan(position), -1, codes), position)
    sign = 1.0 if expected.expect == "increase" else -1.0
    answers, pair, place = sign * _answers(data, exact=False)[order], codes[order], position[order]
    if len(order) == 0:
        return _Pairs(order, np.zeros(0, dtype=bool), aside)
    levels = np.flatnonzero(np.append(True, (np.diff(pair) != 0) | (np.diff(place) > 0)))
    lowest, highest = (pick.reduceat(answers, levels) for pick in (np.minimum, np.maximum))
    of_pair = pair[levels]
    step = np.diff(of_pair) == 0
    wrong = step & (lowest[1:] - highest[:-1] < expected.min_change - _ROUNDING)
    moved = np.unique(of_pair[:-1][step])
    still = len(np.unique(of_pair)) - len(moved)
    told = [
        aside,
        f"{plural(unordered, 'row')} without {expected.order}" if unordered else "",
        f"{plural(still, 'pair')} without a step" if still else "",
    ]
    return _Pairs(moved, np.isin(moved, of_pair[:-1][wrong]), "; ".join(part for part in told if part))


def _grouped(
    codes: np.ndarray, position: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, str]:
    """Rows in the order of their pairs, where each pair starts, its code, and what to say of rows without a partner."""
    inside = codes >= 0
    counts = np.bincount(codes[inside], minlength=1)
    paired = inside & (counts[np.maximum(codes, 0)] > 1)
    rows = np.flatnonzero(paired)
    keys = (codes[rows],) if position is None else (position[rows], codes[rows])
    order = rows[np.lexsort(keys)]
    found, starts = np.unique(codes[order], return_index=True)
    single = int((counts == 1).sum())
    return order, starts, found, f"{plural(single, 'row')} without a partner" if single else ""


def _answers(data: Predictions, *, exact: bool) -> np.ndarray:
    """The number by which two answers are told apart, shape (n,) or (n, K)."""
    if data.score is not None and (data.prediction is None or not exact):
        return data.score
    return needed(data.prediction).astype(np.float64)


def _must_pass(
    item: MustPass, data: Predictions, names: Column | None, known: Sequence[str | int]
) -> Estimate:
    if names is None:
        return Estimate(None, 0, problem="`columns.id:` is missing in the config: it names the rows")
    label, prediction = needed(data.label), needed(data.prediction)
    tolerance = item.must_pass.tolerance
    right = label == prediction if tolerance is None else np.abs(label - prediction) <= tolerance
    position = {canonical(level): code for code, level in enumerate(names.levels)}
    wanted = list(dict.fromkeys(canonical(value) for value in known))
    row_of = np.full(len(names.levels) + 1, -1, dtype=np.int64)
    row_of[names.values] = np.arange(len(names.values))
    rows = [int(row_of[position[name]]) if name in position else -1 for name in wanted]
    absent = [name for name, row in zip(wanted, rows, strict=True) if row < 0]
    wrong = [name for name, row in zip(wanted, rows, strict=True) if row >= 0 and not right[row]]
    parts = [_listed("wrong", wrong), _listed("not in the table", absent)]
    return Estimate(
        float(len(wrong) + len(absent)), len(wanted), note="; ".join(part for part in parts if part)
    )


def _listed(what: str, names: Sequence[str]) -> str:
    if not names:
        return ""
    return f"{what}: {first_few(names)}"
