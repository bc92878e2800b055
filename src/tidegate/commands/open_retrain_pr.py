"""``open-retrain-pr``: train, and open or update the pull request that carries the model and its evidence."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tidegate import __version__, reports
from tidegate.commands.base import Invocation
from tidegate.commands.compare_to_prod import comparison_document
from tidegate.commands.evaluate_gate import gate_document
from tidegate.commands.evaluation import read_registry, scorer
from tidegate.commands.predicted import Predicted, predicted
from tidegate.commands.unseen import TrainedModel, require_unseen
from tidegate.config import Compare
from tidegate.documents import Document, make_document
from tidegate.errors import DataError, TidegateError, UsageError, UserCommandError
from tidegate.forge import Forge, PullRequest
from tidegate.registry import (
    OWN_FILES,
    Version,
    artifact_files,
    artifacts_digest,
    fingerprint_path,
    lineage_path,
)
from tidegate.registry.fingerprint import Fingerprint, fingerprint_of
from tidegate.tables import Table
from tidegate.training import TrainingRows, choose_rows, train
from tidegate.wording import duration, plural

MAX_REPORT_BYTES = 20_000_000


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asked for."""

    drift_report: str | None
    reason: str | None
    reference: str | None
    current: str | None
    base: str | None


@dataclass(frozen=True, slots=True)
class Trained:
    """A model that was trained and judged, before anything of it is pushed."""

    files: dict[str, Path]
    digest: str
    lineage: dict[str, Any]
    fingerprint: Fingerprint
    gate: Document | None
    comparison: Document | None
    serving: Version | None


def run(invocation: Invocation, request: Request) -> int:
    """Retrain when there is a reason to; return the exit code."""
    invocation.need("retrain.train", invocation.retrain.train)
    if invocation.forge is not None:
        invocation.need("retrain.artifacts", invocation.retrain.artifacts)
    invocation.check_output_dir()
    # A folder that is no repository is better found now than after hours of training.
    invocation.repository.head()
    # A form that was left blank is no reason.
    request = replace(request, reason=(request.reason or "").strip() or None)
    drift = _read_drift_report(invocation, request)
    branch = f"tidegate/retrain/{invocation.model_name}"
    body: dict[str, Any] = {
        "branch": None,
        "pull_request": None,
        "lineage": {},
        "drift_decision": drift["decision"] if drift else None,
        "drift": drift,
        "skipped_because": None,
        "gate": None,
        "comparison": None,
        "log_tail": [],
    }
    existing = invocation.forge.find_pull_request(branch) if invocation.forge else None
    skipped = _why_not(invocation, request, drift, existing)
    if skipped is not None:
        return _finish(invocation, "skipped", [skipped], {**body, "skipped_because": skipped}, {})
    data = _training_data(invocation, request, drift)
    with TemporaryDirectory(prefix="tidegate-") as place:
        try:
            trained, tables = _train(invocation, request, drift, data, Path(place))
        except UserCommandError as error:
            return _finish(
                invocation, "failed", [str(error)], {**body, "log_tail": error.tail}, {"data": data}
            )
        body |= {"lineage": trained.lineage, "gate": trained.gate, "comparison": trained.comparison}
        return _deliver(invocation, request, branch, existing, trained, body, tables)


def _read_drift_report(invocation: Invocation, request: Request) -> Document | None:
    if request.drift_report is None:
        if request.reason is None:
            raise UsageError(
                "give --drift-report FILE, or --reason TEXT for a retraining that a person asks for"
            )
        return None
    path = Path(request.drift_report)
    document: Document
    try:
        if path.stat().st_size > MAX_REPORT_BYTES:
            raise DataError(f"{path} has over {MAX_REPORT_BYTES:,} bytes; that is no drift report")
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"--drift-report {path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise DataError(f"{path} is no JSON: give the drift-report.json that drift-report wrote") from None
    if not _is_drift_report(document):
        raise DataError(f"{path} is no drift report: give the drift-report.json that drift-report wrote")
    if document.get("model") != invocation.model_name:
        raise UsageError(f"{path} is about model {document.get('model')!r}, not {invocation.model_name!r}")
    return document


def _is_drift_report(document: object) -> bool:
    """Whether the document has what is used of it here; what is rendered of it is checked there."""
    if not isinstance(document, dict) or document.get("schema") != "tidegate/drift-report/1":
        return False
    reasons, provenance = document.get("reasons"), document.get("provenance")
    tables = provenance.get("data") if isinstance(provenance, dict) else None
    return (
        document.get("decision") in ("retrain", "watch", "none")
        and isinstance(reasons, list)
        and all(isinstance(reason, str) for reason in reasons)
        and isinstance(tables, list)
        and all(isinstance(t, dict) and {str} == {type(t.get("role")), type(t.get("path"))} for t in tables)
    )


def _why_not(
    invocation: Invocation, request: Request, drift: Document | None, existing: PullRequest | None
) -> str | None:
    """Why nothing is to be done; None when there is something to do. A person's reason overrides the policy."""
    if request.reason or drift is None:
        return None
    if drift["decision"] != "retrain":
        return f"the drift report's decision is {drift['decision']}, not retrain"
    retrain = invocation.retrain
    if existing is not None and not existing.open and existing.closed_at is not None:
        passed = datetime.now(UTC) - existing.closed_at.astimezone(UTC)
        if passed < retrain.cooldown:
            return (
                f"cooldown: the last retrain pull request, #{existing.number}, was closed"
                f" {duration(passed)} ago; `retrain.cooldown` is {duration(retrain.cooldown)}"
            )
    return None


def _training_data(invocation: Invocation, request: Request, drift: Document | None) -> Table:
    if invocation.retrain.data is not None:
        return invocation.open(invocation.retrain.data)
    recorded = {each["role"]: each["path"] for each in (drift or {}).get("provenance", {}).get("data", [])}
    specs = [request.reference or recorded.get("reference"), request.current or recorded.get("current")]
    profile = next((spec for spec in specs if spec is not None and spec.lower().endswith(".json")), None)
    if profile is not None:
        raise UsageError(
            f"{profile} is a profile, which has no rows to train on: set `retrain.data:` in the config, or give"
            " --reference"
        )
    tables = [invocation.open(spec) for spec in specs if spec is not None]
    if not tables:
        raise UsageError(
            "there are no rows to train on: set `retrain.data:` in the config, or give --reference and --current"
        )
    if len({table.format for table in tables}) > 1:
        raise DataError(
            "reference and current windows have different formats: convert one, or set `retrain.data:`"
        )
    return Table(
        " + ".join(table.path for table in tables), [f for t in tables for f in t.files], tables[0].format
    )


def _train(
    invocation: Invocation, request: Request, drift: Document | None, data: Table, place: Path
) -> tuple[Trained, dict[str, Table]]:
    model = invocation.model
    golden = invocation.open(model.golden) if model.golden else None
    rows = choose_rows(data, model, golden, place)
    root = Path.cwd()
    undated = f"; {plural(rows.undated, 'row')} without a time left out" if rows.undated else ""
    print(f"training on {plural(rows.training.rows, 'row')}{undated}", flush=True)
    files = train(model, rows.training, place / "model", root, invocation.progress("train"))
    digest = artifacts_digest(files.items())
    serving = read_registry(invocation).production()
    gate, comparison = _evidence(invocation, place / "model", rows, golden, serving)
    fingerprint = _fingerprint(invocation, rows.training)
    lineage = _lineage(invocation, request, drift, data, rows, golden, digest, serving) | {
        "training_fingerprint": {
            "path": fingerprint_path(invocation.model_name),
            "sha256": fingerprint.sha256,
        }
    }
    tables = {"training": rows.training, **({"recent": rows.recent} if rows.recent else {})}
    return Trained(files, digest, lineage, fingerprint, gate, comparison, serving), tables


def _fingerprint(invocation: Invocation, training: Table) -> Fingerprint:
    """Of the rows by id and by features and label: what models say of a row is no part of it."""
    columns = invocation.model.columns
    beside = columns.named() - {columns.label, columns.timestamp}
    return fingerprint_of(training, columns.id, set(training.schema) - beside)


def _evidence(
    invocation: Invocation, model_dir: Path, rows: TrainingRows, golden: Table | None, serving: Version | None
) -> tuple[Document | None, Document | None]:
    """The gate's and the comparison's decision about the new model, as far as they can be made here."""
    model = invocation.model
    offered = {"golden": golden, "recent": rows.recent}
    sets = {name: table for name, table in offered.items() if table is not None}
    if model.predict is None or not sets:
        return None, None
    # Before the gate: what the new model's command leaves behind must not reach its rival.
    made = _to_compare(invocation, model.compare, model_dir, sets, serving)
    gate = comparison = None
    if model.gate:
        name = "golden" if "golden" in sets else "recent"
        gate = gate_document(
            invocation,
            scorer(invocation).table(model_dir, sets[name], f"the candidate on the {name} set"),
            model_dir=model_dir,
            golden=sets.get("golden"),
        )
    if made is not None and model.compare is not None:
        comparison = comparison_document(invocation, model.compare, made.sets, made.warnings)
    return gate, comparison


def _to_compare(
    invocation: Invocation,
    config: Compare | None,
    model_dir: Path,
    sets: Mapping[str, Table],
    serving: Version | None,
) -> Predicted | None:
    """What the new model and production answer on the sets that there are; None where nothing can be compared."""
    if serving is None or config is None or not invocation.retrain.artifacts:
        return None
    judged = {str(name): sets[name] for name in config.sets if name in sets}
    missing = [name for name in config.sets if name not in sets]
    warnings = [f"nothing was judged on the {name} set: there are no such rows here" for name in missing]
    if "recent" in judged:
        try:
            # They were held out of the new model's training; production may have been trained on them.
            warnings += require_unseen(invocation, judged["recent"], [TrainedModel.serving(serving)])
        except DataError as error:
            warnings.append(f"nothing was judged on the recent set: {error}")
            del judged["recent"]
    if not judged:
        return None
    made = predicted(invocation, config, serving, model_dir, judged)
    return replace(made, warnings=[*warnings, *made.warnings])


def _lineage(
    invocation: Invocation,
    request: Request,
    drift: Document | None,
    data: Table,
    rows: TrainingRows,
    golden: Table | None,
    digest: str,
    parent: Version | None,
) -> dict[str, Any]:
    """What the model was made from; enough to make it again."""
    return {
        "schema": "tidegate/lineage/1",
        "model": invocation.model_name,
        "digest": digest,
        "parent": {"version": parent.version, "digest": parent.digest} if parent else None,
        "trigger": {
            "kind": "manual" if drift is None or request.reason else "drift",
            "reasons": [request.reason] if request.reason else drift["reasons"] if drift else [],
        },
        "data": {"path": data.path, "sha256": data.sha256, "rows": data.rows},
        "training": _period(invocation, rows.training),
        "holdout": _period(invocation, rows.recent) if rows.recent else None,
        "golden": (
            {
                "path": golden.path,
                "sha256": golden.sha256,
                "rows": golden.rows,
                "excluded": rows.golden_excluded,
            }
            if golden
            else None
        ),
        "code_commit": invocation.repository.head(),
        "code_dirty": invocation.repository.dirty(),
        "config_sha256": invocation.loaded.sha256,
        "train_command": invocation.retrain.train,
        "trained_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "tidegate_version": __version__,
    }


def _period(invocation: Invocation, table: Table) -> dict[str, Any]:
    known = {"sha256": table.sha256, "rows": table.rows}
    name = invocation.model.columns.timestamp
    period = table.period(name) if name is not None and name in table.schema else None
    return known if period is None else {**known, "start": period[0], "end": period[1]}


def _deliver(
    invocation: Invocation,
    request: Request,
    branch: str,
    existing: PullRequest | None,
    trained: Trained,
    body: dict[str, Any],
    tables: dict[str, Table],
) -> int:
    forge, serving = invocation.forge, trained.serving
    because = None
    if serving is not None and serving.digest == trained.digest:
        because = f"training gave the very model that runs in production (version {serving.version})"
    elif forge is None:
        because = "there is no forge to open a pull request on (--forge none)"
    if because is not None or forge is None:
        return _finish(invocation, "skipped", [str(because)], {**body, "skipped_because": because}, tables)
    decision = "updated" if existing is not None and existing.open else "opened"
    body |= {"branch": branch}
    document = _document(invocation, decision, _reasons(trained, decision), body, tables)
    base = request.base or forge.default_branch()
    pull = _push_and_open(invocation, forge, branch, base, existing, trained, document)
    body["pull_request"] = {"number": pull.number, "url": pull.url, "action": decision}
    return _finish(invocation, decision, _reasons(trained, decision), body, tables)


def _push_and_open(
    invocation: Invocation,
    forge: Forge,
    branch: str,
    base: str,
    existing: PullRequest | None,
    trained: Trained,
    document: Document,
) -> PullRequest:
    """Push the commit and make the pull request; without one the branch is put back as it was."""
    repository = invocation.repository
    title = f"Retrain {invocation.model_name}"
    text = reports.pull_request_body(document)
    commit = _commit(invocation, title, trained, document)
    before = repository.remote_branch(branch)
    repository.push(commit, branch, expected=before)
    try:
        if existing is not None and existing.open:
            return forge.update_pull_request(existing.number, title=title, body=text)
        return forge.open_pull_request(branch=branch, base=base, title=title, body=text)
    except BaseException:
        with suppress(TidegateError):
            if before is None:
                repository.delete_remote_branch(branch)
            else:
                repository.push(before, branch, expected=commit)
        raise


def _commit(invocation: Invocation, title: str, trained: Trained, document: Document) -> str:
    """The commit that carries the model, its lineage and its card."""
    repository = invocation.repository
    parent = repository.head()
    target, *others = (path.rstrip("/") for path in invocation.retrain.artifacts)
    own = f"models/{invocation.model_name}"
    files: dict[str, Path | bytes] = {f"{target}/{name}": path for name, path in trained.files.items()}
    for other in others:
        here = Path.cwd() / other
        files |= (
            {other: here}
            if here.is_file()
            else {f"{other}/{name}": path for name, path in artifact_files(here).items()}
        )
    lineage = json.dumps(trained.lineage, indent=2, ensure_ascii=False) + "\n"
    files[lineage_path(invocation.model_name)] = lineage.encode()
    files[fingerprint_path(invocation.model_name)] = trained.fingerprint.to_bytes()
    files[f"{own}/MODEL_CARD.md"] = reports.model_card(document).encode()
    kept = {f"{own}/{name}" for name in OWN_FILES}
    old = [path for path in repository.files(parent, target) if path not in kept]
    trailer = "\n".join(f"- {reason}" for reason in trained.lineage["trigger"]["reasons"])
    message = f"{title}\n\n{_plain(trailer)}\n\nModel-Digest: {trained.digest}\n"
    return repository.commit_tree(parent, message, files, old)


def _plain(text: str) -> str:
    """Reasons carry names from tables: nothing in a commit message may switch checks off or add a trailer."""
    from tidegate.reports.escape import visible

    return "\n".join(
        visible(line, limit=500).replace("[", "(").replace("]", ")") for line in text.splitlines()
    )


def _reasons(trained: Trained, decision: str) -> list[str]:
    gate = f"the gate says {trained.gate['decision']}" if trained.gate else "the gate was not run"
    compared = (
        f"compared with production: {trained.comparison['decision']}"
        if trained.comparison
        else "not compared with production"
    )
    return [f"pull request {decision}: {gate}; {compared}", *map(str, trained.lineage["trigger"]["reasons"])]


def _document(
    invocation: Invocation, decision: str, reasons: list[str], body: dict[str, Any], tables: dict[str, Table]
) -> Document:
    return make_document(
        "open-retrain-pr",
        model=invocation.model_name,
        decision=decision,
        reasons=reasons,
        config=invocation.loaded,
        data=tables,
        body=body,
    )


def _finish(
    invocation: Invocation, decision: str, reasons: list[str], body: dict[str, Any], tables: dict[str, Table]
) -> int:
    pull = body["pull_request"]
    invocation.publish(
        _document(invocation, decision, reasons, body, tables),
        {
            "branch": body["branch"] or "",
            "pull-request-number": str(pull["number"]) if pull else "",
            "pull-request-url": pull["url"] if pull else "",
        },
    )
    return invocation.exit_code(stops=decision == "failed")
