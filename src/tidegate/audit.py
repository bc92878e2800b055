"""The audit document of a decision: who decided what, when, on which data and code, by which thresholds.

It names the report by the hash of its bytes, and is named in the history by its own, so that neither can be changed
afterwards without the history telling.
"""

import getpass
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidegate.config import Model
from tidegate.documents import Document
from tidegate.errors import TidegateError
from tidegate.forge import Actions
from tidegate.git import Repository
from tidegate.loading import LoadedConfig
from tidegate.registry import artifact_files, artifacts_digest

SCHEMA = "tidegate/audit/1"

_POLICY: Mapping[str, Any] = {
    "evaluate-gate": {"gate", "sanity", "waivers", "approval"},
    "compare-to-prod": {"compare"},
    "drift-report": {
        "drift": True,
        "retrain": {"when", "cooldown", "consecutive", "min_labels", "budget", "blackout"},
    },
}
"""What of a model's configuration each command decides by."""

_ASKED = ("metric", "column", "by", "options", "slice", "worst_of")
_CHECK = (*_ASKED, "threshold", "severity", "confidence", "value", "ci", "rows", "verdict", "waiver")
_COMPARISON = (*_ASKED, "candidate", "set", "role", "require", "margin", "ci", "rows", "verdict", "satisfied")
_FINDING = ("finding", "column", "severity", "value", "detail")
_DISCOVERED = ("slice", "value", "rows", "difference", "adjusted_p_value")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known of the place that a command runs in; None is what is not.

    Attributes:
        git_user: as git's configuration gives it, ``Name <address>``; of a runner's account nothing is said.
        os_user: name of the account, likewise.
        checked_out: the commit in the working tree, which need not be the one that the run was started for.
        dirty: whether tracked files differ from that commit.
        artifacts: digest of the model's files in the working tree, which need not be what a given table came from.
    """

    git_user: str | None
    os_user: str | None
    checked_out: str | None
    dirty: bool | None
    artifacts: str | None

    @classmethod
    def of(cls, folder: Path, model: Model, actions: Actions) -> "Surroundings":
        """Look around, without failing: a decision stands in whatever place it was made."""
        repository = Repository(folder)
        return cls(
            git_user=None if actions.inside else _git_user(repository),
            os_user=None if actions.inside else _os_user(),
            checked_out=_git(repository, "rev-parse", "HEAD"),
            dirty=_dirty(repository),
            artifacts=_artifacts(folder, model),
        )


def audit_document(
    document: Document,
    *,
    document_sha256: str,
    config: LoadedConfig,
    model: Model,
    surroundings: Surroundings,
    actions: Actions,
) -> dict[str, Any]:
    """The audit document, plain JSON.

    Args:
        document: a finished document of any command, as published.
        document_sha256: of the bytes that it is written in.
        config: the configuration that it was made under.
        model: the part of it that is about the model.
        surroundings: who runs the command on which code.
        actions: the run, when a runner does it.
    """
    provenance = document["provenance"]
    command = str(document["schema"]).split("/")[1]
    return {
        "schema": SCHEMA,
        "command": command,
        "model": document["model"],
        "decision": document["decision"],
        "reasons": document["reasons"],
        "warnings": document["warnings"],
        "at": document["created_at"],
        "document_sha256": document_sha256,
        "who": {
            "actor": actions.actor or None,
            "triggering_actor": actions.triggering_actor or None,
            "git_user": surroundings.git_user,
            "os_user": surroundings.os_user,
        },
        "run": _run(actions) if actions.inside else None,
        "code": {
            "git_sha": provenance["git_sha"],
            "head_sha": actions.head_sha or None,
            "checked_out": surroundings.checked_out,
            "dirty": surroundings.dirty,
            "tidegate_version": provenance["tidegate_version"],
            "config": {"path": config.path.as_posix(), "sha256": config.sha256},
            "artifacts": _digest(document) or surroundings.artifacts,
        },
        "data": provenance["data"],
        "policy": model.model_dump(
            mode="json", by_alias=True, exclude_none=True, include=_POLICY.get(command, set())
        ),
        "verdicts": list(_verdicts(document)),
        "waivers": document.get("waivers", []),
        "approval": document.get("approval"),
        "golden": document.get("golden"),
        "test_sets": document.get("test_sets", []),
        **({"drift": document["kept"]} if document.get("kept") else {}),
    }


def to_bytes(audit: Mapping[str, Any]) -> bytes:
    """The bytes that are written and signed: the same for the same document, in ASCII on every system."""
    return (json.dumps(audit, indent=2, allow_nan=False) + "\n").encode("ascii")


def _run(actions: Actions) -> dict[str, Any]:
    return {
        "repository": actions.repository or None,
        "workflow": actions.workflow or None,
        "workflow_ref": actions.workflow_ref or None,
        "job": actions.job or None,
        "run_id": actions.run_id or None,
        "run_attempt": actions.run_attempt or None,
        "event": actions.event_name or None,
        "ref": actions.ref or None,
        "pull_request": actions.pull_request,
        "url": actions.run_url,
    }


def _verdicts(document: Document) -> Iterator[dict[str, Any]]:
    """Everything that was judged, each with the threshold that it was judged by."""
    for check in document.get("checks", ()):
        yield {"kind": "check", **_picked(check, _CHECK)}
    for finding in document.get("findings", ()):
        yield {"kind": "finding", **_picked(finding, _FINDING), "verdict": "found"}
    for search in document.get("discovered", ()):
        measure = _picked(search, ("metric", "column", "options", "confidence"))
        for found in search["slices"]:
            if found["claimed"]:
                yield {"kind": "discovered", **measure, **_picked(found, _DISCOVERED), "verdict": "worse"}
    for comparison in document.get("comparisons", ()):
        level = {"confidence": document.get("confidence"), "value": comparison["delta"]}
        yield {"kind": "comparison", **_picked(comparison, _COMPARISON), **level}
    for candidate in document.get("candidates", ()):
        yield {"kind": "candidate", "candidate": candidate["candidate"], "verdict": candidate["decision"]}
    if "triggers" in document:
        yield from _drift_verdicts(document)
    if "version" in document:
        yield {"kind": "version", "value": document["version"], "verdict": document["decision"]}


def _drift_verdicts(document: Document) -> Iterator[dict[str, Any]]:
    for trigger in document["triggers"]:
        fired = "fired" if trigger["fired"] else "not_fired"
        known = {"condition": trigger["condition"], "value": trigger["value"]}
        yield {"kind": "trigger", **known, "verdict": fired}
    realised = (document["performance"] or {}).get("realised")
    if realised:
        yield {
            "kind": "performance",
            "metric": document["performance"]["metric"],
            "value": realised["drop"],
            "ci": realised["ci"],
            "threshold": {"max": realised["min_drop"]},
            "verdict": "fired" if realised["fired"] else "not_fired",
        }
    asked = {"min_effect": document["min_effect"], "false_alarm_rate": document["false_alarm_rate"]}
    for kind, column in [
        ("prediction", document["prediction_drift"]),
        ("predicted_class", document.get("predicted_class_drift")),
        ("label", document["label_drift"]),
        *(("feature", feature) for feature in document["features"]),
    ]:
        if column:
            yield {
                "kind": kind,
                "column": column["feature"],
                "value": column["effect"],
                "adjusted_p_value": column["adjusted_p_value"],
                "threshold": asked,
                "verdict": "drifted" if column["drifted"] else "stable",
            }
    for finding in document["data_quality"]:
        known = {"finding": finding["check"], "column": finding["column"], "detail": finding["detail"]}
        yield {"kind": "finding", **known, "verdict": "found"}


def _picked(item: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: item.get(key) for key in keys}


def _digest(document: Document) -> str | None:
    """The digest of the model that the document itself is about."""
    found = document.get("digest") or (document.get("lineage") or {}).get("digest")
    return found if isinstance(found, str) else None


def _git(repository: Repository, *arguments: str) -> str | None:
    try:
        return repository.git(*arguments) or None
    except TidegateError:
        return None


def _git_user(repository: Repository) -> str | None:
    name, address = (_git(repository, "config", "--get", f"user.{part}") for part in ("name", "email"))
    parts = [name, f"<{address}>" if address else None]
    return " ".join(part for part in parts if part) or None


def _os_user() -> str | None:
    try:
        return getpass.getuser()
    except (OSError, ImportError, KeyError):
        return None


def _dirty(repository: Repository) -> bool | None:
    try:
        return repository.dirty()
    except TidegateError:
        return None


def _artifacts(folder: Path, model: Model) -> str | None:
    if model.retrain is None or not model.retrain.artifacts:
        return None
    try:
        files = artifact_files(folder / model.retrain.artifacts[0])
        return artifacts_digest(files.items()) if files else None
    except (TidegateError, OSError):
        return None
