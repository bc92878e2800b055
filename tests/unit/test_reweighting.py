import numpy as np
import pytest

from tidegate.errors import DataError
from tidegate.reweighting import Importance, importance_weights
from tidegate.tables import Column

HOSTILE = "<script>`|\u202e\n::error::"


def number(name: str, values: np.ndarray) -> Column:
    return Column(name, "number", np.asarray(values, dtype=np.float64))


def category(name: str, codes: np.ndarray, *levels: str | int | bool) -> Column:
    return Column(name, "category", np.asarray(codes, dtype=np.int32), levels)


def weigh(golden: list[Column], reference: list[Column], seed: int = 0) -> Importance:
    return importance_weights({c.name: c for c in golden}, {c.name: c for c in reference}, seed=seed)


def mixed_table(rng: np.random.Generator, rows: int, shift: float) -> list[Column]:
    x = rng.normal(shift, 1, rows)
    x[rng.random(rows) < 0.1] = np.nan
    day = np.datetime64("2024-01-01", "us") + (rng.integers(0, 365, rows) * 86_400_000_000).astype(
        "timedelta64[us]"
    )
    day[:3] = np.datetime64("NaT")
    huge = np.where(rng.random(rows) < 0.01, np.inf, rng.choice([-1e308, 1e308, 0.0], rows))
    return [
        number(HOSTILE, x),
        Column("day", "time", day),
        number("huge", huge),
        number("constant", np.ones(rows)),
        number("empty", np.full(rows, np.nan)),
        category("flag", rng.integers(0, 2, rows), False, True),
        category("id", np.arange(rows), *(f"{rows}-{i:05d}" for i in range(rows))),
        category("carrier", rng.integers(-1, 3, rows), "AA", "B6", "DL"),
    ]


def test_one_category_is_weighted_by_its_shares() -> None:
    result = weigh(
        [category("carrier", np.repeat([0, 1, 2], [500, 300, 200]), "AA", "B6", "DL")],
        [category("carrier", np.repeat([0, 1, 2], [2_000, 3_000, 5_000]), "AA", "B6", "DL")],
    )
    # Post-stratification: the share in production over the share in the golden set.
    assert result.weights[[0, 500, 800]] == pytest.approx([0.4, 1.0, 2.5], rel=0.02)
    assert result.effective_rows == pytest.approx(1_000 / (0.5 * 0.16 + 0.3 + 0.2 * 6.25), rel=0.03)
    assert result.largest_weight == result.weights.max()
    assert (result.uncovered_share, result.truncated_share, result.detail) == (0, 0, "")


@pytest.mark.parametrize("shift", [0.3, 0.7])
def test_weights_are_near_the_true_ratio_of_two_normal_laws(shift: float) -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(3_000, 3))
    z = rng.normal([shift, 0, 0], 1, size=(10_000, 3))
    result = weigh(*([number(f"x{j}", part[:, j]) for j in range(3)] for part in (x, z)))
    truth = np.exp(shift * x[:, 0] - shift**2 / 2)

    assert np.corrcoef(result.weights, truth)[0, 1] > 0.95
    assert np.average(x, axis=0, weights=result.weights) == pytest.approx([shift, 0, 0], abs=0.06)
    assert result.effective_rows / 3_000 == pytest.approx(np.exp(-(shift**2)), abs=0.08)
    # Normal laws a distance d apart have an AUC of Phi(d / sqrt 2).
    assert result.auc == pytest.approx({0.3: 0.584, 0.7: 0.690}[shift], abs=0.015)


def test_a_plain_logistic_regression_agrees_where_a_line_is_the_truth() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(6)
    x, z = rng.normal(size=(2_000, 2)), rng.normal([0.6, -0.3], 1, size=(4_000, 2))
    peer = linear_model.LogisticRegression().fit(np.vstack((x, z)), np.repeat([0, 1], [2_000, 4_000]))
    plain = np.exp(peer.decision_function(x))
    result = weigh(*([number(f"x{j}", part[:, j]) for j in range(2)] for part in (x, z)))

    assert np.corrcoef(result.weights, plain / plain.mean())[0, 1] > 0.97


def test_a_changed_spread_and_a_changed_dependence_are_seen_too() -> None:
    rng = np.random.default_rng(7)
    x, z = rng.normal(size=(3_000, 2)), rng.normal(size=(6_000, 2))
    z[:, 1] = 0.5 * z[:, 0] + np.sqrt(0.75) * z[:, 1]
    dependent = weigh(*([number(f"x{j}", part[:, j]) for j in range(2)] for part in (x, z)))
    assert np.average(x[:, 0] * x[:, 1], weights=dependent.weights) == pytest.approx(0.5, abs=0.1)
    narrow = weigh([number("x", x[:, 0])], [number("x", 0.6 * z[:, 0])])
    assert np.average(x[:, 0] ** 2, weights=narrow.weights) == pytest.approx(0.36, abs=0.04)


def test_the_order_of_rows_columns_and_levels_does_not_matter() -> None:
    rng = np.random.default_rng(8)
    golden, reference = mixed_table(rng, 400, 0.0), mixed_table(rng, 900, 0.8)
    first = weigh(golden, reference)
    order, other = rng.permutation(400), rng.permutation(900)
    turned = weigh([c.take(order) for c in golden[::-1]], [c.take(other) for c in reference[::-1]])

    assert turned.weights == pytest.approx(first.weights[order], rel=1e-9)
    assert turned.auc == pytest.approx(first.auc, rel=1e-9)
    assert (turned.method, turned.detail) == (first.method, first.detail)
    assert np.isfinite(first.weights).all()
    assert first.weights.mean() == pytest.approx(1)


def test_equal_rows_weigh_the_same_and_seeds_differ_a_little() -> None:
    rng = np.random.default_rng(9)
    x, z = rng.integers(0, 4, 600), rng.integers(1, 5, 900)
    one, two = (weigh([number("x", x)], [number("x", z)], seed) for seed in (1, 2))
    for value in range(4):
        assert len(np.unique(one.weights[x == value])) == 1
    assert one.weights == pytest.approx(two.weights, rel=0.3, abs=0.05)


def test_levels_and_ranges_that_the_golden_set_lacks_are_counted() -> None:
    rng = np.random.default_rng(10)
    carrier = weigh(
        [category("carrier", rng.integers(0, 2, 500), "AA", "B6")],
        [category("carrier", np.repeat([0, 1, 2], [400, 400, 200]), "AA", "B6", "ZZ")],
    )
    assert carrier.uncovered_share == pytest.approx(0.2)
    assert carrier.detail.startswith("20% of the reference lies where the golden set has next to no rows")
    distance = weigh(
        [number("distance", rng.uniform(0, 1, 500))], [number("distance", rng.uniform(0, 2, 2_000))]
    )
    assert distance.uncovered_share == pytest.approx(0.5, abs=0.06)


def test_a_golden_set_of_another_world_is_said_to_be_one() -> None:
    rng = np.random.default_rng(11)
    result = weigh([number("x", rng.normal(size=500))], [number("x", rng.normal(3, 1, size=2_000))])
    assert result.effective_rows < 100
    assert result.uncovered_share > 0.6
    assert "a few rows decide" in result.detail
    assert result.auc > 0.95


def test_columns_of_different_kinds_are_left_out_and_named() -> None:
    rng = np.random.default_rng(12)
    x = rng.normal(size=100)
    result = weigh(
        [number("x", x), number("code", x)], [number("x", x), category("code", np.zeros(100), "a")]
    )
    assert result.detail == "code cannot be used: different kinds of values in the two tables"
    assert result.method.startswith("density ratio of 1 column by")


def test_what_cannot_be_weighted_is_an_error_that_says_how_to_mend_it() -> None:
    x = np.arange(100.0)
    with pytest.raises(DataError, match="no feature in common"):
        weigh([number("x", x)], [number("y", x)])
    with pytest.raises(DataError, match="no feature in common"):
        weigh([number("x", x)], [category("x", np.zeros(100), "a")])
    with pytest.raises(DataError, match="the golden set has 19 rows, too few to weight by; give it 20"):
        weigh([number("x", x[:19])], [number("x", x)])
    with pytest.raises(DataError, match="the reference has 0 rows"):
        weigh([number("x", x)], [number("x", x[:0])])


def test_a_constant_tells_nothing() -> None:
    result = weigh([number("x", np.ones(50))], [number("x", np.ones(200))])
    assert result.weights == pytest.approx(np.ones(50))
    assert result.auc == 0.5


def test_a_large_reference_is_thinned_in_proportion_and_the_method_says_so() -> None:
    codes = np.repeat([0, 1], [30_000, 90_000])
    result = weigh(
        [category("carrier", np.repeat([0, 1], [150, 150]), "AA", "B6")],
        [category("carrier", codes, "AA", "B6")],
    )
    assert result.weights[[0, -1]] == pytest.approx([0.5, 1.5], rel=0.02)
    assert result.method.endswith(
        "5 folds cross-fitted, fitted on 50,300 of 100,300 rows); 100,000 of 120,000 reference rows"
    )


@pytest.mark.parametrize("columns", [20, 60])
def test_many_columns_without_a_shift_cost_little(columns: int) -> None:
    rng = np.random.default_rng(13)
    x, z = rng.normal(size=(300, columns)), rng.normal(size=(900, columns))
    result = weigh(*([number(f"x{j:03d}", part[:, j]) for j in range(columns)] for part in (x, z)))
    assert result.effective_rows > 0.85 * 300
    assert (result.truncated_share, result.uncovered_share, result.detail) == (0, 0, "")
