import json
from collections.abc import Sequence
from pathlib import Path

import duckdb
import numpy as np
import pytest

from tidegate.errors import DataError
from tidegate.tables import Table
from tidegate.tables import vectors as module
from tidegate.tables.vectors import Vectors


class VectorTable(Table, Vectors):
    """As tables are that know vectors."""


def parquet(path: Path, sql: str) -> VectorTable:
    file = path / "t.parquet"
    duckdb.execute(f"COPY ({sql}) TO '{file}' (FORMAT parquet)")
    return VectorTable("t.parquet", [file], "parquet")


def csv(path: Path, text: str) -> VectorTable:
    file = path / "t.csv"
    file.write_text(text, encoding="utf-8")
    return VectorTable("t.csv", [file], "csv")


def jsonl(path: Path, values: Sequence[object]) -> VectorTable:
    file = path / "t.jsonl"
    file.write_text("".join(json.dumps({"v": value}) + "\n" for value in values), encoding="utf-8")
    return VectorTable("t.jsonl", [file], "jsonl")


ROWS = "(VALUES ([0.5, 2.0, -1.0]), (NULL), ([1e-3, NULL, 4.0])) t(v)"
EXPECTED = np.array([[0.5, 2, -1], [np.nan] * 3, [1e-3, np.nan, 4]], dtype=np.float32)


@pytest.mark.parametrize("sql_type", ["FLOAT[]", "DOUBLE[]", "DECIMAL(9,4)[]", "FLOAT[3]", "DOUBLE[3]"])
def test_lists_and_arrays_of_parquet(tmp_path: Path, sql_type: str) -> None:
    table = parquet(tmp_path, f"SELECT CAST(v AS {sql_type}) AS v, 1 AS other FROM {ROWS}")
    assert table.vector_columns() == ["v"]
    found = table.read_vectors("v")
    assert found.values.dtype == np.float32
    np.testing.assert_array_equal(found.values, EXPECTED)
    assert found.missing.tolist() == [False, True, False]
    assert (found.rows.tolist(), found.table_rows) == ([0, 1, 2], 3)


def test_integers_count_as_numbers(tmp_path: Path) -> None:
    table = parquet(tmp_path, "SELECT [1, 2] AS v")
    assert table.vector_columns() == ["v"]
    assert table.read_vectors("v").values.tolist() == [[1, 2]]


def test_text_of_csv(tmp_path: Path) -> None:
    table = csv(
        tmp_path, 'name,v,tags\na,"[0.5, 2.0, -1]","[x, y]"\nb,,"[z]"\nc,"[1e-3,nan,4]","[x]"\nd,[],\n'
    )
    assert table.vector_columns() == ["v"]
    found = table.read_vectors("v")
    np.testing.assert_array_equal(found.values[:3], EXPECTED)
    assert found.missing.tolist() == [False, True, False, True]


def test_arrays_of_json(tmp_path: Path) -> None:
    table = jsonl(tmp_path, [[0.5, 2, -1], None, [1e-3, None, 4], []])
    assert table.vector_columns() == ["v"]
    found = table.read_vectors("v")
    np.testing.assert_array_equal(found.values[:3], EXPECTED)
    assert found.missing.tolist() == [False, True, False, True]


@pytest.mark.parametrize(
    "values", [["a", "b"], [["a"], ["b"]], [[[1, 2]]], [{"a": 1}], [[{"a": 1}]], [True], [1, 2], [None]]
)
def test_other_columns_are_no_vectors(tmp_path: Path, values: Sequence[object]) -> None:
    assert jsonl(tmp_path, values).vector_columns() == []


@pytest.mark.parametrize(
    ("values", "row", "shown"),
    [
        ([[1, 2], [1, "x"]], 2, "x"),
        ([[1, 2], "x"], 2, "x"),
        ([[[1, 2]]], 1, "[[1, 2]]"),
        ([["a", "b"]], 1, "[a, b]"),
        ([{"a": 1}], 1, "a"),
        ([[{"a": 1}]], 1, "a"),
        ([[True, False]], 1, "true"),
        ([3.5], 1, "3.5"),
    ],
)
def test_what_is_no_list_of_numbers_is_named(
    tmp_path: Path, values: Sequence[object], row: int, shown: str
) -> None:
    with pytest.raises(DataError, match=f"'v' must hold a list of numbers .* row {row} holds") as caught:
        jsonl(tmp_path, values).read_vectors("v")
    assert shown in str(caught.value)


@pytest.mark.parametrize("cell", ["hello", "[1;2]", '"[1, x]"', '"[1,2"', "7", "[0x1]"])
def test_text_that_is_no_list_of_numbers_is_named(tmp_path: Path, cell: str) -> None:
    table = csv(tmp_path, f'v\n"[1, 2]"\n{cell}\n')
    assert table.vector_columns() == []
    with pytest.raises(DataError, match="must hold a list of numbers in every row, but row 2 holds"):
        table.read_vectors("v")


def test_lists_of_several_lengths_are_refused_with_two_rows(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="row 1 has 3 numbers and row 3 has 1: write them with one model"):
        jsonl(tmp_path, [[1, 2, 3], None, [4], [5, 6, 7]]).read_vectors("v")


def test_vectors_that_are_too_long_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at most 16,384 are read"):
        parquet(tmp_path, "SELECT range(16385)::FLOAT[] AS v").read_vectors("v")


def test_a_column_without_any_vector(tmp_path: Path) -> None:
    found = parquet(tmp_path, "SELECT CAST(NULL AS FLOAT[]) AS v FROM range(3)").read_vectors("v")
    assert found.values.shape == (3, 0)
    assert found.missing.all()


def test_a_table_without_rows(tmp_path: Path) -> None:
    found = parquet(tmp_path, "SELECT [1.5::FLOAT] AS v WHERE false").read_vectors("v")
    assert (found.values.shape, found.table_rows) == ((0, 0), 0)


def test_an_unknown_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no column 'w'"):
        jsonl(tmp_path, [[1, 2]]).read_vectors("w")


def test_numbers_beyond_32_bits_are_infinite(tmp_path: Path) -> None:
    assert jsonl(tmp_path, [[1e300, -1e300]]).read_vectors("v").values.tolist() == [[np.inf, -np.inf]]


def test_names_of_columns_are_never_sql(tmp_path: Path) -> None:
    name = 'v"; DROP TABLE x; --'
    table = csv(tmp_path, 'a,"v""; DROP TABLE x; --"\n1,"[1, 2]"\n')
    assert table.vector_columns() == [name]
    assert table.read_vectors(name).values.tolist() == [[1, 2]]


def test_parts_come_in_the_order_of_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = parquet(
        tmp_path, "SELECT CASE WHEN i % 7 THEN [i, -i, i / 3]::FLOAT[] END AS v FROM range(500) t(i)"
    )
    whole = table.read_vectors("v")
    monkeypatch.setattr(module, "_CELLS_AT_ONCE", 40)
    parts = table.read_vectors("v")
    np.testing.assert_array_equal(parts.values, whole.values)
    np.testing.assert_array_equal(parts.values[~parts.missing, 0], [i for i in range(500) if i % 7])


def test_the_rows_drawn_hang_on_what_they_hold_and_not_on_where_they_stand(tmp_path: Path) -> None:
    made = "SELECT [(i % 300)::FLOAT, 1] AS v FROM range(3000) t(i)"
    first = parquet(tmp_path, made).read_vectors("v", limit=700)
    again = parquet(tmp_path, f"{made} ORDER BY i DESC").read_vectors("v", limit=700)
    assert first.table_rows == 3_000
    assert len(first.rows) == 700
    assert sorted(first.values[:, 0]) == sorted(again.values[:, 0])
    np.testing.assert_array_equal(first.values[:, 0], first.rows % 300)


def test_a_vector_that_many_rows_share_is_drawn_as_often_as_it_occurs(tmp_path: Path) -> None:
    made = "SELECT CASE WHEN i % 2 THEN [0.0, 0.0] ELSE [i::DOUBLE, 1.0] END AS v FROM range(10000) t(i)"
    found = parquet(tmp_path, made).read_vectors("v", limit=2_000)
    assert 0.45 < (found.values[:, 1] == 0).mean() < 0.55
