"""Running the user's own ``train:`` and ``predict:`` commands: their environment, their output, their end."""

import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from pathlib import Path

from tidegate.errors import ConfigError, UserCommandError
from tidegate.wording import duration

TAIL_LINES = 20
_GRACE_SECONDS = 10
_WINDOWS = sys.platform == "win32"

# What a command may not see: whatever speaks to GitHub, steers the job, or carries credentials for git.
_PRIVATE = re.compile(
    r"(?i)((.*_)?tokens?|.*_token_.*|.*secret.*|.*passw.*|.*credential.*|.*private_?key.*|.*api_?key.*"
    r"|actions_.*|input_.*|tidegate_.*|git_config_.*|git_askpass|ssh_auth_sock|gh_.*"
    r"|github_(output|env|path|state|step_summary))"
)


def scrubbed(environment: Mapping[str, str], passed: Iterable[str] = ()) -> dict[str, str]:
    """The environment of a user's command: no token, nothing of ``ACTIONS_*``, none of GitHub's command files.

    Args:
        environment: the environment to start from.
        passed: secrets that the config lets through by name (``pass_env:``). Tokens of GitHub and Tidegate never pass.
    """
    allowed = {
        name for name in passed if not re.match(r"(?i)(github_|gh_|actions_|tidegate_|input_|git_)", name)
    }
    tokens = {
        environment[name] for name in ("TIDEGATE_TOKEN", "GITHUB_TOKEN", "GH_TOKEN") if environment.get(name)
    }
    return {
        name: value
        for name, value in environment.items()
        # A token may also hide inside an address or a header.
        if (name in allowed or not _PRIVATE.fullmatch(name)) and not any(token in value for token in tokens)
    }


def fill(command: str, values: Mapping[str, Path]) -> list[str]:
    """Split a command as a shell would and put paths in the place of ``{name}``; no shell is involved.

    Raises:
        ConfigError: quotes that do not close, or a placeholder that this command does not have.
    """
    try:
        # Splitting first keeps a path with a space one argument, and keeps a hostile file name from being parsed.
        words = shlex.split(command)
    except ValueError as error:
        raise ConfigError(f"the command {command!r} cannot be split into words: {error}") from None
    if not words:
        raise ConfigError("the command is empty")

    def replace(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise ConfigError(f"{{{match[1]}}} in {command!r} is unknown; known: {', '.join(sorted(values))}")
        return str(values[match[1]])

    return [re.sub(r"\{([a-z_]+)\}", replace, word) for word in words]


def run(
    command: str,
    values: Mapping[str, Path],
    *,
    name: str,
    folder: Path,
    timeout: timedelta,
    on_line: Callable[[str], None],
    pass_env: Iterable[str] = (),
) -> list[str]:
    """Run a user's command to its end, streaming its output line by line.

    Args:
        command: from the config, with placeholders.
        values: what the placeholders stand for.
        name: ``train`` or ``predict``, for messages.
        folder: working folder.
        timeout: after which the command and everything it started is ended.
        on_line: called with each line of output, without its line end.
        pass_env: names of variables to let through the scrubbing.

    Returns:
        The last lines of output.

    Raises:
        UserCommandError: it cannot be started, fails or hangs; carries the last lines.
    """
    words = fill(command, values)
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    try:
        process = subprocess.Popen(
            _resolve(words),
            cwd=folder,
            env={**scrubbed(os.environ, pass_env), "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=not _WINDOWS,
        )
    except OSError as error:
        raise UserCommandError(
            f"the {name} command cannot be started: {words[0]}: {error.strerror}"
        ) from None

    def read() -> None:
        for line in process.stdout or ():
            tail.append(line.rstrip("\r\n"))
            on_line(tail[-1])

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        code = process.wait(timeout.total_seconds())
    except subprocess.TimeoutExpired:
        _end(process)
        reader.join(_GRACE_SECONDS)
        raise UserCommandError(
            f"the {name} command was still running after {duration(timeout)}, its limit, and was ended",
            list(tail),
        ) from None
    except BaseException:
        # Ctrl-C or a cancelled job: leave no process behind.
        _end(process)
        raise
    # What the command left running could hold the pipe open for ever, or go on after its answer was taken.
    reader.join(_GRACE_SECONDS)
    _end(process)
    reader.join(_GRACE_SECONDS)
    if code != 0:
        raise UserCommandError(f"the {name} command ended with exit code {code}", list(tail))
    return list(tail)


def _resolve(words: list[str]) -> list[str]:
    # `python` is what configs say, and what many machines only have as python3.
    from shutil import which

    if words[0] == "python" and which("python") is None and which("python3"):
        return ["python3", *words[1:]]
    # Windows starts .cmd and .bat files by their whole name only.
    return [which(words[0]) or words[0], *words[1:]] if _WINDOWS else words


def _end(process: subprocess.Popen[str]) -> None:
    """End the command and everything it started: first kindly, then not."""
    if _WINDOWS:
        subprocess.run(
            ["taskkill", "/F", "/T", "/PID", str(process.pid)],
            check=False,
            capture_output=True,
        )
        process.wait()
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + _GRACE_SECONDS
        signalled: int = number
        while time.monotonic() < deadline:
            try:
                os.killpg(process.pid, signalled)
            except (ProcessLookupError, PermissionError):  # macOS says the latter of a group that has ended
                return
            # Asked once; from then on it is only looked whether anybody is left.
            signalled = 0
            process.poll()
            time.sleep(0.02)
