"""``compare-to-prod``: decide whether a candidate is better than what runs now, and hurts no slice."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from tidegate import history
from tidegate.commands.base import Invocation
from tidegate.commands.comparison_inputs import (
    Inputs,
    SetInput,
    SetTables,
    gather,
    in_repository,
    join_all,
    open_candidates,
    serving_version,
)
from tidegate.commands.evaluation import features_of, read_for
from tidegate.comparison import ComparisonResult, EvaluationSet, compare
from tidegate.config import Compare
from tidegate.documents import Document, make_document
from tidegate.errors import ConfigError, UsageError
from tidegate.ledger import Budget, Ledger, budget
from tidegate.metrics.data import Predictions
from tidegate.representativeness import look
from tidegate.reweighting import importance_weights
from tidegate.tables import Column, Table

_SEED = 20131231
_UNCERTAIN = "the error of the weights themselves is not in the intervals"


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for on the command line."""

    candidates: Sequence[str]
    production: str | None
    reference: str | None
    first_release: bool


def run(invocation: Invocation, request: Request) -> int:
    """Compare, report, and return the exit code."""
    config = invocation.need("compare", invocation.model.compare)
    if request.reference is not None:
        config = config.model_copy(update={"reference": request.reference})
    if request.first_release:
        document = _first_release(invocation, request, config)
    else:
        inputs = gather(invocation, config, request.candidates, request.production)
        document = _document(invocation, config, inputs)
    allowed = {"promote", "inconclusive"} if config.on_inconclusive == "promote" else {"promote"}
    used_up = document["budget"] is not None and document["budget"]["exhausted"]
    stops = document["decision"] not in allowed or used_up
    invocation.publish(document)
    invocation.set_status(document, stops=stops)
    invocation.comment_on_pull_request(document)
    invocation.record(document)
    return invocation.exit_code(stops=stops)


def comparison_document(
    invocation: Invocation, config: Compare, sets: Sequence[SetTables], warnings: Sequence[str] = ()
) -> Document:
    """The comparison's decision about tables of one or more evaluation sets that are at hand."""
    return _document(invocation, config, join_all(invocation, config, sets, warnings))


def _document(invocation: Invocation, config: Compare, inputs: Inputs) -> Document:
    budgets, unread = _budgets(invocation, config, inputs.sets)
    tightest = min(budgets, key=lambda each: (not each.exhausted, each.left), default=None)
    drift, weights = _golden_drift(invocation, config, inputs.sets)
    result = compare(
        [_evaluation(invocation, config, each, weights.get(each.name)) for each in inputs.sets],
        config,
        budget=tightest,
    )
    warnings = [*inputs.warnings, *unread, *result.warnings]
    if drift is not None and drift["differs"]:
        warnings.append(drift["sentence"])
    return make_document(
        "compare-to-prod",
        model=invocation.model_name,
        decision=result.decision,
        reasons=result.reasons,
        warnings=warnings,
        config=invocation.loaded,
        data=_tables(inputs.sets),
        body={
            "confidence": config.confidence,
            "level": result.level,
            "candidate": result.candidate,
            "correction": config.correction,
            "first_release": False,
            "sets": [each.name for each in inputs.sets],
            "joins": [join for each in inputs.sets for join in each.joins],
            "comparisons": result.comparisons,
            "candidates": result.candidates,
            "ranking": result.ranking,
            "best": result.best,
            **_details(result),
            "budget": tightest,
            "golden_drift": drift,
            "baseline": inputs.baseline,
            "disagreements": result.disagreements,
            "test_sets": list(_identities(invocation, config, inputs.sets, budgets)),
        },
    )


def _details(result: ComparisonResult) -> dict[str, list[dict[str, object]]]:
    """Segments and flipped rows, each with its candidate and set."""
    return {
        "segments": [
            {"candidate": each.candidate, "set": each.set, **asdict(each.search)} for each in result.segments
        ],
        "flips": [
            {"candidate": each.candidate, "set": each.set, **asdict(each.flips)} for each in result.flips
        ],
    }


def _tables(sets: Sequence[SetInput]) -> dict[str, Table]:
    data = {}
    for each in sets:
        data[f"production ({each.name})"] = each.production
        data |= {f"candidate {name} ({each.name})": table for name, table in each.candidates.items()}
    return data


def _evaluation(
    invocation: Invocation, config: Compare, each: SetInput, weights: np.ndarray | None
) -> EvaluationSet:
    """The set as it is compared: weighted where asked for, with features and names where they are needed."""
    evaluation = each.evaluation
    if weights is not None:
        evaluation = replace(
            evaluation,
            production=_weighted(evaluation.production, weights),
            candidates={name: _weighted(data, weights) for name, data in evaluation.candidates.items()},
        )
    if config.segments is not None:
        names = config.segments.columns or features_of(invocation, each.features)
        each.features.require(names)
        columns = tuple(_read(each.features, names, each.rows).values())
        evaluation = replace(evaluation, features=columns, keys=each.keys)
    return replace(evaluation, names=each.names) if config.flipped_rows else evaluation


def _weighted(data: Predictions, weights: np.ndarray) -> Predictions:
    return replace(data, weight=weights if data.weight is None else data.weight * weights)


def _read(table: Table, names: Sequence[str], rows: np.ndarray | None = None) -> dict[str, Column]:
    columns = table.read([(name, "any") for name in names])
    return {name: column if rows is None else column.take(rows) for (name, _), column in columns.items()}


def _golden_drift(
    invocation: Invocation, config: Compare, sets: Sequence[SetInput]
) -> tuple[dict[str, Any] | None, Mapping[str, np.ndarray]]:
    """Whether the golden rows look like the reference, and the weights that make them, by set."""
    golden = next((each for each in sets if each.name != "recent"), None)
    if config.reference is None or golden is None:
        return None, {}
    reference = invocation.open(config.reference)
    names = [name for name in features_of(invocation, golden.features) if name in reference.schema]
    if not names:
        raise ConfigError(
            f"`compare.reference:` {config.reference} shares no feature with {golden.features.path}: give rows with the"
            " same columns, or name them under `drift.features:`"
        )
    ours, theirs = _read(golden.features, names, golden.rows), _read(reference, names)
    found = look(
        ours,
        theirs,
        golden_rows=len(golden.rows),
        reference_rows=reference.rows,
        false_alarm_rate=invocation.model.drift.false_alarm_rate,
        min_effect=invocation.model.drift.min_effect,
    )
    told = {
        "reference": reference.path,
        **asdict(found),
        "reweighted": False,
        "effective_rows": None,
        "largest_weight": None,
        "method": None,
    }
    if not config.reweight:
        return told, {}
    importance = importance_weights(ours, theirs, seed=_SEED)
    told |= {
        "reweighted": True,
        "effective_rows": importance.effective_rows,
        "largest_weight": importance.largest_weight,
        "method": importance.method,
        "detail": "; ".join(part for part in (found.detail, importance.detail, _UNCERTAIN) if part),
    }
    return told, {golden.name: importance.weights}


def _budgets(
    invocation: Invocation, config: Compare, sets: Sequence[SetInput]
) -> tuple[list[Budget], list[str]]:
    """What is left of each evaluation set, and what could not be told."""
    if config.reuse is None:
        return [], []
    ledger, unread = _ledger(invocation)
    budgets = [
        budget(ledger, each.sha256, each.digests.values(), config.reuse, config.confidence, each.name)
        for each in sets
    ]
    return budgets, unread


def _ledger(invocation: Invocation) -> tuple[Ledger | None, list[str]]:
    """The candidates that were judged before, by evaluation set, from the history."""
    if not in_repository() or not invocation.repository.git("remote"):
        return None, [
            "how often the evaluation set has decided is not known: there is no git remote to keep it"
        ]
    # A remote out of reach, or a history that was tampered with, is no reason to begin counting anew.
    found = history.read(invocation.repository, invocation.model_name, "compare-to-prod")
    off = invocation.common.history == "off" and not invocation.actions.for_pull_request
    unkept = ["`history: off`: this use of the evaluation set is not counted"] if off else []
    return Ledger.of(found), unkept


def _identities(
    invocation: Invocation, config: Compare, sets: Sequence[SetInput], budgets: Sequence[Budget]
) -> Iterator[dict[str, object]]:
    """Which candidates were judged on which rows, for the ledger; what was refused was not judged."""
    if any(each.exhausted for each in budgets):
        return
    for each in sets:
        # It takes a pass over the rows, which are not worth it where no set has a name to be counted by.
        if config.reuse is not None or invocation.model.golden is not None:
            yield {
                "set": each.name,
                "sha256": each.sha256,
                "candidates": sorted(set(each.digests.values())),
            }


def _first_release(invocation: Invocation, request: Request, config: Compare) -> Document:
    if request.production is not None:
        raise UsageError("--first-release says that nothing runs in production; leave out --production")
    if serving_version(invocation) is not None:
        raise UsageError(
            f"--first-release, but the registry has a production version of {invocation.model_name!r}: leave it out"
        )
    opened = open_candidates(invocation, request.candidates)
    tables = {f"candidate {name}": table for name, table in opened.items()}
    for table in tables.values():
        read_for(invocation, table, [config.primary, *config.guardrails])
    return make_document(
        "compare-to-prod",
        model=invocation.model_name,
        decision="promote",
        reasons=["first release: there is no production model to compare with, so nothing was compared"],
        config=invocation.loaded,
        data=tables,
        body={
            "confidence": config.confidence,
            "level": config.confidence,
            "candidate": None,
            "correction": config.correction,
            "first_release": True,
            "sets": [],
            "joins": [],
            "comparisons": [],
            "candidates": [],
            "ranking": [],
            "best": None,
            "segments": [],
            "flips": [],
            "budget": None,
            "golden_drift": None,
            "baseline": None,
            "disagreements": [],
            "test_sets": [],
        },
    )
