"""What a gate is told besides the predictions: the user's own metrics, known cases, and what was found of the table."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tidegate import data_quality
from tidegate.behaviour import reads
from tidegate.commands.base import Invocation
from tidegate.commands.evaluation import features_of
from tidegate.config import Check, CommandCheck, GateItem, MustPass, SchemaCheck
from tidegate.documents import is_number
from tidegate.errors import ConfigError, DataError, TidegateError, UserCommandError
from tidegate.findings import Finding
from tidegate.gate import Known
from tidegate.metrics.base import Estimate, Part
from tidegate.metrics.data import Performance, Predictions
from tidegate.performance import read_performance
from tidegate.predictions import read_predictions
from tidegate.registry import artifact_files, artifacts_digest, golden_changed_with_model, lineage_path
from tidegate.slices import slice_columns
from tidegate.stats.results import Interval
from tidegate.tables import Table, Want
from tidegate.userprocess import run
from tidegate.wording import first_few

MAX_FEATURES = 500
"""Columns that are looked at without being asked for; a table may have thousands."""


@dataclass(frozen=True, slots=True)
class GateInput:
    """A predictions table as the gate is judged on, with all that belongs to it.

    Attributes:
        golden_changed: whether this pull request changes the golden set together with the model; None: cannot be told.
    """

    data: Predictions
    items: Sequence[GateItem]
    known: Known
    golden_changed: bool | None


def read_gate(
    invocation: Invocation, table: Table, *, model_dir: Path | None, golden: Table | None
) -> GateInput:
    """Read what the gate of the configuration needs of a table, and look at what was not asked for.

    Args:
        invocation: gives the configuration.
        table: the predictions.
        model_dir: the model's files, where they are known.
        golden: the evaluation set, where the table was made from it.
    """
    items = [_with_values(invocation, item) for item in invocation.model.gate]
    features = _features(invocation, table)
    searched = any(isinstance(item, Check) and item.discover for item in items)
    needed = _needed(invocation, items, table)
    extra = list(dict.fromkeys([*needed.columns, *((name, _ANY) for name in features if searched)]))
    data = read_predictions(
        table,
        invocation.model,
        parts=needed.parts,
        extra=extra,
        performance=measured(invocation, model_dir),
    )
    # What is judged is settled before anything of the user's own runs: files could change under its hands.
    _ = table.sha256
    must_pass = dict(_known_cases(invocation, items))
    moved = golden_changed(invocation)
    findings = list(_found(invocation, table, features, "label" in needed.parts, golden or table, model_dir))
    schemas = dict(_schemas(items, table))
    known = Known(
        today=datetime.now(UTC).date(),
        own={**schemas, **dict(_commands(invocation, items, table))},
        must_pass=must_pass,
        identifier=invocation.model.columns.id,
        features=[data.columns[name, _ANY] for name in features] if searched else [],
        findings=[*findings, *_moved(invocation, moved)],
    )
    return GateInput(data, items, known, moved)


_ANY: Want = "any"


@dataclass(frozen=True, slots=True)
class _Needed:
    parts: set[Part]
    columns: list[tuple[str, Want]]


def _needed(invocation: Invocation, items: Sequence[GateItem], table: Table) -> _Needed:
    names = invocation.model.columns
    parts: set[Part] = set()
    columns: list[tuple[str, Want]] = []
    identifier = names.id if names.id in table.schema else None
    for item in items:
        if isinstance(item, Check):
            parts |= item.definition.parts
            columns += [*item.reads.items(), *slice_columns(item.slices)]
        elif not isinstance(item, CommandCheck | SchemaCheck):
            read = reads(
                item,
                invocation.model.task,
                has_score=names.score is not None,
                identifier=names.id if isinstance(item, MustPass) else identifier,
            )
            parts |= read.parts
            columns += read.columns
    return _Needed(parts, columns)


def _features(invocation: Invocation, table: Table) -> list[str]:
    """The features, of columns that nobody listed the first few hundred."""
    found = features_of(invocation, table)
    return found if invocation.model.drift.features is not None else found[:MAX_FEATURES]


def _with_values(invocation: Invocation, item: GateItem) -> GateItem:
    """A check of unseen values whose known ones stand in a table, with those values."""
    if not isinstance(item, Check) or not isinstance(item.values, str) or item.column is None:
        return item
    column = invocation.open(item.values).read([(item.column, "category")])[item.column, "category"]
    return item.model_copy(update={"values": list(column.levels)})


def measured(invocation: Invocation, model_dir: Path | None) -> Performance | None:
    """What was measured of the model as a whole, and the size of its files; None when neither is known."""
    spec = invocation.model.performance
    given = read_performance(Path(spec), spec) if spec is not None else None
    retrain = invocation.model.retrain
    others = [Path.cwd() / path for path in (retrain.artifacts[1:] if retrain is not None else [])]
    folders = [folder for folder in (model_dir, *others) if folder is not None and folder.is_dir()]
    if not folders:
        return given
    # The files themselves know their size better than what was written about them.
    size = sum(path.stat().st_size for folder in folders for path in artifact_files(folder).values())
    return replace(given or Performance(), model_bytes=size)


def _schemas(items: Sequence[GateItem], table: Table) -> Iterator[tuple[int, Estimate]]:
    for position, item in enumerate(items):
        if isinstance(item, SchemaCheck):
            misfits = table.misfits(item.columns)
            note = first_few([data_quality.describe_misfit(misfit) for misfit in misfits], separator="; ")
            yield position, Estimate(float(len(misfits)), table.rows, note=note)


def _commands(
    invocation: Invocation, items: Sequence[GateItem], table: Table
) -> Iterator[tuple[int, Estimate]]:
    for position, item in enumerate(items):
        if isinstance(item, CommandCheck):
            try:
                yield position, _command(invocation, item, table)
            except UserCommandError as error:
                # Like anything that cannot be computed it fails, and the other checks are told all the same.
                last = f" ({error.tail[-1][:_TOLD]})" if error.tail else ""
                yield position, Estimate(None, 0, problem=f"{error}{last}", rows_known=False)


_TOLD = 200


def _command(invocation: Invocation, item: CommandCheck, table: Table) -> Estimate:
    """Run the user's own metric on the table and read the JSON that it prints."""
    command = item.command
    name = "gate" if item.metric == CommandCheck.model_fields["metric"].default else item.metric
    if not any(f"{{{name}}}" in command for name in _PLACES):
        command += " {table}"
    with TemporaryDirectory(prefix="tidegate-") as place:
        # A copy, so that a command cannot change what is judged by others.
        path = Path(place) / f"table{table.files[0].suffix if len(table.files) == 1 else '.parquet'}"
        if len(table.files) == 1:
            shutil.copyfile(table.files[0], path)
        else:
            table.export(path)
        said = run(
            command,
            dict.fromkeys(_PLACES, path),
            name=name,
            folder=Path.cwd(),
            timeout=invocation.model.predict_timeout,
            on_line=invocation.progress(name),
        )
    return _answer(name, item.metric, said, table.rows)


_PLACES = ("table", "data", "predictions")


def _answer(name: str, metric: str, said: Sequence[str], table_rows: int) -> Estimate:
    """The answer of a command: the last of what it printed that is JSON."""
    content: Any = None
    for start in range(len(said)):
        try:
            content = json.loads("\n".join(said[start:]))
            break
        except (ValueError, RecursionError):
            continue
    if isinstance(content, Mapping):
        value, ci, rows = content.get("value", content.get(metric)), content.get("ci"), content.get("rows")
    else:
        value, ci, rows = content, None, None
    counted = rows is None or (isinstance(rows, int) and not isinstance(rows, bool) and rows >= 0)
    if not is_number(value) or not _holds(ci, value) or not counted:
        raise UserCommandError(
            f'the {name} command must print JSON such as {{"value": 0.93}}, with `ci` as [low, high] about the value'
            " and `rows` if it has them",
            list(said),
        )
    interval = None if ci is None else Interval(float(ci[0]), float(ci[1]))
    if rows is None:
        return Estimate(float(value), table_rows, interval, rows_known=False)
    return Estimate(float(value), rows, interval)


def _holds(ci: Any, value: float) -> bool:
    """Whether an interval is none, or two bounds with the value between them."""
    if ci is None:
        return True
    return isinstance(ci, list) and len(ci) == 2 and all(map(is_number, ci)) and bool(ci[0] <= value <= ci[1])


def _known_cases(
    invocation: Invocation, items: Sequence[GateItem]
) -> Iterator[tuple[int, Sequence[str | int]]]:
    for position, item in enumerate(items):
        if not isinstance(item, MustPass):
            continue
        cases, identifier = item.must_pass, invocation.model.columns.id
        if identifier is None:
            raise ConfigError("`must_pass:` needs `columns.id:`, by which the rows are found")
        if cases.file is None:
            yield position, cases.ids
            continue
        name = cases.column or identifier
        column = invocation.open(cases.file).read([(name, "category")])[name, "category"]
        if not column.levels:
            raise DataError(f"{cases.file} names no rows that must pass")
        yield position, [level if isinstance(level, str | int) else str(level) for level in column.levels]


def _found(
    invocation: Invocation,
    table: Table,
    features: Sequence[str],
    labelled: bool,
    golden: Table,
    model_dir: Path | None,
) -> Iterator[Finding]:
    """What there is to say of the table without being asked."""
    model, sanity = invocation.model, invocation.model.sanity
    label = model.columns.label if model.columns.label in table.schema else None
    if sanity.constant_column != "off":
        yield from data_quality.constant_columns(table, features)
    if sanity.duplicate_rows != "off" and model.columns.id is not None and features:
        # Equal rows are answered alike, so the answers tell chance repeats of coarse features from copies.
        answers = [name for name in _answer_columns(invocation) if name in table.schema]
        repeated = data_quality.duplicate_rows(table, [*features, *([label] if label else []), *answers])
        if repeated is not None:
            yield repeated
    if sanity.leakage != "off" and labelled and label is not None and features and model.task != "ranking":
        yield from data_quality.leakage(table, features, label, str(model.task))
    if sanity.training_overlap != "off":
        yield from _trained_on(invocation, golden, model_dir)


def _answer_columns(invocation: Invocation) -> list[str]:
    names = invocation.model.columns
    scores = names.score.values() if isinstance(names.score, dict) else [names.score]
    return [name for name in (*scores, names.prediction) if name is not None]


def _moved(invocation: Invocation, moved: bool | None) -> Iterator[Finding]:
    if moved and invocation.model.sanity.golden_changed != "off":
        yield Finding(
            "golden_changed",
            None,
            None,
            f"the golden set {invocation.model.golden} changes in the same pull request as the model: what judges it"
            " must not move with it; change the golden set in a pull request of its own",
        )


def _trained_on(invocation: Invocation, golden: Table, model_dir: Path | None) -> Iterator[Finding]:
    identifier, training = invocation.model.columns.id, invocation.model.sanity.training
    if training is not None:
        found = data_quality.table_overlap(golden, invocation.open(training), identifier)
    else:
        digest = None
        if model_dir is not None and model_dir.is_dir():
            digest = artifacts_digest(artifact_files(model_dir).items())
        folder = (Path.cwd() / lineage_path(invocation.model_name)).parent
        found = data_quality.training_overlap(golden, folder, identifier=identifier, digest=digest)
    if found is not None:
        yield found


def golden_changed(invocation: Invocation) -> bool | None:
    """Whether this pull request changes the golden set together with the model; None when that cannot be told."""
    model = invocation.model
    if invocation.actions.base_sha is None or model.golden is None or model.retrain is None:
        return None
    if not model.retrain.artifacts:
        return None
    try:
        repository, base = invocation.repository, invocation.base_commit
        golden = _path_of(invocation, model.golden)
        told = [golden_changed_with_model(repository, base, golden, path) for path in model.retrain.artifacts]
        return None if None in told else any(told)
    except TidegateError as error:
        invocation.warn(f"whether the golden set changed together with the model cannot be told: {error}")
        return None


def _path_of(invocation: Invocation, spec: str) -> str:
    source = invocation.loaded.config.sources.get(spec)
    return spec if source is None else source.path
