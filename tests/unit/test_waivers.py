from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from workspace import CONFIG, Ended, Workspace, rows, workspace

from tidegate.config import Check, Sanity, Waiver
from tidegate.gate import GateResult, Known, judge
from tidegate.metrics.data import Predictions
from tidegate.tables import Column

__all__ = ["workspace"]

LAST = "2026-06-30"
QUIET = Sanity(trivial_model="off", too_good="off")


def waiver(**keys: Any) -> Waiver:
    given = {"metric": "accuracy", "expires": LAST, "owner": "Ada", "reason": "labels are late"}
    return Waiver.model_validate(given | keys)


def data() -> Predictions:
    """Right in city x, wrong in y and where the city is missing."""
    label = np.ones(9, dtype=np.int32)
    right = np.array([1, 1, 1, 0, 0, 0, 0, 0, 0])
    codes = np.array([0, 0, 0, 1, 1, 1, -1, -1, -1], dtype=np.int32)
    city = Column("city", "category", codes, ("x", "y"))
    sex = Column("sex", "category", codes, (1, 2))
    columns = {("city", "category"): city, ("sex", "category"): sex}
    return Predictions("binary", 9, ("0", "1"), label, right, columns=columns)


def gate(
    checks: list[dict[str, Any]],
    waivers: list[Waiver],
    today: str = "2026-06-01",
    sanity: Sanity = QUIET,
) -> GateResult:
    items = [Check.model_validate({"metric": "accuracy", **check}) for check in checks]
    return judge(data(), items, Known(date.fromisoformat(today)), sanity=sanity, waived=waivers)


@pytest.mark.parametrize(
    ("today", "decision", "state"),
    [
        ("2026-06-01", "pass", "used"),
        (LAST, "pass", "used"),
        ("2026-07-01", "fail", "expired"),
        ("2030-01-01", "fail", "expired"),
    ],
)
def test_a_waiver_counts_until_the_end_of_its_last_day(today: str, decision: str, state: str) -> None:
    result = gate([{"min": 0.9}], [waiver()], today)
    (check,), (applied,) = result.checks, result.waivers

    assert (result.decision, check.verdict) == (decision, "fail")
    assert (applied.state, applied.covers, applied.expires) == (state, 1, LAST)
    assert (check.waiver is not None) == (state == "used")
    assert any(LAST in warning and "Ada" in warning for warning in result.warnings)


def test_a_waived_check_is_told_loudly() -> None:
    result = gate([{"min": 0.9}, {"min": 0.1}], [waiver()])

    assert result.decision == "pass"
    assert result.reasons == ["1 check passed; 1 failing check waived"]
    assert result.warnings == [
        "waived, not passed: accuracy: 0.3333 is below the minimum 0.9",
        "the waiver of accuracy counts until 2026-06-30: owner Ada, reason: labels are late",
    ]
    assert result.checks[0].waiver is not None
    assert result.checks[1].waiver is None


def test_an_inconclusive_check_may_be_waived() -> None:
    check = {"min": 0.3, "confidence": 0.95}
    assert gate([check], []).decision == "inconclusive"
    result = gate([check], [waiver()])

    assert (result.decision, result.checks[0].verdict) == ("pass", "inconclusive")
    assert result.waivers[0].state == "used"


def test_a_waiver_that_excuses_nothing_is_told() -> None:
    result = gate([{"min": 0.1}], [waiver(), waiver(metric="recall", expires="2026-05-31")])

    assert result.decision == "pass"
    assert [(each.state, each.covers) for each in result.waivers] == [("unused", 0), ("expired", 0)]
    assert result.warnings == [
        "the waiver of accuracy excuses nothing: no check that it names fails and blocks; remove it",
        "the waiver of recall expired on 2026-05-31: mend the model, or have Ada renew it",
    ]


BY_CITY = {"min": 0.9, "slices": ["city"]}


@pytest.mark.parametrize(
    ("keys", "covered"),
    [
        ({}, ["y", None]),
        ({"slice": {"city": "y"}}, ["y"]),
        ({"slice": {"city": None}}, [None]),
        ({"slice": {"city": "x"}}, []),
        ({"slice": {"town": "y"}}, []),
        ({"slice": {"city": "y", "town": "z"}}, []),
        ({"column": "city"}, []),
        ({"by": "city"}, []),
        ({"metric": "recall"}, []),
    ],
)
def test_a_waiver_covers_the_slices_that_it_names(keys: dict[str, Any], covered: list[str | None]) -> None:
    result = gate([BY_CITY], [waiver(**keys)])

    assert [(c.slice or {})["city"] for c in result.checks if c.waiver] == covered
    assert result.waivers[0].covers == len(covered)
    assert result.decision == ("pass" if len(covered) == 2 else "fail")


@pytest.mark.parametrize("spelling", [2, 2.0, "2"])
def test_a_slice_is_named_in_any_spelling(spelling: object) -> None:
    result = gate([{"min": 0.9, "slices": [{"sex": [1, 2]}]}], [waiver(slice={"sex": spelling})])

    assert result.decision == "pass"


def test_a_waiver_of_one_slice_is_none_of_the_whole() -> None:
    assert gate([{"min": 0.9}], [waiver(slice={"city": "y"})]).decision == "fail"


def test_waivers_in_force_add_up_and_the_first_one_is_named() -> None:
    result = gate(
        [BY_CITY], [waiver(slice={"city": "y"}), waiver(slice={"city": None}, owner="Bo"), waiver()]
    )

    assert result.decision == "pass"
    assert [c.waiver.owner for c in result.checks if c.waiver] == ["Ada", "Bo"]
    assert [each.covers for each in result.waivers] == [1, 1, 2]


def test_a_check_that_only_warns_needs_no_waiver() -> None:
    result = gate([{"min": 0.9, "severity": "warn"}, {"min": 0.1}], [waiver()])

    assert result.checks[0].waiver is None
    assert result.waivers[0].state == "unused"


def test_waiving_the_only_check_leaves_the_finding_that_blocks() -> None:
    block = Sanity(trivial_model="block", too_good="off")
    result = gate([{"min": 0.9}], [waiver()], sanity=block)
    assert (result.decision, len(result.reasons)) == ("fail", 1)
    assert result.reasons[0].startswith("trivial model: ")

    both = gate([{"min": 0.9}], [waiver(), waiver(metric="trivial_model")], sanity=block)
    assert both.decision == "pass"
    assert both.findings[0].waiver is not None
    assert [each.state for each in both.waivers] == ["used", "used"]
    assert any("trivial model" in warning for warning in both.warnings)


def test_fairness_is_waived_by_its_column() -> None:
    check = {"metric": "equal_opportunity_difference", "by": "city", "max": 0.1}

    for by, decision in (("city", "pass"), ("sex", "fail"), (None, "pass")):
        keys = {} if by is None else {"by": by}
        assert gate([check], [waiver(metric=check["metric"], **keys)]).decision == decision


def configured(place: Workspace, body: str, right: int = 20) -> Ended:
    place.configure(CONFIG + f"    waivers:\n{body}")
    place.table("p.csv", rows(right=right))
    return place.tidegate("evaluate-gate", "--predictions", "p.csv")


def entry(days: int = 1, owner: str = "Ada", reason: str = "late labels", metric: str = "accuracy") -> str:
    day = datetime.now(UTC).date() + timedelta(days)
    return f"      - {{metric: {metric}, expires: {day}, owner: {owner}, reason: {reason}}}\n"


@pytest.mark.parametrize(("days", "code", "state"), [(1, 0, "used"), (-1, 1, "expired")])
def test_the_whole_gate_lets_a_waived_failure_through_and_says_so(
    workspace: Workspace, days: int, code: int, state: str
) -> None:
    ended = configured(workspace, entry(days))
    document = workspace.document("evaluate-gate")
    (check,), (applied,) = document["checks"], document["waivers"]

    assert ended.code == code, ended.err
    assert (document["decision"], check["verdict"]) == ("fail" if code else "pass", "fail")
    assert applied | {"expires": ""} == {
        "metric": "accuracy",
        "column": None,
        "by": None,
        "slice": None,
        "expires": "",
        "owner": "Ada",
        "reason": "late labels",
        "state": state,
        "covers": 1,
        "long": False,
        "options": None,
    }
    expected = {"owner": "Ada", "reason": "late labels", "expires": applied["expires"]}
    assert check["waiver"] == (None if code else expected)
    told = " ".join(document["warnings"])
    assert "Ada" in told
    report = (workspace.root / "tidegate-out" / "evaluate-gate.md").read_text(encoding="utf-8")
    for said in (ended.out, report):
        assert "Ada" in said
        assert "waive" in said


def test_owner_and_reason_are_text_and_nothing_more(workspace: Workspace) -> None:
    owner = "'@all <b>![i](http://evil.example)</b>'"
    reason = '"x\\u202e\\u001b[31m ::error::no `code` <!-- tidegate: -->"'
    ended = configured(workspace, entry(owner=owner, reason=reason))
    folder = workspace.root / "tidegate-out"
    markdown = (folder / "evaluate-gate.md").read_text(encoding="utf-8")
    page = (folder / "evaluate-gate.html").read_text(encoding="utf-8")

    assert ended.code == 0, ended.err
    assert workspace.document("evaluate-gate")["waivers"][0]["owner"].startswith("@all <b>")
    for text in (markdown, page, ended.out):
        assert "evil.example" in text
        assert not {"\u202e", "\x1b"} & set(text)
    assert "![i](" not in markdown
    assert "@all" not in markdown
    assert "<b>!" not in markdown + page
    assert "<!-- tidegate: -->" not in markdown + page
    assert not [line for line in ended.out.splitlines() if line.startswith("::error::no")]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (entry().replace("expires", "exspires"), "waivers.0.exspires: unknown key. Did you mean 'expires'?"),
        (entry().replace("owner: Ada, ", ""), "waivers.0: the key 'owner' is missing"),
        (entry().replace(", reason: late labels", ""), "waivers.0: the key 'reason' is missing"),
        (entry(owner="''"), "waivers.0.owner: string should have at least 1 character"),
        (entry(reason="''"), "waivers.0.reason: string should have at least 1 character"),
        (entry(reason="x" * 501), "waivers.0.reason: string should have at most 500 characters"),
        (
            entry(metric="acuracy"),
            "waivers.0 names 'acuracy', which is no metric and no finding. Did you mean 'acc",
        ),
        (entry(metric="training"), "waivers.0 names 'training', which is no metric and no finding"),
        *(
            (f"      - {{metric: accuracy, expires: {day}, owner: Ada, reason: r}}\n", "such as 2026-12-31")
            for day in (
                "soon",
                "2026-13-01",
                "2026-02-30",
                "20261231",
                "1798675200",
                "2026-12-31T00:00:00",
                "1",
            )
        ),
    ],
)
def test_a_waiver_that_is_not_complete_is_refused(workspace: Workspace, body: str, told: str) -> None:
    ended = configured(workspace, body)

    assert ended.code == 2
    assert told in ended.err
    assert len(ended.err.splitlines()) == 1
    assert workspace.reports == set()


@pytest.mark.parametrize(
    "metric", ["ndcg@5", "latency_p99.9", "must_pass", "schema", "leakage", "golden_changed", "business"]
)
def test_a_waiver_may_name_whatever_the_gate_reports(workspace: Workspace, metric: str) -> None:
    item = "      - {command: python -c 'print(1)', metric: business, max: 2}\n"
    workspace.configure(CONFIG + item + f"    waivers:\n{entry(metric=metric)}")
    workspace.table("p.csv", rows())

    assert workspace.tidegate("evaluate-gate", "--predictions", "p.csv").code == 0
    assert workspace.document("evaluate-gate")["waivers"][0]["state"] == "unused"
