"""The gate from files to document: slices, fairness, the user's own metrics, data quality."""

import sys
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from workspace import Ended, Workspace, workspace

__all__ = ["workspace"]

QUIET = "    sanity: {trivial_model: off, too_good: off, duplicate_rows: off, constant_column: off, leakage: off}\n"
ROWS = 240


def configure(
    place: Workspace,
    *items: str,
    task: str = "binary",
    columns: str = "{id: id, label: y, score: s}",
    more: str = QUIET,
) -> None:
    lines = "".join(f"      - {item}\n" for item in items)
    place.configure(
        f"version: 1\nmodels:\n  m:\n    task: {task}\n    columns: {columns}\n{more}    gate:\n{lines}"
    )


def table(count: int = ROWS) -> list[dict[str, Any]]:
    """Right everywhere but in Oslo in winter, of which there is one in six rows."""
    made = []
    for i in range(count):
        label, city, month = i % 2, ("Oslo", "Rome", None)[i // 2 % 3], 1 + i // 6 % 4
        wrong = city == "Oslo" and month <= 2
        made.append(
            {
                "id": i,
                "y": label,
                "s": 0.9 if (label == 1) != wrong else 0.1,
                "city": city,
                "at": f"2026-{month:02}-{1 + i % 28:02}",
                "age": i,
                "income": None if i % 12 == 0 else i * 10,
                "member": i % 4 < 2,
            }
        )
    return made


def judge(place: Workspace, rows: list[dict[str, Any]] | None = None) -> Ended:
    place.table("p.csv", list(table() if rows is None else rows))
    ended = place.tidegate("evaluate-gate", "--predictions", "p.csv")
    assert ended.code in (0, 1), ended.err
    return ended


def checks(place: Workspace) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = place.document("evaluate-gate")["checks"]
    return found


def by_slice(place: Workspace) -> dict[tuple[object, ...], tuple[float | None, int]]:
    return {tuple(c["slice"].values()): (c["value"], c["rows"]) for c in checks(place)}


def test_slices_of_one_column_with_the_missing_values_as_one(workspace: Workspace) -> None:
    configure(workspace, "{metric: accuracy, min: 0.4, slices: [city]}")
    judge(workspace)

    assert by_slice(workspace) == {("Oslo",): (0.5, 80), ("Rome",): (1.0, 80), (None,): (1.0, 80)}


def test_slices_of_two_columns_crossed(workspace: Workspace) -> None:
    configure(workspace, "{metric: accuracy, min: 0.9, slices: [[city, member]], min_rows: 1}")
    ended = judge(workspace)
    found = by_slice(workspace)

    assert ended.code == 1
    assert len(found) == 6
    assert sum(rows for _, rows in found.values()) == ROWS
    assert all(value == (0.5 if city == "Oslo" else 1.0) for (city, _), (value, _) in found.items())
    assert "accuracy for city Oslo and member False: 0.5" in " ".join(
        workspace.document("evaluate-gate")["reasons"]
    )


def test_numbers_are_cut_at_edges(workspace: Workspace) -> None:
    configure(workspace, "{metric: accuracy, min: 0, slices: [{age: {edges: [60, 120.5]}}]}")
    judge(workspace)

    assert {key: rows for key, (_, rows) in by_slice(workspace).items()} == {
        ("< 60",): 60,
        ("[60, 120.5)",): 61,
        (">= 120.5",): 119,
    }


def test_numbers_are_cut_in_quantiles_and_the_missing_are_a_slice(workspace: Workspace) -> None:
    configure(workspace, "{metric: accuracy, min: 0, slices: [{income: {quantiles: 4}}]}")
    judge(workspace)
    found = {key[0]: rows for key, (_, rows) in by_slice(workspace).items()}

    assert found.pop(None) == 20
    assert len(found) == 4
    assert sum(found.values()) == 220
    assert max(found.values()) - min(found.values()) <= 1
    assert sorted(str(name)[0] for name in found) == ["<", ">", "[", "["]


@pytest.mark.parametrize("period", ["year", "quarter", "month", "week", "day"])
def test_times_are_cut_by_period(workspace: Workspace, period: str) -> None:
    configure(workspace, f"{{metric: accuracy, min: 0, slices: [{{at: {{period: {period}}}}}]}}")
    judge(workspace)
    names = [key[0] for key in by_slice(workspace)]
    days = sorted({str(row["at"]) for row in table()})
    expected = {
        "year": {day[:4] for day in days},
        "quarter": {f"{day[:4]}-Q{(int(day[5:7]) + 2) // 3}" for day in days},
        "month": {day[:7] for day in days},
        "week": {"{}-W{:02}".format(*datetime.fromisoformat(day).isocalendar()[:2]) for day in days},
        "day": set(days),
    }[period]

    assert names == sorted(expected)


def test_bins_and_periods_may_be_crossed(workspace: Workspace) -> None:
    item = "{metric: accuracy, min: 0.9, slices: [[city, {at: {period: month}}, {age: {edges: [120]}}]]}"
    configure(workspace, item)
    judge(workspace)
    found = by_slice(workspace)

    assert set(found) == {
        (city, f"2026-{month:02}", age)
        for city in ("Oslo", "Rome", None)
        for month in (1, 2, 3, 4)
        for age in ("< 120", ">= 120")
    }
    wrong = {key for key, (value, _) in found.items() if value == 0}
    assert wrong == {("Oslo", f"2026-0{m}", age) for m in (1, 2) for age in ("< 120", ">= 120")}


def test_some_values_of_a_column(workspace: Workspace) -> None:
    configure(workspace, "{metric: accuracy, min: 0.4, slices: [{city: [Rome, Oslo]}, {member: true}]}")
    judge(workspace)

    assert list(by_slice(workspace)) == [("Rome",), ("Oslo",), (True,)]


@pytest.mark.parametrize("form", ["worst_slice: true, slices: [city, member]", "worst_slice: [city, member]"])
def test_the_worst_slice_is_one_check_that_names_it(workspace: Workspace, form: str) -> None:
    configure(workspace, f"{{metric: accuracy, min: 0.6, {form}}}")
    ended = judge(workspace)
    (check,) = checks(workspace)

    assert ended.code == 1
    assert (check["slice"], check["value"], check["worst_of"]) == ({"city": "Oslo"}, 0.5, 5)
    (reason,) = workspace.document("evaluate-gate")["reasons"]
    assert reason.startswith("accuracy in the worst of 5 slices, for city Oslo: 0.5 is below")


def test_the_worst_of_errors_is_the_largest(workspace: Workspace) -> None:
    configure(workspace, "{metric: log_loss, max: 9, worst_slice: [city]}")
    judge(workspace)

    assert checks(workspace)[0]["slice"] == {"city": "Oslo"}


def test_the_interval_of_the_worst_slice_holds_for_all_slices_at_once(workspace: Workspace) -> None:
    configure(
        workspace,
        "{metric: accuracy, min: 0.3, worst_slice: [city], confidence: 0.94}",
        "{metric: accuracy, min: 0.3, slices: [city], confidence: 0.98}",
        "{metric: accuracy, min: 0.3, slices: [city], confidence: 0.94}",
    )
    judge(workspace)
    worst, *others = checks(workspace)
    oslo = [c["ci"] for c in others if c["slice"] == {"city": "Oslo"}]

    assert worst["ci"] == oslo[0]
    assert worst["ci"][0] < oslo[1][0]
    assert (worst["worst_of"], worst["confidence"]) == (3, 0.94)


def test_thin_slices_are_no_candidates_for_the_worst(workspace: Workspace) -> None:
    rows = [*table(), {**table(1)[0], "id": 999, "city": "Bonn", "y": 1, "s": 0.1}]
    configure(workspace, "{metric: accuracy, min: 0.4, worst_slice: [city], min_rows: 5}")
    assert judge(workspace, rows).code == 0
    assert checks(workspace)[0]["worst_of"] == 3

    configure(workspace, "{metric: accuracy, min: 0.4, worst_slice: [city], min_rows: 500}")
    assert judge(workspace, rows).code == 1
    (check,) = checks(workspace)
    assert (check["verdict"], check["worst_of"]) == ("skipped", None)
    assert workspace.document("evaluate-gate")["decision"] == "inconclusive"


def test_a_slice_on_which_the_metric_does_not_exist_is_the_worst(workspace: Workspace) -> None:
    rows = [{**row, "y": 0} if row["city"] == "Rome" else row for row in table()]
    configure(workspace, "{metric: recall, min: 0.1, worst_slice: [city]}")
    judge(workspace, rows)

    assert (checks(workspace)[0]["slice"], checks(workspace)[0]["verdict"]) == ({"city": "Rome"}, "fail")


def test_the_worst_slices_are_named_even_when_all_pass(workspace: Workspace) -> None:
    configure(workspace, "{metric: accuracy, min: 0.1, slices: [city, {at: {period: month}}, member]}")
    ended = judge(workspace)
    worst = workspace.document("evaluate-gate")["worst_slices"]

    assert ended.code == 0
    assert [each["value"] for each in worst] == sorted(each["value"] for each in worst)
    assert (worst[0]["slice"], worst[0]["verdict"]) == ({"city": "Oslo"}, "pass")
    assert set(worst[0]) == {
        *("metric", "column", "by", "options", "slice", "value", "ci", "rows", "verdict", "threshold"),
        "severity",
    }
    for kind in ("md", "html"):
        report = (workspace.root / f"tidegate-out/evaluate-gate.{kind}").read_text(encoding="utf-8")
        assert "Oslo" in report


def test_slices_that_nobody_listed_are_found(workspace: Workspace) -> None:
    rng = np.random.default_rng(5)
    rows = []
    for i in range(3_000):
        city, device, label = "abc"[rng.integers(3)], "xyz"[rng.integers(3)], int(rng.integers(2))
        right = rng.random() < (0.55 if (city, device) == ("b", "y") else 0.9)
        rows.append(
            {
                "id": i,
                "y": label,
                "s": 0.9 if (label == 1) == right else 0.1,
                "city": city,
                "device": device,
                "note": f"n{i}",
                "one": "same",
            }
        )
    configure(workspace, "{metric: accuracy, min: 0.5, discover: true, min_rows: 50}")
    ended = judge(workspace, rows)
    (found,) = workspace.document("evaluate-gate")["discovered"]
    (first, *_) = found["slices"]

    assert ended.code == 0
    assert (found["metric"], found["correction"], found["confidence"]) == ("accuracy", "Holm (1979)", 0.95)
    assert found["tested_columns"] == ["city", "device"]
    assert found["left_out"] == ["note", "one"]
    assert found["searched"] == 3 + 3 + 9
    assert first["slice"] == {"city": "b", "device": "y"}
    assert first["claimed"]
    assert first["difference"] < -0.2
    assert first["adjusted_p_value"] < 0.05
    assert any(
        "a slice that no check lists" in each for each in workspace.document("evaluate-gate")["warnings"]
    )


def test_only_the_features_of_the_config_are_searched(workspace: Workspace) -> None:
    configure(
        workspace,
        "{metric: accuracy, min: 0.1, discover: true}",
        more=QUIET + "    drift: {features: [member]}\n",
    )
    judge(workspace)

    assert workspace.document("evaluate-gate")["discovered"][0]["tested_columns"] == ["member"]


CLASSES = [
    {"id": i, "y": "abc"[i % 3], "p": "abc"[i % 3] if i % 9 else "c", "city": "xy"[i % 2]} for i in range(90)
]


def test_a_metric_of_one_class_is_checked_for_each_class(workspace: Workspace) -> None:
    configure(
        workspace,
        "{metric: precision, min: 0.5}",
        "{metric: recall, min: 0.5, class: a, slices: [city]}",
        task="multiclass",
        columns="{id: id, label: y, prediction: p}",
    )
    judge(workspace, CLASSES)
    found = checks(workspace)

    assert [(c["metric"], c["options"]["class"], c["value"]) for c in found[:3]] == [
        ("precision", "a", 1.0),
        ("precision", "b", 1.0),
        ("precision", "c", 0.75),
    ]
    assert [c["options"]["class"] for c in found[3:]] == ["a", "a"]


def test_comparisons_too_are_made_of_each_class(workspace: Workspace) -> None:
    configure(
        workspace,
        "{metric: accuracy, min: 0.5}",
        task="multiclass",
        columns="{id: id, label: y, prediction: p}",
        more="    compare:\n      primary: {metric: accuracy, require: non_inferior, margin: 0.1}\n"
        "      guardrails: [{metric: recall, margin: 0.9}]\n",
    )
    workspace.table("p.csv", list(CLASSES))
    ended = workspace.tidegate("compare-to-prod", "--candidate", "p.csv", "--production", "p.csv")
    comparisons = workspace.document("compare-to-prod")["comparisons"]

    assert ended.code == 0, ended.err
    assert [c["options"]["class"] for c in comparisons if c["metric"] == "recall"] == ["a", "b", "c"]


def test_fairness_by_one_column(workspace: Workspace) -> None:
    configure(
        workspace,
        "{metric: equal_opportunity_difference, by: city, max: 0.4}",
        "{metric: demographic_parity_difference, by: city, max: 0.1, confidence: 0.95}",
    )
    ended = judge(workspace)
    gap, parity = checks(workspace)

    assert ended.code == 1
    assert (gap["by"], gap["value"], gap["verdict"]) == ("city", 0.5, "fail")
    assert "Oslo" in gap["detail"]
    low, high = parity["ci"]
    assert low <= parity["value"] <= high


def test_fairness_over_crossed_and_binned_groups(workspace: Workspace) -> None:
    configure(
        workspace,
        "{metric: equal_opportunity_difference, by: [city, {at: {period: month}}], max: 1}",
        "{metric: equal_opportunity_difference, by: {age: {edges: [120]}}, max: 1}",
        "{metric: accuracy_difference, by: {city: [Oslo, Rome]}, max: 1}",
    )
    ended = judge(workspace)
    found = checks(workspace)

    assert ended.code == 0, ended.out
    assert [c["by"] for c in found] == [["city", "at"], "age", "city"]
    assert found[0]["value"] == 1.0
    assert "Oslo" in found[0]["detail"]
    assert "2026-0" in found[0]["detail"]


def test_thin_groups_are_left_out_of_a_gap(workspace: Workspace) -> None:
    rows = [*table(), *({**table(2)[1], "id": 900 + i, "city": "Bonn", "s": 0.1} for i in range(3))]
    item = "{metric: equal_opportunity_difference, by: city, max: 0.6"
    configure(workspace, f"{item}}}", f"{item}, min_rows: 4}}", f"{item}, min_rows: 1000}}")
    judge(workspace, rows)
    every, enough, none = checks(workspace)

    assert (every["value"], every["verdict"]) == (1.0, "fail")
    assert (enough["value"], enough["verdict"]) == (0.5, "pass")
    assert (none["value"], none["verdict"]) == (None, "skipped")


@pytest.mark.parametrize(
    ("item", "value", "rows"),
    [
        ("{metric: missing_share, column: income, max: 0.1}", 20 / 240, 240),
        ("{metric: missing_share, column: city, max: 0.5}", 80 / 240, 240),
        ("{metric: duplicate_share, column: city, max: 1}", 1.0, 160),
        ("{metric: duplicate_share, column: age, max: 0}", 0.0, 240),
        ("{metric: out_of_range_share, column: age, range: [10, 229], max: 0.1}", 20 / 240, 240),
        ("{metric: out_of_range_share, column: income, range: [null, 1000], max: 0.7}", 128 / 220, 220),
        ("{metric: out_of_range_share, column: income, range: [1000, null], max: 0.7}", 91 / 220, 220),
        ("{metric: unseen_share, column: city, values: [Oslo], max: 0.5}", 0.5, 160),
        ("{metric: unseen_share, column: member, values: [true, 'false'], max: 0}", 0.0, 240),
        ("{metric: unseen_share, column: city, values: known.csv, max: 0.5}", 0.5, 160),
        ("{metric: unseen_share, column: city, values: towns, max: 0}", 0.0, 160),
        ("{metric: share_above, column: age, at: 119, max: 0.5}", 0.5, 240),
        ("{metric: share_below, column: age, at: 120, max: 0.5}", 0.5, 240),
        ("{metric: quantile, column: age, quantile: 0.5, max: 119.5}", 119.5, 240),
    ],
)
def test_the_quality_of_a_column(workspace: Workspace, item: str, value: float, rows: int) -> None:
    configure(workspace, item)
    config = (workspace.root / ".github/tidegate.yml").read_text(encoding="utf-8")
    workspace.configure(config.replace("version: 1", "version: 1\nsources: {towns: {path: towns.csv}}"))
    workspace.write("known.csv", "city\nRome\n")
    workspace.write("towns.csv", "x,city\n1,Rome\n2,Oslo\n3,\n")
    ended = judge(workspace)
    (check,) = checks(workspace)

    assert ended.code == 0, ended.out
    assert (check["value"], check["rows"]) == (pytest.approx(value, rel=1e-11), rows)
    assert check["column"] == item.split("column: ")[1].split(",")[0]


def test_the_schema_of_the_table(workspace: Workspace) -> None:
    configure(
        workspace,
        "{schema: {id: integer, s: number, city: text, member: boolean, at: time, income: number}}",
        "{schema: {id: text, city: integer, gone: text, at: number}, severity: warn}",
    )
    ended = judge(workspace)
    good, bad = checks(workspace)

    assert ended.code == 0, ended.out
    assert (good["metric"], good["value"], good["verdict"]) == ("schema", 0, "pass")
    assert (bad["value"], bad["verdict"], bad["threshold"]) == (3, "fail", {"max": 0})
    for told in (
        "'city' should be integer, but 160 rows hold 'Oslo'",
        "'gone' is missing",
        "'at' should be number",
    ):
        assert told in bad["detail"]


PLACES = ("", " {table}", " {data}", " --in={predictions}")


@pytest.mark.parametrize("place", PLACES)
def test_the_users_own_metric_gets_the_path_of_the_table(workspace: Workspace, place: str) -> None:
    configure(workspace, f"{{command: '{sys.executable} own.py{place}', metric: rows, max: 240}}")
    workspace.write(
        "own.py",
        "import sys\npath = sys.argv[1].removeprefix('--in=')\nprint(sum(1 for _ in open(path)) - 1)\n",
    )
    ended = judge(workspace)

    assert ended.code == 0, ended.err
    assert (checks(workspace)[0]["metric"], checks(workspace)[0]["value"]) == ("rows", 240)


@pytest.mark.parametrize(
    ("printed", "value", "ci", "rows"),
    [
        ("3", 3, None, ROWS),
        ("3.5e-1", 0.35, None, ROWS),
        ("loading\\n3", 3, None, ROWS),
        ('{\\"value\\": 3}', 3, None, ROWS),
        ('{\\n  \\"value\\": 3,\\n  \\"rows\\": 12\\n}', 3, None, 12),
        ('{\\"value\\": 3, \\"ci\\": [2, 4], \\"rows\\": 12}', 3, [2, 4], 12),
        ('{\\"own\\": 3}', 3, None, ROWS),
    ],
)
def test_the_answers_that_a_command_may_give(
    workspace: Workspace, printed: str, value: float, ci: list[float] | None, rows: int
) -> None:
    configure(workspace, f"{{command: '{sys.executable} own.py', metric: own, max: 5, confidence: 0.9}}")
    workspace.write("own.py", f'print("{printed}")\n')
    judge(workspace)
    (check,) = checks(workspace)

    assert (check["value"], check["ci"], check["rows"]) == (value, ci, rows)
    assert check["verdict"] == ("pass" if ci else "inconclusive")


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("", "the own command must print JSON"),
        ("print('good')", "the own command must print JSON"),
        ("print('nan')", "the own command must print JSON"),
        ("print('NaN')", "the own command must print JSON"),
        ("print('1e999')", "the own command must print JSON"),
        ("print('true')", "the own command must print JSON"),
        ("print('null')", "the own command must print JSON"),
        ("print('[1]')", "the own command must print JSON"),
        ("print('{}')", "the own command must print JSON"),
        ('print(\'{"value": "3"}\')', "the own command must print JSON"),
        ('print(\'{"value": 3, "ci": 2}\')', "the own command must print JSON"),
        ('print(\'{"value": 3, "ci": [2]}\')', "the own command must print JSON"),
        ('print(\'{"value": 3, "ci": [2, null]}\')', "the own command must print JSON"),
        ('print(\'{"value": 3, "rows": "many"}\')', "the own command must print JSON"),
        ('print(\'{"value": 3, "rows": -1}\')', "the own command must print JSON"),
        ('print(\'{"value": 3, "rows": true}\')', "the own command must print JSON"),
        ("print('[' * 100000)", "the own command must print JSON"),
        ("print('9' * 5000)", "the own command must print JSON"),
        ("import sys; sys.exit('no such thing')", "the own command ended with exit code 1"),
        ("import os; os.kill(os.getpid(), 9)", "the own command ended with exit code -9"),
        ("import time; time.sleep(60)", "the own command was still running after 1 second"),
    ],
)
def test_a_command_that_gives_no_answer_fails_its_check_alone(
    workspace: Workspace, body: str, told: str
) -> None:
    item = f"{{command: '{sys.executable} own.py', metric: own, max: 5}}"
    quick = QUIET + "    predict_timeout: 1s\n" if "sleep" in body else QUIET
    configure(workspace, "{metric: accuracy, min: 0}", item, more=quick)
    workspace.write("own.py", body + "\n")
    workspace.table("p.csv", list(table()))
    ended = workspace.tidegate("evaluate-gate", "--predictions", "p.csv")
    good, own = checks(workspace)

    assert ended.code == 1, ended.err
    assert (good["verdict"], own["verdict"], own["value"]) == ("pass", "fail", None)
    assert own["detail"].startswith(f"cannot be computed: the {told.removeprefix('the ')}")
    assert "Traceback" not in ended.err


def test_a_command_that_cannot_be_started_fails_its_check(workspace: Workspace) -> None:
    configure(workspace, "{command: 'nothing-of-this-name {table}', max: 5}")
    workspace.table("p.csv", list(table()))
    ended = workspace.tidegate("evaluate-gate", "--predictions", "p.csv")

    assert ended.code == 1
    assert "cannot be started" in checks(workspace)[0]["detail"]


@pytest.mark.parametrize(("line", "told"), [("python {tabel}", "{tabel} in"), ('"x', "split")])
def test_a_command_that_makes_no_sense_is_refused(workspace: Workspace, line: str, told: str) -> None:
    configure(workspace, f"{{command: '{line}', max: 5}}")
    workspace.table("p.csv", list(table()))
    ended = workspace.tidegate("evaluate-gate", "--predictions", "p.csv")

    assert ended.code == 2
    assert told in ended.err
    assert workspace.reports == set()


def test_a_command_without_a_name_may_call_its_value_command(workspace: Workspace) -> None:
    configure(workspace, f"{{command: '{sys.executable} own.py', max: 5}}")
    workspace.write("own.py", "print('{\"command\": 4}')\n")
    judge(workspace)

    assert (checks(workspace)[0]["metric"], checks(workspace)[0]["value"]) == ("command", 4)


def test_a_command_sees_no_secret(workspace: Workspace) -> None:
    configure(workspace, f"{{command: '{sys.executable} own.py', max: 0}}")
    workspace.write(
        "own.py",
        "import os\n"
        "print(sum('s3cret' in v or k.startswith(('ACTIONS_', 'TIDEGATE_', 'GITHUB_OUT'))"
        " for k, v in os.environ.items()))\n",
    )
    workspace.table("p.csv", list(table()))
    ended = workspace.tidegate(
        *("evaluate-gate", "--predictions", "p.csv", "--forge", "none"),
        GITHUB_TOKEN="s3cret",
        TIDEGATE_TOKEN="s3cret",
        MY_PASSWORD="s3cret",
        ACTIONS_RUNTIME_URL="x",
        GITHUB_OUTPUT=str(workspace.root / "out"),
        SOMETHING="Bearer s3cret",
    )

    assert ended.code == 0, ended.err + ended.out
    assert checks(workspace)[0]["value"] == 0


def test_a_command_cannot_change_what_is_judged(workspace: Workspace) -> None:
    configure(workspace, "{metric: accuracy, min: 0.9}", f"{{command: '{sys.executable} own.py', max: 5}}")
    workspace.write(
        "own.py", "import sys\nopen(sys.argv[1], 'w').write('id,y,s\\n0,1,1\\n1,0,0\\n')\nprint(1)\n"
    )
    ended = judge(workspace)
    document = workspace.document("evaluate-gate")

    assert ended.code == 1
    assert document["checks"][0]["rows"] == ROWS
    assert document["provenance"]["data"][0]["rows"] == ROWS


def test_several_files_reach_a_command_as_one_table(workspace: Workspace) -> None:
    configure(workspace, f"{{command: '{sys.executable} own.py', max: {ROWS}}}")
    workspace.write(
        "own.py",
        "import sys, duckdb\n"
        "print(duckdb.sql(f\"SELECT count(*) FROM read_parquet('{sys.argv[1]}')\").fetchall()[0][0])\n",
    )
    rows = table()
    workspace.table("parts/a.csv", list(rows[:100]))
    workspace.table("parts/b.csv", list(rows[100:]))
    ended = workspace.tidegate("evaluate-gate", "--predictions", "parts/*.csv")

    assert ended.code == 0, ended.err
    assert checks(workspace)[0]["value"] == ROWS


def test_a_period_of_hours(workspace: Workspace) -> None:
    start = datetime(2026, 1, 1)
    rows = [{**row, "at": start + timedelta(minutes=i)} for i, row in enumerate(table(180))]
    configure(workspace, "{metric: accuracy, min: 0, slices: [{at: {period: hour}}]}")
    judge(workspace, rows)

    assert [rows for _, rows in by_slice(workspace).values()] == [60, 60, 60]


@pytest.mark.parametrize(("key", "output"), [("    approval: required\n", "required"), ("", "none")])
@pytest.mark.parametrize(("least", "code"), [(0.5, 0), (0.99, 1)])
def test_a_pass_may_still_need_a_person(
    workspace: Workspace, key: str, output: str, least: float, code: int
) -> None:
    configure(workspace, f"{{metric: accuracy, min: {least}}}", more=QUIET + key)
    workspace.table("p.csv", list(table()))
    ended = workspace.tidegate(
        "evaluate-gate", "--predictions", "p.csv", GITHUB_OUTPUT="out", GITHUB_ACTIONS="true"
    )
    text = (workspace.root / "out").read_text(encoding="utf-8")

    assert ended.code == code, ended.err
    assert workspace.document("evaluate-gate")["decision"] == ("fail" if code else "pass")
    assert workspace.document("evaluate-gate")["approval"] == ("required" if key else None)
    said = text.split("approval<<", 1)[1].splitlines()[1]
    assert said == (output if code == 0 else "none")


def test_the_worst_slice_is_one_for_each_class(workspace: Workspace) -> None:
    workspace.configure(
        "version: 1\nmodels:\n  m:\n    task: multiclass\n    columns: {id: id, label: y, prediction: p}\n"
        "    gate:\n      - {metric: recall, min: 0, worst_slice: [city]}\n"
    )
    made = [
        ("a", "a", "x"),
        ("a", "b", "y"),
        ("b", "b", "x"),
        ("b", "b", "y"),
        ("c", "a", "x"),
        ("c", "c", "y"),
    ]
    rows = "".join(f"{i},{y},{p},{city}\n" for i, (y, p, city) in enumerate(made))
    workspace.write("p.csv", "id,y,p,city\n" + rows)
    workspace.tidegate("evaluate-gate", "--predictions", "p.csv")

    assert [(c["options"]["class"], c["slice"], c["value"], c["worst_of"]) for c in checks(workspace)] == [
        ("a", {"city": "y"}, 0, 2),
        ("b", {"city": "x"}, 1, 2),
        ("c", {"city": "x"}, 0, 2),
    ]
