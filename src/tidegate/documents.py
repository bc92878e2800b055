"""The JSON document of a decision: what every command writes, and what every report is rendered from."""

import dataclasses
import json
import math
import os
import subprocess
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tidegate import __version__
from tidegate.loading import LoadedConfig
from tidegate.wording import significant

Document = dict[str, Any]


class Data(Protocol):
    """What a document rests on: a table, or a file that stands for one."""

    @property
    def path(self) -> str:
        """As the user gave it."""

    @property
    def sha256(self) -> str:
        """Of its bytes."""

    @property
    def rows(self) -> int:
        """How many it has, or stands for."""


def make_document(
    command: str,
    *,
    model: str,
    decision: str,
    reasons: Iterable[str],
    config: LoadedConfig | None,
    data: Mapping[str, Data],
    body: Mapping[str, Any],
    warnings: Iterable[str] = (),
) -> Document:
    """The document of one decision.

    Args:
        command: names the schema.
        model: the model under decision.
        decision: the one word.
        reasons: sentences.
        config: the configuration it was made under.
        data: tables it rests on, by their role.
        body: what is particular to the command; dataclasses are taken apart.
        warnings: sentences that do not change the decision.
    """
    tables = [
        {"role": role, "path": table.path, "sha256": table.sha256, "rows": table.rows}
        for role, table in data.items()
    ]
    document = {
        "schema": f"tidegate/{command}/1",
        "model": model,
        "decision": decision,
        "reasons": list(reasons),
        "warnings": list(warnings),
        **body,
        "created_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "provenance": {
            "tidegate_version": __version__,
            "git_sha": _git_sha(),
            "config_sha256": config.sha256 if config else None,
            "data": tables,
            "rows": sum(table["rows"] for table in tables),
        },
    }
    published = _publishable(document)
    if not isinstance(published, dict):
        raise TypeError("a document is a mapping")
    return published


def is_number(value: Any) -> bool:
    """Whether a value of some JSON is a finite number; true and false are none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        # An integer of more digits than a float holds.
        return False


def to_json(document: Document) -> str:
    """The bytes that are written: the same for the same document."""
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _publishable(value: Any) -> Any:
    """Plain JSON types; floats at 12 significant digits, what is not finite as null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _publishable(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {_publishable(str(key)): _publishable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_publishable(item) for item in value]
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return significant(float(value)) if math.isfinite(value) else None
    if isinstance(value, Path):
        return str(value)
    # A lone surrogate cannot be written as UTF-8.
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def _git_sha() -> str | None:
    if os.environ.get("GITHUB_SHA"):
        return os.environ["GITHUB_SHA"]
    try:
        result = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.strip() or None if result.returncode == 0 else None
