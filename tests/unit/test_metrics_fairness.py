"""Gaps between protected groups: which groups count, what is told, and comparisons of two models."""

import math
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_peers import PEERS, Peer, binary, fits, regression

from tidegate.metrics import METRICS, Estimate, Paired
from tidegate.metrics.cuts import Cut
from tidegate.metrics.data import Groups, Predictions
from tidegate.tables import Column

GAPS = [name for name, metric in METRICS.items() if "by" in metric.options]
RATES = [name for name in GAPS if "parity" in name or "odds" in name or "opportunity" in name]


def table(rows: list[tuple[str | None, int, int]], score: list[float] | None = None) -> Predictions:
    """Rows of group, label and prediction."""
    names = sorted({group for group, _, _ in rows if group is not None})
    codes = np.array([-1 if group is None else names.index(group) for group, _, _ in rows], dtype=np.int32)
    label, said = (np.array(values, dtype=np.int32) for values in list(zip(*rows, strict=True))[1:])
    columns = {("g", "category"): Column("g", "category", codes, tuple(names))}
    chance = said.astype(float) if score is None else np.array(score)
    return Predictions("binary", len(rows), ("0", "1"), label, said, chance, columns=columns)


def of_groups(**counts: tuple[int, int, int, int]) -> Predictions:
    """Groups with so many true negatives, false positives, false negatives and true positives."""
    rows = []
    for group, (tn, fp, fn, tp) in counts.items():
        rows += [(group, 0, 0)] * tn + [(group, 0, 1)] * fp + [(group, 1, 0)] * fn + [(group, 1, 1)] * tp
    return table(rows)


def estimate(name: str, data: Predictions, confidence: float | None = None, **options: Any) -> Estimate:
    given_ = {"by": (Cut("g"),), **options}
    (found,) = METRICS[name].estimate(data, Groups.everything(data.rows), given_, confidence)
    return found


def compare(name: str, a: Predictions, b: Predictions, **options: Any) -> Paired:
    given_ = {"by": (Cut("g"),), **options}
    (found,) = METRICS[name].compare(a, b, Groups.everything(a.rows), given_, 0.95)
    return found


def test_demographic_parity_by_hand() -> None:
    said = [("m", 0, 1), ("m", 0, 1), ("m", 0, 0), ("n", 0, 0), ("n", 0, 1), *[("n", 0, 0)] * 3]
    found = estimate("demographic_parity_difference", table(said))
    # Missing values are a group of their own.
    more = estimate("demographic_parity_difference", table([*said, (None, 0, 1)]))

    assert found.value == pytest.approx(2 / 3 - 1 / 5)
    assert found.rows == 8
    assert re.fullmatch(r"highest for .*\bm\b.* \(0\.66+7?\), lowest for .*\bn\b.* \(0\.20*\)", found.note)
    assert more.value == pytest.approx(1 - 1 / 5)


def test_the_note_names_the_groups_and_those_left_out() -> None:
    data = of_groups(a=(10, 10, 0, 0), b=(15, 5, 0, 0), c=(0, 3, 0, 0))
    everyone = estimate("demographic_parity_difference", data)
    large = estimate("demographic_parity_difference", data, min_rows=20)

    assert everyone.value == pytest.approx(0.75)
    assert "highest for" in everyone.note
    assert "left out" not in everyone.note
    assert large.value == pytest.approx(0.25)
    assert "1 group under min_rows left out" in large.note


def test_min_rows_counts_what_the_figure_stands_on() -> None:
    # Group c has rows enough, but only two positives; of its negatives there are enough.
    data = of_groups(a=(15, 5, 5, 15), b=(10, 10, 10, 10), c=(1, 19, 0, 2))

    assert estimate("equal_opportunity_difference", data, min_rows=20).value == pytest.approx(0.25)
    odds = estimate("equalized_odds_difference", data, min_rows=20)
    assert odds.value == pytest.approx(19 / 20 - 5 / 20)
    assert "1 group under min_rows left out" in odds.note
    assert estimate("equalized_odds_difference", data).value == pytest.approx(19 / 20 - 5 / 20)
    assert estimate("equal_opportunity_difference", data).value == pytest.approx(0.5)


def test_a_group_without_the_rate_is_left_out() -> None:
    data = of_groups(a=(5, 5, 5, 5), b=(5, 5, 2, 8), no_positives=(9, 1, 0, 0))

    assert estimate("equal_opportunity_difference", data).value == pytest.approx(0.3)
    assert estimate("predictive_parity_difference", data).value == pytest.approx(8 / 13 - 0)


@pytest.mark.parametrize("confidence", [None, 0.9])
def test_fewer_than_two_groups_have_no_gap(confidence: float | None) -> None:
    one = of_groups(a=(5, 5, 5, 5))
    thin = of_groups(a=(5, 5, 5, 5), b=(1, 1, 1, 1))

    assert estimate("demographic_parity_difference", one, confidence) == Estimate(
        None, 0, problem="fewer than two groups of the protected column have rows"
    )
    # What the second largest group stands on tells how far min_rows is out of reach.
    assert estimate("equalized_odds_ratio", thin, confidence, min_rows=5).rows == 2
    assert compare("demographic_parity_difference", one, one).problem.startswith("fewer than two groups")
    assert compare("accuracy_difference", thin, thin, min_rows=5).problem.startswith("fewer than two groups")


@pytest.mark.parametrize("name", [n for n in RATES if n.endswith("ratio") and n != "predictive_parity_ratio"])
def test_rates_of_zero_have_no_ratio(name: str) -> None:
    never = of_groups(a=(5, 0, 5, 0), b=(9, 0, 3, 0))
    found, pair = estimate(name, never, 0.9), compare(name, never, never)

    assert found.value is None
    assert "zero in every group" in found.problem
    assert found.rows > 0
    assert pair.delta is None
    assert "zero in every group" in pair.problem


def test_errors_of_zero_have_no_ratio() -> None:
    good, bad = regression(0, 60), regression(0, 60)
    assert good.prediction is not None
    assert good.label is not None
    good.prediction[:] = good.label

    assert "zero in every group" in estimate("mean_absolute_error_ratio", good).problem
    pair = compare("mean_absolute_error_ratio", good, bad)
    assert (pair.candidate, pair.delta) == (None, None)
    assert pair.production is not None
    assert "zero in every group" in pair.problem


def test_one_label_leaves_equalized_odds_to_the_other_rate() -> None:
    a, b = of_groups(a=(0, 0, 5, 5), b=(0, 0, 2, 8)), of_groups(a=(0, 0, 5, 5), b=(0, 0, 5, 5))

    assert estimate("equalized_odds_difference", a).value == pytest.approx(0.3)
    pair = compare("equalized_odds_difference", b, a)
    assert pair.delta == pytest.approx(0.3)
    assert pair.interval is not None


def test_accuracy_without_a_mistake_is_not_taken_for_certain() -> None:
    data = of_groups(a=(10, 0, 0, 10), b=(6, 4, 0, 10))
    found = estimate("accuracy_difference", data, 0.95)

    assert found.value == pytest.approx(0.2)
    assert found.interval is not None
    # By Student's t group a would have no error at all.
    assert found.interval.low < 0.01
    assert found.interval.high > 0.4


CASES = [peer for peer in PEERS if "by" in peer.options]


@pytest.mark.parametrize("peer", CASES, ids=str)
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10**6), rows=st.integers(2, 120), confidence=st.sampled_from([0.5, 0.9, 0.99]))
def test_an_interval_stays_where_a_gap_can_be(peer: Peer, seed: int, rows: int, confidence: float) -> None:
    data = binary(seed, rows) if fits(peer, binary(0, 2)) else regression(seed, rows)
    (found,) = peer.metric.estimate(data, Groups.everything(rows), peer.settled, confidence)
    if found.value is None:
        assert found.problem
        return

    assert found.interval is not None
    assert 0 <= found.interval.low <= found.value <= found.interval.high
    if peer.name.endswith("ratio") or peer.name in RATES or peer.name == "accuracy_difference":
        assert found.interval.high <= 1


@pytest.mark.parametrize("peer", CASES, ids=str)
@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 10**6), rows=st.integers(2, 60))
def test_a_comparison_of_any_two_models_is_judged_or_explained(peer: Peer, seed: int, rows: int) -> None:
    make = binary if fits(peer, binary(0, 2)) else regression
    a, b = make(seed, rows), make(seed, rows)
    assert b.prediction is not None
    b.prediction[:] = np.random.default_rng(seed + 1).permutation(b.prediction)
    (found,) = peer.metric.compare(a, b, Groups.everything(rows), peer.settled, 0.95)
    if found.delta is None:
        assert found.problem
        return

    assert found.candidate is not None
    assert found.production is not None
    assert found.delta == pytest.approx(peer.metric.sign * (found.candidate - found.production), abs=1e-12)
    assert found.interval is not None
    assert found.interval.low <= found.delta <= found.interval.high


def test_groups_that_count_are_those_of_both_models() -> None:
    # Precision stands on the rows that a model predicts positive: in group c production predicts one.
    a = of_groups(a=(0, 5, 0, 15), b=(0, 10, 0, 10), c=(0, 18, 0, 2))
    b = of_groups(a=(0, 5, 0, 15), b=(0, 10, 0, 10), c=(19, 0, 0, 1))
    both = compare("predictive_parity_difference", a, b, min_rows=5)

    assert both.candidate == both.production == pytest.approx(0.25)
    assert compare("predictive_parity_difference", a, b).candidate == pytest.approx(15 / 20 - 2 / 20)


def test_models_that_differ_are_never_said_to_be_equal_for_certain() -> None:
    a = of_groups(a=(20, 20, 0, 0), b=(20, 20, 0, 0))
    assert a.prediction is not None
    b = table([("a", 0, 1)] * 20 + [("a", 0, 0)] * 20 + [("b", 0, 0)] * 20 + [("b", 0, 1)] * 20)
    found = compare("demographic_parity_difference", a, b)

    assert found.delta == 0
    assert found.interval is not None
    assert found.interval.low < -0.05
    assert found.interval.high > 0.05


@pytest.mark.parametrize("rate", [0.02, 0.2])
def test_a_ratio_of_rare_rates_moves_by_more_than_a_difference(rate: float) -> None:
    # One row of a thousand changes the ratio of rates of 2% by a twentieth of its size.
    hits = round(rate * 1000)
    rows = [("a", 0, int(i < hits)) for i in range(1000)] + [("b", 0, int(i < hits)) for i in range(1000)]
    a, b = table(rows), table(rows)
    assert b.prediction is not None
    b.prediction[[0, 999]] = 0, 1
    found = compare("demographic_parity_ratio", a, b)

    assert found.interval is not None
    one_row = 1 / (1000 * rate)
    assert found.interval.high - found.interval.low >= 2 * 1.96**2 * one_row * 0.999


def test_crossed_groups() -> None:
    data = binary(3)
    crossed = estimate("demographic_parity_difference", data, by=(Cut("g"), Cut("h")))
    assert data.prediction is not None
    cells = [
        data.prediction[
            (data.columns["g", "category"].values == g) & (data.columns["h", "category"].values == h)
        ].mean()
        for g in (-1, 0, 1, 2)
        for h in (0, 1)
    ]

    assert crossed.value == pytest.approx(max(cells) - min(cells), rel=1e-12)
    assert not math.isnan(sum(cells))
