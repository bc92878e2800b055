import pytest
from report_documents import (
    check,
    compare_arms,
    compare_sets,
    compare_several,
    drift_retrain,
    flipped,
    flips,
    gate_fail,
)

from tidegate.reports import charts, comparison, figures, ranking
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
    assert figures.share(0.9984375) == "99.8%"
    assert figures.share(1.0) == "100%"
    assert figures.probability(0.0001) == "< 0.001"
    assert figures.interval([0.1, 0.2]) == "0.1000 to 0.2000"
    assert figures.interval(["<b>", 1.0]) == "– to 1.000"
    assert figures.moment("2013-04-01T06:30:00Z") == "2013-04-01 06:30"
    assert figures.moment("2013-04-01T00:00:00Z") == "2013-04-01"
    assert figures.moment("<b>") == "–"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1 - 0.05 / 320, "99.98%"),
        (1 - 0.05 / 2**32, "99.999999999%"),
        (0.99999, "99.999%"),
        (0.9995, "99.95%"),
    ],
)
def test_a_share_short_of_all_is_not_rounded_to_all(value: float, text: str) -> None:
    assert figures.share(value) == text


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


def test_gains_and_losses_are_those_that_the_corrected_p_value_allows() -> None:
    changes = comparison.read(compare_sets()).changes

    assert changes is not None
    assert [row["slice"]["carrier"] for row in changes.losses] == ["UA"]
    assert [row["slice"]["carrier"] for row in changes.gains] == [None, "B6"]
    assert changes.within_noise == 9
    assert changes.tally == "1 loss, 2 gains, 9 within noise"


def test_a_skipped_slice_is_neither_gain_nor_noise() -> None:
    document = compare_sets()
    for row in document["comparisons"]:
        row["verdict"] = "skipped"

    assert comparison.read(document).changes is None
    assert comparison.read(document).forests == []


def test_slices_are_drawn_by_metric_and_set_below_all_rows_worst_first() -> None:
    document = compare_sets()
    whole = next(row for row in document["comparisons"] if row["slice"] == {"carrier": "EV"})
    document["comparisons"].append(whole | {"slice": None, "delta": 0.5})
    golden, recent = comparison.read(document).forests

    assert [(row["slice"] or {}).get("carrier", "all") for row in golden.rows] == [
        *("all", "UA", "HA", "EV", "DL", "B6", None),
    ]
    assert golden.about["set"] == "golden"
    assert recent.about["set"] == "recent"
    assert [row["change"] for row in golden.rows][1:3] == ["loss", ""]


def test_order_of_comparisons_in_a_document_does_not_matter_to_what_is_shown_first() -> None:
    document = compare_sets()
    turned = document | {"comparisons": document["comparisons"][::-1]}
    first, second = comparison.read(document), comparison.read(turned)

    assert first.required.count("guardrail") == second.required.count("guardrail")
    assert first.changes == second.changes
    assert [pair.row["metric"] for pair in first.side_by_side][:2] == ["recall", "roc_auc"]


def test_flips_with_most_new_errors_come_first() -> None:
    told = comparison.read({"flips": [flips("recent", 3, 1), flips("golden", 14, 31)]})

    assert [each.tally for each in told.flips] == [
        "14 new errors, 31 fixed, of 9,990 rows",
        "3 new errors, 1 fixed, of 9,990 rows",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [(90211, "90211"), (90211.0, "90211"), (0.5, "0.5"), ("a b", "a b"), (None, "(missing)")],
)
def test_ids_and_classes_are_named_as_their_columns_do(value: object, text: str) -> None:
    row = flipped("new_error", 0, id=value, label=value)
    told = comparison.read({"flips": [flips(rows=[row])]}).flips[0].rows[0]

    assert (told.id, told.label) == (text, text)
    assert told.scores == "0.3388 → 0.8796"


def test_a_document_of_nothing_tells_nothing() -> None:
    told = comparison.read({})

    assert (told.required, told.best, told.changes) == ("", "", None)
    assert not any((told.notices, told.side_by_side, told.searches, told.flips, told.basis, told.costs))


def test_a_budget_that_was_not_used_up_is_no_notice() -> None:
    spent, left = comparison.read(compare_arms()), comparison.read(compare_sets())

    assert spent.notices[0].headline == "The test set is used up and cannot decide"
    assert not [notice for notice in left.notices if "used up" in notice.headline]
    few = compare_arms()
    few["budget"] |= {"left": 2}
    assert comparison.read(few).notices[0].headline == "The test set has too few uses left and cannot decide"


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
