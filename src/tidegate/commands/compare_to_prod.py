"""``compare-to-prod``: decide whether a candidate is better than what runs now, and hurts no slice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tidegate.commands.base import Invocation
from tidegate.commands.evaluation import (
    evaluation_set,
    production_model,
    read_for,
    read_registry,
    scorer,
    working_model,
)
from tidegate.comparison import EvaluationSet, compare
from tidegate.config import Compare
from tidegate.documents import Document, make_document
from tidegate.errors import ConfigError, DataError, UsageError
from tidegate.metrics.data import Predictions
from tidegate.registry import artifact_files, artifacts_digest
from tidegate.tables import Table, quote
from tidegate.wording import plural


@dataclass(frozen=True, slots=True)
class SetTables:
    """The tables of one evaluation set."""

    name: str
    production: Table
    candidates: Mapping[str, Table]


@dataclass(frozen=True, slots=True)
class Join:
    """How the rows of a candidate and of production met; rows whose id repeats meet nobody."""

    set: str
    candidate: str
    matched: int
    only_candidate: int
    only_production: int
    repeated_candidate: int
    repeated_production: int

    @property
    def lost(self) -> int:
        """Rows of both tables that were left out."""
        return self.only_candidate + self.only_production + self.repeated_candidate + self.repeated_production


def run(
    invocation: Invocation, candidates: Sequence[str], production: str | None, *, first_release: bool
) -> int:
    """Compare, report, and return the exit code."""
    config = invocation.need("compare", invocation.model.compare)
    if first_release:
        document = _first_release(invocation, candidates, production, config)
    elif candidates or production is not None:
        document = _from_tables(invocation, candidates, production, config)
    else:
        document = _from_models(invocation, config)
    allowed = {"promote", "inconclusive"} if config.on_inconclusive == "promote" else {"promote"}
    stops = document["decision"] not in allowed
    invocation.publish(document)
    invocation.set_status(document, stops=stops)
    invocation.comment_on_pull_request(document)
    invocation.record(document)
    return invocation.exit_code(stops=stops)


def _from_tables(
    invocation: Invocation, candidates: Sequence[str], production: str | None, config: Compare
) -> Document:
    """Compare tables that were given; the side that was not is made on the golden set."""
    tables = _candidates(invocation, candidates)
    warnings = []
    if len(config.sets) > 1:
        warnings.append(f"tables were given: they stand for all of {' and '.join(config.sets)}")
    if not tables and invocation.model.golden is None:
        raise UsageError(
            "--candidate is missing: give the candidate's predictions, or name `golden:` and `predict:` in the config"
        )
    if not tables:
        golden = evaluation_set(invocation, "golden")
        made = scorer(invocation).table(working_model(invocation), golden, "the candidate on the golden set")
        tables = {"candidate": made}
    if production is not None:
        of_production = invocation.open(production)
    else:
        serving = read_registry(invocation).production() if _in_repository() else None
        if serving is None:
            raise UsageError(
                "--production is missing: give the production model's predictions, or pass --first-release when no"
                " model runs in production yet"
            )
        golden = evaluation_set(invocation, "golden")
        with production_model(invocation, serving) as folder:
            of_production = scorer(invocation).table(folder, golden, "production on the golden set")
    return comparison_document(invocation, config, [SetTables("given", of_production, tables)], warnings)


def _candidates(invocation: Invocation, specs: Sequence[str]) -> dict[str, Table]:
    tables = {}
    for spec in specs:
        name, path = _named(spec)
        if not name or not path:
            raise UsageError(f"--candidate {spec!r}: give FILE or NAME=FILE")
        if name in tables:
            raise UsageError(f"two candidates are called {name!r}: name them, as in --candidate small=FILE")
        tables[name] = invocation.open(path)
    return tables


def _named(spec: str) -> tuple[str, str]:
    """``NAME=FILE``, or a file whose own name serves."""
    name, equals, path = spec.partition("=")
    if equals and "/" not in name and "\\" not in name and not Path(spec).exists():
        return name, path
    return Path(spec).stem or spec, spec


def _first_release(
    invocation: Invocation, candidates: Sequence[str], production: str | None, config: Compare
) -> Document:
    if production is not None:
        raise UsageError("--first-release says that nothing runs in production; leave out --production")
    if _in_repository() and read_registry(invocation).production() is not None:
        raise UsageError(
            f"--first-release, but the registry has a production version of {invocation.model_name!r}: leave it out"
        )
    tables = {f"candidate {name}": table for name, table in _candidates(invocation, candidates).items()}
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
            "first_release": True,
            "sets": [],
            "joins": [],
            "comparisons": [],
            "candidates": [],
            "ranking": [],
        },
    )


def _in_repository() -> bool:
    return any((folder / ".git").exists() for folder in (Path.cwd(), *Path.cwd().parents))


def _from_models(invocation: Invocation, config: Compare) -> Document:
    """Make the tables: the candidate's from the working tree, production's from the registry."""
    serving = read_registry(invocation).production()
    if serving is None:
        raise ConfigError(
            f"the registry has no production version of {invocation.model_name!r}: give --candidate and --production"
            " tables, or pass --first-release if no model runs in production yet"
        )
    candidate = working_model(invocation)
    make = scorer(invocation)
    warnings = []
    if artifacts_digest(artifact_files(candidate).items()) == serving.digest:
        warnings.append(f"the model in the working tree is production version {serving.version} itself")
    data = {name: evaluation_set(invocation, name) for name in config.sets}
    # Production first: what the candidate's predictions leave behind must not reach its rival's.
    with production_model(invocation, serving) as folder:
        rival = {
            name: make.table(folder, rows, f"production on the {name} set") for name, rows in data.items()
        }
    sets = [
        SetTables(
            name, rival[name], {"candidate": make.table(candidate, rows, f"the candidate on the {name} set")}
        )
        for name, rows in data.items()
    ]
    return comparison_document(invocation, config, sets, warnings)


def comparison_document(
    invocation: Invocation, config: Compare, sets: Sequence[SetTables], warnings: Sequence[str] = ()
) -> Document:
    """The comparison's decision about tables of one or more evaluation sets."""
    joined = [_join(invocation, config, each) for each in sets]
    result = compare([each for each, _ in joined], config)
    joins = [join for _, found in joined for join in found]
    lost = [
        f"{plural(join.lost, 'row')} without exactly one partner on the {join.set} set were left out"
        for join in joins
        if join.lost
    ]
    data = {}
    for each in sets:
        data[f"production ({each.name})"] = each.production
        data |= {f"candidate {name} ({each.name})": table for name, table in each.candidates.items()}
    return make_document(
        "compare-to-prod",
        model=invocation.model_name,
        decision=result.decision,
        reasons=result.reasons,
        warnings=[*warnings, *invocation.cannot_vouch(), *lost],
        config=invocation.loaded,
        data=data,
        body={
            "confidence": config.confidence,
            "first_release": False,
            "sets": [each.name for each in sets],
            "joins": joins,
            "comparisons": result.comparisons,
            "candidates": result.candidates,
            "ranking": result.ranking,
        },
    )


def _join(invocation: Invocation, config: Compare, tables: SetTables) -> tuple[EvaluationSet, list[Join]]:
    """Rows that production and all candidates have, one to one by id."""
    identifier = invocation.model.columns.id
    if identifier is None:
        raise ConfigError(
            "`columns.id:` is missing in the config: it joins the candidate's rows to production's"
        )
    for table in (tables.production, *tables.candidates.values()):
        table.require([identifier])
    again = tables.production.repeated_rows(identifier)
    partners, joins = {}, []
    common = np.ones(tables.production.rows, dtype=bool)
    for name, table in tables.candidates.items():
        ours, theirs = tables.production.match(table, identifier)
        repeated = table.repeated_rows(identifier)
        joins.append(
            Join(
                set=tables.name,
                candidate=name,
                matched=len(ours),
                only_candidate=table.rows - len(ours) - repeated,
                only_production=tables.production.rows - len(ours) - again,
                repeated_candidate=repeated,
                repeated_production=again,
            )
        )
        _refuse_bad_match(joins[-1], config, tables.production, table, identifier)
        partners[name] = np.full(tables.production.rows, -1)
        partners[name][ours] = theirs
        common &= partners[name] >= 0
    rows = np.flatnonzero(common)
    uses = [config.primary, *config.guardrails]
    production = read_for(invocation, tables.production, uses).take(rows)
    candidates = {
        name: read_for(invocation, table, uses).take(partners[name][rows])
        for name, table in tables.candidates.items()
    }
    # A class that one model never predicts is a class all the same.
    classes = tuple(sorted({c for each in (production, *candidates.values()) for c in each.classes}))
    if production.task == "multiclass":
        production = production.recoded(classes)
        candidates = {name: each.recoded(classes) for name, each in candidates.items()}
    for name, each in candidates.items():
        _refuse_other_truth(each, production, tables.candidates[name].path)
    return EvaluationSet(tables.name, production, candidates), joins


def _first(table: Table, column: str) -> str:
    value = table.scalar(f"min(CAST({quote(column)} AS VARCHAR))")
    return "no value at all" if value is None else repr(value)


def _refuse_bad_match(
    join: Join, config: Compare, production: Table, candidate: Table, identifier: str
) -> None:
    if join.matched == 0:
        raise DataError(
            f"{candidate.path} and {production.path} share no {identifier} (such as {_first(candidate, identifier)}"
            f" and {_first(production, identifier)}): are they predictions of the same rows, ids written alike?"
        )
    if join.lost / (join.matched + join.lost) <= config.max_unmatched_share:
        return
    counts = {
        f"only in {candidate.path}": join.only_candidate,
        f"only in {production.path}": join.only_production,
    }
    for table, repeated in ((candidate, join.repeated_candidate), (production, join.repeated_production)):
        counts[f"with a repeated {identifier} in {table.path}{_repeats(table, identifier)}"] = repeated
    told = ", ".join(f"{count:,} {where}" for where, count in counts.items() if count)
    raise DataError(
        f"{join.lost:,} of {join.matched + join.lost:,} rows have no partner by {identifier} ({told}), more than"
        f" `compare.max_unmatched_share: {config.max_unmatched_share:g}` allows: predict the same rows, each once,"
        " with both models"
    )


def _repeats(table: Table, identifier: str) -> str:
    repeated = table.duplicated(identifier, limit=1)
    return f" ({repeated[0][0]} stands {repeated[0][1]} times)" if repeated else ""


def _refuse_other_truth(candidate: Predictions, production: Predictions, path: str) -> None:
    if candidate.label is None or production.label is None:
        return
    differ = candidate.label != production.label
    if differ.any():
        raise DataError(
            f"{path}: the label differs from production's in {int(differ.sum()):,} rows that have the same id:"
            " both tables must hold the same truth"
        )
