import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from workspace import gone

from tidegate import userprocess
from tidegate.commands.base import Common, Invocation
from tidegate.errors import ConfigError, UserCommandError
from tidegate.userprocess import TAIL_LINES, fill, run, scrubbed

PYTHON = f"'{sys.executable}'"
posix = pytest.mark.skipif(sys.platform == "win32", reason="process groups are POSIX")


def script(folder: Path, text: str) -> str:
    path = folder / "script.py"
    path.write_text(text, encoding="utf-8")
    return f"{PYTHON} script.py"


def ran(folder: Path, text: str, *, seconds: float = 30, lines: list[str] | None = None) -> list[str]:
    return run(
        script(folder, text),
        {},
        name="train",
        folder=folder,
        timeout=timedelta(seconds=seconds),
        on_line=(lines if lines is not None else []).append,
    )


def test_output_streams_while_the_command_runs(tmp_path: Path) -> None:
    seen: list[float] = []
    run(
        script(tmp_path, "import sys, time; print('a'); time.sleep(1); print('b', file=sys.stderr)"),
        {},
        name="train",
        folder=tmp_path,
        timeout=timedelta(seconds=30),
        on_line=lambda line: seen.append(time.monotonic()),
    )

    assert len(seen) == 2
    assert seen[1] - seen[0] > 0.7


def test_the_last_lines_are_kept(tmp_path: Path) -> None:
    lines: list[str] = []
    tail = ran(tmp_path, "for i in range(50): print(i)", lines=lines)

    assert lines == [str(i) for i in range(50)]
    assert tail == lines[-TAIL_LINES:]


def test_a_failure_carries_exit_code_and_last_lines(tmp_path: Path) -> None:
    with pytest.raises(UserCommandError, match="train command ended with exit code 7") as failed:
        ran(tmp_path, "import sys; print('out'); print('oh\\xff', file=sys.stderr); sys.exit(7)")

    assert sorted(failed.value.tail) == ["ohÿ", "out"]
    assert failed.value.exit_code == 1


def test_bytes_that_are_no_text_are_shown_all_the_same(tmp_path: Path) -> None:
    assert ran(tmp_path, "import sys; sys.stdout.buffer.write(b'a\\xffb\\n')") == ["a\ufffdb"]


@pytest.mark.parametrize("command", ["no-such-program-anywhere {x}", "'' {x}", "./folder {x}"])
def test_what_cannot_be_started(tmp_path: Path, command: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserCommandError, match="cannot be started"):
        run(
            command,
            {"x": tmp_path},
            name="train",
            folder=tmp_path,
            timeout=timedelta(1),
            on_line=print,
        )


STUBBORN = """\
import os, signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, '-c', '''
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('ready', flush=True)
time.sleep(60)
'''])
print(os.getpid(), child.pid)
"""


@posix
def test_a_command_that_hangs_is_ended_with_everything_it_started(tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(UserCommandError, match=r"still running after 2 seconds, its limit") as hung:
        ran(tmp_path, STUBBORN + "time.sleep(60)", seconds=2)

    assert time.monotonic() - started < 20
    pids = next(line for line in hung.value.tail if line != "ready").split()
    assert len(pids) == 2
    assert all(gone(int(pid)) for pid in pids)


@posix
@pytest.mark.parametrize("output", ["", ", stdout=subprocess.DEVNULL"])
def test_what_a_command_leaves_behind_is_ended(
    tmp_path: Path, output: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(userprocess, "_GRACE_SECONDS", 1)
    sleeper = "[sys.executable, '-c', 'import time; time.sleep(60)']"
    leaves = f"import subprocess, sys\nprint(subprocess.Popen({sleeper}{output}).pid)"
    (pid,) = ran(tmp_path, leaves)

    assert gone(int(pid))


TOKEN = "ghs_0123456789abcdefghij"


@pytest.mark.parametrize(
    "name",
    [
        *(
            "GITHUB_TOKEN",
            "GH_TOKEN",
            "TIDEGATE_TOKEN",
            "ACTIONS_RUNTIME_TOKEN",
            "ACTIONS_ID_TOKEN_REQUEST_URL",
        ),
        *(
            "ACTIONS_CACHE_URL",
            "GITHUB_OUTPUT",
            "GITHUB_ENV",
            "GITHUB_PATH",
            "GITHUB_STATE",
            "GITHUB_STEP_SUMMARY",
        ),
        *("INPUT_TOKEN", "TIDEGATE_REASON", "GIT_CONFIG_VALUE_0", "GIT_ASKPASS", "SSH_AUTH_SOCK"),
        *("AWS_SECRET_ACCESS_KEY", "DB_PASSWORD", "OPENAI_API_KEY", "npm_token", "actions_step_debug"),
    ],
)
def test_private_variables_are_not_seen(name: str) -> None:
    assert scrubbed({name: "x", "PATH": "/bin"}) == {"PATH": "/bin"}


@pytest.mark.parametrize("value", [TOKEN, f"https://x:{TOKEN}@example.com", f"Bearer {TOKEN}"])
def test_the_token_is_not_seen_under_another_name(value: str) -> None:
    assert scrubbed({"GITHUB_TOKEN": TOKEN, "HARMLESS": value, "LANG": "C"}) == {"LANG": "C"}


@pytest.mark.parametrize(
    "name", ["PATH", "HOME", "TOKENIZERS_PARALLELISM", "GITHUB_SHA", "CUDA_VISIBLE_DEVICES", "KEYBOARD"]
)
def test_what_a_command_needs_it_sees(name: str) -> None:
    assert scrubbed({name: "x", "GITHUB_TOKEN": ""}) == {name: "x"}


def test_secrets_pass_by_name_but_never_the_tokens_of_the_job() -> None:
    given = {
        "WAREHOUSE_PASSWORD": "p",
        "GITHUB_TOKEN": TOKEN,
        "ACTIONS_RUNTIME_TOKEN": "r",
        "COPY_OF_TOKEN": TOKEN,
    }

    assert scrubbed(given, given) == {"WAREHOUSE_PASSWORD": "p"}


def test_a_command_runs_in_the_scrubbed_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
    monkeypatch.setenv("ALIAS", TOKEN)
    monkeypatch.setenv("PLAIN", "seen")

    assert ran(
        tmp_path,
        "import os; print(os.environ.get('GITHUB_TOKEN'), os.environ.get('ALIAS'), os.environ['PLAIN'])",
    ) == ["None None seen"]


@pytest.mark.parametrize(
    "name",
    ["a b", "it's", 'x"y', "a;touch pwned", "$(touch pwned)", "`touch pwned`", "{model_dir}", "a\\b", "--x"],
)
def test_a_path_stays_one_argument_and_no_shell_reads_it(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    script(tmp_path, "import sys; print(sys.argv[1:])")
    tail = run(
        f"{PYTHON} script.py {{data}} --to='{{data}}'",
        {"data": path, "model_dir": tmp_path},
        name="train",
        folder=tmp_path,
        timeout=timedelta(seconds=30),
        on_line=print,
    )

    assert tail == [str([str(path), f"--to={path}"])]
    assert not (tmp_path / "pwned").exists()


def test_shell_syntax_in_the_command_is_not_executed(tmp_path: Path) -> None:
    script(tmp_path, "import sys; print(sys.argv[1:])")
    tail = run(
        f"{PYTHON} script.py ; touch pwned && $(touch pwned) | x",
        {},
        name="train",
        folder=tmp_path,
        timeout=timedelta(seconds=30),
        on_line=print,
    )

    assert tail == [str([";", "touch", "pwned", "&&", "$(touch", "pwned)", "|", "x"])]
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("train 'x", "cannot be split"),
        ("", "is empty"),
        ("train {dta}", r"\{dta\} in .* is unknown; known: data"),
    ],
)
def test_a_command_that_makes_no_sense_is_refused(command: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        fill(command, {"data": Path("x")})


def test_braces_of_other_kinds_are_left_alone() -> None:
    assert fill("""t '{"a": 1}' {} {A}""", {}) == ["t", '{"a": 1}', "{}", "{A}"]


@pytest.mark.parametrize(
    "line",
    [
        "::set-output name=decision::pass",
        "  ::stop-commands::x",
        "##[error]x",
        "a ##[group]",
        "\x1b[2J::error::x",
    ],
)
def test_no_line_of_a_command_steers_the_runner(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    invocation = Invocation("x", Common(Path("c"), None, Path("o"), "none", False, "stop"))
    invocation.progress("train")(line)
    shown = capsys.readouterr().err

    assert shown.startswith("train | ")
    assert shown.count("\n") == 1
    assert "##[" not in shown
    assert "\x1b" not in shown
