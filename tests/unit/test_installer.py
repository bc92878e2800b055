"""The shared installer and runner of the actions, run for real."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [
    pytest.mark.slow,
    # A bare `bash` is WSL's there; the self-test workflow runs the actions on Windows.
    pytest.mark.skipif(sys.platform == "win32", reason="needs bash on PATH"),
]


def runtime_lock() -> str:
    return (ROOT / "requirements" / "runtime.txt").read_text(encoding="utf-8")


def copy_installer(checkout: Path, lock: str) -> Path:
    shutil.copytree(ROOT / "actions", checkout / "actions")
    (checkout / "requirements").mkdir()
    (checkout / "requirements" / "runtime.txt").write_text(lock, encoding="utf-8")
    shutil.copy(ROOT / "requirements" / "uv.txt", checkout / "requirements")
    package = checkout / "src" / "tidegate"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    return checkout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """A copy of the installer whose lock holds one package, so that a build takes a second."""
    (click,) = re.findall(r"^click==.*?(?=^\S|\Z)", runtime_lock(), flags=re.DOTALL | re.MULTILINE)
    return copy_installer(tmp_path_factory.mktemp("checkout"), click)


@dataclass(frozen=True)
class Job:
    """A runner's job: its temporary directory and its environment."""

    checkout: Path
    temp: Path

    def start(self, script: str = "install.sh", *arguments: str, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["bash", self.checkout / "actions" / script, *arguments],
            env={**os.environ, "RUNNER_TEMP": str(self.temp), **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def run(self, *call: str, **variables: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*(call or ("install.sh",)), **variables)
        out, err = process.communicate(timeout=300)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def install(self, **variables: str) -> Path:
        done = self.run(**variables)
        assert done.returncode == 0, done.stderr
        (line,) = done.stdout.splitlines()
        return Path(line)


@pytest.fixture
def job(checkout, tmp_path) -> Job:
    temp = tmp_path / "runner temp"
    temp.mkdir()
    return Job(checkout, temp)


@pytest.fixture(scope="module")
def warm(checkout, tmp_path_factory) -> Job:
    """A job in which one action has run."""
    job = Job(checkout, tmp_path_factory.mktemp("warm"))
    job.install()
    return job


def imported_from(python: Path, module: str) -> Path:
    code = f"import {module}; print({module}.__file__)"
    output = subprocess.run([python, "-I", "-c", code], check=True, capture_output=True, text=True).stdout
    return Path(output.strip())


def commands(folder: Path, *names: str) -> str:
    """A PATH that offers these commands and no others."""
    folder.mkdir()
    for name in names:
        (folder / name).symlink_to(shutil.which(name))
    return str(folder)


# What the installer needs beside Python, once it stands and before it does.
LOOK_UP = ("bash", "dirname", "uname", "tr", "sha256sum" if shutil.which("sha256sum") else "shasum")
BUILD = (*LOOK_UP, "cat", "mktemp", "rm", "touch")


def user_python(folder: Path, *options: str) -> str:
    """A PATH that starts with a Python of the user's own."""
    subprocess.run([sys.executable, "-m", "venv", *options, folder], check=True)
    return f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"


def test_the_real_lock_gives_every_package_that_the_commands_import(tmp_path):
    python = Job(copy_installer(tmp_path / "checkout", runtime_lock()), tmp_path).install()
    for module in (
        "click",
        "duckdb",
        "github",
        "jinja2",
        "numpy",
        "pandas",
        "pydantic",
        "scipy",
        "sklearn",
        "yaml",
    ):
        assert imported_from(python, module).is_relative_to(tmp_path)


def test_a_second_action_finds_the_environment_without_python_network_or_work(warm, tmp_path):
    path = commands(tmp_path / "bin", *LOOK_UP)
    before = sorted((entry, entry.stat().st_mtime_ns) for entry in warm.temp.rglob("*"))
    started = time.perf_counter()
    python = warm.install(PATH=path, PIP_NO_INDEX="1", UV_OFFLINE="1")
    assert time.perf_counter() - started < 0.5
    assert python.is_relative_to(warm.temp)
    assert sorted((entry, entry.stat().st_mtime_ns) for entry in warm.temp.rglob("*")) == before


def test_the_environment_is_tidegates_alone(warm):
    python = warm.install()
    listed = subprocess.run(
        [python, "-I", "-c", "import importlib.metadata as m; print(*(d.name for d in m.distributions()))"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    # pip stays where it had to install because uv could not be had; nothing else may be there.
    assert set(listed.split()) - {"pip", "setuptools"} == {"click"}


def test_another_lock_gets_another_environment(warm, tmp_path):
    lock = (warm.checkout / "requirements" / "runtime.txt").read_text(encoding="utf-8")
    other = Job(copy_installer(tmp_path / "checkout", "# newer\n" + lock), warm.temp)
    assert other.install().parents[1] != warm.install().parents[1]


def test_two_jobs_at_once_never_see_half_an_environment(job):
    processes = [job.start(), job.start()]
    outputs = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    for out, _ in outputs:
        assert imported_from(Path(out.strip()), "click").is_relative_to(job.temp)


def test_an_interrupted_build_is_not_used(job, warm):
    finished = warm.install().parents[1]
    shutil.copytree(finished, job.temp / finished.name, symlinks=True)
    (job.temp / finished.name / "complete").unlink()
    assert job.install().parents[1] != job.temp / finished.name


def test_a_directory_that_another_user_may_have_planted_is_not_used_outside_a_runner(job, warm, monkeypatch):
    if os.getuid() != 0:
        pytest.skip("only root can give files away")
    finished = warm.install().parents[1]
    planted = job.temp / finished.name
    shutil.copytree(finished, planted, symlinks=True)
    os.chown(planted, 65534, 65534)
    monkeypatch.setenv("TMPDIR", str(job.temp))
    assert job.install(RUNNER_TEMP="").parents[1] != planted


def test_pip_takes_over_where_uv_cannot_be_had(job, tmp_path):
    # A Python without pip cannot fetch uv; its venv module brings a pip of its own.
    path = user_python(tmp_path / "user", "--without-pip")
    assert imported_from(job.install(PATH=path), "click").is_relative_to(job.temp)
    assert list((tmp_path / "user").rglob("click")) == []


def test_pip_takes_over_where_uv_reaches_no_index(job, tmp_path):
    python = job.install(UV_OFFLINE="1", UV_CACHE_DIR=str(tmp_path / "empty"))
    assert imported_from(python, "click").is_relative_to(job.temp)


def test_settings_for_the_users_own_installs_lead_nothing_astray(job, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("click==0.1\n", encoding="utf-8")
    python = job.install(
        PIP_TARGET=str(elsewhere),
        PIP_PREFIX=str(elsewhere),
        PIP_USER="1",
        PIP_REQUIRE_VIRTUALENV="1",
        PIP_CONSTRAINT=str(constraints),
        UV_CONSTRAINT=str(constraints),
        UV_PYTHON=sys.executable,
        UV_PROJECT_ENVIRONMENT=str(elsewhere),
        VIRTUAL_ENV=str(elsewhere),
        PYTHONHOME=str(elsewhere),
    )
    assert imported_from(python, "click").is_relative_to(job.temp)
    assert not elsewhere.exists()


def test_a_failed_install_shows_why_in_one_line_and_leaves_nothing(job, tmp_path):
    done = job.run(PIP_NO_INDEX="1", UV_NO_INDEX="1", PIP_FIND_LINKS="", UV_CACHE_DIR=str(tmp_path / "empty"))
    assert done.returncode == 3
    assert done.stdout == ""
    assert "No matching distribution found" in done.stderr
    assert len(re.findall(r"^::error .*", done.stderr, flags=re.MULTILINE)) == 1
    assert list(job.temp.iterdir()) == []


def test_a_tampered_package_is_refused(tmp_path, checkout):
    lock = (checkout / "requirements" / "runtime.txt").read_text(encoding="utf-8")
    forged = re.sub(r"sha256:[0-9a-f]{64}", "sha256:" + "0" * 64, lock)
    done = Job(copy_installer(tmp_path / "checkout", forged), tmp_path).run()
    assert done.returncode == 3
    assert "hash" in done.stderr.lower()


def test_a_runner_without_python_is_told_what_to_add(job, tmp_path):
    done = job.run(PATH=commands(tmp_path / "bin", *BUILD))
    assert done.returncode == 2
    assert "actions/setup-python" in done.stderr


def test_a_python_that_is_too_old_is_passed_over(job, tmp_path):
    folder = tmp_path / "bin"
    path = commands(folder, *BUILD)
    old = folder / "python3"
    old.write_text("#!/bin/sh\necho py3.10\n", encoding="utf-8")
    old.chmod(0o755)
    done = job.run(PATH=path)
    assert done.returncode == 2
    assert "3.11" in done.stderr


@pytest.fixture
def program(warm) -> Callable[[str], None]:
    def write(code: str) -> None:
        (warm.checkout / "src" / "tidegate" / "cli.py").write_text(code, encoding="utf-8")

    return write


def test_the_users_modules_are_neither_imported_nor_taken_from_the_users_commands(warm, program, tmp_path):
    (tmp_path / "click.py").write_text("raise SystemExit('poisoned')\n", encoding="utf-8")
    program("import click, os\ndef main():\n    print(click.__file__, os.environ['PYTHONPATH'], sep='|')\n")
    done = warm.run("run.sh", "evaluate-gate", PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
    imported, kept = done.stdout.strip().split("|")
    assert Path(imported).is_relative_to(warm.temp)
    assert kept == str(tmp_path)


@pytest.mark.parametrize("code", [0, 1, 2, 3])
def test_the_commands_exit_code_is_the_steps(warm, program, code):
    program(
        "import os, sys\ndef main():\n"
        "    print(sys.argv[1:], sys.flags.utf8_mode)\n    sys.exit(int(os.environ['EXIT_CODE']))\n"
    )
    done = warm.run("run.sh", "promote", EXIT_CODE=str(code))
    assert (done.returncode, done.stdout) == (code, "['promote'] 1\n")


@pytest.mark.parametrize("command", ["", "demo", "evaluate-gate; echo pwned", "../run.sh", "--help"])
def test_an_unknown_command_is_refused_before_anything_is_installed(job, command):
    done = job.run("run.sh", command)
    assert done.returncode == 2
    assert "evaluate-gate, compare-to-prod, drift-report, open-retrain-pr, promote, publish" in done.stderr
    assert "pwned" not in done.stdout + done.stderr
    assert list(job.temp.iterdir()) == []
