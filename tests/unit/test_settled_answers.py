"""The candidate's own command runs before anything is judged, and can write wherever this process can."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from test_comparison_inputs import (
    ACCURACY,
    BINARY,
    PREDICT,
    answers,
    change_model,
    configure,
    edit,
    golden_predictions,
    inputs,
    promote,
    repo,
    runs,
    watch,
)
from workspace import Workspace, project, workspace

from tidegate.errors import UserCommandError

__all__ = ["project", "repo", "workspace"]

# The candidate is the model without rates. It rewrites every table of predictions within reach.
REWRITE = """\
import tempfile
def rewrite(path):
    rows = list(csv.DictReader(open(path, encoding="utf-8", newline="")))
    if rows and {"p_late", "late"} <= set(rows[0]):
        with open(path, "w", encoding="utf-8", newline="") as stream:
            made = csv.DictWriter(stream, rows[0])
            made.writeheader()
            made.writerows({**row, "p_late": 0.123} for row in rows)
if not rates:
    for path in Path(tempfile.gettempdir()).glob("tidegate-*/**/*.csv"):
        rewrite(path)
"""


@pytest.fixture
def evil(repo: Workspace) -> Workspace:
    """A repository whose predict command rewrites tables as soon as the candidate runs."""
    temporary = repo.root.parent / "temporary"
    temporary.mkdir()
    repo.monkeypatch.setenv("TMPDIR", str(temporary))
    repo.monkeypatch.setattr("tempfile.tempdir", str(temporary))
    edit(repo, "predict.py", "with (\n", REWRITE + "with (\n")
    edit(repo, ".github/tidegate.yml", "sets: [recent, golden]", "sets: [golden]")
    repo.commit("evil")
    return repo


@pytest.mark.skipif(sys.platform == "win32", reason="another name of the temporary folder there")
@pytest.mark.parametrize("stored", [False, True])
def test_production_cannot_be_given_other_answers(evil: Workspace, stored: bool) -> None:
    golden_predictions(evil, 0.5)
    promote(evil, *(["--golden-predictions", "made.csv"] if stored else []))
    change_model(evil)

    told = "stored predictions of version 1" if stored else "predictions of production on the golden set"
    with pytest.raises(UserCommandError, match=f"^{told} changed while the predict command ran"):
        inputs(evil)


def test_a_table_that_was_given_cannot_be_rewritten(workspace: Workspace) -> None:
    predict = f"'{sys.executable}' predict.py {{data}} {{predictions}} {{model_dir}}"
    configure(workspace, ACCURACY, BINARY, golden="g.csv", predict=predict, retrain={"artifacts": ["m"]})
    workspace.write("predict.py", PREDICT + 'open("p.csv", "a").write("\\n")\n')
    workspace.write("m/model.txt", "m")
    workspace.table("g.csv", [{"id": row["id"], "y": row["y"]} for row in answers()])
    workspace.table("p.csv", answers())

    with pytest.raises(UserCommandError, match=r"^p.csv changed while the predict command ran"):
        inputs(workspace, production="p.csv")


def spoil(folder: Path) -> int:
    """Rewrite all tables that lie in a folder, as an earlier step of the job could; their number."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    for path in found:
        header, *rows = path.read_text(encoding="utf-8").splitlines()
        at = header.split(",").index("p_late")
        cells = [row.split(",") for row in rows]
        lines = [",".join([*row[:at], "0.5001", *row[at + 1 :]]) for row in cells]
        path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return len(found)


def test_no_earlier_step_leaves_answers_of_production(repo: Workspace) -> None:
    watch(repo)
    repo.commit("watch")
    promote(repo)
    change_model(repo)
    kept = repo.root.parent / "runner"
    job: Mapping[str, str] = {"GITHUB_ACTIONS": "true", "RUNNER_TEMP": str(kept)}
    before = [each.evaluation.production.score for each in inputs(repo, **job).sets]
    assert spoil(kept) == 2
    after = inputs(repo, **job).sets

    for score, each in zip(before, after, strict=True):
        np.testing.assert_array_equal(score, each.evaluation.production.score)
        assert set(np.ravel(each.evaluation.candidates["candidate"].score)) == {0.5001}
    # The candidate's answers are its own affair, and need not be made twice in a job.
    assert runs(repo) == ["production", "production", "candidate", "candidate", "production", "production"]


def test_the_gate_leaves_the_candidate_s_answers_for_the_comparison(repo: Workspace) -> None:
    watch(repo)
    edit(repo, ".github/tidegate.yml", "sets: [recent, golden]", "sets: [golden]")
    repo.commit("watch")
    promote(repo)
    change_model(repo)
    job = {"GITHUB_ACTIONS": "true", "RUNNER_TEMP": str(repo.root.parent / "runner")}
    repo.tidegate("evaluate-gate", "--forge", "none", **job)
    repo.tidegate("compare-to-prod", "--forge", "none", **job)

    assert runs(repo) == ["candidate", "production"]
    document = repo.document("compare-to-prod")
    assert document["baseline"]["source"] == "predict"
    assert json.dumps(document).count("tidegate-tables") == 0


def test_the_identity_of_a_set_outlives_its_order_and_format(repo: Workspace) -> None:
    edit(repo, ".github/tidegate.yml", "sets: [recent, golden]", "sets: [golden]")
    repo.commit("golden alone")
    promote(repo)
    change_model(repo)
    first = inputs(repo).sets[0].sha256
    path = repo.root / "data/golden.csv"
    header, *rows = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([header, *rows[::-1]]) + "\n", encoding="utf-8")
    again = inputs(repo).sets[0].sha256
    path.write_text("\n".join([header, *rows[1:]]) + "\n", encoding="utf-8")

    assert first == again != inputs(repo).sets[0].sha256
