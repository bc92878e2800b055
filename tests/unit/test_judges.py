"""What a pull request changes of what judges it is said, and stops nothing."""

import json

import pytest
from test_comparison_inputs import ACCURACY, BINARY, answers, configure, inputs
from workspace import Workspace, workspace

__all__ = ["workspace"]

STRICT = {
    **ACCURACY,
    "guardrails": [{"metric": "log_loss", "margin": 0.01}],
    "reuse": {"horizon": 8},
}
MOVED = "what judges it moves with it"


@pytest.fixture
def base(workspace: Workspace) -> Workspace:
    """A repository at the base of a pull request, with tables to compare."""
    workspace.git("init", "-q", "-b", "main")
    workspace.write(".gitignore", "*.csv\n!golden.csv\ntidegate-out/\nevent.json\n")
    workspace.table("golden.csv", [{"id": row["id"], "y": row["y"]} for row in answers()])
    workspace.table("p.csv", answers())
    workspace.write("model/m.txt", "one")
    configure(workspace, STRICT, golden="golden.csv", retrain={"artifacts": ["model"]})
    workspace.git("add", ".")
    workspace.git("commit", "-q", "-m", "base")
    return workspace


def warnings(place: Workspace, *, pull_request: bool = True) -> list[str]:
    """What is said of a pull request from the last commit to the working tree."""
    event = {"pull_request": {"number": 1, "base": {"sha": place.git("rev-parse", "HEAD"), "ref": "main"}}}
    path = place.write("event.json", json.dumps(event))
    job = {"GITHUB_EVENT_PATH": str(path)} if pull_request else {}
    return inputs(place, "c=p.csv", production="p.csv", **job).warnings


def change(place: Workspace, compare: object, **more: object) -> None:
    configure(place, compare, **{"golden": "golden.csv", "retrain": {"artifacts": ["model"]}, **more})


def test_a_pull_request_that_leaves_its_judge_alone_is_told_nothing(base: Workspace) -> None:
    base.write("model/m.txt", "two")
    config = base.root / ".github/tidegate.yml"
    config.write_text("# words\n" + config.read_text(encoding="utf-8"), encoding="utf-8")

    assert warnings(base) == []


def test_keys_that_differ_are_named_with_both_values(base: Workspace) -> None:
    change(base, {**STRICT, "guardrails": [{"metric": "log_loss", "margin": 0.5}]})

    assert warnings(base) == [
        f"this pull request changes `compare:` (guardrails.0.margin 0.01 -> 0.5): {MOVED}"
    ]
    assert warnings(base, pull_request=False) == []


def test_what_is_dropped_counts_as_changed(base: Workspace) -> None:
    change(base, ACCURACY)
    (told,) = warnings(base)

    assert 'guardrails.0 {"metric": "log_loss", ' in told
    assert '-> none, reuse {"horizon": 8, "adaptivity": "none"} -> none): ' in told


def test_of_many_keys_five_are_named(base: Workspace) -> None:
    other = {
        "confidence": 0.9,
        "correction": "hierarchical",
        "on_inconclusive": "promote",
        "max_unmatched_share": 0.5,
        "suspicious_gain": 1,
        "flipped_rows": 0,
    }
    change(base, {**STRICT, **other})
    (told,) = warnings(base)

    assert told.count(" -> ") == 5
    assert told.endswith(f" and 1 more): {MOVED}")


def test_columns_and_sets_judge_as_well(base: Workspace) -> None:
    change(base, STRICT, columns={**BINARY, "threshold": 0.3}, golden="p.csv")

    assert warnings(base) == [
        f"this pull request changes `columns:` (threshold 0.5 -> 0.3): {MOVED}",
        f"this pull request changes `golden:` (golden.csv -> p.csv): {MOVED}",
    ]


def test_a_source_that_points_elsewhere_is_another_set(base: Workspace) -> None:
    config = base.root / ".github/tidegate.yml"
    text = config.read_text(encoding="utf-8").replace('golden: "golden.csv"', 'golden: "named"')
    config.write_text(text + "sources: {named: {path: golden.csv}}\n", encoding="utf-8")
    assert warnings(base) == []
    config.write_text(text + "sources: {named: {path: p.csv}}\n", encoding="utf-8")

    assert warnings(base) == [f"this pull request changes `golden:` (golden.csv -> p.csv): {MOVED}"]


@pytest.mark.parametrize("watched", [True, False])
def test_a_golden_set_that_changes_with_the_model_is_said(base: Workspace, watched: bool) -> None:
    sanity = {} if watched else {"sanity": {"golden_changed": "off"}}
    change(base, STRICT, **sanity)
    base.write("golden.csv", "id,y\n1,1\n")
    alone = warnings(base)
    base.write("model/m.txt", "two")
    both = warnings(base)

    assert alone == []
    told = f"this pull request changes the golden set golden.csv together with the model: {MOVED}"
    assert both == ([told] if watched else [])


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (None, "the base of this pull request has no .github/tidegate.yml with model 'm': "),
        ("version: 1\nmodels: {other: {task: binary}}\n", "the base of this pull request has no "),
        ("version: [\n", "whether this pull request changes what judges it cannot be told: its base: "),
        ("version: 2\n", "whether this pull request changes what judges it cannot be told: its base: "),
    ],
)
def test_a_base_without_a_configuration_to_compare_with_is_said(
    base: Workspace, config: str | None, told: str
) -> None:
    path = base.root / ".github/tidegate.yml"
    now = path.read_text(encoding="utf-8")
    if config is None:
        path.unlink()
    else:
        path.write_text(config, encoding="utf-8")
    base.git("commit", "-q", "-a", "-m", "another base")
    path.write_text(now, encoding="utf-8")
    (said,) = warnings(base)

    assert said.startswith(told)
    assert "\n" not in said


def test_a_base_out_of_reach_stops_nothing(base: Workspace) -> None:
    event = {"pull_request": {"number": 1, "base": {"sha": "0" * 40, "ref": "main"}}}
    path = base.write("event.json", json.dumps(event))
    found = inputs(base, "c=p.csv", production="p.csv", GITHUB_EVENT_PATH=str(path)).warnings

    assert [warning.partition(":")[0] for warning in found] == [
        "whether this pull request changes what judges it cannot be told"
    ]
