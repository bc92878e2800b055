import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from workspace import CONFIG, Workspace, rows, workspace

from tidegate.config import Check, Sanity
from tidegate.errors import ConfigError
from tidegate.gate import CheckResult, GateResult, Known, judge
from tidegate.metrics.data import Predictions
from tidegate.tables import Column

__all__ = ["workspace"]
QUIET = Sanity(trivial_model="off", too_good="off")


def data(right: int, wrong: int) -> Predictions:
    """Positives, of which `right` are found; by city, `x` all of them but one."""
    count = right + wrong
    found = np.array([1] * right + [0] * wrong)
    codes = np.zeros(count, dtype=np.int32)
    codes[-1] = 1
    column = Column("city", "category", codes, ("x", "y"))
    return Predictions(
        "binary", count, ("0", "1"), np.ones(count, dtype=int), found, columns={("city", "category"): column}
    )


def gate(table: Predictions, *checks: dict[str, Any]) -> GateResult:
    items = [Check.model_validate({"metric": "recall", **check}) for check in checks]
    return judge(table, items, Known(date(2026, 1, 1)), sanity=QUIET)


def only(table: Predictions, **check: Any) -> CheckResult:
    (result,) = gate(table, check).checks
    return result


@pytest.mark.parametrize(
    ("right", "wrong", "check", "verdict"),
    [
        (80, 20, {"min": 0.8}, "pass"),
        (79, 21, {"min": 0.8}, "fail"),
        (80, 20, {"min": 0.0}, "pass"),
        (90, 10, {"min": 0.8, "confidence": 0.95}, "pass"),
        (82, 18, {"min": 0.8, "confidence": 0.95}, "inconclusive"),
        (78, 22, {"min": 0.8, "confidence": 0.95}, "inconclusive"),
        (60, 40, {"min": 0.8, "confidence": 0.95}, "fail"),
        (20, 80, {"max": 0.4, "confidence": 0.95, "allow_cap": True}, "pass"),
        (38, 62, {"max": 0.4, "confidence": 0.95, "allow_cap": True}, "inconclusive"),
        (60, 40, {"max": 0.4, "confidence": 0.95, "allow_cap": True}, "fail"),
        (40, 60, {"max": 0.4, "allow_cap": True}, "pass"),
        (41, 59, {"max": 0.4, "allow_cap": True}, "fail"),
        (3, 0, {"min": 0.5, "min_rows": 4}, "skipped"),
        (0, 3, {"min": 0.5, "min_rows": 3}, "fail"),
    ],
)
def test_verdicts(right: int, wrong: int, check: dict[str, Any], verdict: str) -> None:
    result = gate(data(right, wrong), check)

    assert result.checks[0].verdict == verdict
    assert result.decision == ("inconclusive" if verdict == "skipped" else verdict)
    assert result.reasons


def test_an_interval_is_published_only_when_it_was_asked_for() -> None:
    assert only(data(8, 2), min=0.5).ci is None
    asked = only(data(8, 2), min=0.1, confidence=0.9)
    assert asked.ci is not None
    assert asked.ci[0] < 0.8 < asked.ci[1]


def test_a_thin_slice_is_skipped_when_the_config_expects_it_and_listed() -> None:
    result = gate(data(9, 1), {"min": 0.5, "slices": ["city"], "min_rows": 5})

    assert [(c.slice, c.verdict) for c in result.checks] == [
        ({"city": "x"}, "pass"),
        ({"city": "y"}, "skipped"),
    ]
    assert result.decision == "pass"
    assert "1 check skipped" in result.reasons[0]


def test_a_thin_slice_is_judged_when_the_config_does_not_expect_it() -> None:
    result = gate(data(9, 1), {"min": 0.5, "slices": ["city"]})

    assert [c.verdict for c in result.checks] == ["pass", "fail"]
    assert result.reasons == ["recall for city y: 0 is below the minimum 0.5"]


@pytest.mark.parametrize(("min_rows", "verdict"), [(None, "fail"), (0, "fail"), (1, "skipped")])
def test_a_slice_that_never_occurs(min_rows: int | None, verdict: str) -> None:
    result = only(data(9, 1), min=0.5, slices=[{"city": "nowhere"}], min_rows=min_rows)

    assert (result.slice, result.rows, result.verdict) == ({"city": "nowhere"}, 0, verdict)
    assert result.value is None


def test_a_metric_that_cannot_be_computed_fails_with_its_reason() -> None:
    result = gate(data(0, 5), {"metric": "precision", "min": 0.1}, {"min": 0.0})

    assert [c.verdict for c in result.checks] == ["fail", "pass"]
    assert result.decision == "fail"
    assert result.reasons == ["precision: cannot be computed: no row is predicted positive"]


def test_failing_outweighs_inconclusive() -> None:
    result = gate(data(82, 18), {"min": 0.8, "confidence": 0.95}, {"min": 0.9})

    assert result.decision == "fail"
    assert len(result.reasons) == 2


WIDE = """\
version: 1
models:
  m:
    task: binary
    columns: {id: id, label: y, score: s, latency: ms}
    gate:
      - {metric: roc_auc, min: 0.5, confidence: 0.9, slices: [city]}
      - {metric: average_precision, min: 0.5, confidence: 0.9}
      - {metric: f1, min: 0.5, confidence: 0.9, slices: [city]}
      - {metric: log_loss, max: 1, confidence: 0.9}
      - {metric: latency_p95, max: 100, confidence: 0.9}
      - {metric: demographic_parity_difference, by: flag, max: 0.9, confidence: 0.9}
      - {metric: mean, column: flag, max: 0.9}
      - {metric: missing_share, column: flag, max: 0.1}
"""


def noisy(count: int = 400) -> list[dict[str, Any]]:
    rng = np.random.default_rng(4)
    label = rng.integers(0, 2, count)
    return [
        {
            "id": i,
            "y": label[i],
            "s": round(float(np.clip(rng.normal(0.35 + 0.3 * label[i], 0.2), 0, 1)), 6),
            "ms": round(float(rng.lognormal(3, 0.5)), 3),
            "city": "abc"[rng.integers(3)],
            "flag": rng.integers(2),
        }
        for i in range(count)
    ]


def test_the_same_table_gives_the_same_bytes_and_order_does_not_matter(workspace: Workspace) -> None:
    workspace.configure(WIDE)
    table = noisy()
    workspace.table("p.csv", list(table))
    workspace.table("turned/p.csv", [table[i] for i in np.random.default_rng(0).permutation(len(table))])

    documents = []
    for name in ("p.csv", "p.csv", "turned/p.csv"):
        assert workspace.tidegate("evaluate-gate", "--predictions", name).code in (0, 1)
        document = workspace.document("evaluate-gate")
        document.pop("created_at")
        documents.append(document)

    assert json.dumps(documents[0]) == json.dumps(documents[1])
    assert len(documents[0]["checks"]) == 12
    assert documents[0]["checks"] == documents[2]["checks"]


def test_the_document_names_what_it_rests_on(workspace: Workspace) -> None:
    workspace.table("p.csv", rows())
    assert workspace.tidegate("evaluate-gate", "--predictions", "p.csv").code == 0
    document = workspace.document("evaluate-gate")

    assert document["schema"] == "tidegate/evaluate-gate/1"
    assert (document["model"], document["decision"]) == ("m", "pass")
    (check,) = document["checks"]
    assert check | {"detail": ""} == {
        "metric": "accuracy",
        "column": None,
        "by": None,
        "options": {},
        "severity": "block",
        "slice": None,
        "value": 0.8,
        "ci": None,
        "confidence": None,
        "threshold": {"min": 0.7},
        "rows": 40,
        "verdict": "pass",
        "detail": "",
        "worst_of": None,
        "waiver": None,
    }
    assert document["approval"] is document["golden"] is None
    assert document["worst_slices"] == document["discovered"] == document["waivers"] == []
    assert document["provenance"]["rows"] == 40
    (table,) = document["provenance"]["data"]
    assert (table["role"], table["path"], table["rows"]) == ("predictions", "p.csv", 40)
    assert len(table["sha256"]) == len(document["provenance"]["config_sha256"]) == 64


def test_repeated_ids_are_refused(workspace: Workspace) -> None:
    workspace.table("p.csv", [*rows(), rows()[0]])
    ended = workspace.tidegate("evaluate-gate", "--predictions", "p.csv")

    assert ended.code == 2
    assert "id must be unique, but 0 stands in 2 rows" in ended.err


def test_a_gate_without_checks_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    workspace.configure(CONFIG.split("    gate")[0])
    workspace.table("p.csv", rows())
    ended = workspace.tidegate("evaluate-gate", "--predictions", "p.csv")

    assert ended.code == 2
    assert "has no `gate`" in ended.err


def test_options_are_published_and_named(workspace: Workspace) -> None:
    check = "{metric: share_above, column: ms, at: 40, max: 0.01}"
    workspace.configure(CONFIG.split("    gate")[0] + f"    gate:\n      - {check}\n")
    workspace.table("p.csv", [{**row, "ms": i} for i, row in enumerate(rows(80))])
    ended = workspace.tidegate("evaluate-gate", "--predictions", "p.csv")

    (found,) = workspace.document("evaluate-gate")["checks"]
    assert (found["column"], found["options"], found["value"]) == ("ms", {"at": 40}, 39 / 80)
    assert "share_above of ms (at 40): 0.4875 is above the maximum 0.01" in ended.out
    assert "at 40" in (workspace.root / "tidegate-out/evaluate-gate.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("severities", "decision", "warned"),
    [
        (("block", "block"), "fail", 0),
        (("block", "warn"), "pass", 1),
        (("block", "info"), "pass", 0),
        (("warn", "info"), "pass", 0),
        (("info", "warn"), "pass", 1),
    ],
)
def test_only_checks_that_block_decide(severities: tuple[str, str], decision: str, warned: int) -> None:
    good, bad = severities
    result = gate(data(8, 2), {"min": 0.1, "severity": good}, {"min": 0.99, "severity": bad})

    assert result.decision == decision
    assert len(result.warnings) == warned
    assert [check.verdict for check in result.checks] == ["pass", "fail"]


def test_the_last_digits_of_a_sum_decide_nothing() -> None:
    values = np.array([0.1, 0.2, 0.3])
    for order in ([0, 1, 2], [2, 1, 0], [1, 0, 2]):
        column = Column("x", "number", values[order])
        table = Predictions("regression", 3, columns={("x", "number"): column})
        result = gate(table, {"metric": "mean", "column": "x", "max": 0.2}).checks[0]
        assert (result.value, result.verdict) == (0.2, "pass")


def test_a_threshold_that_nothing_can_miss_is_told() -> None:
    result = gate(data(9, 1), {"max": 5, "allow_cap": True})

    assert result.decision == "pass"
    assert result.warnings == [
        "recall lies between 0 and 1, so `max: 5` asks for nothing; 5% is written 0.05"
    ]


def test_a_column_of_numbers_is_not_taken_for_slices() -> None:
    count = 1_001
    levels = tuple(float(i) for i in range(count))
    column = Column("amount", "category", np.arange(count, dtype=np.int32), levels)
    ones = np.ones(count, dtype=int)
    columns = {("amount", "category"): column}
    table = Predictions("binary", count, ("0", "1"), ones, ones, columns=columns)

    with pytest.raises(ConfigError, match=r"make 1,001 slices.*quantiles"):
        gate(table, {"min": 0.5, "slices": ["amount"]})


@pytest.mark.parametrize(
    ("value", "told"),
    [("z", "city never is 'z'. Accepted: x, y."), ("month", "write {city: {period: month}}")],
)
def test_a_listed_value_that_never_occurs_says_which_do(value: str, told: str) -> None:
    assert told in only(data(9, 1), min=0.5, slices=[{"city": value}]).detail
