import numpy as np
import pytest

from tidegate.errors import DataError
from tidegate.representativeness import GoldenDrift, look
from tidegate.tables import Column

RNG = np.random.default_rng(3)


def numbers(name: str, values: np.ndarray) -> Column:
    return Column(name, "number", np.asarray(values, dtype=np.float64))


def carriers(shares: list[float], rows: int) -> Column:
    return Column("carrier", "category", RNG.choice(3, rows, p=shares).astype(np.int32), ("AA", "B6", "DL"))


def found(golden: list[Column], reference: list[Column]) -> GoldenDrift:
    tables = [{column.name: column for column in columns} for columns in (golden, reference)]
    return look(
        *tables,
        golden_rows=len(golden[0].values),
        reference_rows=len(reference[0].values),
        false_alarm_rate=0.01,
        min_effect=0.05,
    )


def test_a_golden_set_drawn_like_production_looks_like_it() -> None:
    result = found(
        [numbers("distance", RNG.normal(size=800)), carriers([0.5, 0.3, 0.2], 800)],
        [numbers("distance", RNG.normal(size=5_000)), carriers([0.5, 0.3, 0.2], 5_000)],
    )

    assert (result.differs, result.drifted, result.tested) == (False, [], 2)
    assert (result.rows, result.reference_rows) == (800, 5_000)
    assert result.sentence == "the golden set looks like production in all 2 columns compared"
    assert result.detail == ""


def test_columns_that_differ_are_named_largest_first() -> None:
    result = found(
        [
            numbers("hour", RNG.normal(size=800)),
            carriers([0.5, 0.3, 0.2], 800),
            numbers("distance", RNG.normal(size=800)),
        ],
        [
            numbers("hour", RNG.normal(size=5_000)),
            carriers([0.3, 0.3, 0.4], 5_000),
            numbers("distance", RNG.normal(1, 1, size=5_000)),
        ],
    )

    assert [each.column for each in result.drifted] == ["distance", "carrier"]
    assert result.drifted[0].effect == pytest.approx(1, abs=0.1)
    assert result.drifted[1].effect == pytest.approx(0.2, abs=0.05)
    assert all(each.adjusted_p_value >= each.p_value for each in result.drifted)
    assert result.sentence.startswith(
        "the golden set no longer looks like production: 2 of 3 columns differ: distance (effect "
    )


def test_a_certain_trifle_is_no_difference() -> None:
    x = np.linspace(-2, 2, 200_000)
    result = found([numbers("x", x)], [numbers("x", x + 0.03)])
    assert not result.differs
    assert result.sentence.endswith("in its only column compared")


def test_columns_of_one_table_alone_are_named() -> None:
    x = RNG.normal(size=100)
    result = found([numbers("x", x), numbers("old", x)], [numbers("x", x), numbers("new", x)])
    assert result.tested == 1
    assert result.detail == "only the golden set has old; only the reference has new"


def test_nothing_in_common_is_not_the_same_as_alike() -> None:
    result = found([numbers("x", RNG.normal(size=50))], [numbers("y", RNG.normal(size=50))])
    assert (result.tested, result.differs) == (0, False)
    assert result.sentence.endswith("so whether it looks like production is not known")


def test_a_table_without_rows_is_named() -> None:
    with pytest.raises(DataError, match=r"the reference has no rows .* `compare\.reference:`"):
        found([numbers("x", RNG.normal(size=50))], [numbers("x", np.empty(0))])


def test_the_order_of_rows_and_columns_does_not_matter() -> None:
    golden = [numbers("x", RNG.normal(size=300)), carriers([0.6, 0.2, 0.2], 300)]
    reference = [numbers("x", RNG.normal(0.5, 1, size=900)), carriers([0.2, 0.2, 0.6], 900)]
    turned = [
        [column.take(np.arange(len(column.values))[::-1]) for column in columns[::-1]]
        for columns in (golden, reference)
    ]
    assert found(golden, reference) == found(*turned)
