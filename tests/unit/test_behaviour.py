from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from workspace import CONFIG, Ended, Workspace, rows, workspace

__all__ = ["workspace"]

HEAD = """\
version: 1
models:
  m:
    task: {task}
    columns: {columns}
    sanity: {{trivial_model: off, too_good: off, duplicate_rows: off}}
    gate:
"""
BINARY = ("binary", "{id: id, label: y, score: s}")
REGRESSION = ("regression", "{id: id, label: y, prediction: p}")
MULTICLASS = ("multiclass", "{id: id, label: y, score: {a: pa, b: pb}}")
RANKING = ("ranking", "{id: id, label: y, score: s, query: q}")


def judge(place: Workspace, task: tuple[str, str], items: Sequence[str], table: str) -> Ended:
    place.configure(
        HEAD.format(task=task[0], columns=task[1]) + "".join(f"      - {item}\n" for item in items)
    )
    place.write("p.csv", table)
    return place.tidegate("evaluate-gate", "--predictions", "p.csv")


def check(place: Workspace, task: tuple[str, str], item: str, table: str) -> dict[str, Any]:
    """The one check that the gate makes of an item."""
    ended = judge(place, task, [item], table)
    assert ended.code in (0, 1), ended.err
    (found,) = place.document("evaluate-gate")["checks"]
    assert (ended.code == 0) == (found["verdict"] == "pass")
    return dict(found)


PAIRS = "id,y,s,pair\n0,1,0.90,x\n1,1,0.85,x\n2,0,0.10,7\n3,0,0.10,7\n4,1,0.60,\n5,0,0.40,lonely\n"


@pytest.mark.parametrize(
    ("tolerance", "verdict", "value", "detail"),
    [
        ("", "pass", 0.0, "1 row without a partner"),
        (", tolerance: 0.05", "pass", 0.0, "1 row without a partner"),
        (", tolerance: 0.049", "fail", 0.5, "1 of 2 pairs differ: x; 1 row without a partner"),
        (", tolerance: 0", "fail", 0.5, "1 of 2 pairs differ: x"),
    ],
)
def test_pairs_are_answered_alike(
    workspace: Workspace, tolerance: str, verdict: str, value: float, detail: str
) -> None:
    found = check(workspace, BINARY, f"{{invariance: {{pair: pair{tolerance}}}}}", PAIRS)

    assert (found["metric"], found["verdict"], found["value"], found["rows"]) == (
        "invariance",
        verdict,
        value,
        2,
    )
    assert found["threshold"] == {"max": 0.0}
    assert detail in found["detail"]


def test_without_a_tolerance_the_class_must_be_the_same(workspace: Workspace) -> None:
    table = "id,y,s,pair\n0,1,0.51,x\n1,1,0.49,x\n2,1,0.99,z\n3,1,0.51,z\n"
    found = check(workspace, BINARY, "{invariance: {pair: pair}, max_share: 0.4}", table)

    assert (found["verdict"], found["value"], found["threshold"]) == ("fail", 0.5, {"max": 0.4})
    assert check(workspace, BINARY, "{invariance: {pair: pair}, max_share: 0.5}", table)["verdict"] == "pass"


def test_the_widest_of_several_rows_of_a_pair_counts(workspace: Workspace) -> None:
    table = "id,y,s,pair\n0,1,0.9,x\n1,1,0.7,x\n2,1,0.8,x\n3,0,0.1,z\n4,0,0.2,z\n"

    for tolerance, value in ((0.2, 0.0), (0.15, 0.5), (0.05, 1.0)):
        item = f"{{invariance: {{pair: pair, tolerance: {tolerance}}}}}"
        assert check(workspace, BINARY, item, table)["value"] == value


@pytest.mark.parametrize(
    ("task", "table", "item", "value"),
    [
        (REGRESSION, "id,y,p,pair\n0,1,10,x\n1,1,11,x\n", "{invariance: {pair: pair, tolerance: 1}}", 0.0),
        (REGRESSION, "id,y,p,pair\n0,1,10,x\n1,1,11,x\n", "{invariance: {pair: pair, tolerance: 0.9}}", 1.0),
        (REGRESSION, "id,y,p,pair\n0,1,10,x\n1,1,10,x\n", "{invariance: {pair: pair}}", 0.0),
        (RANKING, "id,y,s,q,pair\n0,1,3,a,x\n1,0,7,b,x\n", "{invariance: {pair: pair, tolerance: 4}}", 0.0),
        (RANKING, "id,y,s,q,pair\n0,1,3,a,x\n1,0,7,b,x\n", "{invariance: {pair: pair}}", 1.0),
        (
            MULTICLASS,
            "id,y,pa,pb,pair\n0,a,0.9,0.1,x\n1,b,0.6,0.4,x\n",
            "{invariance: {pair: pair, tolerance: 0.3}}",
            0.0,
        ),
        (
            MULTICLASS,
            "id,y,pa,pb,pair\n0,a,0.9,0.1,x\n1,b,0.6,0.4,x\n",
            "{invariance: {pair: pair, tolerance: 0.2}}",
            1.0,
        ),
        (MULTICLASS, "id,y,pa,pb,pair\n0,a,0.9,0.1,x\n1,b,0.6,0.4,x\n", "{invariance: {pair: pair}}", 0.0),
        (MULTICLASS, "id,y,pa,pb,pair\n0,a,0.9,0.1,x\n1,b,0.4,0.6,x\n", "{invariance: {pair: pair}}", 1.0),
    ],
)
def test_every_task_has_an_answer_to_compare(
    workspace: Workspace, task: tuple[str, str], table: str, item: str, value: float
) -> None:
    assert check(workspace, task, item, table)["value"] == value


STEPS = "id,y,s,pair,amount\n0,0,0.1,x,10\n1,1,0.3,x,200\n2,1,0.9,x,3000\n3,0,0.5,z,1\n4,0,0.4,z,2\n"


@pytest.mark.parametrize(
    ("keys", "value", "named"),
    [
        ("expect: increase", 0.5, "z"),
        ("expect: decrease", 0.5, "x"),
        ("expect: increase, min_change: 0.2", 0.5, "z"),
        ("expect: increase, min_change: 0.21", 1.0, "x, z"),
        ("expect: decrease, min_change: 0.1", 0.5, "x"),
    ],
)
def test_a_change_moves_the_score_in_the_known_direction(
    workspace: Workspace, keys: str, value: float, named: str
) -> None:
    found = check(workspace, BINARY, f"{{directional: {{pair: pair, order: amount, {keys}}}}}", STEPS)

    assert (found["metric"], found["rows"], found["value"]) == ("directional", 2, value)
    assert f"move the wrong way: {named}" in found["detail"]


def test_the_order_is_that_of_the_column_and_not_of_the_file(workspace: Workspace) -> None:
    header, *lines = STEPS.splitlines()
    item = "{directional: {pair: pair, order: amount, expect: increase}}"
    expected = check(workspace, BINARY, item, STEPS)
    rng = np.random.default_rng(1)

    for _ in range(5):
        turned = "\n".join([header, *(lines[i] for i in rng.permutation(len(lines)))]) + "\n"
        assert check(workspace, BINARY, item, turned) == expected


def test_rows_at_the_same_place_and_rows_without_one_expect_nothing(workspace: Workspace) -> None:
    table = "id,y,s,pair,amount\n0,0,0.3,x,1\n1,1,0.1,x,1\n2,1,0.9,x,2\n3,0,0.0,x,\n4,0,0.5,z,1\n5,0,0.4,z,\n"
    found = check(workspace, BINARY, "{directional: {pair: pair, order: amount, expect: increase}}", table)

    assert (found["verdict"], found["value"], found["rows"]) == ("pass", 0.0, 1)
    assert "1 row without a partner" in found["detail"]


def test_regression_moves_its_prediction(workspace: Workspace) -> None:
    table = "id,y,p,pair,size\n0,1,100,x,1\n1,1,150,x,2\n"

    for expect, value in (("increase", 0.0), ("decrease", 1.0)):
        item = f"{{directional: {{pair: pair, order: size, expect: {expect}}}}}"
        assert check(workspace, REGRESSION, item, table)["value"] == value


@pytest.mark.parametrize(
    "item",
    ["{invariance: {pair: pair}}", "{directional: {pair: pair, order: s, expect: increase}}"],
)
@pytest.mark.parametrize(
    "table", ["id,y,s,pair\n0,1,0.9,x\n1,0,0.1,z\n", "id,y,s,pair\n0,1,0.9,\n1,0,0.1,\n"]
)
def test_without_pairs_nothing_has_been_shown(workspace: Workspace, item: str, table: str) -> None:
    found = check(workspace, BINARY, item, table)

    assert (found["verdict"], found["value"], found["rows"]) == ("fail", None, 0)
    assert "no two rows share a pair" in found["detail"]


def test_many_broken_pairs_are_counted_and_a_few_named(workspace: Workspace) -> None:
    table = "id,y,s,pair\n" + "".join(f"{i},1,0.{1 + 8 * (i % 2)},p{i // 2}\n" for i in range(40))
    found = check(workspace, BINARY, "{invariance: {pair: pair}}", table)

    assert found["detail"].endswith("20 of 20 pairs differ: p0, p1, p10, p11, p12 and 15 more")


def test_what_a_pair_is_called_cannot_forge_the_report(workspace: Workspace) -> None:
    name = "![x](http://evil.example/x.png)<script>"
    check(workspace, BINARY, "{invariance: {pair: pair}}", f"id,y,s,pair\n0,1,0.9,{name}\n1,1,0.1,{name}\n")
    folder = workspace.root / "tidegate-out"

    markdown = (folder / "evaluate-gate.md").read_text(encoding="utf-8")
    assert "evil" in markdown
    assert "![x](" not in markdown
    assert "<script>" not in markdown
    page = (folder / "evaluate-gate.html").read_text(encoding="utf-8")
    assert "evil.example/x.png)&lt;script&gt;" in page
    assert "x.png)<script>" not in page


HARD = "id,y,s\nh-1,1,0.9\nh-2,0,0.2\nh-3,1,0.2\n4,0,0.1\n"


@pytest.mark.parametrize(
    ("ids", "wrong", "detail"),
    [
        ("[h-1, h-2]", 0, ""),
        ("[h-1, h-1]", 0, ""),
        ("[4, '4']", 0, ""),
        ("[h-1, h-3]", 1, "wrong: h-3"),
        ("[h-9, h-3, h-1]", 2, "wrong: h-3; not in the table: h-9"),
        ("[5]", 1, "not in the table: 5"),
        ("{ids: [h-3]}", 1, "wrong: h-3"),
        ("{file: hard.csv}", 1, "wrong: h-3"),
        ("{file: hard.csv, column: case}", 1, "not in the table: h-7"),
        ("{file: cases}", 1, "wrong: h-3"),
    ],
)
def test_known_cases_must_be_answered_right(workspace: Workspace, ids: str, wrong: int, detail: str) -> None:
    workspace.write("hard.csv", "id,case\nh-1,h-7\nh-3,h-1\n")
    workspace.configure()
    ended = judge(workspace, BINARY, [f"{{must_pass: {ids}}}"], HARD)
    if ids == "{file: cases}":
        config = (workspace.root / ".github/tidegate.yml").read_text(encoding="utf-8")
        workspace.configure(config.replace("version: 1", "version: 1\nsources: {cases: {path: hard.csv}}"))
        ended = workspace.tidegate("evaluate-gate", "--predictions", "p.csv")
    assert ended.code == (1 if wrong else 0), ended.err
    (found,) = workspace.document("evaluate-gate")["checks"]

    assert (found["metric"], found["value"], found["threshold"]) == ("must_pass", wrong, {"max": 0.0})
    assert found["detail"] == (f"is above the maximum 0; {detail}" if wrong else "")


@pytest.mark.parametrize("spelling", ["7", "7.0", "'7'"])
def test_ids_are_numbers_or_text_alike(workspace: Workspace, spelling: str) -> None:
    table = "id,y,s\n7,1,0.2\n8,0,0.1\n"
    ended = judge(workspace, BINARY, [f"{{must_pass: [{spelling}]}}"], table)

    assert ended.code == 1, ended.err
    assert "wrong: 7" in workspace.document("evaluate-gate")["checks"][0]["detail"]


def test_a_tolerance_says_how_far_off_is_right(workspace: Workspace) -> None:
    table = "id,y,p\na,10,10.5\nb,10,12\n"
    for tolerance, wrong in ((0.5, 1), (2, 0), (0, 2)):
        item = f"{{must_pass: {{ids: [a, b], tolerance: {tolerance}}}}}"
        assert check(workspace, REGRESSION, item, table)["value"] == wrong


def test_multiclass_cases(workspace: Workspace) -> None:
    table = "id,y,pa,pb\n0,a,0.9,0.1\n1,b,0.6,0.4\n"

    assert check(workspace, MULTICLASS, "{must_pass: [0]}", table)["verdict"] == "pass"
    assert check(workspace, MULTICLASS, "{must_pass: [0, 1]}", table)["verdict"] == "fail"


@pytest.mark.parametrize(
    ("task", "item", "told"),
    [
        (BINARY, "{must_pass: []}", "give either `ids:` or a `file:`"),
        (BINARY, "{must_pass: {ids: [1], file: x.csv}}", "give either `ids:` or a `file:`"),
        (
            BINARY,
            "{must_pass: {ids: [1], tolerance: 1}}",
            "needs a `tolerance:` for regression, and takes none",
        ),
        (REGRESSION, "{must_pass: [1]}", "needs a `tolerance:` for regression"),
        (RANKING, "{must_pass: [1]}", "a ranking has none"),
        (MULTICLASS, "{directional: {pair: q, order: r, expect: increase}}", "needs one score"),
        (("binary", "{label: y, score: s}"), "{must_pass: [1]}", "needs `columns.id:`"),
        (BINARY, "{must_pass: {file: none.csv}}", "none.csv does not exist"),
        (BINARY, "{must_pass: {file: p.csv, column: case}}", "p.csv has no column 'case'"),
        (BINARY, "{must_pass: {file: void.csv}}", "void.csv names no rows"),
        (BINARY, "{invariance: {pair: pair, tolerance: -1}}", "greater than or equal to 0"),
        (BINARY, "{invariance: {pair: pair}, max_share: 2}", "less than or equal to 1"),
        (BINARY, "{invariance: {tolerance: 0.1}}", "the key 'pair' is missing"),
    ],
)
def test_what_a_check_of_behaviour_needs_is_asked_for(
    workspace: Workspace, task: tuple[str, str], item: str, told: str
) -> None:
    workspace.write("void.csv", "id\n")
    ended = judge(workspace, task, [item], HARD)

    assert ended.code == 2
    assert told in ended.err
    assert len(ended.err.splitlines()) == 1
    assert workspace.reports == set()


@pytest.mark.parametrize(("severity", "code", "warned"), [("block", 1, 0), ("warn", 0, 1), ("info", 0, 0)])
@pytest.mark.parametrize(
    "item",
    [
        "{invariance: {pair: pair, tolerance: 0}",
        "{directional: {pair: pair, order: s, expect: decrease}",
        "{must_pass: [5, 99]",
        "{schema: {s: text, nothing: time}",
        "{command: python -c 'print(3)', max: 2",
        "{metric: accuracy, min: 0.99",
        "{metric: missing_share, column: pair, max: 0",
    ],
)
def test_each_kind_of_item_has_a_severity(
    workspace: Workspace, item: str, severity: str, code: int, warned: int
) -> None:
    table = PAIRS.replace("5,0,0.40", "5,0,0.60")
    ended = judge(workspace, BINARY, ["{metric: accuracy, min: 0}", f"{item}, severity: {severity}}}"], table)
    document = workspace.document("evaluate-gate")

    assert ended.code == code, ended.err
    assert document["decision"] == ("fail" if code else "pass")
    assert (document["checks"][1]["severity"], document["checks"][1]["verdict"]) == (severity, "fail")
    assert len(document["warnings"]) == warned


def test_a_check_that_warns_may_stand_beside_others(workspace: Workspace) -> None:
    workspace.configure(CONFIG + "      - {must_pass: [39, 33], severity: warn}\n")
    workspace.table("p.csv", rows())
    ended = workspace.tidegate("evaluate-gate", "--predictions", "p.csv")

    assert ended.code == 0
    assert any("wrong: 39, 33" in warning for warning in workspace.document("evaluate-gate")["warnings"])


def test_rows_at_one_place_of_the_order_are_taken_together(workspace: Workspace) -> None:
    item = "{directional: {pair: pair, order: dose, expect: increase}}"
    head = "id,y,s,pair,dose\n"
    rows = ["0,1,0.5,x,1\n", "1,1,0.9,x,1\n", "2,1,0.7,x,2\n"]
    answers = [check(workspace, BINARY, item, head + "".join(turned)) for turned in (rows, rows[::-1])]

    assert [found["verdict"] for found in answers] == ["fail", "fail"]
    assert answers[0] == answers[1]


def test_a_pair_that_never_moves_shows_nothing(workspace: Workspace) -> None:
    item = "{directional: {pair: pair, order: dose, expect: increase}}"
    still = "0,1,0.5,x,1\n1,1,0.9,x,1\n2,1,0.4,y,\n3,1,0.4,y,\n"
    found = check(workspace, BINARY, item, "id,y,s,pair,dose\n" + still)
    assert (found["verdict"], found["value"]) == ("fail", None)

    moving = still + "4,1,0.2,z,1\n5,1,0.3,z,2\n"
    found = check(workspace, BINARY, item, "id,y,s,pair,dose\n" + moving)
    assert (found["verdict"], found["rows"]) == ("pass", 1)
    assert found["detail"] == "2 rows without dose; 1 pair without a step"
