"""Champion against challengers: production and all candidates ranked by one metric. Pure: reads and writes nothing."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tidegate.metrics.base import finite_bounds
from tidegate.stats.results import Interval, Linearised
from tidegate.stats.simultaneous import Pairwise, against_best, joint_of_rows, pairwise, rank_ranges
from tidegate.wording import first_few, plural

METHOD = "comparisons with the best (Hsu 1984), simultaneous t intervals of all differences"
BY_VALUE = "by value"


@dataclass(frozen=True, slots=True)
class Rank:
    """A candidate's place; the fields are those of the JSON document. Differences are positive where it is better.

    Attributes:
        delta_to_next: its lead over the next in the list, with an interval that holds for all pairs at once.
        delta: against production, likewise.
        ranks: the best and the worst place it could have among all models, production too, for all at once; null when
            it has no value. All places at once are a wider question than which is best, so that they may still allow a
            first place to a model of which the narrower question says that it is not the best.
        may_be_best: whether no other has been shown to be better.
    """

    candidate: str
    value: float | None
    delta_to_next: float | None
    ci_to_next: tuple[float, float] | None
    delta: float | None
    ci: tuple[float, float] | None
    ranks: tuple[int, int] | None
    may_be_best: bool


@dataclass(frozen=True, slots=True)
class Best:
    """Which model is best, as far as these rows tell; `confidence` is null where they cannot."""

    candidate: str
    sentence: str
    may_be_best: list[str]
    method: str
    confidence: float | None


@dataclass(frozen=True, slots=True)
class Ranking:
    """The candidates, best first; `best`, which may be production, is null when none has a value."""

    entries: list[Rank]
    best: Best | None


@dataclass(frozen=True, slots=True)
class _Evidence:
    """What is known of the models that have a value, best first."""

    names: list[str]
    pairs: Pairwise
    ranks: np.ndarray
    may_be_best: np.ndarray
    confidence: float | None


def rank(
    values: Mapping[str, float | None],
    linearised: Mapping[str, Linearised | None],
    *,
    sign: int,
    level: float,
    clusters: np.ndarray | None,
    weights: np.ndarray | None,
    production: str,
    shown: Mapping[str, tuple[float, float] | None],
) -> Ranking:
    """Rank production and its challengers on the same rows.

    The intervals hold for all pairs at once, so the best is corrected for having been chosen among all: `level` must
    not be divided by the number of candidates as well.

    Args:
        values: the metric of each model, production among them; None where it does not exist.
        linearised: the influence of each row on each of them; None for a metric that has none.
        sign: -1 for a metric that is better when lower.
        level: confidence of the two-sided intervals.
        clusters: shape (n,), codes of what rows come from; None when each row is one.
        weights: shape (n,); None when all rows count alike.
        production: which of the names is production.
        shown: intervals against production that candidates are judged by, which these must not be surer than.
    """
    known = {
        name: sign * value for name, value in values.items() if value is not None and not math.isnan(value)
    }
    # Of equals production comes first: nothing speaks for a change.
    order = sorted(known, key=lambda name: (-known[name], name != production, name))
    rows = [linearised.get(name) for name in order]
    evidence = _weigh(order, [known[name] for name in order], rows, level, clusters, weights)
    if shown and production in order and evidence.confidence is not None:
        evidence = _no_surer(evidence, order.index(production), shown)
    places = [i for i, name in enumerate(order) if name != production]
    entries = [
        _entry(i, following, evidence, values, production)
        for i, following in zip(places, [*places[1:], None], strict=False)
    ]
    left_out = sorted(name for name in values if name not in known)
    entries += [
        Rank(name, None, None, None, None, None, None, may_be_best=False)
        for name in left_out
        if name != production
    ]
    return Ranking(entries, _best(evidence, left_out, production) if order else None)


def _weigh(
    names: list[str],
    oriented: list[float],
    rows: Sequence[Linearised | None],
    level: float,
    clusters: np.ndarray | None,
    weights: np.ndarray | None,
) -> _Evidence:
    """Simultaneous intervals where each model has influences, else none."""
    found = [each.influence for each in rows if each is not None]
    if not names or len(found) < len(names):
        value, k = np.array(oriented), len(names)
        endless = np.full((k, k), np.inf)
        pairs = Pairwise(value[:, None] - value[None, :], -endless, endless, math.inf)
        return _Evidence(names, pairs, np.tile([1, k], (k, 1)), np.ones(k, dtype=bool), None)
    # Turning all signs alike changes the sign of a difference, not its spread.
    joint = joint_of_rows(oriented, np.column_stack(found), weights=weights, clusters=clusters)
    pairs = pairwise(joint, confidence=level)
    best = against_best(joint, confidence=level)
    return _Evidence(names, pairs, rank_ranges(pairs), best.may_be_best, level)


def _no_surer(
    evidence: _Evidence, champion: int, shown: Mapping[str, tuple[float, float] | None]
) -> _Evidence:
    """The evidence with intervals against production no narrower than those that the candidates are judged by."""
    low, high, may_be_best = (
        evidence.pairs.low.copy(),
        evidence.pairs.high.copy(),
        evidence.may_be_best.copy(),
    )
    beaten = False
    for i, name in enumerate(evidence.names):
        if i == champion or name not in shown:
            continue
        bounds = shown[name] or (-math.inf, math.inf)
        low[i, champion] = min(low[i, champion], bounds[0])
        high[i, champion] = max(high[i, champion], bounds[1])
        low[champion, i], high[champion, i] = -high[i, champion], -low[i, champion]
        beaten = beaten or bounds[0] > 0
        # It is behind production only where that is shown.
        may_be_best[i] |= bool(evidence.may_be_best[champion]) and bounds[1] >= 0 and len(evidence.names) == 2
    may_be_best[champion] |= not beaten
    pairs = replace(evidence.pairs, low=low, high=high)
    return replace(evidence, pairs=pairs, ranks=rank_ranges(pairs), may_be_best=may_be_best)


def _entry(
    i: int, following: int | None, evidence: _Evidence, values: Mapping[str, float | None], production: str
) -> Rank:
    name, names = evidence.names[i], evidence.names
    champion = names.index(production) if production in names else None
    to_next, over_production = _lead(evidence.pairs, i, following), _lead(evidence.pairs, i, champion)
    best, worst = evidence.ranks[i].tolist()
    return Rank(
        candidate=name,
        value=values[name],
        delta_to_next=to_next[0],
        ci_to_next=to_next[1],
        delta=over_production[0],
        ci=over_production[1],
        ranks=(best, worst),
        may_be_best=bool(evidence.may_be_best[i]),
    )


def _lead(pairs: Pairwise, i: int, j: int | None) -> tuple[float | None, tuple[float, float] | None]:
    if j is None:
        return None, None
    bounds = Interval(float(pairs.low[i, j]), float(pairs.high[i, j]))
    return float(pairs.difference[i, j]), finite_bounds(bounds)


def _best(evidence: _Evidence, left_out: Sequence[str], production: str) -> Best:
    possible = [name for name, may in zip(evidence.names, evidence.may_be_best, strict=True) if may]
    sentence = _sentence(evidence, possible, production)
    if left_out:
        sentence += f"; {first_few(left_out)} cannot be ranked: the metric has no value there"
    method = BY_VALUE if evidence.confidence is None else METHOD
    return Best(evidence.names[0], sentence, possible, method, evidence.confidence)


def _sentence(evidence: _Evidence, possible: Sequence[str], production: str) -> str:
    names = evidence.names
    challengers = len(names) - (production in names)
    field = plural(challengers, "candidate") + (" and production" if production in names else "")
    if len(names) == 1:
        return f"{names[0]} is the only one with a value"
    if evidence.confidence is None:
        return (
            f"{names[0]} has the best value of {field}; how sure that is cannot be said, because the metric tells of"
            " no single row how much it counts"
        )
    sure = f"with {_percent(evidence.confidence)} confidence"
    if len(possible) == 1:
        if len(names) == 2:
            return f"{names[0]} is better than {names[1]} {sure}"
        if possible[0] == production:
            return f"{production} is better than all {challengers:,} candidates {sure}"
        return f"{possible[0]} is the best of {field} {sure}"
    tied = [names.index(name) for name in possible]
    cells = np.ix_(tied, tied)
    if not evidence.pairs.high[cells].any() and not evidence.pairs.low[cells].any():
        same = f"{first_few(possible)} are the same by this metric"
        return same if len(possible) == len(names) else f"{same}, and the best of {field} {sure}"
    each = "either" if len(possible) == 2 else "any of them"
    return f"{first_few(possible)} cannot be told apart: {each} may be best"


def _percent(confidence: float) -> str:
    """A confidence that is never rounded up to certainty."""
    if confidence > 0.999999:
        return "more than 99.9999%"
    return f"{math.floor(confidence * 1e6 + 1e-6) / 1e4:.6g}%"
