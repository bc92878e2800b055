"""Which columns give two windows apart: what a classifier loses when a column is shuffled, and what each can alone."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from tidegate.drift.encoding import Encoded
from tidegate.drift.forest import Fitted
from tidegate.stats.auc import delong_paired, roc_auc
from tidegate.wording import first_few, number

_FALSE_NAMES = 0.05
_LEAST_SHARE = 0.05
_ALIKE = 0.9
_BINS = 16
_ROWS = 4_000
_WORTH_TELLING = 0.1
_CERTAIN = 4.0
_HOPELESS = 1.5
"""Standard errors; what is named needs more, however few columns there are."""


@dataclass(frozen=True, slots=True)
class ColumnShare:
    """A column that gives the windows apart.

    Attributes:
        importance: AUC that is lost when the column is shuffled among rows that the classifier has not seen; columns
            that say much the same are shuffled together.
        auc: how well the windows are told apart by the column alone.
        detail: in words.
    """

    column: str
    importance: float
    auc: float
    detail: str


@dataclass(frozen=True, slots=True)
class _Loss:
    group: list[int]
    value: float
    z: float


def attribute(
    encoded: Encoded, fitted: Fitted, current: np.ndarray, fold: np.ndarray, seed: int
) -> list[ColumnShare]:
    """The columns whose shuffling costs the classifier more than chance (Breiman, 2001), most important first.

    Named by chance alone is one or more in 5% of reports at most (Bonferroni), and none that costs less than a
    twentieth of what the first does. Where none is certain the first of those that may be is named.

    Args:
        encoded: n rows.
        fitted: models and scores.
        current: mask of the rows of the current window, shape (n,).
        fold: shape (n,).
        seed: of the permutations.
    """
    parts = _parts(current, fold)
    if not parts:
        return []
    groups = _groups(encoded)
    shuffled = _Shuffling(encoded, fitted, current, parts, seed)
    losses = sorted(_search(shuffled, groups), key=lambda each: (-round(each.value, 9), each.group))
    needed = -float(special.ndtri(_FALSE_NAMES / len(groups)))
    least = _LEAST_SHARE * losses[0].value if losses else 0.0
    named = [each for each in losses if each.z > needed and each.value >= least] or losses[:1]
    members = sorted(column for each in named for column in each.group)
    return [
        ColumnShare(
            encoded.names[column],
            max(each.value, 0.0),
            auc := _alone(encoded, column, current, fold),
            _in_words(encoded, column, each, auc, members, current),
        )
        for each in named
        for column in each.group
    ]


def _parts(current: np.ndarray, fold: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """Folds that were scored and have both windows, with some of their rows."""
    parts = [(k, np.flatnonzero(fold == k)[:_ROWS]) for k in range(1, int(fold.max()) + 1)]
    return [(k, rows) for k, rows in parts if 1 < np.count_nonzero(current[rows]) < len(rows) - 1]


def _groups(encoded: Encoded) -> list[list[int]]:
    """Columns that say much the same: shuffled one by one, each would be made up for by the others."""
    with np.errstate(invalid="ignore"):
        alike = np.abs(encoded.lines.T @ encoded.lines) / len(encoded.lines) >= _ALIKE
    left, groups = np.ones(len(alike), dtype=np.bool_), []
    while left.any():
        growing, group = [int(np.argmax(left))], []
        left[growing] = False
        while growing:
            column = growing.pop()
            group.append(column)
            near = np.flatnonzero(alike[column] & left)
            left[near] = False
            growing += near.tolist()
        groups.append(sorted(group))
    return groups


@dataclass(frozen=True, slots=True)
class _Shuffling:
    """What it costs a classifier when columns are shuffled among rows that it has not seen."""

    encoded: Encoded
    fitted: Fitted
    current: np.ndarray
    parts: Sequence[tuple[int, np.ndarray]]
    seed: int

    def loss(self, columns: list[int]) -> _Loss:
        """Mean over the folds, and how many standard errors it is (DeLong et al., 1988)."""
        values, variances = [], []
        for k, rows in self.parts:
            drawn = rows[np.random.default_rng((self.seed % 2**32, k)).permutation(len(rows))]
            shuffled, lines = self.encoded.values[rows], self.encoded.lines[rows]
            shuffled[:, columns] = self.encoded.values[drawn][:, columns]
            lines[:, columns] = self.encoded.lines[drawn][:, columns]
            without = self.fitted.models[k - 1].scores(shuffled, lines)
            result = delong_paired(self.current[rows], self.fitted.scores[rows], without, confidence=0.95)
            values.append(result.estimate)
            variances.append(result.standard_error**2)
        value, error = math.fsum(values) / len(values), math.sqrt(math.fsum(variances)) / len(values)
        return _Loss(columns, value, value / error if 0 < error < math.inf else 0.0)


def _search(shuffling: _Shuffling, groups: Sequence[list[int]]) -> Iterator[_Loss]:
    """Losses of the groups that may cost something; by halves, since of many columns few ever do."""
    loss = shuffling.loss(sorted(column for group in groups for column in group))
    if len(groups) == 1:
        yield loss
    elif loss.z >= _HOPELESS:
        middle = len(groups) // 2
        yield from _search(shuffling, groups[:middle])
        yield from _search(shuffling, groups[middle:])


def _alone(encoded: Encoded, column: int, current: np.ndarray, fold: np.ndarray) -> float:
    """AUC of the ratio of both windows' shares in each bin or level, learnt from the folds before."""
    values = encoded.values[:, column]
    bins = values if encoded.categorical[column] else np.minimum(np.floor(values * _BINS), _BINS - 1)
    codes = np.where(np.isnan(bins), -1, bins).astype(np.int64) + 1
    size, each = int(codes.max()) + 1, []
    for k in range(1, int(fold.max()) + 1):
        seen, here = fold < k, fold == k
        if not 0 < np.count_nonzero(current[here]) < np.count_nonzero(here):
            continue
        counts = [np.bincount(codes[seen & side], minlength=size) + 0.5 for side in (current, ~current)]
        each.append(roc_auc(current[here], np.log(counts[0] / counts[1])[codes[here]]))
    return math.fsum(each) / len(each) if each else 0.5


def _in_words(
    encoded: Encoded, column: int, loss: _Loss, auc: float, named: Sequence[int], current: np.ndarray
) -> str:
    words = [f"alone it tells the windows apart with AUC {number(auc)}"]
    if len(loss.group) > 1:
        others = [encoded.names[other] for other in loss.group if other != column]
        words.append(f"importance together with {first_few(others)}, which say much the same")
    partner = _partner(encoded, column, named, current)
    if partner is not None:
        other, then, now = partner
        words.append(
            f"correlation with {encoded.names[other]} {number(round(then, 3))} → {number(round(now, 3))}"
        )
    return "; ".join(words)


def _partner(
    encoded: Encoded, column: int, named: Sequence[int], current: np.ndarray
) -> tuple[int, float, float] | None:
    """The named column with which the correlation of ranks changed most, and that correlation in both windows."""
    found = []
    for other in named:
        if other == column:
            continue
        both = encoded.lines[:, [column, other]]
        if min(float(both[side].std(axis=0).min()) for side in (~current, current)) > 0:
            then, now = (float(np.corrcoef(both[side].T)[0, 1]) for side in (~current, current))
            found.append((round(abs(now - then), 9), -other, other, then, now))
    if not found:
        return None
    change, _, other, then, now = max(found)
    error = math.sqrt(1 / np.count_nonzero(current) + 1 / np.count_nonzero(~current))
    return (other, then, now) if change > max(_WORTH_TELLING, _CERTAIN * error) else None
