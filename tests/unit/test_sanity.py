from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from workspace import Ended, Workspace, delivery_rows, project, workspace

from tidegate.findings import Finding
from tidegate.metrics.data import Predictions
from tidegate.sanity import look

__all__ = ["project", "workspace"]

Made = list[dict[str, Any]]


def found(data: Predictions) -> dict[str, Finding]:
    return {finding.finding: finding for finding in look(data)}


def binary(scores: np.ndarray, label: np.ndarray) -> Predictions:
    return Predictions("binary", len(label), ("0", "1"), label=label, score=scores)


RNG = np.random.default_rng(2)
LABEL = np.repeat([0, 1], 200)


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (binary(np.full(400, 0.3), LABEL), {"trivial_model"}),
        (binary(1 - LABEL * 0.9, LABEL), {"trivial_model"}),
        (binary(RNG.random(400), LABEL), {"trivial_model"}),
        (binary(np.clip(LABEL * 0.3 + RNG.random(400) * 0.7, 0, 1), LABEL), set()),
        (binary(LABEL * 0.9, LABEL), {"too_good"}),
        (binary(LABEL[150:250] * 0.9, LABEL[150:250]), {"too_good"}),
        (binary(LABEL[160:240] * 0.9, LABEL[160:240]), set()),
        (Predictions("binary", 400, ("0", "1"), LABEL, np.zeros(400, dtype=int)), {"trivial_model"}),
        (Predictions("binary", 400, ("0", "1"), LABEL, LABEL), {"too_good"}),
        (Predictions("multiclass", 400, ("a", "b", "c"), LABEL, np.ones(400, dtype=int)), {"trivial_model"}),
        (Predictions("multiclass", 400, ("a", "b", "c"), LABEL, LABEL), {"too_good"}),
        (Predictions("regression", 400, (), LABEL + 0.0, np.full(400, 0.5)), {"trivial_model"}),
        (Predictions("regression", 400, (), LABEL + 0.0, RNG.random(400)), {"trivial_model"}),
        (Predictions("regression", 400, (), LABEL + 0.0, LABEL + 0.2 * RNG.random(400)), set()),
        (Predictions("regression", 400, (), LABEL + 0.0, LABEL + 1e-4), {"too_good"}),
        (Predictions("binary", 400, ("0", "1"), LABEL), set()),
        (Predictions("binary", 0, ("0", "1"), LABEL[:0], LABEL[:0]), set()),
        (binary(np.full(400, 0.5), np.zeros(400, dtype=int)), set()),
    ],
)
def test_models_that_are_no_better_than_trivial_and_scores_too_good_to_be_true(
    data: Predictions, names: set[str]
) -> None:
    assert set(found(data)) == names


def test_rankings(workspace: Workspace) -> None:
    query, relevance = np.repeat(np.arange(100), 5), np.tile([3.0, 2, 1, 0, 0], 100)

    def ranking(score: np.ndarray) -> Predictions:
        return Predictions("ranking", 500, label=relevance, score=score, query=query)

    assert set(found(ranking(relevance))) == {"too_good"}
    assert set(found(ranking(RNG.random(500)))) == {"trivial_model"}
    assert set(found(ranking(relevance + 2 * RNG.random(500)))) == set()
    assert set(found(ranking(np.zeros(500)))) == {"trivial_model"}


def test_a_rare_class_makes_it_easy_to_be_right() -> None:
    label = np.repeat([0, 1], [9_800, 200])
    prediction = label.copy()
    prediction[-5:] = 0
    trivial = np.zeros(10_000, dtype=int)

    assert set(found(Predictions("binary", 10_000, ("0", "1"), label, prediction))) == set()
    assert set(found(Predictions("binary", 10_000, ("0", "1"), label, trivial))) == {"trivial_model"}


def rows(count: int = 400) -> Made:
    """Right in four of five, with features that tell nothing."""
    rng = np.random.default_rng(8)
    return [
        {
            "id": i,
            "y": i % 2,
            "s": 0.8 if (i % 2 == 1) == (i % 5 > 0) else 0.2,
            "age": round(float(rng.normal(40, 9)), 4),
            "city": "abcdef"[rng.integers(6)],
        }
        for i in range(count)
    ]


def trivial(made: Made) -> Made:
    return [{**row, "s": 0.5} for row in made]


def perfect(made: Made) -> Made:
    return [{**row, "s": row["y"]} for row in made]


def leaking(made: Made) -> Made:
    return [{**row, "refund": row["y"] * 30} for row in made]


def constant(made: Made) -> Made:
    return [{**row, "country": "NO"} for row in made]


def duplicated(made: Made) -> Made:
    return [*made, *({**row, "id": f"again-{row['id']}"} for row in made[:100])]


CHANGES = [
    ("trivial_model", trivial, None, "no better than one score for all rows"),
    ("too_good", perfect, None, "hardly possible without a leak"),
    ("leakage", leaking, "refund", "alone tells 'y'"),
    ("constant_column", constant, "country", "holds 'NO' in every row"),
    ("duplicate_rows", duplicated, None, "100 of 500 rows repeat another"),
]


def configure(place: Workspace, sanity: str) -> None:
    place.configure(
        "version: 1\nmodels:\n  m:\n    task: binary\n    columns: {id: id, label: y, score: s}\n"
        f"    sanity: {{{sanity}}}\n    gate:\n      - {{metric: roc_auc, min: 0.1}}\n"
    )


def judge(place: Workspace, made: Made) -> Ended:
    place.table("p.csv", list(made))
    ended = place.tidegate("evaluate-gate", "--predictions", "p.csv")
    assert ended.code in (0, 1), ended.err
    return ended


@pytest.mark.parametrize(
    ("severity", "code", "reasons", "warnings"),
    [("block", 1, 1, 0), ("warn", 0, 0, 1), ("info", 0, 0, 0), ("off", 0, 0, 0)],
)
@pytest.mark.parametrize(("name", "change", "column", "detail"), CHANGES)
def test_what_is_found_means_what_the_config_says(
    workspace: Workspace,
    name: str,
    change: Callable[[Made], Made],
    column: str | None,
    detail: str,
    severity: str,
    code: int,
    reasons: int,
    warnings: int,
) -> None:
    configure(workspace, f"{name}: {severity}")
    ended = judge(workspace, change(rows()))
    document = workspace.document("evaluate-gate")
    reported = [each for each in document["findings"] if each["finding"] == name]

    assert ended.code == code
    assert document["decision"] == ("fail" if code else "pass")
    sentence = name.replace("_", " ")
    assert sum(each.startswith(sentence) for each in document["reasons"]) == reasons
    assert sum(each.startswith(sentence) for each in document["warnings"]) == warnings
    if severity == "off":
        assert reported == []
    else:
        (one,) = reported
        assert (one["severity"], one["column"]) == (severity, column)
        assert detail in one["detail"]


def test_an_ordinary_table_raises_nothing(workspace: Workspace) -> None:
    configure(workspace, "")
    judge(workspace, rows())

    assert workspace.document("evaluate-gate")["findings"] == []
    assert workspace.document("evaluate-gate")["warnings"] == []


@pytest.mark.parametrize(
    ("shared", "identifier", "share"), [(0, "id", None), (40, "id", 0.1), (400, "id", 1.0), (40, "key", 0.1)]
)
def test_rows_that_the_model_was_trained_on(
    workspace: Workspace, shared: int, identifier: str, share: float | None
) -> None:
    configure(workspace, "training: train.csv, training_overlap: block")
    made = rows()
    other = [
        {**row, "age": -1 - i, "city": f"z{i}"} | ({"id": f"t{i}"} if identifier == "id" else {})
        for i, row in enumerate(rows(1_000)[400:])
    ]
    # What trains a model has no scores yet; without ids, rows are told by what they hold.
    training = [
        {("id" if identifier == "id" else "other"): r["id"], "y": r["y"], "age": r["age"], "city": r["city"]}
        for r in [*made[:shared], *other]
    ]
    workspace.table("train.csv", list(training))
    ended = judge(workspace, made)
    reported = workspace.document("evaluate-gate")["findings"]

    assert ended.code == (0 if share is None else 1)
    assert [(each["finding"], each["value"]) for each in reported] == (
        [] if share is None else [("training_overlap", share)]
    )


def test_the_training_table_must_be_there(workspace: Workspace) -> None:
    configure(workspace, "training: gone.csv")
    workspace.table("p.csv", list(rows()))
    ended = workspace.tidegate("evaluate-gate", "--predictions", "p.csv")

    assert ended.code == 2
    assert "gone.csv does not exist" in ended.err
    assert workspace.reports == set()


def pull_request(place: Workspace, base: str) -> dict[str, str]:
    event = place.root.parent / "event.json"
    event.write_text(
        f'{{"pull_request": {{"number": 1, "base": {{"sha": "{base}", "ref": "main"}}, "head": {{"sha": "x"}}}}}}',
        encoding="utf-8",
    )
    return {
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_EVENT_PATH": str(event),
        "GITHUB_REPOSITORY": "o/r",
        "RUNNER_TEMP": str(place.root.parent / "temp"),
    }


@pytest.mark.parametrize(
    ("golden", "model", "changed"),
    [(True, True, True), (True, False, False), (False, True, False), (False, False, False)],
)
def test_a_golden_set_that_moves_with_the_model_is_called_out(
    project: Workspace, golden: bool, model: bool, changed: bool
) -> None:
    config = (project.root / ".github/tidegate.yml").read_text(encoding="utf-8")
    project.configure(config.replace("    gate:", "    sanity: {golden_changed: block}\n    gate:"))
    project.write(".gitignore", "tidegate-out/\n")
    base = project.commit("keep the data")
    if golden:
        delivery_rows(project.root / "data/golden.csv", 380, 9)
    if model:
        rates = project.root / "models/late-delivery/rates.json"
        rates.write_text(rates.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    ended = project.tidegate("evaluate-gate", "--forge", "none", **pull_request(project, base))
    assert ended.code in (0, 1), ended.err
    document = project.document("evaluate-gate")

    assert ended.code == (1 if changed else 0)
    assert document["golden"]["path"] == "data/golden.csv"
    assert document["golden"]["changed_with_model"] is changed
    assert document["golden"]["sha256"] == sha256_of(project.root / "data/golden.csv")
    assert any(each.startswith("golden changed: ") for each in document["reasons"]) is changed


def test_outside_of_a_pull_request_nothing_is_known_of_a_change(project: Workspace) -> None:
    assert project.tidegate("evaluate-gate").code == 0
    golden = project.document("evaluate-gate")["golden"]

    assert golden["changed_with_model"] is None
    assert len(golden["sha256"]) == 64


def sha256_of(path: Path) -> str:
    from hashlib import sha256

    return sha256(path.read_bytes()).hexdigest()
