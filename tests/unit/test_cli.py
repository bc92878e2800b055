import re
import signal
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import pytest
from workspace import CONFIG, Workspace, environment, gone, rows, workspace

__all__ = ["workspace"]

GATE = ("evaluate-gate", "--predictions", "p.csv")
TOKEN = "ghs_0123456789abcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize(
    ("right", "fail_on", "code", "decision"),
    [(32, "stop", 0, "pass"), (20, "stop", 1, "fail"), (20, "never", 0, "fail")],
)
def test_exit_codes_of_decisions(
    workspace: Workspace, right: int, fail_on: str, code: int, decision: str
) -> None:
    workspace.table("p.csv", rows(right=right))
    ended = workspace.spawn(*GATE, "--fail-on", fail_on)

    assert ended.code == code
    assert workspace.document("evaluate-gate")["decision"] == decision
    assert workspace.reports == {f"evaluate-gate.{kind}" for kind in ("json", "md", "html", "audit.json")}
    assert decision in ended.out


def test_inconclusive_stops_too(workspace: Workspace) -> None:
    workspace.configure(CONFIG.replace("min: 0.7", "min: 0.7, confidence: 0.99"))
    workspace.table("p.csv", rows())

    assert workspace.tidegate(*GATE).code == 1
    assert workspace.document("evaluate-gate")["decision"] == "inconclusive"


@pytest.mark.parametrize(
    ("config", "table", "arguments", "told"),
    [
        (CONFIG, "id,y,s\n0,1,2\n", GATE, "between 0 and 1"),
        (CONFIG, "id,y\n0,1\n", GATE, "no column 's'"),
        (CONFIG, "id,y,s\n", GATE, "has no rows"),
        (CONFIG, "", GATE, "is empty"),
        (CONFIG, "", ("evaluate-gate", "--predictions", "q.csv"), "q.csv does not exist"),
        (CONFIG.replace("gate:", "gat:"), "", GATE, "tidegate.yml:6: models.m.gat: unknown key"),
        (CONFIG, "", (*GATE, "--model", "n"), "no model 'n'"),
        (CONFIG, "", (*GATE, "--config", "none.yml"), "none.yml does not exist"),
        (CONFIG, "id,y,s\n0,1,0.9\n", (*GATE, "--forge", "gitlab"), "--forge 'gitlab' is unknown"),
        (CONFIG, "id,y,s\n0,1,0.9\n", (*GATE, "--forge", "github"), "GITHUB_REPOSITORY"),
        (CONFIG, "", ("evaluate-gate",), "no `golden:` rows"),
        (CONFIG, "", (*GATE, "--fail-on", "maybe"), "--fail-on"),
        (CONFIG, "", ("evaluate-gates",), "No such command"),
        (CONFIG, "", ("compare-to-prod", "--candidate", "p.csv"), "has no `compare`"),
        (CONFIG, "", ("drift-report", "--current", "p.csv"), "--reference is missing"),
        (CONFIG, "", ("open-retrain-pr", "--reason", "x"), "has no `retrain`"),
        (CONFIG, "", ("publish",), "--reports is missing"),
    ],
)
def test_what_a_person_can_mend_is_one_message_and_exit_2(
    workspace: Workspace, config: str, table: str, arguments: tuple[str, ...], told: str
) -> None:
    workspace.configure(config)
    workspace.write("p.csv", table)
    ended = workspace.tidegate(*arguments)

    assert ended.code == 2
    assert told in ended.err
    assert "Traceback" not in ended.err
    assert workspace.reports == set()


def test_exit_2_of_a_process_shows_no_traceback(workspace: Workspace) -> None:
    workspace.write("p.csv", "id,y,s\n0,1,2\n")
    ended = workspace.spawn(*GATE, GITHUB_ACTIONS="true", GITHUB_OUTPUT="out", GITHUB_STEP_SUMMARY="summary")

    assert ended.code == 2
    assert ended.err.startswith("tidegate: p.csv: column 's' must hold probabilities")
    assert "Traceback" not in ended.err
    assert ended.out.startswith("::error title=Tidegate::p.csv")
    assert sorted(path.name for path in workspace.root.iterdir()) == [".github", "p.csv"]


def test_an_output_folder_that_cannot_be_is_exit_2(workspace: Workspace) -> None:
    workspace.table("p.csv", rows())
    ended = workspace.tidegate(*GATE, "--output-dir", "p.csv/out")

    assert ended.code == 2
    assert "--output-dir" in ended.err


def outputs(path: Path) -> dict[str, str]:
    """What the runner makes of the output file."""
    found, text = {}, path.read_text(encoding="utf-8")
    while text:
        name, delimiter, rest = re.match(r"([^\n]*?)<<([^\n]+)\n(.*)", text, re.S).groups()
        value, text = rest.split(f"\n{delimiter}\n", 1)
        found[name] = value
    return found


def test_outputs_and_summary_reach_the_runner(workspace: Workspace) -> None:
    workspace.table("p.csv", rows())
    ended = workspace.tidegate(
        *GATE, GITHUB_ACTIONS="true", GITHUB_OUTPUT=str(workspace.root / "out"), GITHUB_STEP_SUMMARY="summary"
    )

    assert ended.code == 0
    folder = Path("tidegate-out")
    audit = (workspace.root / folder / "evaluate-gate.audit.json").read_bytes()
    assert outputs(workspace.root / "out") == {
        "decision": "pass",
        "approval": "none",
        "audit": str(folder / "evaluate-gate.audit.json"),
        "audit-sha256": sha256(audit).hexdigest(),
        **{
            kind: str(folder / f"evaluate-gate.{suffix}")
            for kind, suffix in (("json", "json"), ("markdown", "md"), ("html", "html"))
        },
    }
    assert "accuracy" in (workspace.root / "summary").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        ({"TIDEGATE_PREDICTIONS": "p.csv"}, 1),
        ({"TIDEGATE_PREDICTIONS": "p.csv", "TIDEGATE_FAIL_ON": "never"}, 0),
        (
            {
                "TIDEGATE_PREDICTIONS": "p.csv",
                "TIDEGATE_FAIL_ON": "",
                "TIDEGATE_MODEL": "",
                "TIDEGATE_COMMENT": "",
            },
            1,
        ),
        ({"TIDEGATE_PREDICTIONS": "p.csv", "TIDEGATE_COMMENT": "false"}, 1),
        ({"TIDEGATE_PREDICTIONS": ""}, 2),
    ],
)
def test_options_come_from_the_environment_and_empty_is_not_given(
    workspace: Workspace, variables: dict[str, str], code: int
) -> None:
    workspace.table("p.csv", rows(right=10))

    assert workspace.tidegate("evaluate-gate", **variables).code == code


def test_several_candidates_come_one_per_line(workspace: Workspace) -> None:
    workspace.configure(
        CONFIG + "    compare:\n      primary: {metric: accuracy, require: non_inferior, margin: 0.5}\n"
    )
    for name in ("p", "q", "r"):
        workspace.table(f"{name}.csv", rows())
    ended = workspace.tidegate(
        "compare-to-prod", TIDEGATE_CANDIDATE="p.csv\n  small=q.csv  \n\n", TIDEGATE_PRODUCTION="r.csv"
    )

    assert ended.code == 0
    assert {each["candidate"] for each in workspace.document("compare-to-prod")["candidates"]} == {
        "p",
        "small",
    }


@pytest.mark.parametrize(("value", "code"), [("true", 0), ("false", 2), ("", 2)])
def test_a_flag_from_the_environment(workspace: Workspace, value: str, code: int) -> None:
    workspace.configure(CONFIG + "    compare:\n      primary: {metric: accuracy}\n")
    workspace.table("p.csv", rows())

    ended = workspace.tidegate("compare-to-prod", "--candidate", "p.csv", TIDEGATE_FIRST_RELEASE=value)

    assert ended.code == code


PRINTS_ENVIRONMENT = """\
import csv, os, shutil, sys
for name, value in os.environ.items():
    print(name, value)
with open(sys.argv[1]) as given, open(sys.argv[2], "w") as made:
    made.write("id,s\\n")
    made.writelines(f"{row['id']},0.{row['id'] * 3}\\n" for row in csv.DictReader(given))
"""


def test_the_token_is_in_no_output(workspace: Workspace) -> None:
    command = "predict: python predict.py {data} {predictions} {model_dir}"
    workspace.configure(
        CONFIG + f"    golden: golden.csv\n    {command}\n    retrain: {{artifacts: [models/m/]}}\n"
    )
    workspace.write("predict.py", PRINTS_ENVIRONMENT)
    workspace.write("models/m/model.txt", "weights")
    workspace.table("golden.csv", rows())
    ended = workspace.spawn(
        *("evaluate-gate", "--forge", "none"),
        TIDEGATE_TOKEN=TOKEN,
        GITHUB_TOKEN=TOKEN,
        SOMETHING=f"Bearer {TOKEN}",
        GITHUB_ACTIONS="true",
        GITHUB_OUTPUT="out",
        GITHUB_STEP_SUMMARY="summary",
    )

    assert "predict | PATH" in ended.err, ended.err
    written = [path.read_text(encoding="utf-8") for path in workspace.root.rglob("*") if path.is_file()]
    assert len(written) > 6
    assert not [text for text in (ended.out, ended.err, *written) if TOKEN in text]


def test_a_value_that_the_terminal_cannot_show_is_no_error(workspace: Workspace) -> None:
    workspace.configure(CONFIG.replace("min: 0.7", "min: 0.7, slices: [city]"))
    workspace.write("p.csv", "id,y,s,city\n0,1,0.1,Tromsø\n1,0,0.9,Tromsø\n")
    ended = workspace.spawn(*GATE, PYTHONIOENCODING="ascii", PYTHONUTF8="0")

    assert ended.code == 1
    assert "Troms\\xf8" in ended.out


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to catch")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_cancelled_run_leaves_no_process(workspace: Workspace, number: signal.Signals) -> None:
    workspace.configure(
        CONFIG + "    golden: golden.csv\n    predict: python wait.py {data} {predictions} {model_dir}\n"
        "    retrain: {artifacts: [models/m/]}\n"
    )
    workspace.write("models/m/model.txt", "weights")
    workspace.table("golden.csv", rows())
    workspace.write(
        "wait.py",
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "open('pids.part', 'w').write(f'{os.getpid()} {child.pid}')\n"
        "os.rename('pids.part', 'pids')\n"
        "time.sleep(60)\n",
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "tidegate", "evaluate-gate"],
        cwd=workspace.root,
        env=environment(TMPDIR=str(workspace.root)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        # Whoever runs the tests in the background has them ignore SIGINT, and so would the child.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 30
    while not (workspace.root / "pids").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    said, _ = process.communicate(timeout=30)

    assert process.returncode == 128 + number, said
    assert b"Traceback" not in said
    for pid in (workspace.root / "pids").read_text(encoding="utf-8").split():
        assert gone(int(pid))
    assert [path.name for path in workspace.root.glob("tidegate-*")] in ([], ["tidegate-out"])


@pytest.mark.parametrize(
    "command", ["evaluate-gate", "compare-to-prod", "drift-report", "open-retrain-pr", "promote"]
)
def test_help_shows_the_common_options_and_no_token(workspace: Workspace, command: str) -> None:
    ended = workspace.tidegate(command, "--help")

    assert ended.code == 0
    for option in ("--config", "--model", "--output-dir", "--forge", "--comment", "--fail-on"):
        assert option in ended.out
    assert "token" not in ended.out


def test_validate(workspace: Workspace) -> None:
    assert "is valid: 1 model (m)" in workspace.tidegate("validate").out
    workspace.configure(CONFIG.replace("accuracy", "acuracy"))
    ended = workspace.tidegate("validate")
    assert ended.code == 2
    assert "Did you mean 'accuracy'?" in ended.err
