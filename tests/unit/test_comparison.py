from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tidegate.comparison import Comparison, ComparisonResult, EvaluationSet, compare
from tidegate.config import Compare
from tidegate.ledger import Budget
from tidegate.metrics import METRICS
from tidegate.metrics.data import Groups, Predictions
from tidegate.tables import Column

N = 100


def gains(mean: float, spread: float, rows: int = N) -> np.ndarray:
    """Differences with exactly this mean, whose interval is the mean and about 0.2 spreads to each side."""
    return mean + spread * np.tile([1.0, -1.0], rows // 2)


def model(values: np.ndarray, codes: np.ndarray | None = None, levels: tuple[str, ...] = ()) -> Predictions:
    part = (
        {}
        if codes is None
        else {("part", "category"): Column("part", "category", codes.astype(np.int32), levels)}
    )
    kpi = {("kpi", "number"): Column("kpi", "number", np.asarray(values, dtype=np.float64))}
    return Predictions("regression", len(values), columns={**kpi, **part})


def primary(**keys: Any) -> dict[str, Any]:
    return {"metric": "mean", "column": "kpi", "better": "higher", **keys}


def decide(candidates: dict[str, Predictions], production: Predictions, **config: Any) -> ComparisonResult:
    return compare([EvaluationSet("golden", production, candidates)], Compare.model_validate(config))


def compared(change: np.ndarray, **keys: Any) -> tuple[str, Comparison]:
    """The decision and the only comparison of one candidate that changed a column by these amounts."""
    base = np.arange(float(len(change)))
    result = decide({"c": model(base + change)}, model(base), primary=primary(**keys))
    (only,) = result.comparisons
    return result.decision, only


NON_INFERIOR = {"require": "non_inferior", "margin": 1.0}


@pytest.mark.parametrize(
    ("mean", "spread", "keys", "verdict", "decision"),
    [
        (1.0, 1.0, {}, "superior", "promote"),
        (0.1, 1.0, {}, "inconclusive", "inconclusive"),
        (-0.1, 1.0, {}, "inconclusive", "inconclusive"),
        (-1.0, 1.0, {}, "inferior", "hold"),
        (1.0, 1.0, {"better": "lower"}, "inferior", "hold"),
        (-1.0, 1.0, {"better": "lower"}, "superior", "promote"),
        # Exactly at a bound: not above zero, but not below the margin.
        (0.0, 0.0, {}, "non_inferior", "hold"),
        # Rows that all lose the same are not known to be all there is.
        (-1.0, 0.0, NON_INFERIOR, "inconclusive", "inconclusive"),
        (-0.9, 0.0, NON_INFERIOR, "non_inferior", "promote"),
        (-1.1, 0.0, NON_INFERIOR, "inferior", "hold"),
        (1.0, 1.0, NON_INFERIOR, "superior", "promote"),
        (-0.5, 1.0, NON_INFERIOR, "non_inferior", "promote"),
        (-0.9, 1.0, NON_INFERIOR, "inconclusive", "inconclusive"),
        # Surely worse than production, but not surely by more than the margin.
        (-1.1, 1.0, NON_INFERIOR, "inconclusive", "inconclusive"),
        (-1.5, 1.0, NON_INFERIOR, "inferior", "hold"),
    ],
)
def test_verdicts_of_the_primary_comparison(mean, spread, keys, verdict, decision):
    decided, comparison = compared(gains(mean, spread), **keys)
    assert (comparison.verdict, decided) == (verdict, decision)


def test_a_comparison_shows_what_it_rests_on():
    decision, c = compared(gains(0.1, 1.0))
    assert decision == "inconclusive"
    assert c.delta == pytest.approx(0.1)
    assert c.ci == pytest.approx((-0.0994, 0.2994), abs=1e-3)
    assert c.p_value == c.adjusted_p_value == pytest.approx(0.322, abs=1e-3)
    assert c.p_better == pytest.approx(1 - c.p_value / 2)
    # 2.8 standard errors: of 0.1005 here, and of the difference seen at the rows needed.
    assert c.detectable == pytest.approx(2.80 * 0.1005, rel=0.02)
    assert c.rows_needed == pytest.approx(N * (2.80 * 1.005) ** 2, rel=0.03)
    assert "about" in c.detail
    assert "would settle it" in c.detail


@pytest.mark.parametrize("better", ["higher", "lower"])
def test_delta_is_positive_where_the_candidate_is_better(better):
    _, c = compared(gains(1.0 if better == "higher" else -1.0, 1.0), better=better)
    assert c.delta == pytest.approx(1.0)
    assert c.ci is not None
    assert c.ci[0] > 0
    assert c.p_better is not None
    assert c.p_better > 0.999


def guarded(changes: dict[str, np.ndarray], **keys: Any) -> tuple[ComparisonResult, dict[str, Comparison]]:
    """A primary that holds, and a guardrail on slices that changed by these amounts."""
    codes = np.repeat(np.arange(len(changes)), [len(each) for each in changes.values()])
    change = np.concatenate(list(changes.values()))
    base = np.arange(float(len(change)))
    result = decide(
        {"c": model(base + change, codes, tuple(changes))},
        model(base, codes, tuple(changes)),
        primary=primary(require="non_inferior", margin=100),
        guardrails=[primary(slices=["part"], **keys)],
    )
    return result, {str(c.slice["part"]): c for c in result.comparisons if c.slice}


@pytest.mark.parametrize(
    ("require", "mean", "satisfied", "decision"),
    [
        ("non_inferior", 0.0, True, "promote"),
        ("non_inferior", -0.9, False, "inconclusive"),
        ("non_inferior", -3.0, False, "hold"),
        ("not_inferior", -0.9, True, "promote"),
        ("not_inferior", -1.1, True, "promote"),
        ("not_inferior", -3.0, False, "hold"),
    ],
)
def test_what_a_guardrail_requires(require, mean, satisfied, decision):
    result, by_slice = guarded({"a": gains(0, 1), "b": gains(mean, 1)}, require=require, margin=1.0)
    assert by_slice["a"].satisfied
    assert by_slice["b"].satisfied is satisfied
    assert result.decision == decision
    assert ("part b" in result.reasons[0]) is not satisfied


def test_slices_under_min_rows_are_skipped_and_listed():
    result, by_slice = guarded({"a": gains(0, 0.1), "b": gains(-9, 1, 10)}, margin=1.0, min_rows=50)
    assert by_slice["b"].verdict == "skipped"
    assert by_slice["b"].satisfied
    assert by_slice["b"].adjusted_p_value is None
    assert result.decision == "promote"


@pytest.mark.parametrize("require", ["non_inferior", "not_inferior"])
def test_what_cannot_be_compared_is_never_taken_for_harmless(require):
    result, by_slice = guarded({"a": gains(0, 1), "b": np.full(10, np.nan)}, margin=1.0, require=require)
    assert by_slice["b"].verdict == "inconclusive"
    assert not by_slice["b"].satisfied
    assert by_slice["b"].delta is by_slice["b"].ci is None
    assert "cannot be compared" in by_slice["b"].detail
    assert result.decision == "inconclusive"


def test_a_skipped_primary_decides_nothing():
    decision, c = compared(gains(1, 1), min_rows=N + 1, require="non_inferior", margin=1)
    assert (c.verdict, decision) == ("skipped", "inconclusive")


def test_the_correction_applies_to_blame_and_not_to_promotion():
    # Each of these alone is harm at 5%, and none of them is among twenty.
    harmed = {f"s{i}": gains(-0.25, 1.0) for i in range(20)}
    alone, _ = guarded({"s0": harmed["s0"]})
    assert alone.decision == "hold"
    result, by_slice = guarded(harmed)
    assert {c.verdict for c in by_slice.values()} == {"inconclusive"}
    assert result.decision == "inconclusive"
    # Neither is a gain, which to keep a guardrail it need not be.
    result, better = guarded({f"s{i}": gains(0.25, 1.0) for i in range(20)})
    assert {c.verdict for c in better.values()} == {"non_inferior"}
    assert result.decision == "promote"
    _, alone_better = guarded({"s0": gains(0.25, 1.0)})
    assert alone_better["s0"].verdict == "superior"


def test_the_level_is_shared_among_candidates():
    base = np.arange(float(N))
    gain = model(base + gains(0.22, 1.0))
    assert decide({"c": gain}, model(base), primary=primary()).decision == "promote"
    several = {"c": gain, **{f"d{i}": model(base + gains(-0.1, 1.0)) for i in range(4)}}
    assert decide(several, model(base), primary=primary()).decision == "inconclusive"


def test_candidates_are_ranked_with_what_separates_them():
    base = np.arange(float(N))
    candidates = {
        "unknown": model(np.full(N, np.nan)),
        "worst": model(base + gains(-3, 1)),
        "good": model(base + gains(1, 1)),
        "best": model(base + gains(3, 1)),
    }
    result = decide(candidates, model(base), primary=primary())
    assert [rank.candidate for rank in result.ranking] == ["best", "good", "worst", "unknown"]
    best, good, worst, unknown = result.ranking
    assert best.delta_to_next == pytest.approx(2)
    assert best.ci_to_next == pytest.approx((2, 2))
    assert good.delta_to_next == pytest.approx(4)
    assert worst.delta_to_next is None
    assert unknown.delta_to_next is None
    assert [d.decision for d in result.candidates] == ["inconclusive", "hold", "promote", "promote"]
    assert result.decision == "promote"
    assert result.reasons[0].startswith("best: ")


def test_the_best_that_keeps_its_guardrails_is_chosen():
    base, codes = np.arange(float(N)), np.tile([0, 0, 1, 1], N // 4)
    uneven = gains(3, 1) + np.where(codes == 1, -6, 3)
    candidates = {
        "uneven": model(base + uneven, codes, ("a", "b")),
        "even": model(base + 1, codes, ("a", "b")),
    }
    result = decide(
        candidates, model(base, codes, ("a", "b")), primary=primary(), guardrails=[primary(slices=["part"])]
    )
    assert result.ranking[0].candidate == "uneven"
    assert result.decision == "promote"
    assert result.reasons[0].startswith("even: ")


@pytest.mark.parametrize(("on_golden", "decision"), [(0.0, "promote"), (-5.0, "hold")])
def test_the_first_set_is_judged_and_the_others_are_guarded(on_golden, decision):
    base = np.arange(float(N))
    sets = [
        EvaluationSet(name, model(base), {"c": model(base + gains(mean, 1))})
        for name, mean in (("recent", 1.0), ("golden", on_golden))
    ]
    config = Compare.model_validate({"sets": ["recent", "golden"], "primary": primary(margin=0.5)})
    result = compare(sets, config)
    assert [(c.set, c.role, c.require) for c in result.comparisons] == [
        ("recent", "primary", "superior"),
        ("golden", "guardrail", "non_inferior"),
    ]
    assert result.decision == decision


def classifier(prediction: np.ndarray, label: np.ndarray, codes: np.ndarray | None = None) -> Predictions:
    column = Column(
        "part", "category", np.zeros(len(label), dtype=np.int32) if codes is None else codes, ("a", "b")
    )
    return Predictions(
        "binary",
        len(label),
        ("0", "1"),
        label=label,
        prediction=prediction,
        columns={("part", "category"): column},
    )


@pytest.mark.parametrize("metric", ["accuracy", "recall", "precision", "f1", "f1_macro", "balanced_accuracy"])
def test_models_that_differ_elsewhere_are_not_known_to_agree_here(metric):
    label = np.tile([0, 1], 50).astype(np.int32)
    production = np.tile([0, 1, 1, 1], 25).astype(np.int32)
    candidate = production.copy()
    candidate[:10] = label[:10]
    codes = np.repeat(np.array([0, 1], dtype=np.int32), 50)
    result = decide(
        {"c": classifier(candidate, label, codes)},
        classifier(production, label, codes),
        primary={"metric": metric, "require": "non_inferior", "margin": 0.9},
        guardrails=[{"metric": metric, "slices": ["part"], "margin": 0.9}],
    )
    here = result.comparisons[2]
    assert here.delta == 0
    assert here.ci is not None
    # Three to four of the fifty rows, or of the half of them that a recall stands on.
    low, high = here.ci
    assert high == pytest.approx(-low, rel=0.1)
    assert 2.5 / 50 < high < 5 / 25


def test_many_classes_cost_only_what_occurs():
    rng = np.random.default_rng(1)
    label = rng.integers(0, 40, 2_000).astype(np.int32)
    guesses = [
        np.where(rng.random(2_000) < right, label, (label + 1) % 40).astype(np.int32) for right in (0.9, 0.8)
    ]
    classes = tuple(f"{i:02d}" for i in range(40))
    a, b = (Predictions("multiclass", 2_000, classes, label=label, prediction=guess) for guess in guesses)
    for metric in ("accuracy", "f1_macro", "precision_weighted"):
        (paired,) = METRICS[metric].compare(a, b, Groups.everything(2_000), {}, 0.95)
        assert paired.interval is not None
        assert 0.05 < paired.interval.low < 0.1 < paired.interval.high < 0.15


def test_a_level_that_no_joined_row_has_is_no_slice():
    production = model(np.arange(4.0), np.array([0, 0, 1, 2]), ("a", "b", "gone")).take(np.arange(3))
    candidate = model(np.arange(4.0), np.array([0, 0, 1, 2]), ("a", "b", "gone")).take(np.arange(3))
    result = decide(
        {"c": candidate},
        production,
        primary=primary(require="non_inferior", margin=0),
        guardrails=[primary(slices=["part"])],
    )
    assert [c.slice for c in result.comparisons[1:]] == [{"part": "a"}, {"part": "b"}]
    assert result.decision == "promote"


@pytest.mark.parametrize("config", [{"part": "never"}, {"part": ["a", "never"]}])
def test_a_slice_that_is_listed_must_occur(config):
    values, codes = np.arange(4.0), np.zeros(4)
    guardrail = primary(slices=[config])
    same = model(values, codes, ("a",))
    result = decide(
        {"c": same}, same, primary=primary(require="non_inferior", margin=0), guardrails=[guardrail]
    )
    assert result.decision == "inconclusive"
    assert "never" in result.reasons[0]


def test_the_order_of_rows_does_not_matter():
    rng = np.random.default_rng(2)
    base, codes = rng.normal(size=500), rng.integers(0, 3, 500)
    new, order = base + rng.normal(0.1, 1, size=500), rng.permutation(500)
    config: dict[str, Any] = {"primary": primary(), "guardrails": [primary(slices=["part"], margin=0.3)]}
    levels = ("a", "b", "c")
    first = decide({"c": model(new, codes, levels)}, model(base, codes, levels), **config)
    second = decide(
        {"c": model(new[order], codes[order], levels)}, model(base[order], codes[order], levels), **config
    )
    assert first.decision == second.decision
    for one, other in zip(first.comparisons, second.comparisons, strict=True):
        assert one.delta == pytest.approx(other.delta, rel=1e-12)
        assert one.ci == pytest.approx(other.ci, rel=1e-12)


# What is required: margins, equivalence, corrections


def test_a_relative_margin_is_a_share_of_production_less_its_own_uncertainty():
    # Production is worth 49.5 on average, so 2% of it is 0.99.
    _, c = compared(gains(-0.5, 1.0), require="non_inferior", relative_margin=0.02)
    assert c.relative_margin == 0.02
    # Production's own spread of 28.9 is that of 2% of it, 0.577, beside the 1.005 of the difference.
    half = c.delta - c.ci[0]
    assert c.margin == pytest.approx(0.99 - half * (np.hypot(1.0, 0.02 * 28.866) - 1), rel=0.02)
    assert c.verdict == "non_inferior"
    assert (
        compared(gains(-0.8, 1.0), require="non_inferior", relative_margin=0.02)[1].verdict == "inconclusive"
    )


def test_a_margin_beside_a_relative_one_is_its_floor():
    base = np.tile([0.001, -0.001], N // 2)
    result = decide(
        {"c": model(base - 0.005)},
        model(base),
        primary=primary(require="non_inferior", relative_margin=0.1, margin=0.01),
    )
    assert (result.comparisons[0].margin, result.decision) == (0.01, "promote")
    strict = decide(
        {"c": model(base - 0.005)}, model(base), primary=primary(require="non_inferior", relative_margin=0.1)
    )
    assert strict.decision == "hold"


def test_production_that_is_identical_is_within_any_relative_margin():
    _, c = compared(np.zeros(N), require="non_inferior", relative_margin=0.05)
    assert (c.verdict, c.margin) == ("non_inferior", pytest.approx(49.5 * 0.05))


@pytest.mark.parametrize(
    ("mean", "holds", "decision"),
    [
        (0.0, True, "promote"),
        (0.7, True, "promote"),
        (-0.7, True, "promote"),
        (0.9, False, "inconclusive"),
        (1.5, False, "hold"),
    ],
)
def test_equivalence_is_two_sided(mean, holds, decision):
    decided, c = compared(gains(mean, 1.0), require="equivalent", margin=1.0)
    assert c.equivalence is not None
    assert (c.equivalence.holds, c.satisfied, decided) == (holds, holds, decision)
    assert (c.equivalence.p_value <= 0.025) == holds


def by_correction(change: np.ndarray, **keys: Any) -> dict[str, dict[str, Comparison]]:
    """The comparisons of two parts of the rows under each correction."""
    half = len(change) // 2
    codes, base = np.repeat([0, 1], half), np.arange(float(len(change)))
    results = {
        correction: decide(
            {"c": model(base + change, codes, ("a", "b"))},
            model(base, codes, ("a", "b")),
            primary=primary(**keys),
            guardrails=[primary(slices=["part"])],
            correction=correction,
        )
        for correction in ("holm", "hierarchical")
    }
    return {
        name: {str((c.slice or {}).get("part")): c for c in each.comparisons}
        for name, each in results.items()
    }


def test_under_gatekeeping_gains_wait_for_the_primary_and_harm_does_not():
    found = by_correction(np.concatenate([gains(0.4, 1.0), gains(-0.4, 1.0)]))
    holm, gated = found["holm"], found["hierarchical"]
    # The primary, which shows no difference, keeps the gate shut for what is called better.
    assert (holm["a"].verdict, gated["a"].verdict) == ("superior", "non_inferior")
    assert gated["a"].adjusted_p_value == gated["None"].p_value == pytest.approx(1)
    assert (holm["b"].verdict, gated["b"].verdict) == ("inferior", "inferior")


def test_an_open_gate_leaves_the_guardrails_among_themselves():
    found = by_correction(np.concatenate([gains(2.0, 1.0), gains(0.23, 1.0)]))
    assert found["hierarchical"]["b"].adjusted_p_value == found["hierarchical"]["b"].p_value
    assert found["hierarchical"]["b"].verdict == "superior"
    assert found["hierarchical"]["None"].adjusted_p_value == found["hierarchical"]["None"].p_value


def test_each_requirement_says_what_it_costs():
    _, seen = guarded({"a": gains(0, 1), "b": gains(0, 5)}, require="not_inferior", margin=1.0)
    assert seen["a"].cost.startswith("with 100 rows this slice cannot show a loss under 1.3")
    _, shown = guarded({"a": gains(0, 1), "b": gains(0, 5)}, margin=1.0)
    assert shown["a"].cost == ""
    assert (
        shown["b"].cost
        == "with 100 rows this slice can show harmlessness within 1.425, not within the 1 allowed"
    )


@pytest.mark.parametrize(("share", "flagged"), [(0.9, True), (0.3, False)])
def test_a_gain_too_good_to_be_true_is_flagged_and_changes_nothing(share, flagged):
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 1_000).astype(np.int32)
    wrong = rng.permutation(1_000) < 200
    mended = wrong & (rng.random(1_000) > share)
    production, candidate = (
        Predictions(
            "binary", 1_000, classes=("0", "1"), label=label, prediction=np.where(miss, 1 - label, label)
        )
        for miss in (wrong, mended)
    )
    result = decide({"c": candidate}, production, primary={"metric": "accuracy"})
    assert result.comparisons[0].suspicious is flagged
    assert [w.split(":")[0] for w in result.warnings] == ["suspiciously better"] * flagged
    assert result.decision == "promote"


# Several sets, budgets, segments, rows


def two_sets(recent: np.ndarray, golden: np.ndarray, **keys: Any) -> ComparisonResult:
    base = np.arange(float(N))
    sets = [
        EvaluationSet("recent", model(base), {"c": model(base + recent)}),
        EvaluationSet("golden", model(base), {"c": model(base + golden)}),
    ]
    config = {"sets": ["recent", "golden"], "primary": primary(margin=1.0), **keys}
    return compare(sets, Compare.model_validate(config))


def test_sets_that_disagree_say_so():
    both = two_sets(gains(1, 1), gains(-0.5, 1))
    assert both.decision == "promote"
    assert both.disagreements == [
        "the sets disagree about mean of kpi: on the recent set it is better by 1 [0.8006, 1.199]; on the golden set it"
        " is worse by 0.5 [0.3006, 0.6994]"
    ]
    split = two_sets(gains(1, 1), gains(-3, 1))
    assert split.decision == "hold"
    assert split.disagreements[-1] == "the recent set alone would let it go on, the golden set does not"
    assert two_sets(gains(1, 1), gains(1, 1)).disagreements == []


def spent(**keys: Any) -> Budget:
    known = {
        "set": "golden",
        "golden_sha256": "0" * 64,
        "horizon": 32,
        "adaptivity": "none",
        "used": 32,
        "left": 0,
    }
    rest = {"known": False, "exhausted": True, "error_per_decision": 0.05 / 32, "ledger": "history"}
    return Budget(**(known | rest | {"detail": "used up: refresh it"} | keys))


def test_a_set_that_is_used_up_decides_nothing():
    base = np.arange(float(N))
    sets = [EvaluationSet("golden", model(base), {"c": model(base + gains(1, 1))})]
    config = Compare.model_validate({"primary": primary(), "reuse": {"horizon": 32}})
    assert compare(sets, config, budget=spent(exhausted=False)).decision == "promote"
    result = compare(sets, config, budget=spent())
    assert (result.decision, result.reasons[0]) == ("inconclusive", "used up: refresh it")


@pytest.mark.parametrize(
    ("reuse", "level"),
    [
        (None, 1 - 0.05 / 2),
        ({"horizon": 32}, 1 - 0.05 / 32),
        ({"horizon": 1}, 1 - 0.05 / 2),
        ({"horizon": 5, "adaptivity": "full"}, 1 - 0.05 / 2 / 32),
    ],
)
def test_the_error_is_divided_among_candidates_and_uses(reuse, level):
    base = np.arange(float(N))
    result = decide({"a": model(base + 1), "b": model(base + 1)}, model(base), primary=primary(), reuse=reuse)
    assert result.level == pytest.approx(level)


def test_far_out_only_metrics_with_bounds_decide():
    rng = np.random.default_rng(1)
    label = rng.integers(0, 2, 20_000).astype(np.int32)
    wrong = rng.permutation(20_000) < 4_000
    mended = wrong & (rng.random(20_000) > 0.5)
    production, candidate = (
        Predictions(
            "binary", 20_000, classes=("0", "1"), label=label, prediction=np.where(miss, 1 - label, label)
        )
        for miss in (wrong, mended)
    )
    reuse = {"horizon": 32, "adaptivity": "full"}
    result = decide({"c": candidate}, production, primary={"metric": "accuracy"}, reuse=reuse)
    assert result.decision == "promote"
    (only,) = result.comparisons
    usual = decide({"c": candidate}, production, primary={"metric": "accuracy"}).comparisons[0]
    assert only.ci[0] < usual.ci[0] < only.delta
    unbounded = decide({"c": candidate}, production, primary={"metric": "matthews_corrcoef"}, reuse=reuse)
    assert unbounded.decision == "inconclusive"
    assert "no bound holds" in unbounded.reasons[0]


def with_segment(loss: float, **keys: Any) -> ComparisonResult:
    """A candidate better on the whole and worse by `loss` in one of ten parts."""
    rng = np.random.default_rng(2)
    n = 4_000
    codes = rng.integers(0, 10, n).astype(np.int32)
    base = rng.normal(size=n)
    change = 0.5 + rng.normal(size=n) - np.where(codes == 3, 0.5 + loss, 0.0)
    part = Column("part", "category", codes, tuple("abcdefghij"))
    sets = [
        EvaluationSet(
            "golden",
            replace(model(base), label=base),
            {"c": model(base + change)},
            features=(part,),
            keys=rng.integers(0, 2**63, n).astype(np.uint64),
        )
    ]
    return compare(sets, Compare.model_validate({"primary": primary(), **keys}))


def test_a_segment_that_nobody_listed_holds_the_candidate():
    assert with_segment(1.0).decision == "promote"
    result = with_segment(1.0, discover=True)
    assert [found.slice for found in result.segments[0].search.found if found.confirmed] == [{"part": "d"}]
    assert result.decision == "hold"
    assert "part d on the golden set is worse by" in result.reasons[0]
    assert "held back" in result.reasons[0]
    assert with_segment(1.0, discover={"block": False}).decision == "promote"
    assert with_segment(-0.2, discover=True).decision == "promote"


def test_rows_that_changed_are_named():
    label = np.tile([0, 1], 10).astype(np.int32)
    answers = label.copy()
    answers[3] = 0
    ids = Column("id", "category", np.arange(20, dtype=np.int32), tuple(range(100, 120)))
    production = Predictions("binary", 20, classes=("0", "1"), label=label, prediction=label)
    candidate = replace(production, prediction=answers)
    sets = [EvaluationSet("golden", production, {"c": candidate}, names=ids.take)]
    (found,) = compare(sets, Compare.model_validate({"primary": {"metric": "accuracy"}})).flips
    assert (found.flips.new_errors, found.flips.fixed) == (1, 0)
    assert [row.id for row in found.flips.rows] == [103]


def answered(*right: np.ndarray) -> list[Predictions]:
    """Models of two classes that are right on these rows."""
    label = np.tile([0, 1], len(right[0]) // 2).astype(np.int32)
    part = Column("part", "category", (np.arange(len(label)) // 2 % 2).astype(np.int32), ("a", "b"))
    return [
        Predictions(
            "binary",
            len(label),
            classes=("0", "1"),
            label=label,
            prediction=np.where(each, label, 1 - label),
            columns={("part", "category"): part},
        )
        for each in right
    ]


@pytest.mark.parametrize("reuse", [{"horizon": 32, "adaptivity": "full"}, {"horizon": 1_000}])
def test_harm_is_called_far_out_too(reuse):
    rng = np.random.default_rng(4)
    n = 40_000
    was, is_ = rng.random(n) < 0.9, rng.random(n) < 0.9
    is_[np.arange(n) // 2 % 2 == 1] &= rng.random(n // 2) < 0.5
    candidate, production = answered(is_, was)
    guardrail = {"metric": "accuracy", "slices": ["part"], "margin": 0.02, "require": "not_inferior"}
    result = decide(
        {"c": candidate},
        production,
        primary={"metric": "accuracy", "require": "non_inferior", "margin": 0.6},
        guardrails=[guardrail],
        reuse=reuse,
    )
    assert [c.verdict for c in result.comparisons][::2] == ["non_inferior", "inferior"]
    assert result.decision == "hold"
    assert "cannot show a loss under" in result.comparisons[1].cost


def test_what_differs_elsewhere_is_not_certain_where_it_does_not():
    codes, base = np.repeat([0, 1], N), np.arange(2.0 * N)
    change = np.concatenate([np.zeros(N), gains(0.0, 1.0)])
    result = decide(
        {"c": model(base + change, codes, ("a", "b"))},
        model(base, codes, ("a", "b")),
        primary=primary(require="non_inferior", margin=1),
        guardrails=[primary(slices=["part"], margin=0.03)],
    )
    same = next(c for c in result.comparisons if c.slice == {"part": "a"})
    # One row may differ by 1 as elsewhere, and so many may have been missed.
    assert same.ci == pytest.approx((-0.0384, 0.0384), abs=1e-4)
    assert same.verdict == "inconclusive"


def test_a_set_that_is_used_up_does_not_hide_harm():
    base = np.arange(float(N))
    sets = [EvaluationSet("golden", model(base), {"c": model(base - gains(1, 1))})]
    config = Compare.model_validate({"primary": primary(), "reuse": {"horizon": 32}})
    assert compare(sets, config, budget=spent()).decision == "hold"


def test_few_rows_do_not_excuse_the_primary_on_the_golden_set():
    base = np.arange(float(N))
    sets = [
        EvaluationSet("recent", model(base), {"c": model(base + gains(1, 1))}),
        EvaluationSet("golden", model(base[:10]), {"c": model(base[:10] + gains(-2, 9, 10))}),
    ]
    config = {"sets": ["recent", "golden"], "primary": primary(margin=1.0, min_rows=20)}
    result = compare(sets, Compare.model_validate(config))
    assert (result.comparisons[1].verdict, result.decision) == ("inconclusive", "inconclusive")


def test_no_loss_within_a_relative_margin_is_called_harm():
    rng, harmed = np.random.default_rng(3), 0
    for _ in range(100):
        base = np.exp(rng.normal(size=200))
        loss = 0.9 * 0.2 * np.exp(0.5) + rng.normal(0, 0.1, 200)
        result = decide(
            {"c": model(base - loss)},
            model(base),
            primary=primary(require="non_inferior", relative_margin=0.2),
        )
        harmed += result.decision == "hold"
    assert harmed <= 5


def test_a_metric_without_influences_has_its_relative_margin_bounded_apart():
    rng, n, passed = np.random.default_rng(5), 300, 0
    for _ in range(60):
        base = rng.gamma(2.0, 50.0, n)
        production, candidate = (
            Predictions("regression", n, label=base, prediction=base, latency=each)
            for each in (base, base * 1.3)
        )
        result = decide(
            {"c": candidate},
            production,
            primary={"metric": "latency_p95", "require": "non_inferior", "relative_margin": 0.3},
        )
        passed += result.decision == "promote"
    assert passed <= 6


@pytest.mark.parametrize(
    ("metric", "flagged"),
    [("roc_auc", True), ("average_precision", True), ("expected_calibration_error", False)],
)
def test_what_is_suspicious_is_knowledge_of_the_label(metric, flagged):
    rng, n = np.random.default_rng(6), 600
    label = rng.integers(0, 2, n).astype(np.int32)
    noisy = np.clip(0.35 + 0.3 * label + rng.normal(0, 0.3, n), 0.01, 0.99)
    told = np.clip(0.05 + 0.9 * label + rng.normal(0, 0.02, n), 0.0, 1.0)
    production, candidate = (
        Predictions("binary", n, classes=("0", "1"), label=label, score=score) for score in (noisy, told)
    )
    assert (
        decide({"c": candidate}, production, primary={"metric": metric}).comparisons[0].suspicious is flagged
    )


def test_figures_that_overflow_are_not_taken_for_equal():
    label = np.zeros(50)
    models = [Predictions("regression", 50, label=label, prediction=label + size) for size in (1e300, 2e300)]
    with np.errstate(over="ignore"):
        result = decide(
            {"c": models[1]},
            models[0],
            primary={"metric": "mean_squared_error", "require": "non_inferior", "margin": 1},
        )
    assert result.decision == "inconclusive"
    assert "too large" in result.reasons[0]
