"""``profile``: write what a drift report needs of the reference, small enough for git, in the place of its table."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from tidegate.commands.column_tests import key_of, outcome_columns
from tidegate.commands.context import Context
from tidegate.commands.drift_windows import Side
from tidegate.commands.looking import kept_values, metric_of, observed, plan_of, survey
from tidegate.config import Drift, Model
from tidegate.drift.calibration_figures import calibration_figures
from tidegate.drift.chunks import chunk_baseline, chunk_codes
from tidegate.drift.figures import Measure
from tidegate.drift.label_free import fit_calibration, to_json
from tidegate.drift.over_time import track
from tidegate.drift.performance import ReferenceFigures
from tidegate.drift.profile import Profile, profile_bytes
from tidegate.drift.summaries import Summary, summarise
from tidegate.drift.tracked import tracked_values
from tidegate.errors import ConfigError, DataError
from tidegate.tables import Column
from tidegate.wording import plural

_CONFIDENCE = 0.99


def run(context: Context, table: str, output: Path | None) -> int:
    """Write the profile, whole or not at all, and return the exit code."""
    profile = profile_of(context, table)
    path = output or Path("models") / context.model_name / "profile.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    content = profile_bytes(profile)
    unfinished = path.with_name(f".{path.name}.part")
    unfinished.write_bytes(content)
    unfinished.replace(path)
    print(
        f"{path}: {plural(len(profile.columns), 'column')} of {plural(profile.rows, 'row')} in {len(content):,} bytes;"
        f" use it as --reference {path}"
    )
    return 0


def profile_of(context: Context, spec: str) -> Profile:
    """The profile of a table.

    Raises:
        DataError: the table has no rows, or cannot be read.
        ConfigError: there is no column to watch.
    """
    model, table = context.model, context.open(spec)
    side = Side(table, model)
    if side.rows == 0:
        raise DataError(f"{table.path} has no rows: a reference needs at least one")
    part = model.columns.named()
    features = model.drift.features or [name for name in table.schema if name not in part]
    table.require(features)
    # Vectors are told apart by a classifier, which needs the rows themselves.
    features = [name for name in features if name not in side.vectors]
    if not features:
        raise ConfigError("there is no column to watch: list some under `drift.features:`")
    now = datetime.now(UTC)
    summaries, chunks = _columns(side, features, model.drift)
    labelled = side.labelled
    metric = metric_of(model)
    figures = calibration = label_free = None
    if labelled is not None and metric is not None:
        figures = ReferenceFigures.of([Measure(metric)], labelled, confidence=_CONFIDENCE).to_json()
        fitted = fit_calibration(labelled, [metric], threshold=model.columns.threshold)
        label_free = None if isinstance(fitted, str) else json.loads(to_json(fitted))
        if labelled.score is not None and labelled.task in ("binary", "multiclass"):
            measured = calibration_figures(labelled, confidence=_CONFIDENCE)
            calibration = None if isinstance(measured, str) else measured.to_json()
    return Profile(
        model=context.model_name,
        created_at=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        rows=side.rows,
        period=_period(side),
        source_sha256=table.sha256,
        columns=summaries,
        performance=figures,
        calibration=calibration,
        label_free=label_free,
        chunks=chunks,
        over_time=_over_time(side, model, metric),
        quality=survey(table, features, model, now).to_json(),
    )


def _columns(
    side: Side, features: Sequence[str], drift: Drift
) -> tuple[dict[str, Summary], dict[str, Any] | None]:
    """Reduced summaries by name, outcomes by what they are, and their chunks where these are the baseline."""
    codes = None
    if drift.baseline == "chunks":
        if side.times is None:
            raise ConfigError("`baseline: chunks` needs times in `columns.timestamp`")
        if drift.chunk is None:
            raise ConfigError(
                "a profile with `baseline: chunks` needs `chunk:`, the length of the windows to come, such as 1d"
            )
        codes = chunk_codes(side.times.values, drift.chunk)
    times = None if side.times is None else side.times.values
    summaries: dict[str, Summary] = {}
    chunks: dict[str, Any] = {}

    def add(key: str, column: Column) -> None:
        rows = np.flatnonzero(~column.missing) if key == key_of("label") else np.arange(side.rows)
        at, cluster = (None if each is None else each[rows] for each in (times, side.clusters))
        text = True if column.name in drift.texts else None
        summary = summarise(column.take(rows), text=text, timestamp=at, cluster=cluster)
        summaries[key] = summary.reduced()
        if codes is not None:
            chunks[key] = chunk_baseline(column, codes).to_json()

    for column in side.columns(features):
        add(column.name, column)
    for name, outcome in outcome_columns(side).items():
        if outcome is not None and not outcome.missing.all():
            add(key_of(name), outcome)
    return summaries, {"columns": chunks} if codes is not None else None


def _over_time(side: Side, model: Model, metric: str | None) -> dict[str, Any] | None:
    """What is tracked, of the reference: as a window compared with itself has it."""
    window = observed(side)
    if window is None:
        return None
    found = track(window, window, plan_of(model, metric), confidence=_CONFIDENCE)
    return {"values": kept_values(tracked_values(found.tracked, confidence=_CONFIDENCE))}


def _period(side: Side) -> tuple[str, str] | None:
    if side.times is None:
        return None
    known = side.times.values[~side.times.missing].astype("datetime64[s]")
    return str(known.min()), str(known.max())
