from datetime import date

import numpy as np
import pytest

from tidegate.config import Check
from tidegate.gate import Known, judge
from tidegate.metrics.data import Groups, Predictions
from tidegate.slices import groupings, slice_columns
from tidegate.tables import Column


def category(name: str, values: list[str | None]) -> Column:
    levels = sorted({value for value in values if value is not None})
    codes = [-1 if value is None else levels.index(value) for value in values]
    return Column(name, "category", np.array(codes, dtype=np.int32), tuple(levels))


CARRIER = category("carrier", ["AA", "UA", "AA", None, "UA", "AA"])
ORIGIN = category("origin", ["JFK", "JFK", "LGA", "JFK", "JFK", "JFK"])


def data() -> Predictions:
    label = np.array([1, 0, 1, 0, 1, 1], dtype=np.int32)
    return Predictions(
        "binary",
        6,
        ("0", "1"),
        label,
        np.ones(6, dtype=np.int32),
        columns={("carrier", "category"): CARRIER, ("origin", "category"): ORIGIN},
    )


def test_crossed_slices_are_the_combinations_that_occur() -> None:
    groups = Groups.crossed([Groups.of_column(CARRIER), Groups.of_column(ORIGIN)])
    found = {
        tuple((where or {}).values()): rows.tolist()
        for where, rows in zip(groups.slices, groups.members, strict=True)
    }

    assert found == {("AA", "JFK"): [0, 5], ("AA", "LGA"): [2], ("UA", "JFK"): [1, 4], (None, "JFK"): [3]}
    assert all(list(where or {}) == ["carrier", "origin"] for where in groups.slices)


def test_crossing_agrees_with_counting_on_random_columns() -> None:
    rng = np.random.default_rng(0)
    columns = [
        category(name, [None if i == 4 else "abcd"[i] for i in rng.integers(0, 5, 500)])
        for name in ("a", "b", "c")
    ]
    groups = Groups.crossed([Groups.of_column(column) for column in columns])
    keys = list(zip(*(column.values.tolist() for column in columns), strict=True))

    assert groups.count == len(set(keys))
    assert sorted(len(rows) for rows in groups.members) == sorted(keys.count(key) for key in set(keys))
    assert sum(len(rows) for rows in groups.members) == 500


def test_a_check_on_crossed_slices_names_both_columns() -> None:
    check = Check.model_validate({"metric": "accuracy", "min": 0.9, "slices": [["carrier", "origin"]]})
    result = judge(data(), [check], Known(date(2026, 1, 1)))

    assert [c.value for c in result.checks if c.slice == {"carrier": "AA", "origin": "JFK"}] == [1.0]
    assert any(reason.startswith("accuracy for carrier UA and origin JFK: 0.5") for reason in result.reasons)


def test_the_columns_of_all_forms_of_slices_are_read_once() -> None:
    check = Check.model_validate(
        {"metric": "accuracy", "min": 0.9, "slices": ["origin", ["carrier", "origin"], {"carrier": ["AA"]}]}
    )

    assert slice_columns(check.slices) == [("origin", "category"), ("carrier", "category")]
    assert [groups.count for groups in groupings(data(), check.slices)] == [2, 4, 1]


@pytest.mark.parametrize(
    "slices", [[["carrier"]], [["a", "b", "c", "d", "e"]], [[]], [{"a": {}}], [{"a": []}]]
)
def test_one_column_is_no_crossing_and_five_are_too_many(slices: object) -> None:
    with pytest.raises(ValueError, match="slices"):
        Check.model_validate({"metric": "accuracy", "min": 0.9, "slices": slices})


def test_rows_outside_listed_values_are_in_no_combination() -> None:
    rows = [("a", "north"), ("a", "south"), ("b", "south"), ("b", "south")]
    device = Column("device", "category", np.array([0, 0, 1, 1], dtype=np.int32), ("a", "b"))
    region = Column("region", "category", np.array([0, 1, 1, 1], dtype=np.int32), ("north", "south"))
    table = Predictions(
        "binary", len(rows), columns={("device", "category"): device, ("region", "category"): region}
    )
    for spec in (["device", {"region": ["north"]}], [{"region": ["north"]}, "device"]):
        check = Check.model_validate({"metric": "accuracy", "min": 0.5, "slices": [spec]})
        (groups,) = groupings(table, check.slices)
        assert [
            (dict(where or {}), rows.tolist())
            for where, rows in zip(groups.slices, groups.members, strict=True)
        ] == [({"device": "a", "region": "north"}, [0])]


def test_a_listed_value_that_never_occurs_is_not_lost_in_a_crossing() -> None:
    check = Check.model_validate(
        {"metric": "accuracy", "min": 0.5, "slices": [["origin", {"carrier": ["AA", "nowhere"]}]]}
    )
    (groups,) = groupings(data(), check.slices)

    assert groups.slices[-1] == {"carrier": "nowhere"}
    assert len(groups.members[-1]) == 0


@pytest.mark.parametrize("slices", [["a", "a"], ["a", {"a": {"quantiles": 2}}]])
def test_a_column_is_not_crossed_with_itself(slices: object) -> None:
    with pytest.raises(ValueError, match="crossed with itself"):
        Check.model_validate({"metric": "accuracy", "min": 0.9, "slices": [slices]})
