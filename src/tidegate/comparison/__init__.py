"""Candidate against production: paired comparisons in, a decision out. Pure: reads no file and writes none.

The error is divided among the candidates, because the best of several was chosen, and among the uses of the
evaluation set, when a budget is kept (Renggli et al. 2019). :mod:`tidegate.comparison.verdicts` says which corrections
are made for what, and which are not.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from tidegate import arms
from tidegate.comparison import deciding, verdicts
from tidegate.comparison.margins import Margins, margins_of
from tidegate.comparison.results import (
    CandidateDecision,
    Comparison,
    ComparisonResult,
    Decision,
    EvaluationSet,
    Require,
    Role,
    SetFlips,
    SetSegments,
    Verdict,
)
from tidegate.comparison.verdicts import Question, oriented
from tidegate.config import Compare, Guardrail, Primary, Segments, SliceSpec
from tidegate.errors import ConfigError
from tidegate.flips import flipped
from tidegate.gate import in_classes
from tidegate.ledger import Budget, divided
from tidegate.metrics import METRICS, dependent, far_out
from tidegate.metrics.base import Metric, Options, Paired, or_none
from tidegate.metrics.data import Groups, Predictions
from tidegate.segments import Segment, search, surrogate
from tidegate.slices import groupings
from tidegate.stats.results import Linearised
from tidegate.wording import name_slice, number, plural

PRODUCTION = "production"
"""What production is called in the ranking, and no candidate may be."""

__all__ = [
    "PRODUCTION",
    "CandidateDecision",
    "Comparison",
    "ComparisonResult",
    "Decision",
    "EvaluationSet",
    "Verdict",
    "compare",
]


def compare(
    sets: Sequence[EvaluationSet], config: Compare, *, budget: Budget | None = None
) -> ComparisonResult:
    """Compare every candidate with production on every set.

    The primary comparison is made on the first set. On each further set the primary metric is a guardrail with the
    primary's margin, so that what improves the newest rows does not harm the golden ones.

    Args:
        sets: at least one.
        config: what is compared, and what is required.
        budget: how much of the evaluation set is left; it divides the error, and an exhausted one decides nothing.
    """
    names = list(sets[0].candidates)
    error = error_of_one(config, len(names))
    level = _level(error)
    questions = _ask_all(sets, config, error)
    if error < far_out.FAR_OUT:
        strict = _ask_all(sets, config, error * len(names) / max(len(questions), 1))
        questions = [
            replace(question, corrected=each.answer) for question, each in zip(questions, strict, strict=True)
        ]
    comparisons = verdicts.conclude(questions, config, error * len(names), level)
    segments = list(_search(sets, config, _level(error / len(sets))))
    flips = list(_flips(sets, 0 if _adaptive(config) else config.flipped_rows))
    ranking = _rank(sets[0], config.primary, error * len(names), comparisons)
    decisions = [
        deciding.decide(
            name,
            [c for c in comparisons if c.candidate == name],
            [] if config.segments is None or not config.segments.block else list(_worse(segments, name)),
        )
        for name in names
    ]
    if budget is not None and budget.exhausted:
        decisions = [
            CandidateDecision(
                d.candidate, "hold" if d.decision == "hold" else "inconclusive", [budget.detail, *d.reasons]
            )
            for d in decisions
        ]
    chosen = deciding.best(decisions, [rank.candidate for rank in ranking.entries])
    prefix = f"{chosen.candidate}: " if len(names) > 1 else ""
    return ComparisonResult(
        decision=chosen.decision,
        candidate=chosen.candidate,
        reasons=[prefix + reason for reason in chosen.reasons],
        level=level,
        comparisons=comparisons,
        candidates=decisions,
        ranking=ranking.entries,
        best=ranking.best,
        segments=segments,
        flips=flips,
        disagreements=deciding.disagreements(comparisons) if len(sets) > 1 else [],
        warnings=list(_suspicions(comparisons, several=len(names) > 1)),
    )


def error_of_one(config: Compare, candidates: int) -> float:
    """The error of the two-sided interval of one candidate: a share of what the config allows.

    Without adaptivity a horizon of uses has room for the candidates of one run; with it, each earlier decision doubles
    the questions that could have been asked.
    """
    allowed = 1 - config.confidence
    if config.reuse is None:
        return allowed / candidates
    of_use = divided(allowed, config.reuse)
    return min(allowed / candidates, of_use) if config.reuse.adaptivity == "none" else of_use / candidates


def _level(error: float) -> float:
    """The confidence, kept off the 1 that it would round to; bounds far out go by the error itself."""
    return min(1 - error, 1 - 2.0**-52)


def _ask_all(sets: Sequence[EvaluationSet], config: Compare, error: float) -> list[Question]:
    return [
        question
        for name in sets[0].candidates
        for position, each in enumerate(sets)
        for question in _ask(each, name, config, error, first=position == 0)
    ]


def _ask(each: EvaluationSet, name: str, config: Compare, error: float, *, first: bool) -> Iterable[Question]:
    candidate, production = each.candidates[name], each.production
    cut = _Cut(production)
    for role, use, require in _uses(config, first=first):
        for one in in_classes(use, production):
            for groups in cut.by(one.slices):
                answers = _paired(one, candidate, production, groups, error)
                for i, (where, found) in enumerate(zip(groups.slices, answers, strict=True)):
                    answer, margins = oriented(found, one), Margins(0.0, 0.0)
                    # What must be better has no loss to allow.
                    if require != "superior":
                        margins = _margins(one, answer, candidate, production, groups.members[i], error)
                    yield Question(role, one, require, margins, where, name, each.name, answer)


class _Cut:
    """The slices of one table, cut once however many metrics are judged on them."""

    def __init__(self, data: Predictions) -> None:
        self._data = data
        self._found: dict[str, list[Groups]] = {}

    def by(self, slices: Sequence[SliceSpec]) -> list[Groups]:
        """As :func:`groupings`."""
        key = repr(slices)
        if key not in self._found:
            self._found[key] = groupings(self._data, slices)
        return self._found[key]


def _margins(
    use: Primary | Guardrail,
    answer: Paired,
    candidate: Predictions,
    production: Predictions,
    rows: np.ndarray,
    error: float,
) -> Margins:
    if use.relative_margin is None:
        return Margins(use.margin or 0.0, use.margin or 0.0)
    if error < far_out.FAR_OUT:
        raise ConfigError(
            f"`relative_margin:` of {use.metric!r} has no bound at an error of {error:.1g} for each decision: give a"
            " `margin:`, or a shorter `reuse.horizon:`"
        )
    return margins_of(use, answer, candidate.take(rows), production.take(rows), 1 - error)


def _paired(
    use: Primary | Guardrail, candidate: Predictions, production: Predictions, groups: Groups, error: float
) -> list[Paired]:
    """The paired answers of each group; where normal tails do not hold, by bounds that do."""
    if error < far_out.FAR_OUT:
        return far_out.compare(
            use.definition, candidate, production, groups, use.options, 1 - error, error=error
        )
    return dependent.compare(use.definition, candidate, production, groups, use.options, 1 - error)


def _uses(config: Compare, *, first: bool) -> Iterable[tuple[Role, Primary | Guardrail, Require]]:
    primary = config.primary
    # On a further set nothing excuses it from being shown harmless, few rows least of all.
    further = primary.model_copy(update={"min_rows": None})
    yield ("primary", primary, primary.require) if first else ("guardrail", further, "non_inferior")
    for guardrail in config.guardrails:
        yield "guardrail", guardrail, guardrail.require


def _search(sets: Sequence[EvaluationSet], config: Compare, level: float) -> Iterable[SetSegments]:
    if config.segments is None:
        return
    for each in sets:
        if each.keys is None or each.production.label is None:
            continue
        chosen = _searched_by(config.segments, config.primary, each.production)
        if chosen is None:
            continue
        metric, options, better = chosen
        for name, candidate in each.candidates.items():
            found = search(
                candidate,
                each.production,
                each.features,
                config.segments,
                metric=metric,
                options=options,
                better=better,
                keys=each.keys,
                level=level,
            )
            yield SetSegments(name, each.name, found)


def _searched_by(
    config: Segments, primary: Primary, data: Predictions
) -> tuple[Metric, Options, Literal["higher", "lower"]] | None:
    """The metric that segments are searched by, with its options and the direction that is better."""
    if config.metric is not None:
        metric, options = METRICS[config.metric], METRICS[config.metric].settled
    else:
        chosen = surrogate(primary.definition, data.task, primary.options)
        if chosen is None:
            return None
        metric, options = chosen
    if metric.better == "neither":
        return metric, options, primary.better or "higher"
    return metric, options, metric.better


def _worse(segments: Sequence[SetSegments], candidate: str) -> Iterable[str]:
    for each in segments:
        if each.candidate == candidate:
            for found in each.search.found:
                if found.confirmed:
                    yield _segment_sentence(each, found)


def _segment_sentence(each: SetSegments, found: Segment) -> str:
    low, high = found.ci or (math.nan, math.nan)
    return (
        f"{each.search.metric}{name_slice(found.slice)} on the {each.set} set is worse by {number(abs(found.delta))}"
        f" [{number(-high)}, {number(-low)}] on {plural(found.rows, 'row')} that were held back from the search"
    )


def _flips(sets: Sequence[EvaluationSet], limit: int) -> Iterable[SetFlips]:
    for each in sets:
        if each.names is None:
            continue
        for name, candidate in each.candidates.items():
            found = flipped(candidate, each.production, each.names, limit)
            if found is not None:
                yield SetFlips(name, each.name, found)


def _adaptive(config: Compare) -> bool:
    """Whether later candidates may be built on all that is told here, of which labels by row would be too much."""
    return config.reuse is not None and config.reuse.adaptivity == "full"


def _rank(
    first: EvaluationSet, primary: Primary, error: float, comparisons: Sequence[Comparison]
) -> arms.Ranking:
    models = {**first.candidates, PRODUCTION: first.production}
    linearised = {name: primary.definition.linearise(data, primary.options) for name, data in models.items()}
    values = {name: _value(primary, data, linearised[name]) for name, data in models.items()}
    sign = -1 if "lower" in (primary.better, primary.definition.better) else 1
    return arms.rank(
        values,
        # Its intervals have normal tails, which do not hold far out.
        linearised if error >= far_out.FAR_OUT else {},
        sign=sign,
        level=_level(error),
        # The items of a query are ranked together, and queries are what is independent.
        clusters=first.production.query if first.production.cluster is None else first.production.cluster,
        weights=first.production.weight,
        production=PRODUCTION,
        shown={c.candidate: c.ci for c in comparisons if c.role == "primary"},
    )


def _value(primary: Primary, data: Predictions, found: Linearised | None) -> float | None:
    if found is not None:
        return or_none(found.value)
    everything = Groups.everything(data.rows)
    return dependent.estimate(primary.definition, data, everything, primary.options, None)[0].value


def _suspicions(comparisons: Sequence[Comparison], *, several: bool) -> Iterable[str]:
    for c in comparisons:
        if c.suspicious:
            who = f"{c.candidate}: " if several else ""
            yield (
                f"{who}suspiciously better: {verdicts.sentence(replace(c, detail=''))}, from"
                f" {number(c.production_value)} to {number(c.candidate_value)}: look for the label among the features,"
                " and for rows of this set among the training data"
            )
