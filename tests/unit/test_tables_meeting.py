import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidegate.tables import Table, open_table
from tidegate.tables.identity import Ids, partners

VALUES = [None, "0", "1", "2", "10", "x", "X", "007", "7", "-1"]


def parquet(folder: Path, name: str, values: list[str | None], sql_type: str = "VARCHAR") -> Table:
    source = folder / f"{name}.csv"
    cells = "".join(f"{i},{'' if value is None else value}\n" for i, value in enumerate(values))
    source.write_text("i,id\n" + cells, encoding="utf-8")
    open_table(str(source)).export(
        folder / f"{name}.parquet", select=f"CAST(id AS {sql_type}) AS id, i", where="true"
    )
    return open_table(str(folder / f"{name}.parquet"))


def naive(ours: list[str | None], theirs: list[str | None]) -> tuple[list[int], list[int]]:
    """Rows of equal ids that stand once on either side."""
    alone = [{v for v, n in Counter(side).items() if n == 1 and v is not None} for side in (ours, theirs)]
    mine = [i for i, value in enumerate(ours) if value in alone[0] & alone[1]]
    return mine, [theirs.index(ours[i]) for i in mine]


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    ours=st.lists(st.sampled_from(VALUES), min_size=1, max_size=8),
    theirs=st.lists(st.sampled_from(VALUES), min_size=1, max_size=8),
)
def test_rows_meet_that_are_alone_with_the_same_id(
    tmp_path: Path, ours: list[str | None], theirs: list[str | None]
) -> None:
    here, there = parquet(tmp_path, "a", ours), parquet(tmp_path, "b", theirs)
    meeting = here.meet(there, "id")

    assert (meeting.ours.tolist(), meeting.theirs.tolist()) == naive(ours, theirs)
    for found, values in ((meeting.repeated_ours, ours), (meeting.repeated_theirs, theirs)):
        assert found == sum(n for n in Counter(values).values() if n > 1)


@pytest.mark.parametrize(
    ("first", "second"), list(itertools.product(["TINYINT", "BIGINT", "UBIGINT", "VARCHAR"], repeat=2))
)
def test_numbers_of_any_type_meet_their_own_text(tmp_path: Path, first: str, second: str) -> None:
    here = parquet(tmp_path, "a", ["3", None, "1", "9", None, "2"], first)
    there = parquet(tmp_path, "b", ["1", "2", "3", None, "8"], second)
    meeting = here.meet(there, "id")

    assert meeting.ours.tolist() == [0, 2, 5]
    assert meeting.theirs.tolist() == [2, 0, 1]
    assert (meeting.repeated_ours, meeting.repeated_theirs) == (2, 0)


def test_numbers_written_otherwise_do_not_meet(tmp_path: Path) -> None:
    here, there = parquet(tmp_path, "a", ["1", "2"], "DOUBLE"), parquet(tmp_path, "b", ["1", "2"], "BIGINT")
    assert len(here.meet(there, "id").ours) == 0


def test_tables_without_any_id_meet_nowhere(tmp_path: Path) -> None:
    here, there = parquet(tmp_path, "a", [None, None]), parquet(tmp_path, "b", ["1"])
    meeting = here.meet(there, "id")
    assert (len(meeting.ours), meeting.repeated_ours, meeting.repeated_theirs) == (0, 2, 0)


def test_equal_keys_of_different_ids_are_not_taken_for_equal_ids() -> None:
    rows, keys = np.arange(3), np.array([5, 6, 7], dtype=np.uint64)
    ours = Ids(rows, keys, np.array([1, 2, 3], dtype=np.uint64), 0)
    same = Ids(rows[::-1], keys[::-1], np.array([3, 2, 1], dtype=np.uint64), 0)
    clash = Ids(rows, keys, np.array([1, 2, 4], dtype=np.uint64), 0)

    found = partners(ours, same)
    assert found is not None
    assert [each.tolist() for each in found] == [[0, 1, 2], [0, 1, 2]]
    assert partners(ours, clash) is None
    assert partners(Ids(rows, keys * 0, ours.check, 0), same) is None


def test_keys_of_rows_are_those_of_the_first_column_with_a_value(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\nx,1\n,2\nx,3\n,\n", encoding="utf-8")
    table = open_table(str(path))
    keys, of_b = table.row_keys("a", "b"), table.row_keys(None, "b")

    assert keys[0] == keys[2] != keys[1] == of_b[1]
    assert (keys[3], of_b[3]) == (0, 0)
    # sha256 of "2" starts so on every machine.
    assert int(of_b[1]) == 0xD4735E3A265E16EE


def test_a_range_of_rows_is_written_in_order(tmp_path: Path) -> None:
    table = parquet(tmp_path, "a", [str(i) for i in range(50)], "INTEGER")
    table.export(tmp_path / "part.parquet", rows=range(10, 13))
    assert open_table(str(tmp_path / "part.parquet")).values("id").tolist() == [10, 11, 12]
