"""A forge in a folder: branches and commits are real git; pull requests, comments and statuses are files to read."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tidegate.forge.base import Comment, PullRequest, State, marker_line


class LocalForge:
    """Pull requests as ``pulls/<number>/pull.json`` with ``body.md`` and ``comments/<n>.md``."""

    def __init__(self, folder: Path, base: str = "main") -> None:
        self.folder = folder
        self._base = base
        (folder / "pulls").mkdir(parents=True, exist_ok=True)

    @property
    def credentials(self) -> Sequence[tuple[str, str]]:
        """None: the remote is a folder."""
        return ()

    def default_branch(self) -> str:
        """The branch that pull requests are made against."""
        return self._base

    def find_pull_request(self, branch: str) -> PullRequest | None:
        """The open pull request from `branch`, or else the one that was closed last."""
        found = [self._load(number) for number in self._numbers()]
        mine = [pull for pull in found if pull["branch"] == branch]
        mine.sort(key=lambda pull: (pull["state"] == "open", pull["number"]))
        return self._pull(mine[-1]) if mine else None

    def open_pull_request(self, *, branch: str, base: str, title: str, body: str) -> PullRequest:
        """Open a pull request."""
        number = max(self._numbers(), default=0) + 1
        record = {
            "number": number,
            "state": "open",
            "branch": branch,
            "base": base,
            "title": title,
            "created_at": _now(),
            "closed_at": None,
        }
        self._store(record)
        self._path(number, "body.md").write_text(body, encoding="utf-8")
        return self._pull(record)

    def update_pull_request(self, number: int, *, title: str, body: str) -> PullRequest:
        """Replace title and body."""
        record = {**self._load(number), "title": title, "updated_at": _now()}
        self._store(record)
        self._path(number, "body.md").write_text(body, encoding="utf-8")
        return self._pull(record)

    def close_pull_request(self, number: int, *, merged: bool, at: datetime | None = None) -> None:
        """What a person does on the page of a pull request: merge it, or close it."""
        closed = at.strftime("%Y-%m-%dT%H:%M:%SZ") if at else _now()
        self._store({**self._load(number), "state": "merged" if merged else "closed", "closed_at": closed})

    def upsert_comment(self, number: int, marker: str, body: str) -> Comment:
        """Write a comment, or replace the one under the same marker."""
        text = f"{marker_line(marker)}\n{body}"
        folder = self._path(number, "comments")
        folder.mkdir(parents=True, exist_ok=True)
        for file in sorted(folder.glob("*.md")):
            old = file.read_text(encoding="utf-8")
            if old.startswith(marker_line(marker) + "\n"):
                file.write_text(text, encoding="utf-8")
                return Comment(file.resolve().as_uri(), "unchanged" if old == text else "updated")
        file = folder / f"{len(list(folder.glob('*.md'))) + 1}.md"
        file.write_text(text, encoding="utf-8")
        return Comment(file.resolve().as_uri(), "created")

    def set_status(self, sha: str, *, context: str, state: State, description: str) -> None:
        """Attach a status to a commit; the latest of a context counts."""
        file = self.folder / "statuses" / f"{sha}.json"
        file.parent.mkdir(exist_ok=True)
        statuses = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        statuses[context] = {"state": state, "description": description, "created_at": _now()}
        file.write_text(json.dumps(statuses, indent=2) + "\n", encoding="utf-8")

    def _numbers(self) -> list[int]:
        return sorted(int(path.name) for path in (self.folder / "pulls").iterdir() if path.name.isdigit())

    def _path(self, number: int, name: str) -> Path:
        return self.folder / "pulls" / str(number) / name

    def _load(self, number: int) -> dict[str, Any]:
        record: dict[str, Any] = json.loads(self._path(number, "pull.json").read_text(encoding="utf-8"))
        return record

    def _store(self, record: dict[str, Any]) -> None:
        file = self._path(record["number"], "pull.json")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")

    def _pull(self, record: dict[str, Any]) -> PullRequest:
        closed = record.get("closed_at")
        return PullRequest(
            number=record["number"],
            url=self._path(record["number"], "").resolve().as_uri(),
            branch=record["branch"],
            open=record["state"] == "open",
            closed_at=datetime.fromisoformat(closed) if closed else None,
        )


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
