"""``drift-report``: compare the current window with the reference, and say whether to retrain."""

import json
from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import datetime
from pathlib import Path

from tidegate.commands.base import Invocation
from tidegate.documents import Document, make_document
from tidegate.drift.performance import DEFAULT_METRIC
from tidegate.drift.windows import DriftResult, Finding, Window, watch
from tidegate.errors import ConfigError, DataError, UsageError
from tidegate.metrics import METRICS
from tidegate.metrics.data import Predictions
from tidegate.predictions import read_predictions
from tidegate.registry import lineage_path
from tidegate.suggest import did_you_mean
from tidegate.tables import Column, Table, Want, quote


def run(invocation: Invocation, reference: str | None, current: str | None) -> int:
    """Watch, report, and return the exit code: no drift decision stops anything."""
    if reference is None or current is None:
        missing = "--reference" if reference is None else "--current"
        raise UsageError(f"{missing} is missing: give the table of that window")
    document = drift_document(invocation, invocation.open(reference), invocation.open(current))
    invocation.publish(document)
    invocation.comment_on_pull_request(document)
    invocation.record(document)
    return 0


def drift_document(invocation: Invocation, reference: Table, current: Table) -> Document:
    """The drift decision about two windows."""
    features, findings = _features(invocation, reference, current)
    metric = _metric(invocation)
    windows = [_window(invocation, table, features, metric) for table in (reference, current)]
    model = invocation.model
    clocks = [] if model.drift.features else _clocks(windows)
    windows = [replace(window, features=_left(window.features, clocks)) for window in windows]
    if not windows[0].features and not findings:
        raise ConfigError("there is no column to watch: list some under `drift.features:`")
    warnings = [f"column {name} holds times, which always move on; it is not tested" for name in clocks]
    result = watch(
        windows[0],
        windows[1],
        model.drift,
        model.retrain,
        metric=metric,
        findings=findings,
        new_rows=_new_rows(invocation),
    )
    body = {field.name: getattr(result, field.name) for field in fields(DriftResult)}
    return make_document(
        "drift-report",
        model=invocation.model_name,
        decision=body.pop("decision"),
        reasons=body.pop("reasons"),
        warnings=[*invocation.cannot_vouch(), *warnings],
        config=invocation.loaded,
        data={"reference": reference, "current": current},
        body={
            "false_alarm_rate": model.drift.false_alarm_rate,
            "min_effect": model.drift.min_effect,
            "windows": {
                "reference": _extent(invocation, reference),
                "current": _extent(invocation, current),
            },
            **body,
        },
    )


def _features(invocation: Invocation, reference: Table, current: Table) -> tuple[list[str], list[Finding]]:
    """Columns to watch, and findings about columns that cannot be."""
    for table in (reference, current):
        if table.rows == 0:
            raise DataError(f"{table.path} has no rows: a window needs at least one")
    model = invocation.model
    listed = model.drift.features
    part = model.columns.named()
    names = listed or [
        name for name in dict.fromkeys([*reference.schema, *current.schema]) if name not in part
    ]
    features, findings = [], []
    for name in names:
        missing = [table.path for table in (reference, current) if name not in table.schema]
        if len(missing) == 2:
            raise ConfigError(
                f"drift.features names {name!r}, which neither window has.{did_you_mean(name, reference.schema)}"
            )
        if missing:
            findings.append(Finding("schema", name, f"the column is missing in {missing[0]}"))
        else:
            features.append(name)
    return features, findings


def _clocks(windows: Sequence[Window]) -> list[str]:
    """Columns that hold times in both windows."""
    first, second = (window.features for window in windows)
    return [name for name in first if first[name].kind == second[name].kind == "time"]


def _left(features: dict[str, Column], without: Sequence[str]) -> dict[str, Column]:
    return {name: column for name, column in features.items() if name not in without}


def _metric(invocation: Invocation) -> str | None:
    """The metric of realised performance, when the config names what it needs."""
    model = invocation.model
    if model.task is None or model.columns.label is None:
        return None
    asked = model.retrain.performance_drop().metric if model.retrain else None
    if asked is None and model.compare is not None and not model.compare.primary.definition.options:
        asked = model.compare.primary.metric
    metric = asked or DEFAULT_METRIC[model.task]
    parts = METRICS[metric].parts
    has_score = model.columns.score is not None
    has_prediction = model.columns.prediction is not None or (has_score and model.task != "regression")
    if ("score" in parts and not has_score) or ("prediction" in parts and not has_prediction):
        if asked is None and has_prediction and model.task == "binary":
            return "accuracy"
        return None
    return metric


def _window(invocation: Invocation, table: Table, features: list[str], metric: str | None) -> Window:
    names = invocation.model.columns
    prediction = names.score if isinstance(names.score, str) else names.prediction
    present = {
        role: name
        for role, name in (("prediction", prediction), ("label", names.label))
        if name in table.schema
    }
    label_kind: Want = "number" if invocation.model.task == "regression" else "category"
    wanted: list[tuple[str, Want]] = [(name, "any") for name in features]
    for role, name in present.items():
        wanted.append((str(name), label_kind if role == "label" else "any"))
    columns = table.read(wanted)

    def column(role: str, want: Want) -> Column | None:
        return columns[str(present[role]), want] if role in present else None

    label = column("label", label_kind)
    return Window(
        rows=table.rows,
        features={name: columns[name, "any"] for name in features},
        prediction=column("prediction", "any"),
        label=label,
        labelled=_labelled(invocation, table, label, metric),
    )


def _labelled(
    invocation: Invocation, table: Table, label: Column | None, metric: str | None
) -> Predictions | None:
    if metric is None or label is None or label.missing.all():
        return None
    parts = METRICS[metric].parts
    names = invocation.model.columns
    scores = names.score.values() if isinstance(names.score, dict) else [names.score]
    by_score = "score" in parts or ("prediction" in parts and names.prediction is None)
    answers = list(scores) if by_score else []
    if "prediction" in parts and names.prediction is not None:
        answers.append(names.prediction)
    if not all(name in table.schema for name in answers):
        return None
    return read_predictions(table, invocation.model, parts=parts, partial_labels=True)


def _new_rows(invocation: Invocation) -> int | None:
    """Rows of the training data that are newer than what production was trained on, where its lineage tells."""
    model = invocation.model
    end = _trained_until(Path(lineage_path(invocation.model_name)))
    if end is None or model.retrain is None or model.retrain.data is None or model.columns.timestamp is None:
        return None
    data = invocation.open(model.retrain.data)
    data.require([model.columns.timestamp])
    when = f"CAST({quote(model.columns.timestamp)} AS TIMESTAMP)"
    return int(data.scalar(f"count(*) FILTER (WHERE {when} > TIMESTAMP '{end.isoformat(sep=' ')}')") or 0)


def _trained_until(lineage: Path) -> datetime | None:
    try:
        return datetime.fromisoformat(json.loads(lineage.read_text(encoding="utf-8"))["training"]["end"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _extent(invocation: Invocation, table: Table) -> dict[str, object]:
    """Rows and, where a timestamp is configured and present, the first and last time."""
    name = invocation.model.columns.timestamp
    start, end = (table.period(name) if name in table.schema and name is not None else None) or (None, None)
    return {"rows": table.rows, "start": start, "end": end}
