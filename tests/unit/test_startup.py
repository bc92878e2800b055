"""What is imported, and so what every run pays."""

import subprocess
import sys

import pytest
from workspace import Workspace, environment, rows, workspace

__all__ = ["workspace"]

PROBE = """\
import sys
sys.argv = ["tidegate", *{arguments!r}]
from tidegate import cli
try:
    cli.main()
except SystemExit as ended:
    if ended.code:
        raise
loaded = {{name for name in {watched!r} if name in sys.modules}}
print("LOADED", *sorted(loaded))
"""
HEAVY = ("sklearn", "pandas", "scipy.stats", "github", "requests", "pyarrow", "matplotlib")


def loaded(workspace: Workspace, watched: tuple[str, ...], *arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(arguments=arguments, watched=watched)],
        cwd=workspace.root,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()[-1].split()[1:]


@pytest.mark.parametrize(
    "arguments", [("--help",), ("--version",), ("evaluate-gate", "--help"), ("demo", "--help")]
)
def test_help_loads_click_and_little_else(workspace: Workspace, arguments: tuple[str, ...]) -> None:
    watched = (*HEAVY, "numpy", "scipy", "pydantic", "jinja2", "duckdb", "yaml", "click")

    assert loaded(workspace, watched, *arguments) == ["click"]


def test_the_gate_loads_nothing_heavy(workspace: Workspace) -> None:
    checks = "".join(
        f"      - {{metric: {name}, min: 0, confidence: 0.9, slices: [city]}}\n" for name in ("roc_auc", "f1")
    )
    workspace.configure((workspace.root / ".github/tidegate.yml").read_text(encoding="utf-8") + checks)
    workspace.table("p.csv", rows())

    assert loaded(workspace, (*HEAVY, "numpy", "duckdb"), "evaluate-gate", "--predictions", "p.csv") == [
        "duckdb",
        "numpy",
    ]


def test_validating_loads_no_engine(workspace: Workspace) -> None:
    assert loaded(workspace, HEAVY, "validate") == []
