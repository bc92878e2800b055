"""The command on small histories whose relation turns round, with commands that write down what they were shown."""

import csv
import io
import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from workspace import Ended, Workspace, environment, workspace

from tidegate.commands.backtest_progress import Progress

__all__ = ["workspace"]

MONDAY = datetime(2024, 1, 1)
WINDOWS, TURN, ROWS = 10, 5, 60
# A model is the side of x on which y is likelier, in the newest 120 rows, and how new these are.
TRAIN = """\
import csv, json, pathlib, sys
rows = list(csv.DictReader(open(sys.argv[1])))
late = rows[-120:]
up = sum((float(r["x"]) > 0.5) == (r["y"] == "1") for r in late) >= len(late) / 2
pathlib.Path(sys.argv[2], "m.json").write_text(json.dumps({"up": up, "newest": max(r["at"] for r in rows)}))
with open("trained.log", "a") as log:
    log.write(str(len(rows)) + "\\n")
"""
PREDICT = """\
import csv, json, pathlib, sys
up = json.loads(pathlib.Path(sys.argv[1], "m.json").read_text())["up"]
rows = list(csv.DictReader(open(sys.argv[2])))
assert "y" not in rows[0], "labels are shown"
if pathlib.Path("stop").exists() and len(pathlib.Path("trained.log").read_text().split()) >= 3:
    sys.exit("stopped")
with open(sys.argv[3], "w", newline="") as f:
    out = csv.writer(f)
    out.writerow(["id", "s"])
    out.writerows([r["id"], float(r["x"]) if up else 1 - float(r["x"])] for r in rows)
"""
Model = dict[str, Any]


def settings(**more: Any) -> Model:
    retrain = {
        "when": ["performance_drop"],
        "costs": {"retrain": 5, "point_of_metric": 1},
        "train": f'"{sys.executable}" -I -S train.py {{data}} {{model_dir}}',
    }
    return {
        "task": "binary",
        "columns": {"id": "id", "label": "y", "score": "s", "timestamp": "at"},
        "predict": f'"{sys.executable}" -I -S predict.py {{model_dir}} {{data}} {{predictions}}',
        "drift": {"features": ["x"], **more.pop("drift", {})},
        "retrain": {**retrain, **more.pop("retrain", {})},
        **more,
    }


def history(
    turn: int = TURN, windows: int = WINDOWS, rows: int = ROWS, seed: int = 1
) -> list[Mapping[str, Any]]:
    draw = random.Random(seed)
    made = []
    for i in range(windows * rows):
        window = i // rows
        x = round(draw.random(), 6)
        likely = 0.9 if (x > 0.5) == (window < turn) else 0.1
        at = MONDAY + timedelta(days=7 * window, seconds=7 * 86_400 * (i % rows) // rows)
        made.append({"id": i, "at": at, "x": x, "y": int(draw.random() < likely)})
    return made


def configure(place: Workspace, model: Model) -> None:
    place.configure(json.dumps({"version": 1, "models": {"m": model}}))


def prepare(
    place: Workspace, rows: list[Mapping[str, Any]] | None = None, model: Model | None = None
) -> None:
    place.write("train.py", TRAIN)
    place.write("predict.py", PREDICT)
    configure(place, model or settings())
    place.table("h.csv", rows or history())


def backtest(place: Workspace, *more: str, window: str = "7d") -> Ended:
    return place.tidegate(
        "backtest", "--history", "h.csv", "--window", window, "--first", "3", "--no-thresholds", *more
    )


def found(place: Workspace) -> dict[str, Any]:
    document = place.document("backtest")
    return {**document, "by_name": {each["name"]: each for each in document["policies"]}}


def path(policy: Mapping[str, Any]) -> list[int]:
    return [each["window"] for each in policy["retrains"]]


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One replay that several tests read."""
    root = tmp_path_factory.mktemp("replayed")
    place = Workspace(root, None, None)  # type: ignore[arg-type]
    prepare(place)
    place.write("policies.yml", "hasty: {when: [performance_drop, 'age > 1d']}\n")
    asked = "--history h.csv --window 7d --first 3 --policies policies.yml --onset 2024-02-05 --periodic 3"
    done = subprocess.run(
        [sys.executable, "-m", "tidegate", "backtest", *asked.split()],
        cwd=root,
        env=environment(),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "a log stays quiet"
    return root


@pytest.fixture
def document(replayed: Path) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(
        (replayed / "tidegate-out" / "backtest.json").read_text(encoding="utf-8")
    )
    return {**made, "by_name": {each["name"]: each for each in made["policies"]}}


def test_the_document(document):
    assert document["schema"] == "tidegate/backtest/1"
    assert document["decision"] == document["recommendation"]["policy"]
    assert document["decision"] in document["by_name"]
    assert {"configured", "hasty", "never", "every 3 windows", "always"} <= set(document["by_name"])
    assert document["metric"] == "roc_auc"
    assert [each["served"] for each in document["windows"]] == [False] * 3 + [True] * 7
    assert {each["rows"] for each in document["windows"]} == {ROWS}
    assert document["compared"] == list(range(3, 10))
    assert document["by_name"]["never"]["retrains"] == []
    assert path(document["by_name"]["always"]) == [3, 4, 5, 6, 7, 8]
    assert path(document["by_name"]["every 3 windows"]) == [5, 8]


def test_the_drop_is_found_in_the_window_of_the_turn(document):
    own = document["by_name"]["configured"]
    assert path(own)[0] == TURN
    assert own["windows"][TURN - 3]["fired"] == ["performance_drop"]
    assert own["days_to_alarm"] == 7
    assert document["onset"]["window"] == TURN
    never = document["by_name"]["never"]["windows"]
    assert all(each["value"] > 0.8 for each in never[:2])
    assert all(each["value"] < 0.2 for each in never[2:])


def test_false_alarms_are_retrainings_that_bring_nothing(document):
    hasty = document["by_name"]["hasty"]
    assert path(hasty) == [3, 4, 5, 6, 7, 8]
    better = [each["outcome"] == "better" for each in hasty["retrains"]]
    assert sum(better) == 1
    assert hasty["false_alarms"] == 5


def test_costs_are_those_of_the_formula(document):
    policies = document["policies"]
    for policy in policies:
        for i, window in enumerate(policy["windows"]):
            best = max(each["windows"][i]["value"] for each in policies)
            retrained = window["decision"] == "retrain"
            assert window["cost"] == pytest.approx(100 * (best - window["value"]) + 5 * retrained, abs=1e-9)
        assert policy["cost"] == pytest.approx(sum(each["cost"] for each in policy["windows"]))
    everything = policies + document["thresholds"]
    assert min(each["cost"] for each in everything) == document["by_name"][document["decision"]]["cost"]


def test_the_snippet_is_a_configuration_that_decides_the_same(document, workspace):
    import yaml

    snippet = yaml.safe_load(document["recommendation"]["snippet"])
    assert snippet == document["recommendation"]["settings"]
    model = settings()
    prepare(workspace, model={**model, "retrain": {**model["retrain"], **snippet["retrain"]}})
    assert backtest(workspace).code == 0
    assert path(found(workspace)["by_name"]["configured"]) == path(document["by_name"][document["decision"]])


def test_no_model_is_trained_twice(document, replayed):
    trained = (replayed / "trained.log").read_text(encoding="utf-8").split()
    assert len(trained) == len(set(trained)) == document["models"] == 7
    # The newest window is kept out of each training: it is the reference.
    assert [int(rows) for rows in sorted(trained, key=int)] == [ROWS * i for i in range(2, 9)]


def test_thresholds_around_the_configured_ones(document):
    names = {each["name"]: each for each in document["thresholds"]}
    assert len(names) == 26
    twice = names["configured, consecutive 2"]
    assert twice["settings"]["retrain"]["consecutive"] == 2
    assert twice["retrains"][0] == TURN + 1
    assert names["configured, min_drop 0.04"]["settings"]["retrain"]["when"] == [
        {"performance_drop": {"min_drop": 0.04}}
    ]


def test_a_model_is_trained_on_labels_that_were_known(workspace):
    prepare(workspace, model=settings(drift={"label_delay": "10d"}))
    assert backtest(workspace, "--first", "4").code == 0
    document = found(workspace)
    newest = {
        folder.name[:12]: datetime.fromisoformat(
            json.loads((folder / "model" / "m.json").read_text(encoding="utf-8"))["newest"]
        )
        for folder in (workspace.root / "tidegate-out/backtest-state/models").iterdir()
    }
    for retrain in document["by_name"]["always"]["retrains"]:
        decided = MONDAY + timedelta(days=7 * (retrain["window"] + 1))
        assert newest[retrain["model"]] <= decided - timedelta(days=10)
        assert newest[retrain["model"]] > decided - timedelta(days=10 + 2 * 7 + 7)
    # The turn shows when the first window after it has its labels, two windows later.
    assert path(document["by_name"]["configured"])[0] == TURN + 2


@pytest.mark.parametrize(("delay", "turn", "late"), [("0", 7, 0), ("10d", 6, 2)])
def test_what_comes_later_changes_no_decision(workspace, delay, turn, late):
    model = settings(
        drift={"label_delay": delay, "features": ["x"]},
        retrain={"when": ["performance_drop", "label_drift", "concept_drift and drift"]},
    )
    prepare(workspace, history(turn=99), model)
    assert backtest(workspace, "--first", "4").code == 0
    before = found(workspace)["by_name"]["configured"]["windows"]
    shutil.rmtree(workspace.root / "tidegate-out")
    turned = history(turn=turn)
    assert turned[: turn * ROWS] == history(turn=99)[: turn * ROWS]
    workspace.table("h.csv", turned)
    assert backtest(workspace, "--first", "4").code == 0
    after = found(workspace)["by_name"]["configured"]["windows"]
    decided = [[(each["window"], each["decision"], each["fired"]) for each in run] for run in (before, after)]
    # Labels from the turn on are others; those of its window are known at its end, or so many windows later.
    unaware = sum(each["window"] < turn + late for each in before)
    assert decided[0][:unaware] == decided[1][:unaware]
    assert decided[0] != decided[1]


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(workspace):
    prepare(workspace)
    assert backtest(workspace).code == 0
    whole = found(workspace)
    shutil.rmtree(workspace.root / "tidegate-out")
    (workspace.root / "trained.log").unlink()
    workspace.write("stop", "")
    stopped = backtest(workspace)
    assert stopped.code == 1
    assert "predict command ended with exit code 1" in stopped.err
    assert workspace.reports >= {"backtest-state"}
    assert "backtest.json" not in workspace.reports
    (workspace.root / "stop").unlink()
    assert backtest(workspace).code == 0
    resumed = found(workspace)
    for each in (whole, resumed):
        del each["created_at"]
    assert resumed == whole
    trained = (workspace.root / "trained.log").read_text(encoding="utf-8").split()
    assert len(trained) == len(set(trained)) == whole["models"]


def test_damaged_state_is_made_again(workspace):
    prepare(workspace)
    assert backtest(workspace).code == 0
    whole = found(workspace)
    kept = list((workspace.root / "tidegate-out/backtest-state/signals").iterdir())
    assert kept
    for i, file in enumerate(kept):
        file.write_text(("{", "[]", "")[i % 3], encoding="utf-8")
    assert backtest(workspace).code == 0
    again = found(workspace)
    assert again["policies"] == whole["policies"]


def test_no_more_models_are_trained_than_allowed(workspace):
    prepare(workspace)
    ended = backtest(workspace, "--max-retrains", "2")
    assert ended.code == 0
    document = found(workspace)
    assert document["left_out"] == ["always"]
    assert document["warnings"][-1].startswith("--max-retrains 2 was too few for always")
    assert len((workspace.root / "trained.log").read_text(encoding="utf-8").split()) <= 3


def score(x: float, up: bool) -> float:
    return x if up else 1 - x


def with_versions(rows: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "old": score(row["x"], True), "new": score(row["x"], False)} for row in rows]


@pytest.mark.parametrize("kind", ["columns", "tables"])
def test_stored_predictions_need_no_training(workspace, kind):
    model = settings()
    del model["predict"], model["retrain"]["train"]
    rows = with_versions(history())
    prepare(workspace, rows, model)
    asked = ["2024-01-15=old", "2024-02-12=new"]
    if kind == "tables":
        workspace.table("h.csv", history())
        for name in ("old", "new"):
            workspace.table(f"{name}.csv", [{"id": row["id"], "s": row[name]} for row in rows])
        asked = [f"{each}.csv" for each in asked]
    ended = backtest(workspace, "--predictions", asked[0], "--predictions", asked[1])
    assert (ended.code, ended.err) == (0, "")
    document = found(workspace)
    own = document["by_name"]["configured"]
    # In the window of the turn there is no newer version yet.
    alarm = own["windows"][TURN - 3]
    assert (alarm["alarm"], alarm["decision"]) == (True, "retrain")
    assert [each["model"] for each in own["windows"]] == ["2024-01-15"] * 3 + ["2024-02-12"] * 4
    assert own["retrains"][0]["outcome"] == "better"
    assert path(document["by_name"]["always"]) == [TURN]
    assert document["models"] == 2
    assert not (workspace.root / "trained.log").exists()


def test_a_version_without_a_prediction_of_each_row_is_named(workspace):
    prepare(workspace)
    workspace.table("old.csv", [{"id": i, "s": 0.5 + i % 2 / 4} for i in range(WINDOWS * ROWS - 1)])
    ended = backtest(workspace, "--predictions", "2024-01-15=old.csv")
    assert ended.code == 2
    assert "version 2024-01-15 has predictions of 59 of the 60 rows of window 10" in ended.err


def split(place: Workspace, rows: list[Mapping[str, Any]]) -> None:
    for i in range(WINDOWS):
        place.table(f"w/{i:02d}.csv", rows[i * ROWS : (i + 1) * ROWS])


def test_windows_that_are_tables(workspace):
    prepare(workspace)
    split(workspace, history())
    cut, listed = backtest(workspace), None
    whole = found(workspace)
    listed = workspace.tidegate("backtest", "--windows", "w/*.csv", "--first", "3", "--no-thresholds")
    assert (cut.code, listed.code, listed.err) == (0, 0, "")
    document = found(workspace)
    assert [path(each) for each in document["policies"]] == [path(each) for each in whole["policies"]]
    assert [each["cost"] for each in document["policies"]] == [each["cost"] for each in whole["policies"]]
    assert len(document["provenance"]["data"]) == WINDOWS


def test_windows_without_times_are_counted(workspace):
    model = settings(retrain={"when": ["performance_drop", "age > 100d"]})
    del model["columns"]["timestamp"]
    prepare(workspace, model=model)
    workspace.write("train.py", TRAIN.replace('max(r["at"] for r in rows)', '"?"'))
    split(workspace, [{k: v for k, v in row.items() if k != "at"} for row in history()])
    ended = workspace.tidegate(
        "backtest", "--windows", "w/*.csv", "--window", "7d", "--first", "3", "--no-thresholds"
    )
    assert ended.code == 0
    document = found(workspace)
    assert path(document["by_name"]["configured"])[0] == TURN
    assert document["windows"][0]["start"] is None
    assert document["warnings"][0].startswith("the windows have no times")


def without(name: str) -> Callable[[], list[Mapping[str, Any]]]:
    return lambda: [{key: value for key, value in row.items() if key != name} for row in history()]


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        ({}, ["--window", "7d"], "give the history as one table with --history, or as its windows"),
        ({}, ["--history", "h.csv"], "--window is missing"),
        (
            {},
            ["--history", "h.csv", "--windows", "h.csv", "--window", "7d"],
            "or as its windows with --windows",
        ),
        ({}, ["--history", "h.csv", "--window", "soon"], "--window: 'soon' is no length of time"),
        ({}, ["--history", "h.csv", "--window", "0"], "--window must be longer than nothing"),
        ({}, ["--history", "h.csv", "--window", "1m"], "at most 2,000 are replayed"),
        ({}, ["--history", "h.csv", "--window", "1y"], "the history has 1 window"),
        ({}, ["--history", "none.csv", "--window", "7d"], "none.csv does not exist"),
        ({}, ["--history", "h.csv", "--window", "7d", "--onset", "May"], "--onset: 'May' is no time"),
        ({}, ["--history", "h.csv", "--window", "7d", "--first", "1"], "it needs 2"),
        ({}, ["--history", "h.csv", "--window", "7d", "--policies", "p.yml"], "p.yml does not exist"),
        (
            {},
            ["--history", "h.csv", "--window", "7d", "--predictions", "old.csv"],
            "--predictions 'old.csv': write",
        ),
        ({}, ["--history", "h.csv", "--window", "7d", "--predictions", "2024-01-15=o"], "o does not exist"),
        (
            {"columns": {"id": "id", "label": "y", "score": "s"}},
            ["--history", "h.csv", "--window", "7d"],
            "name the column in `columns.timestamp`",
        ),
        (
            {"columns": {"id": "id", "score": "s", "timestamp": "at"}},
            ["--history", "h.csv", "--window", "7d"],
            "models cannot be judged",
        ),
        (
            {"columns": {"id": "id", "label": "late", "score": "s", "timestamp": "at"}},
            ["--history", "h.csv", "--window", "7d"],
            "h.csv has no column 'late'",
        ),
        (
            {"columns": {"id": "id", "label": "y", "score": "s", "timestamp": "x"}},
            ["--history", "h.csv", "--window", "7d"],
            "x",
        ),
        ({"retrain": {"when": []}}, ["--history", "h.csv", "--window", "7d"], "there is no policy to try"),
        ({"retrain": None}, ["--history", "h.csv", "--window", "7d"], "there is no policy to try"),
        (
            {"retrain": {"when": ["drift"]}},
            ["--history", "h.csv", "--window", "7d"],
            "`retrain.train:` is missing",
        ),
    ],
)
def test_what_cannot_be_replayed_is_one_message_and_exit_2(workspace, change, arguments, message):
    prepare(workspace, model={**settings(), **change})
    ended = workspace.tidegate("backtest", *arguments)
    assert ended.code == 2, ended.err
    assert message in ended.err
    assert "Traceback" not in ended.err
    assert not workspace.reports & {"backtest.json", "backtest.md", "backtest.html"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "p.yml is empty: it needs a policy"),
        ("- a", "keys with values belong here"),
        ("hasty: {when: [drif]}", "p.yml:1: hasty: unknown fact 'drif' in 'drif'. Did you mean 'drift'?"),
        ("a: {when: [drift]}\nhasty:\n  whenn: [drift]\n", "p.yml:3: hasty.whenn: unknown key"),
        ("hasty: {when: [drift], data: x}", "`data:` says how to train, not when"),
        ("hasty: {consecutive: 2}", "`when:` is missing or empty"),
        ("never: {when: [drift]}", "the name 'never' is taken"),
        ("every 3 windows: {when: [drift]}", "is taken"),
        ("'<b>': {when: [drift]}", "p.yml:1"),
        ("hasty: {when: [drift], false_alarm_rate: 0.7}", "hasty.false_alarm_rate"),
    ],
)
def test_a_file_of_policies_is_checked_line_by_line(workspace, text, message):
    prepare(workspace)
    workspace.write("p.yml", text)
    ended = backtest(workspace, "--policies", "p.yml")
    assert ended.code == 2
    assert message in ended.err


def test_a_training_that_fails_is_told(workspace):
    prepare(workspace)
    workspace.write("train.py", "import sys\nsys.exit('no memory left')")
    ended = backtest(workspace)
    assert ended.code == 1
    assert "the train command ended with exit code 1" in ended.err
    assert not list((workspace.root / "tidegate-out/backtest-state/models").glob("part-*"))


def odd_rows() -> list[Mapping[str, Any]]:
    rows: list[dict[str, Any]] = [dict(row) for row in history()]
    for i, row in enumerate(rows):
        if 4 * ROWS <= i < 5 * ROWS:
            row["y"] = 1  # one class alone
        if 6 * ROWS <= i < 7 * ROWS and i % 3:
            row["y"] = None
        row["constant"] = 7
        row["empty"] = None
        row["wild"] = ("inf", "-inf", "1e308", "")[i % 4]
        row["many"] = f"level {i}"
    rows[-1]["at"] = None
    return rows


def test_odd_windows_are_no_crash(workspace):
    model = settings(
        drift={"features": ["x", "constant", "empty", "wild", "many"]},
        retrain={"when": ["performance_drop", "drift.share > 0.9", "data_quality and concept_drift"]},
    )
    prepare(workspace, odd_rows(), model)
    workspace.write("train.py", TRAIN.replace('max(r["at"] for r in rows)', '"?"'))
    ended = backtest(workspace)
    assert (ended.code, ended.err) == (0, "")
    document = found(workspace)
    assert document["compared"] == [3, 5, 6, 7, 8, 9]
    assert document["by_name"]["never"]["windows"][1]["value"] is None
    assert document["warnings"][0] == "1 row without a time in at are left out"


def test_gaps_and_a_last_window_that_is_not_full_are_left_out(workspace):
    rows = [row for i, row in enumerate(history(windows=11)) if not 8 * ROWS <= i < 9 * ROWS][: 9 * ROWS + 20]
    prepare(workspace, rows)
    assert backtest(workspace).code == 0
    document = found(workspace)
    assert len(document["windows"]) == 9
    assert document["warnings"][:2] == [
        "the last window, from 2024-03-11 00:00, is less than half full",
        "1 window without rows are left out",
    ]


def test_the_rows_may_stand_in_any_order(workspace):
    prepare(workspace)
    workspace.write(
        "train.py", TRAIN.replace("late = rows[-120:]", 'late = sorted(rows, key=lambda r: r["at"])[-120:]')
    )
    assert backtest(workspace).code == 0
    ordered = found(workspace)
    rows = history()
    random.Random(3).shuffle(rows)
    workspace.table("h.csv", rows)
    assert backtest(workspace).code == 0
    shuffled = found(workspace)
    for one, other in zip(ordered["policies"], shuffled["policies"], strict=True):
        assert [(w["value"], w["decision"]) for w in one["windows"]] == [
            (w["value"], w["decision"]) for w in other["windows"]
        ]


def test_a_hold_out_of_the_configuration_is_the_reference(workspace):
    prepare(workspace, model=settings(retrain={"holdout": {"last": "14d"}}))
    assert backtest(workspace).code == 0
    trained = [int(rows) for rows in (workspace.root / "trained.log").read_text(encoding="utf-8").split()]
    # Two weeks are held out of each training, rather than one.
    assert all(abs(rows - ROWS * i) <= 1 for i, rows in enumerate(sorted(trained), 1))
    assert path(found(workspace)["by_name"]["configured"])[0] == TURN


def test_errors_are_lower_and_better(workspace):
    model = settings(task="regression")
    model["columns"] = {"id": "id", "label": "y", "prediction": "s", "timestamp": "at"}
    prepare(workspace, model=model)
    assert backtest(workspace).code == 0
    document = found(workspace)
    assert document["metric"] == "root_mean_squared_error"
    assert path(document["by_name"]["configured"])[0] == TURN
    never, always = document["by_name"]["never"], document["by_name"]["always"]
    assert never["mean_metric"] > always["mean_metric"]
    assert never["points_lost"] > always["points_lost"] >= 0


def test_training_on_the_newest_part_of_the_history(workspace):
    prepare(workspace)
    assert backtest(workspace, "--train-last", "21d").code == 0
    trained = [int(rows) for rows in (workspace.root / "trained.log").read_text(encoding="utf-8").split()]
    assert set(trained) == {2 * ROWS}


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("watched", [True, False])
def test_progress_is_for_people(monkeypatch, watched):
    for name in ("CI", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    screen = Screen() if watched else io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    progress = Progress(windows=4)
    progress.expect(3)
    progress.start("mine\x1b[2J")
    progress.window(6)
    progress.end()
    shown = screen.getvalue()
    if not watched:
        assert shown == ""
        return
    assert "mine\\x1b[2J: window 7, step 1 of 12, about 0 s left" in shown
    assert shown.endswith("\r\x1b[2K")


def test_the_reports_hold_what_was_found(replayed):
    out = replayed / "tidegate-out"
    markdown, html = ((out / f"backtest.{kind}").read_text(encoding="utf-8") for kind in ("md", "html"))
    assert markdown.startswith("## Backtest: ")
    for text in (markdown, html):
        for name in ("hasty", "every 3 windows", "performance_drop", "recommended"):
            assert name in text
    with (replayed / "h.csv").open(encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == WINDOWS * ROWS
