"""``drift-report``: compare the current window with the reference, and say whether to retrain."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path

from tidegate.commands.base import Invocation
from tidegate.commands.comparison_inputs import in_repository
from tidegate.commands.drift_past import Past, Serving, read_past, serving_model, windows_hash
from tidegate.commands.drift_windows import Side
from tidegate.commands.looking import Occasion, kept_values, look
from tidegate.commands.policies import policy_of
from tidegate.documents import Document, make_document
from tidegate.drift.concluding import Circumstances, conclude
from tidegate.drift.profile import Profile, read_profile
from tidegate.drift.quality import Finding
from tidegate.drift.results import DriftResult
from tidegate.drift.watchdog import last_good_run, watch_dog
from tidegate.errors import ConfigError, DataError, TidegateError, UsageError
from tidegate.history.drift import FAILED, KeptWindow, kept_part
from tidegate.suggest import did_you_mean
from tidegate.tables import Table, quote

_PROFILE = ".json"


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for.

    Attributes:
        reference, current: tables, sources, or for the reference a profile; by default those of the config.
        by_hand: a person asks for a retrain, whatever the policy says.
        failed: why the job came to no report, to be recorded in place of one.
    """

    reference: str | None = None
    current: str | None = None
    by_hand: bool = False
    failed: str | None = None


@dataclass(frozen=True, slots=True)
class Stand:
    """What stands for the reference: a table, or the profile of one, by its path."""

    path: str
    sha256: str
    rows: int
    what: Side | Profile
    start: str | None
    end: str | None

    @property
    def kind(self) -> str:
        """In the document."""
        return "profile" if isinstance(self.what, Profile) else "table"


def run(invocation: Invocation, request: Request) -> int:
    """Watch, report, and return the exit code: no drift decision stops anything."""
    if request.failed is None:
        report(invocation, request)
    else:
        record_failure(invocation, request.failed)
    return 0


def report(invocation: Invocation, request: Request) -> Document:
    """Watch and report; a run that comes to no decision leaves a record of its own, so that silence is no health."""
    specs = _specs(invocation, request)
    try:
        document = drift_document(invocation, *specs, by_hand=request.by_hand)
    except TidegateError as error:
        record_failure(invocation, str(error))
        raise
    invocation.publish(document)
    invocation.comment_on_pull_request(document)
    invocation.record(document)
    return document


def _specs(invocation: Invocation, request: Request) -> tuple[str, str]:
    drift = invocation.model.drift
    reference, current = request.reference or drift.reference, request.current or drift.current
    if reference is None or current is None:
        missing = "reference" if reference is None else "current"
        raise UsageError(
            f"--{missing} is missing: give the table of that window, or name one under `drift.{missing}:`"
        )
    return reference, current


def record_failure(invocation: Invocation, reason: str) -> None:
    """Record that there is no report."""
    now = datetime.now(UTC)
    past = read_past(invocation)
    good = [] if past.reports is None else [last_good_run(now, past.reports).sentence]
    document = make_document(
        "drift-report",
        model=invocation.model_name,
        decision=FAILED,
        reasons=[reason, *good],
        config=invocation.loaded,
        data={},
        body={"kept": kept_part(failed=reason)},
    )
    invocation.record_failure(document)
    for sentence in good:
        invocation.notice(sentence)


def drift_document(
    invocation: Invocation, reference: str, current: str, *, by_hand: bool = False
) -> Document:
    """The drift decision about two windows.

    Args:
        invocation: the run.
        reference: table, source, or profile.
        current: table or source.
        by_hand: a person asks for a retrain.
    """
    now = datetime.now(UTC)
    table = invocation.open(current)
    then, side = open_reference(invocation, reference), Side(table, invocation.model)
    if side.rows == 0 or then.rows == 0:
        empty = table.path if side.rows == 0 else then.path
        raise DataError(f"{empty} has no rows: a window needs at least one")
    features, alone, clocks = features_of(invocation, then, side)
    if not features and not alone:
        raise ConfigError("there is no column to watch: list some under `drift.features:`")
    past, serving = read_past(invocation), serving_model(invocation)
    start, end = _period(side)
    window = KeptWindow(sha256=table.sha256, rows=table.rows, start=start, end=end)
    alarms = past.level(now, windows_hash(then.sha256, table.sha256), invocation)
    occasion = Occasion(
        now=now,
        level=alarms.level,
        reference=windows_hash(then.sha256, serving.digest),
        window=window,
        past=past.reports,
        new_rows=_new_rows(invocation, serving),
        age=serving.age(now),
        alone=alone,
    )
    looked = look(then.what, side, features, invocation.model, occasion)
    quality = [*looked.seen.quality, *_watched(invocation, past, window, now)]
    result = conclude(
        replace(looked.seen, quality=quality),
        policy_of(invocation.model.retrain, invocation.model.drift),
        looked.levels,
        Circumstances(
            now=now, window=window, past=past.reports, last_retrained=serving.trained_at, by_hand=by_hand
        ),
        min_effect=invocation.model.drift.min_effect,
    )
    body = {field.name: getattr(result, field.name) for field in fields(DriftResult)}
    warnings = [f"column {name} holds times, which always move on; it is not tested" for name in clocks]
    return make_document(
        "drift-report",
        model=invocation.model_name,
        decision=body.pop("decision"),
        reasons=body.pop("reasons"),
        warnings=[*invocation.cannot_vouch(), *past.warnings, *looked.warnings, *warnings],
        config=invocation.loaded,
        data={"reference": then, "current": table},
        body={
            "false_alarm_rate": invocation.model.drift.false_alarm_rate,
            "min_effect": invocation.model.drift.min_effect,
            "alarms": alarms,
            "windows": {
                "reference": {"kind": then.kind, "path": then.path, "rows": then.rows}
                | {"start": then.start, "end": then.end},
                "current": {
                    "kind": "table",
                    "path": table.path,
                    "rows": table.rows,
                    "start": start,
                    "end": end,
                },
            },
            "history": past.summary(now),
            **body,
            "kept": kept_part(
                reference={"sha256": then.sha256, "rows": then.rows, "start": then.start, "end": then.end},
                current=window.model_dump(),
                level=alarms.level,
                conditions=[trigger.condition for trigger in result.triggers],
                fired=[trigger.condition for trigger in result.triggers if trigger.fired],
                acted=result.decision == "retrain",
                by_hand=result.by_hand,
                monitor=looked.monitor.state() if looked.monitor else None,
                tracked=kept_values(looked.tracked),
            ),
        },
    )


def open_reference(invocation: Invocation, spec: str) -> Stand:
    """The reference by its path or source; a .json file is a profile."""
    named = invocation.loaded.config.sources.get(spec)
    source = named.path if named is not None else spec
    if Path(source).suffix.lower() == _PROFILE:
        profile = read_profile(source)
        start, end = profile.period or (None, None)
        return Stand(spec, profile.source_sha256, profile.rows, profile, start, end)
    table = invocation.open(spec)
    side = Side(table, invocation.model)
    start, end = _period(side) if table.rows else (None, None)
    return Stand(table.path, table.sha256, table.rows, side, start, end)


def features_of(invocation: Invocation, then: Stand, now: Side) -> tuple[list[str], list[str], list[str]]:
    """Columns to watch, those of them that one window lacks, and clocks that are left out."""
    model = invocation.model
    known = list(then.what.columns) if isinstance(then.what, Profile) else list(then.what.table.schema)
    known = [name for name in known if not name.startswith("(")] if isinstance(then.what, Profile) else known
    schema = now.table.schema
    part = model.columns.named()
    listed = model.drift.features
    names = listed or [name for name in dict.fromkeys([*known, *schema]) if name not in part]
    if isinstance(then.what, Profile):
        # Told apart by a classifier, vectors need the rows of the reference.
        names = [name for name in names if name not in now.vectors]
    lacking = [name for name in names if name not in known and name not in schema]
    if lacking:
        raise ConfigError(
            f"drift.features names {lacking[0]!r}, which neither window has.{did_you_mean(lacking[0], schema)}"
        )
    both = [name for name in names if name in known and name in schema]
    if isinstance(then.what, Side):
        # What is a vector in one window alone has changed its type, which the survey tells.
        apart = set(then.what.vectors) ^ set(now.vectors)
        both = [name for name in both if name not in apart]
    clocks = [] if listed else _clocks(then, now, both)
    return [name for name in both if name not in clocks], [n for n in names if n not in both], clocks


def _clocks(then: Stand, now: Side, names: Sequence[str]) -> list[str]:
    """Columns that hold times in both windows."""
    if isinstance(then.what, Profile):
        return [name for name in names if then.what.columns[name].kind == "date"]
    tables: Iterable[Table] = (then.what.table, now.table)
    times = [table.times(names) for table in tables]
    return [name for name in names if all(name in found for found in times)]


def _watched(invocation: Invocation, past: Past, window: KeptWindow, now: datetime) -> list[Finding]:
    """What is wrong with the watching itself."""
    if past.reports is None:
        return []
    commit = None
    if in_repository():
        try:
            commit = datetime.fromisoformat(invocation.repository.git("log", "-1", "--format=%cI", "HEAD"))
        except (TidegateError, ValueError):
            commit = None
    return watch_dog(
        now,
        past.reports,
        current=window,
        expected_every=invocation.model.drift.expected_every,
        last_commit=commit if invocation.actions.inside else None,
    )


def _new_rows(invocation: Invocation, serving: Serving) -> int | None:
    """Rows of the training data that are newer than what production was trained on, where its lineage tells."""
    model = invocation.model
    end = serving.trained_until
    if end is None or model.retrain is None or model.retrain.data is None or model.columns.timestamp is None:
        return None
    data = invocation.open(model.retrain.data)
    data.require([model.columns.timestamp])
    when = f"CAST({quote(model.columns.timestamp)} AS TIMESTAMP)"
    naive = end.astimezone(UTC).replace(tzinfo=None)
    return int(data.scalar(f"count(*) FILTER (WHERE {when} > TIMESTAMP '{naive.isoformat(sep=' ')}')") or 0)


def _period(side: Side) -> tuple[str | None, str | None]:
    """First and last time of a window, where it has times."""
    times = side.times
    if times is None:
        return None, None
    known = times.values[~times.missing].astype("datetime64[s]")
    return str(known.min()), str(known.max())
