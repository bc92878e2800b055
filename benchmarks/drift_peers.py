"""Other tools, each in an environment of its own, and processes that answer questions there.

An environment stands beside the project's, is made from its list of locked hashes when it is first asked for, and made
anew when the list changes. Nothing of a tool becomes part of the project. What a tool would send home is switched off.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

HERE = Path(__file__).resolve().parent
QUIET = {
    "DO_NOT_TRACK": "1",
    "NML_DISABLE_USAGE_LOGGING": "1",
    "PYTHONWARNINGS": "ignore",
    "PYTHONHASHSEED": "0",
    "OMP_NUM_THREADS": "1",
}


@dataclass(frozen=True)
class Tool:
    """A tool and where it runs.

    Attributes:
        module: beside this one, which puts questions to it.
        requirements: list of what its environment holds; None for the project's own.
    """

    name: str
    module: str
    requirements: str | None = None

    @property
    def identity(self) -> str:
        """Changes whenever answers may: with the code of the tool, of its module, or of the data."""
        return _identity(self)

    def python(self) -> str:
        """Its interpreter; the environment is made first where there is none for this list."""
        if self.requirements is None:
            return sys.executable
        place = HERE.parent / f".venv-{self.name.lower()}"
        stamp, listed = place / "requirements.txt", (HERE / self.requirements).read_text(encoding="utf-8")
        python = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        if not (stamp.exists() and stamp.read_text(encoding="utf-8") == listed):
            print(f"making an environment for {self.name} in {place} ...", file=sys.stderr, flush=True)
            _make(place, python, HERE / self.requirements)
            stamp.write_text(listed, encoding="utf-8")
        return str(python)


@cache
def _identity(tool: Tool) -> str:
    files = [HERE / f"{name}.py" for name in ("drift_data", "drift_labelled", tool.module)]
    if tool.requirements:
        files.append(HERE / tool.requirements)
    elif tool is TIDEGATE:
        files += sorted((HERE.parent / "src" / "tidegate").rglob("*.py"))
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


TIDEGATE = Tool("Tidegate", "drift_tidegate")
PLAIN = Tool("plain tests", "drift_plain")
EVIDENTLY = Tool("Evidently", "drift_evidently", "drift_evidently.txt")
NANNYML = Tool("NannyML", "drift_nannyml", "drift_nannyml.txt")


def _make(place: Path, python: Path, requirements: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(place)], check=True)
    beside = Path(sys.executable).with_name("uv.exe" if os.name == "nt" else "uv")
    uv = str(beside) if beside.exists() else shutil.which("uv")
    install = [uv, "pip", "install", "--python", str(python)] if uv else [str(python), "-m", "pip", "install"]
    subprocess.run([*install, "--quiet", "--require-hashes", "--requirement", str(requirements)], check=True)


class Worker(AbstractContextManager["Worker"]):
    """A process in a tool's environment that answers one question after the other, so that it imports once."""

    def __init__(self, tool: Tool, function: str) -> None:
        """Start it: `function` of the tool's module takes a request and returns an answer, both of plain JSON."""
        self.tool = tool
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the process)
        self._process = subprocess.Popen(
            [tool.python(), "-c", f"from drift_peers import serve\nserve({tool.module!r}, {function!r})"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env={**os.environ, **QUIET, "PYTHONPATH": str(HERE)},
            text=True,
            encoding="utf-8",
        )

    def ask(self, **request: object) -> Any:
        """The answer, or an error with what the process last said."""
        pipes = self._process
        assert pipes.stdin
        assert pipes.stdout
        try:
            print(json.dumps(request), file=pipes.stdin, flush=True)
            line = pipes.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            pipes.wait()
            self._said.seek(0)
            last = self._said.read().decode(errors="replace")[-2_000:]
            raise SystemExit(f"{self.tool.name} failed:\n{last}")
        return json.loads(line)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        if self._process.stdin:
            self._process.stdin.close()
        self._process.kill()
        self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()
        self._said.close()


def serve(module: str, function: str) -> None:
    """Answer requests, one a line, until there are none; whatever the tool prints goes where errors go."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    answer: Callable[..., object] = getattr(__import__(module), function)
    for line in sys.stdin:
        print(json.dumps(answer(**json.loads(line))), file=answers, flush=True)
