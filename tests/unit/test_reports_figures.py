import pytest
from report_documents import check, compare_several, drift_retrain, gate_fail

from tidegate.reports import charts, figures, ranking
from tidegate.reports.verdicts import check_tone


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.70314, "0.7031"),
        (0, "0"),
        (-0.5, "−0.5000"),
        (1234567, "1,234,567"),
        (41.3, "41.30"),
        (12345.678, "12,346"),
        (0.00001234, "1.2e-05"),
        (None, "–"),
        ("<b>", "–"),
        (True, "–"),
    ],
)
def test_number(value: object, text: str) -> None:
    assert figures.number(value) == text


def test_other_figures() -> None:
    assert figures.setting(0.4) == "0.4"
    assert figures.signed(0.01) == "+0.0100"
    assert figures.signed(-0.01) == "−0.0100"
    assert figures.share(0.95) == "95%"
    assert figures.probability(0.0001) == "< 0.001"
    assert figures.interval([0.1, 0.2]) == "0.1000 to 0.2000"
    assert figures.interval(["<b>", 1.0]) == "– to 1.000"
    assert figures.moment("2013-04-01T06:30:00Z") == "2013-04-01 06:30"
    assert figures.moment("2013-04-01T00:00:00Z") == "2013-04-01"
    assert figures.moment("<b>") == "–"


def test_interval_bar_keeps_zero_in_the_middle() -> None:
    bars = [
        figures.interval_bar(0.5, (0.25, 1.0)),
        figures.interval_bar(-0.5, (-1.0, -0.25), margin=0.1),
        figures.interval_bar(0.0, (0.0, 0.0)),
    ]

    assert bars == ["·········│·━━━●━━━━", "━━━━●━━━┊│·········", "·········●·········"]


def test_sparkline_uses_one_height_for_both_windows() -> None:
    assert figures.sparkline([0.0, 0.5, 1.0], 1.0) == "▁▅█"
    assert figures.sparkline([0.0, 0.0], 0.0) == ""


def test_checks_come_worst_first() -> None:
    failing = check("recall", 0.1, "fail")
    document = {"checks": [*gate_fail()["checks"], failing]}
    order = [(row["verdict"], row["value"]) for row in ranking.checks(document)]

    assert order[:3] == [("fail", 0.1), ("fail", 0.3122), ("inconclusive", 0.6623)]
    assert order[3] == ("pass", 0.7031)
    assert order[-1] == ("skipped", None)


def test_a_check_without_a_value_fails_before_any_other() -> None:
    document = {"checks": [check("recall", 0.0, "fail"), check("recall", None, "fail")]}

    assert [row["value"] for row in ranking.checks(document)] == [None, 0.0]


def test_what_is_waived_comes_after_what_blocks() -> None:
    waived, unclear = (
        check("recall", 0.1, "fail", waiver={"owner": "ana"}),
        check("recall", 0.39, "inconclusive"),
    )
    passing, small = check("recall", 0.5, "pass"), check("recall", 0.2, "fail")
    rows = [passing, waived, unclear, small]

    assert ranking.checks({"checks": rows}) == [small, unclear, waived, passing]


def test_checks_come_by_what_they_mean_for_the_decision() -> None:
    waiver = {"owner": "ana"}
    wanted = [
        check("recall", 0.3, "fail"),
        check("recall", 0.1, "inconclusive", severity="block"),
        check("recall", 0.1, "fail", waiver=waiver),
        check("recall", 0.1, "inconclusive", waiver=waiver),
        check("recall", 0.1, "fail", severity="warn"),
        check("recall", 0.3, "fail", severity="warn"),
        check("recall", 0.0, "inconclusive", severity="warn"),
        check("recall", 0.5, "pass", severity="info"),
        check("recall", 0.6, "pass"),
        check("recall", 0.7, "pass", severity="warn"),
        check("recall", 0.0, "fail", severity="info"),
        check("recall", 0.0, "inconclusive", severity="info"),
        check("recall", None, "skipped", severity="warn"),
    ]

    assert ranking.checks({"checks": wanted[::-1]}) == wanted
    assert [check_tone(row) for row in wanted] == [
        *("stop", "unsure", "stop", "unsure", "act", "act", "act"),
        *("go", "go", "go", "note", "note", "note"),
    ]


def test_nothing_violated_is_no_narrow_escape() -> None:
    kept = check("must_pass", 0, "pass", threshold={"max": 0})
    broken = check("must_pass", 2, "fail", threshold={"max": 0})
    rows = [kept, check("recall", 0.9, "pass"), broken, check("recall", None, "skipped")]

    assert [row["value"] for row in ranking.checks({"checks": rows})] == [2, 0.9, 0, None]
    assert charts.check_charts([kept, broken]) == [None, None]


def test_a_maximum_is_cleared_from_below() -> None:
    latency = check("latency_p95", 40.0, "pass", threshold={"max": 50}, ci=[38.0, 44.0])

    assert ranking.clearance(latency) == 10.0
    assert ranking.cleared_interval(latency) == (6.0, 12.0)


def test_comparisons_come_unmet_first_and_primary_before_guardrails() -> None:
    rows = ranking.comparisons(compare_several())

    assert [row["satisfied"] for row in rows] == [False] * 6 + [True] * 6
    assert [row["role"] for row in rows[:6]] == ["primary"] * 3 + ["guardrail"] * 3


def test_features_come_after_the_prediction_drifted_and_large_first() -> None:
    names = [row["feature"] for row in ranking.features(drift_retrain())]

    assert names == ["p_delayed", "dep_hour", "carrier", "distance", "origin"]


def test_checks_of_one_metric_share_an_axis() -> None:
    rows = [
        check("recall", 0.6, "pass", ci=[0.5, 0.7]),
        check("recall", 0.5, "pass"),
        check("recall", None, "skipped"),
        check("latency_p95", 100.0, "fail", threshold={"max": 50}),
    ]
    wide, narrow, none, slow = charts.check_charts(rows)

    assert wide is not None
    assert narrow is not None
    assert slow is not None
    assert none is None
    middle, half = charts.WIDTH / 2, charts.WIDTH / 2 - 4
    assert (wide.dot, wide.high) == pytest.approx((middle + half * 2 / 3, middle + half), abs=0.1)
    assert narrow.dot == pytest.approx(middle + half / 3, abs=0.1)
    assert narrow.low is None
    assert slow.dot == pytest.approx(middle - half)


def test_distribution_bars_stand_on_one_scale() -> None:
    drawn = charts.distribution_chart({"labels": ["a", "b"], "reference": [0.5, 0.5], "current": [1.0, 0.0]})

    assert drawn.reference.count("M") == 2
    assert f"v-{charts.BARS_HEIGHT - 2}h" in drawn.current
    assert f"v-{(charts.BARS_HEIGHT - 2) // 2}h" in drawn.reference
