"""Did the columns change together? Whether a classifier tells the rows of two windows apart, and by which columns."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from tidegate.covariates import Pair, fingerprints, pair
from tidegate.drift.attribution import ColumnShare, attribute
from tidegate.drift.encoding import Encoded, encode
from tidegate.drift.folds import Arrangement, arrange, stacked
from tidegate.drift.forest import cross_fit, single_thread
from tidegate.stats.classifier_test import FOLDS, ClassifierTest, classifier_test
from tidegate.stats.results import UndefinedStatisticError
from tidegate.tables import Column
from tidegate.wording import first_few, number, plural

LEAST_ROWS = 20
_MOST_ROWS = 20_000
_MOST_CELLS = 5_000_000
_POWER = 0.8


@dataclass(frozen=True, slots=True)
class Unused:
    """A column that the windows were not compared by, and why."""

    column: str
    reason: str


@dataclass(frozen=True, slots=True)
class Multivariate:
    """Whether the columns changed, taken together.

    Attributes:
        auc: how well a classifier tells rows of the windows apart that it has not seen: 0.5 not at all, 1 always; None
            when it cannot be told.
        ci: of the AUC, two-sided at `confidence`.
        p_value: one-sided, for "the windows are of one law".
        effect: 2 auc - 1, at least 0: on unseen rows chance is as often below as above.
        drifted: the p-value is at most the level, and the effect reaches `min_effect`.
        detectable: AUC from which on such windows are found to have drifted with 80% power.
        columns: those that give the windows apart, most important first; empty while the p-value exceeds the level.
        rows_reference, rows_current: rows used.
        detail: in words.
        new, vanished: columns of one window only.
        unused: columns of both windows that were left out.
    """

    auc: float | None
    ci: tuple[float, float] | None
    confidence: float
    p_value: float | None
    effect: float | None
    drifted: bool
    min_effect: float
    detectable: float | None
    columns: list[ColumnShare]
    rows_reference: int
    rows_current: int
    method: str
    detail: str
    new: list[str]
    vanished: list[str]
    unused: list[Unused]


def classifier_drift(
    reference: Mapping[str, Column],
    current: Mapping[str, Column],
    *,
    cluster: tuple[Column, Column] | None = None,
    level: float,
    min_effect: float,
    seed: int = 0,
) -> Multivariate:
    """Test whether two windows are of one law, all columns together (Lopez-Paz & Oquab, 2017).

    Boosted trees and a discriminant learn to tell the windows apart, by ranks, frequent levels, missing values and the
    products of columns whose correlation clearly differs. The test is that of
    :func:`tidegate.stats.classifier_test.classifier_test`, whose level holds at any size. Neither the order of rows nor
    that of columns matters. Times are left out: they always move on.

    Costs the import of scikit-learn (3 CPU seconds), and some 8 more for 50 columns.
    No more than 20,000 rows of each window are looked at, of over 250 columns fewer.

    Args:
        reference: columns of the window that things are compared with, by name.
        current: columns of the window under watch.
        cluster: what rows come from in either window, when rows of one are not independent; missing values are
            clusters of their own.
        level: chance of an alarm when nothing changed.
        min_effect: 2 auc - 1 below which a difference does not count.
        seed: of folds, draws and permutations.
    """
    names, unused = _usable(reference, current)
    blank = _blank(reference, current, level, min_effect, unused)
    if not names and not unused:
        return replace(blank, detail="the windows have no column in common to be told apart by")
    sizes = [len(next(iter(window.values())).values) for window in (reference, current)]
    if min(sizes) < LEAST_ROWS:
        few = plural(min(sizes), "row")
        return replace(
            blank, detail=f"a window has {few}, too few to tell the windows apart: it takes {LEAST_ROWS}"
        )
    if not names:
        reasons = first_few([f"{each.column} ({each.reason})" for each in unused])
        return replace(blank, detail=f"the windows have no column that they can be told apart by: {reasons}")
    arranged = _arranged([(reference[name], current[name]) for name in names], cluster, seed)
    encoded = encode([_drawn(reference[name], current[name], arranged) for name in names])
    try:
        with single_thread():
            return _compared(blank, encoded, arranged, level, seed)
    except UndefinedStatisticError as error:
        return replace(blank, detail=str(error))


def _compared(
    blank: Multivariate, encoded: Encoded, arranged: Arrangement, level: float, seed: int
) -> Multivariate:
    current, fold = arranged.current, arranged.fold
    fitted = cross_fit(encoded, current, fold, seed)
    test = classifier_test(
        fitted.scores, current, fold, confidence=blank.confidence, cluster=arranged.cluster
    )
    columns = attribute(encoded, fitted, current, fold, seed) if test.p_value <= level else []
    return _result(blank, test, columns, arranged, level=level, count=len(encoded.names))


def effect_of(auc: float) -> float:
    """2 auc - 1, at least 0."""
    return max(0.0, 2 * auc - 1)


def detectable_auc(standard_error: float, level: float, min_effect: float) -> float:
    """AUC that reaches both the level and the size that counts with 80% power."""
    certain = 0.5 - float(special.ndtri(level)) * standard_error
    needed = max(certain, (1 + min_effect) / 2) + float(special.ndtri(_POWER)) * standard_error
    return min(1.0, needed)


def _usable(reference: Mapping[str, Column], current: Mapping[str, Column]) -> tuple[list[str], list[Unused]]:
    """Columns of both windows in the order of their names, and those of them that cannot be used."""
    names, unused = [], []
    for name in sorted(reference.keys() & current.keys()):
        reason = _unusable(reference[name], current[name])
        if reason is None:
            names.append(name)
        else:
            unused.append(Unused(name, reason))
    return names, unused


def _unusable(then: Column, now: Column) -> str | None:
    kinds = sorted({column.kind for column in (then, now) if not column.missing.all()})
    if not kinds:
        return "all values are missing"
    if "time" in kinds:
        return "times always move on"
    return f"was {then.kind}, is {now.kind}" if len(kinds) > 1 else None


def _arranged(
    columns: Sequence[tuple[Column, Column]], cluster: tuple[Column, Column] | None, seed: int
) -> Arrangement:
    split = len(columns[0][0].values)
    most = min(_MOST_ROWS, max(_MOST_CELLS // len(columns), LEAST_ROWS * FOLDS))
    return arrange(_digest(columns, seed), stacked(cluster), split=split, at_most=most, seed=seed)


def _digest(columns: Sequence[tuple[Column, Column]], seed: int) -> np.ndarray:
    """A hash of each row; one column at a time, so that the windows are not held in memory twice."""
    digest: np.ndarray | None = None
    for then, now in columns:
        parts = [each for each in (pair(then, now),) if each is not None]
        if digest is not None:
            parts.append(Pair("digest", False, digest.view(np.int64), len(then.values)))
        digest = fingerprints(parts, seed)
    return np.asarray(digest)


def _drawn(then: Column, now: Column, arranged: Arrangement) -> Pair:
    """The rows of one column that were drawn, in their order."""
    split = len(then.values)
    of_reference, of_current = arranged.rows[~arranged.current], arranged.rows[arranged.current] - split
    both = pair(then.take(of_reference), now.take(of_current))
    if both is None:
        # What was drawn of a column with next to no values may hold none.
        both = Pair(then.name, True, np.full(len(arranged.rows), np.nan), len(of_reference))
    values = np.empty_like(both.values)
    values[~arranged.current], values[arranged.current] = np.split(both.values, [both.split])
    return replace(both, values=values)


def _blank(
    reference: Mapping[str, Column],
    current: Mapping[str, Column],
    level: float,
    min_effect: float,
    unused: list[Unused],
) -> Multivariate:
    return Multivariate(
        auc=None,
        ci=None,
        # One side of the interval excludes 0.5 about when the test is significant.
        confidence=min(max(1 - 2 * level, 0.5), 1 - 1e-9),
        p_value=None,
        effect=None,
        drifted=False,
        min_effect=min_effect,
        detectable=None,
        columns=[],
        rows_reference=0,
        rows_current=0,
        method="",
        detail="",
        new=sorted(current.keys() - reference.keys()),
        vanished=sorted(reference.keys() - current.keys()),
        unused=unused,
    )


def _result(
    blank: Multivariate,
    test: ClassifierTest,
    columns: list[ColumnShare],
    arranged: Arrangement,
    *,
    level: float,
    count: int,
) -> Multivariate:
    effect = effect_of(test.auc)
    rows_current = int(np.count_nonzero(arranged.current))
    clustered = ", whole clusters in each" if arranged.cluster is not None else ""
    size = len(arranged.current)
    drawn = (
        f"; {size:,} of {plural(arranged.stacked_rows, 'row')} drawn" if size < arranged.stacked_rows else ""
    )
    result = replace(
        blank,
        auc=test.auc,
        ci=(test.interval.low, test.interval.high)
        if math.isfinite(test.interval.low + test.interval.high)
        else None,
        p_value=test.p_value,
        effect=effect,
        drifted=bool(test.p_value <= level and effect >= blank.min_effect),
        detectable=detectable_auc(test.standard_error, level, blank.min_effect),
        columns=columns,
        rows_reference=size - rows_current,
        rows_current=rows_current,
        method=(
            f"classifier two-sample test: boosted trees and a discriminant on {plural(count, 'column')}, each of"
            f" {FOLDS} folds scored by a model of the folds before it{clustered}{drawn}"
        ),
    )
    return replace(result, detail=_in_words(result, level))


def _in_words(result: Multivariate, level: float) -> str:
    told = f"rows of the windows are told apart with AUC {number(result.auc)}"
    named = first_few([each.column for each in result.columns])
    if result.drifted:
        return f"{told}, by {named}" if named else told
    if result.p_value is not None and result.p_value <= level:
        return f"{told}, too little to count{f'; most by {named}' if named else ''}"
    return f"{told}, no more than by chance; an AUC of {number(result.detectable)} would be found"
