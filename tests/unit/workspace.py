"""A folder with a configuration and tables, and the command line run in it: what several test modules share."""

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tidegate import cli

SOURCE = Path(__file__).parents[2] / "src"
PROJECT = Path(__file__).parents[1] / "e2e" / "project"
CONFIG = """\
version: 1
models:
  m:
    task: binary
    columns: {id: id, label: y, score: s}
    gate:
      - {metric: accuracy, min: 0.7}
"""


def gone(pid: int, seconds: float = 5) -> bool:
    """Whether a process ends within a while; one that has ended and was not waited for is gone."""
    status = Path(f"/proc/{pid}/stat")
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
            if status.exists() and status.read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.02)
    return False


@dataclass(frozen=True)
class Ended:
    """How a run ended."""

    code: int
    out: str
    err: str


def environment(**variables: str) -> dict[str, str]:
    """This process's environment without what a runner or a user of Tidegate may have set, and with `variables`."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GITHUB_", "TIDEGATE_", "GIT_", "ACTIONS_", "RUNNER_"))
    }
    return {**kept, "PYTHONPATH": str(SOURCE), **variables}


@dataclass
class Workspace:
    """The folder that commands run in."""

    root: Path
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def write(self, name: str, content: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        return path

    def configure(self, text: str = CONFIG) -> None:
        self.write(".github/tidegate.yml", text)

    def table(self, name: str, rows: list[Mapping[str, Any]]) -> Path:
        """A CSV file; None is an empty cell."""
        lines = [",".join(rows[0])]
        lines += [",".join("" if v is None else str(v) for v in row.values()) for row in rows]
        return self.write(name, "\n".join(lines) + "\n")

    def tidegate(self, *arguments: str, **variables: str) -> Ended:
        """Run a command here, within this process."""
        self.capsys.readouterr()
        with self.monkeypatch.context() as patch:
            for name in set(os.environ) - set(environment()):
                patch.delenv(name)
            for name, value in variables.items():
                patch.setenv(name, value)
            patch.chdir(self.root)
            patch.setattr(sys, "argv", ["tidegate", *arguments])
            with pytest.raises(SystemExit) as ended:
                cli.main()
        said = self.capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Ended(ended.value.code, said.out, said.err)

    def spawn(self, *arguments: str, **variables: str) -> Ended:
        """Run a command here, as a process of its own."""
        done = subprocess.run(
            [sys.executable, "-m", "tidegate", *arguments],
            cwd=self.root,
            env=environment(**variables),
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def document(self, command: str) -> dict[str, Any]:
        text = (self.root / "tidegate-out" / f"{command}.json").read_text(encoding="utf-8")
        document: dict[str, Any] = json.loads(text)
        return document

    def git(self, *arguments: str) -> str:
        """Run git as the user of this repository."""
        identity = ("-c", "user.name=u", "-c", "user.email=u@example.com")
        done = subprocess.run(
            ["git", *identity, *arguments],
            cwd=self.root,
            env=environment(),
            check=True,
            capture_output=True,
            encoding="utf-8",
        )
        return done.stdout.strip()

    def commit(self, message: str) -> str:
        self.git("add", ".")
        self.git("commit", "-q", "-m", message)
        self.git("push", "-q", "origin", "HEAD")
        return self.git("rev-parse", "HEAD")

    @property
    def reports(self) -> set[str]:
        """Names of what was written to the output folder."""
        folder = self.root / "tidegate-out"
        return {path.name for path in folder.rglob("*")} if folder.exists() else set()


@pytest.fixture
def workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Workspace:
    place = Workspace(tmp_path, monkeypatch, capsys)
    place.configure()
    return place


def rows(count: int = 40, right: int = 32) -> list[Mapping[str, Any]]:
    """Balanced labels, of which the score finds `right`."""
    made = []
    for i in range(count):
        label = i % 2
        high = (label == 1) == (i < right)
        made.append({"id": i, "y": label, "s": 0.9 if high else 0.1, "city": "ab"[i % 4 // 2]})
    return made


def delivery_rows(path: Path, count: int, seed: int, *, changed: bool = False) -> None:
    """Rows of the delivery service; where `changed`, the evening delays rather than the weather."""
    draw = random.Random(seed)
    lines = ["id,at,hour,weather,city,late"]
    for i in range(count):
        hour, weather = draw.randrange(24), draw.choice(("sun", "rain", "snow"))
        chance = (0.8 if hour >= 16 else 0.1) if changed else {"sun": 0.1, "rain": 0.3, "snow": 0.8}[weather]
        late = int(draw.random() < chance)
        at = datetime(2026, 1 + changed, 1) + timedelta(minutes=i)
        lines.append(f"{seed}-{i},{at},{hour},{weather},{draw.choice(('Oslo', 'Bergen'))},{late}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture
def project(workspace: Workspace, tmp_path: Path) -> Workspace:
    """The project of the end-to-end tests as a repository with a bare remote, its first model committed."""
    root = tmp_path / "repo"
    shutil.copytree(PROJECT, root)
    place = Workspace(root, workspace.monkeypatch, workspace.capsys)
    place.configure((root / "tidegate.yml").read_text(encoding="utf-8"))
    (root / "data").mkdir()
    delivery_rows(root / "data/train.csv", 900, 1)
    delivery_rows(root / "data/golden.csv", 400, 2)
    delivery_rows(root / "data/moved.csv", 900, 4, changed=True)
    delivery_rows(root / "data/recent.csv", 400, 5, changed=True)
    place.write(".gitignore", "tidegate-out/\ndata/\n")
    place.git("init", "-q", "--bare", "-b", "main", "../remote.git")
    place.git("init", "-q", "-b", "main")
    place.git("remote", "add", "origin", "../remote.git")
    model = root / "models" / "late-delivery"
    model.mkdir(parents=True)
    train = [sys.executable, "train.py", "--data", "data/train.csv", "--output", str(model)]
    subprocess.run(train, cwd=root, check=True, capture_output=True)
    place.commit("first")
    return place
