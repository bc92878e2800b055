"""The branch that the history is kept on: reading it, and appending to it while others do."""

import re
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidegate.errors import RepositoryError, ServiceError, UsageError
from tidegate.git import PushRejected, Repository, RepositoryBusy
from tidegate.history.chain import BRANCH, MAX_LINES, History, extended, parse
from tidegate.history.records import MAX_LINE_BYTES, MAX_SUMMARY_BYTES

MAX_FILE_BYTES = MAX_LINES * MAX_LINE_BYTES + MAX_SUMMARY_BYTES

_ATTEMPTS = 20
_PATIENCE = 120.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_README = """\
# History of decisions

Written by Tidegate, one line for each decision. Each line names the hash of the line before it: do not edit.
"""


@dataclass(frozen=True, slots=True)
class Appended:
    """Where a record went."""

    path: str
    commit: str
    records: int


def history_path(model: str, command: str) -> str:
    """The file of a command's decisions about a model, on the branch.

    Raises:
        UsageError: a name that is not fit for a path.
    """
    for name in (model, command):
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name) or ".." in name:
            raise UsageError(
                f"{name!r} cannot name a file of the history: use letters, digits, '-', '_', '.'"
            )
    return f"{model}/{command}.jsonl"


def read(repository: Repository, model: str, command: str) -> History:
    """The history as it is on the remote; an empty one where there is none.

    Raises:
        RepositoryError: a line is malformed or does not follow the one before; the message names the first.
    """
    path = history_path(model, command)
    tip = _fetched(repository)
    return _read(repository, tip, path, model, command)


def append(repository: Repository, audit: Mapping[str, Any], audit_sha256: str) -> Appended:
    """Append the decision of an audit document and push; others who push at the same time are waited for.

    Args:
        repository: whose remote holds the branch, which is made when missing. Its working tree stays as it is.
        audit: a document of :func:`tidegate.audit.audit_document`.
        audit_sha256: of the bytes that it is written in.

    Raises:
        PermissionDenied: the credentials may not push.
        RepositoryError: the branch is protected or its history broken, or too many others were quicker.
        ServiceError: the remote stayed out of reach.
    """
    model, command = str(audit["model"]), str(audit["command"])
    path = history_path(model, command)
    message = f"Record {command} of {model}: {audit['decision']}\n\n[skip ci]\n"
    pushed: set[bytes] = set()
    failure: RepositoryError | ServiceError | None = None
    for _ in _attempts():
        try:
            tip = _fetched(repository)
            before = _read(repository, tip, path, model, command)
            if tip is not None and not pushed.isdisjoint(before.lines):
                # The push had worked, though the remote's answer was lost.
                return Appended(path, tip, before.total)
            lines = extended(before, audit, audit_sha256)
            content = b"".join(line + b"\n" for line in lines)
            # A line that could not be read back would stand in the way of all that follow.
            parse(content, path, model, command)
            files: dict[str, Path | bytes] = {path: content}
            if tip is None:
                files["README.md"] = _README.encode()
            commit = repository.commit_tree(tip, message, files, filters=False)
            pushed.add(lines[-1])
            repository.push(commit, BRANCH, expected=tip, hooks=False)
            return Appended(path, commit, before.total + 1)
        except PushRejected as error:
            if error.protected:
                raise
            failure = error
        except (RepositoryBusy, ServiceError) as error:
            failure = error
    raise failure or RepositoryError(f"{BRANCH} moved on whenever a record was to be appended")


def _fetched(repository: Repository) -> str | None:
    """The remote's newest commit of the branch, brought here; None without a branch."""
    tip = repository.remote_branch(BRANCH)
    if tip is None or repository.has_commit(tip):
        return tip
    repository.fetch_branch(BRANCH)
    if not repository.has_commit(tip):
        raise RepositoryBusy(f"{BRANCH} moved on while it was fetched")
    return tip


def _read(repository: Repository, tip: str | None, path: str, model: str, command: str) -> History:
    size = repository.size(tip, path) if tip is not None else None
    if tip is None or size is None:
        return History()
    if size > MAX_FILE_BYTES:
        raise RepositoryError(f"{BRANCH}: {path} has {size:,} bytes; at most {MAX_FILE_BYTES:,} are read")
    return parse(repository.git_bytes("cat-file", "blob", f"{tip}:{path}"), path, model, command)


def _attempts() -> Iterator[None]:
    """Tries with growing pauses of random length between them, so that those who collided do not collide again."""
    jitter, end = secrets.SystemRandom(), time.monotonic() + _PATIENCE
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(jitter.uniform(0, min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**attempt)))
        if time.monotonic() < end:
            yield
