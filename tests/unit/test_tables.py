import gzip
from pathlib import Path

import duckdb
import numpy as np
import pytest

from tidegate.errors import DataError
from tidegate.tables import Column, Table, Want, open_table


def put(folder: Path, name: str, content: str | bytes) -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def parquet(folder: Path, name: str, select: str) -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    quoted = str(path).replace("'", "''")
    duckdb.connect().execute(f"COPY ({select}) TO '{quoted}' (FORMAT parquet)")
    return str(path)


def column(spec: str, name: str, want: Want = "any") -> Column:
    return open_table(spec).read([(name, want)])[name, want]


def values(spec: str, name: str, want: Want = "any") -> list[object]:
    """Plain values of a column; None where it is missing."""
    read = column(spec, name, want)
    if read.kind == "category":
        return [read.levels[code] if code >= 0 else None for code in read.values]
    return [None if gone else value for value, gone in zip(read.values.tolist(), read.missing, strict=True)]


CSV = "n,c,t\n1,x,2026-01-01\n,,\n2.5,y,2026-01-02 03:04:05\n"
JSONL = '{"n":1,"c":"x","t":"2026-01-01"}\n{}\n{"n":2.5,"c":"y","t":"2026-01-02 03:04:05"}\n'
SELECT = "SELECT * FROM (VALUES (1.0, 'x', TIMESTAMP '2026-01-01'), (NULL, NULL, NULL),"
SELECT += " (2.5, 'y', TIMESTAMP '2026-01-02 03:04:05')) v(n, c, t)"


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_formats_give_the_same_columns(tmp_path: Path, kind: str) -> None:
    content = {"csv": CSV, "jsonl": JSONL}
    spec = (
        parquet(tmp_path, "t.parquet", SELECT)
        if kind == "parquet"
        else put(tmp_path, f"t.{kind}", content[kind])
    )

    assert values(spec, "n") == [1.0, None, 2.5]
    assert values(spec, "c") == ["x", None, "y"]
    assert column(spec, "t", "time").values.astype("M8[s]").astype(str).tolist() == [
        *("2026-01-01T00:00:00", "NaT", "2026-01-02T03:04:05"),
    ]


@pytest.mark.parametrize(
    "name",
    [
        "it's.parquet",
        'a"b.parquet',
        "[x]*?.parquet",
        "a;b --.parquet",
        "größe 雪 🙂.parquet",
        "$(id).parquet",
    ],
)
def test_file_names_mean_themselves(tmp_path: Path, name: str) -> None:
    parquet(tmp_path, "[x]abc.parquet", "SELECT 2 AS a")

    assert values(parquet(tmp_path, name, "SELECT 1 AS a"), "a") == [1.0]


@pytest.mark.parametrize(
    "name", ['a"b', "a'; DROP TABLE loaded; --", "a\nb", "SELECT", "größe", "{x: 1}", "c0", " "]
)
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_column_names_mean_themselves(tmp_path: Path, name: str, kind: str) -> None:
    doubled = name.replace('"', '""')
    spec = (
        put(tmp_path, "t.csv", f'"{doubled}",other\n7,8\n')
        if kind == "csv"
        else parquet(tmp_path, "t.parquet", f'SELECT 7 AS "{doubled}", 8 AS other')
    )

    assert values(spec, name) == [7.0]


def test_globs_folders_and_sources_are_read_in_order_of_name(tmp_path: Path) -> None:
    parquet(tmp_path, "d/2/b.parquet", "SELECT 2 AS a")
    parquet(tmp_path, "d/1/a.parquet", "SELECT 1 AS a")
    put(tmp_path, "d/notes.txt", "no table")

    assert values(str(tmp_path / "d"), "a") == [1.0, 2.0]
    assert values(str(tmp_path / "d" / "*" / "*.parquet"), "a") == [1.0, 2.0]
    assert open_table("named", sources={"named": "d"}, base=tmp_path).rows == 2
    with pytest.raises(DataError, match="Did you mean 'named'"):
        open_table("namd", sources={"named": "d"}, base=tmp_path)


def test_csv_files_with_columns_in_another_order_are_joined_by_name(tmp_path: Path) -> None:
    put(tmp_path, "1.csv", "a,b\n1,x\n")
    put(tmp_path, "2.csv", "b,a\ny,2\n")
    put(tmp_path, "3.csv", "a,c\n3,z\n")
    spec = str(tmp_path / "*.csv")

    assert values(spec, "a") == [1.0, 2.0, 3.0]
    assert values(spec, "b") == ["x", "y", None]


def test_only_the_columns_asked_for_are_read(tmp_path: Path) -> None:
    # The first line of `bad` would fail any cast: reading `a` must not touch it.
    spec = parquet(
        tmp_path, "t.parquet", "SELECT range AS a, repeat('x', 1000) || range AS bad FROM range(20000)"
    )
    table = open_table(spec)
    seen: list[str] = []
    query = table._query
    table._query = lambda sql, *rest: (seen.append(sql), query(sql, *rest))[1]
    table.read([("a", "number")])

    loading = next(sql for sql in seen if "CREATE" in sql)
    plan = table._connection.execute(f"EXPLAIN {loading}").fetchall()[0][1]
    assert "a" in plan
    assert "bad" not in plan


@pytest.mark.parametrize(
    ("text", "want", "expected"),
    [
        ("1\n2\n", "category", [1, 2]),
        ("0.4\n0.6\n1.4\n", "category", [0.4, 0.6, 1.4]),
        ("true\nFALSE\n", "category", [True, False]),
        ("true\nFALSE\n", "number", [1.0, 0.0]),
        ("1\ntrue\n", "category", ["1", "true"]),
        ("1\nnan\n", "category", [1.0, None]),
        ("1e3\n-2\n", "number", [1000.0, -2.0]),
        ("nan\ninf\n", "number", [None, float("inf")]),
        ("9007199254740993\n", "category", [9007199254740993]),
        ('"a,b"\n"c""d"\n', "category", ["a,b", 'c"d']),
        ("x\n", "any", ["x"]),
    ],
)
def test_csv_values_keep_their_meaning(tmp_path: Path, text: str, want: Want, expected: list[object]) -> None:
    read = values(put(tmp_path, "t.csv", f"a\n{text}"), "a", want)

    assert read == expected
    assert [type(value) for value in read] == [type(value) for value in expected]


@pytest.mark.parametrize(
    ("select", "want", "expected"),
    [
        ("1.50::DECIMAL(5,2)", "number", [1.5]),
        ("1.00::DECIMAL(5,2)", "category", [1.0]),
        ("170141183460469231731687303715884105727::HUGEINT", "number", [1.7014118346046923e38]),
        ("'nan'::DOUBLE", "category", [None]),
        ("'x'::ENUM('y', 'x')", "any", ["x"]),
        ("[1, 2]", "any", ["[1, 2]"]),
        ("NULL", "category", [None]),
        ("NULL", "time", [None]),
    ],
)
def test_parquet_types(tmp_path: Path, select: str, want: Want, expected: list[object]) -> None:
    assert values(parquet(tmp_path, "t.parquet", f"SELECT {select} AS a"), "a", want) == expected


def test_line_ends_and_byte_order_mark_are_no_part_of_the_data(tmp_path: Path) -> None:
    spec = put(tmp_path, "t.csv", "\ufeffa,b\r\n1,x\r\n2,y\r\n")

    assert values(spec, "a") == [1.0, 2.0]
    assert values(spec, "b") == ["x", "y"]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("t.csv", "", r"is empty \(0 bytes\)"),
        ("t.jsonl", "", r"is empty \(0 bytes\)"),
        ("t.csv", "\n1,2\n", "must name the columns"),
        ("t.csv", "a,b\n1\n2,3\n", "line 2 has 1 value and the header 2: the first line must name"),
        ("t.csv", "a,b\n1,2,3\n2,3\n", "line 2 has 3 values and the header 2"),
        ("t.csv", "# exported 2026\na,b,c,d\n1,2,3,4\n", "line 2 has 4 values and the header 1"),
        ("t.csv", "# exported 2026\r\n\r\na,b\r\n1,2\r\n", "line 3 has 2 values and the header 1"),
        ("t.csv", '"a\nb",c\n1,2,3\n', "line 3 has 3 values and the header 2"),
        ("t.csv", gzip.compress(b"a,b\n1,2\n", mtime=0), "t.csv is packed with gzip: unpack it"),
        ("t.csv", b"PK\x03\x04a,b\n1,2\n", "t.csv is a zip archive: unpack it"),
        ("t.csv", "a,b\n1,2\n2,3,4\n", "Line: 3"),
        ("t.csv", "a,b\n1,2\n2\n", "Line: 3"),
        ("t.csv", 'a,b\n"1,2\n', "Line: 2"),
        ("t.csv", "a,b,a\n1,2,3\n", "names 'a' twice"),
        ("t.csv", "a,A\n1,2\n", "names 'a' twice"),
        ("t.csv", "a,,b\n1,2,3\n", "without a name"),
        ("t.csv", "a,b\n1,\xe9\n".encode("latin-1"), "is not UTF-8"),
        ("t.csv", "a,b\n1,2\n".encode("utf-16"), "is not UTF-8"),
        ("t.csv", "b;a\n1;2\n", "separated by ';'"),
        ("t.parquet", b"PAR1", "cannot be read as parquet"),
        ("t.parquet", b"a,b\n1,2\n" * 10, "cannot be read as parquet"),
        ("t.parquet", gzip.compress(b"PAR1", mtime=0), "t.parquet is packed with gzip: unpack it"),
        ("t.jsonl", gzip.compress(b"{}", mtime=0), "t.jsonl is packed with gzip: unpack it"),
        ("t.jsonl", '{"a": 1}\n{"a":', r"line 2 is no JSON object .*: write one JSON object per line"),
        ("t.jsonl", 'garbage\n{"a": 1}\n', "line 1 is no JSON object"),
        ("t.jsonl", '{"a": 1}\n\n{"a": 2},\n', r"line 3 is no JSON object \(character 9: Extra data\)"),
        ("t.jsonl", '{"a": 1}\n\n[2]\n', r"line 3 is no JSON object \(it holds '\[2\]'\)"),
        ("t.jsonl", '{\n"a": 1\n}\n', "line 1 is no JSON object"),
        ("t.jsonl", '{"a": 1}\n{"a": "\\ud800"}\n', "line 2 is no JSON object .half of a surrogate pair"),
        ("t.jsonl", '{"a": 1}\n{"a": %s}\n' % ("[" * 9_999 + "]" * 9_999), "line 2 .* .nested too deep"),
        ("t.jsonl", '{"a": %s}\n{"a"\n' % ("9" * 5_000), "line 2 is no JSON object"),
        ("t.jsonl", '{"a": 1}\n{"a": "\xe9"}\n'.encode("latin-1"), "line 2 is not UTF-8"),
        ("t.jsonl", '\ufeff{"a": 1}\n{\n', "line 2 is no JSON object"),
        ("t.jsonl", '[{"a": 1}, {"a": 2}]', "is a JSON array: write one JSON object per line"),
        ("t.jsonl", '\n [\n{"a": 1},\n{"a": 2}\n]\n', "is a JSON array: write one JSON object per line"),
        ("t.jsonl", "\n", "t.jsonl has no rows: it needs at least one"),
        ("t.jsonl", "\ufeff \r\n\t\n", "t.jsonl has no rows: it needs at least one"),
        ("t.jsonl", "{}\n", "t.jsonl has no rows: it needs at least one"),
        ("t.jsonl", '{"json": 1}\n', "t.jsonl has no column 'a'. Accepted: json"),
        ("t.jsonl", '{"a": 1, "a": 2}\n', "duplicate key"),
        ("t.jsonl", "[1, 2]\n", "is a JSON array"),
        ("t.xlsx", "a\n1\n", "the suffix must be one of"),
        ("t.csv", ",".join(f"c{i}" for i in range(10_000)) + "\n", "10,000 columns"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, name: str, content: str | bytes, told: str) -> None:
    with pytest.raises(DataError, match=told) as refused:
        column(put(tmp_path, name, content), "a")

    assert "Traceback" not in str(refused.value)
    assert "ignore_errors" not in str(refused.value)


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
@pytest.mark.parametrize(
    "select", ["SELECT 1 AS a WHERE false", "SELECT 1 AS a", "SELECT range AS a FROM range(999)"]
)
def test_a_parquet_file_by_another_name_is_recognised(tmp_path: Path, name: str, select: str) -> None:
    made = Path(parquet(tmp_path, "made", select))
    made.rename(tmp_path / name)

    with pytest.raises(DataError, match=f"{name} is a Parquet file: name it .parquet"):
        open_table(str(tmp_path / name))


def test_a_line_longer_than_any_object_is_named(tmp_path: Path) -> None:
    spec = put(tmp_path, "t.jsonl", '{"a": 1}\n{"a": "' + "x" * 2**25 + '"}\n')

    with pytest.raises(DataError, match="line 2 is longer than 32 MiB"):
        open_table(spec)


def test_text_that_starts_like_another_format_is_read(tmp_path: Path) -> None:
    assert values(put(tmp_path, "t.csv", "PAR1,b\n1,2\n"), "PAR1") == [1.0]
    assert values(put(tmp_path, "k.csv", "PK,b\n1,2\n"), "PK") == [1.0]


def test_of_several_files_the_one_at_fault_is_named(tmp_path: Path) -> None:
    put(tmp_path, "1.jsonl", '{"a": 1}\n')
    put(tmp_path, "2.jsonl", '{"a": 1}\n{"a"\n')
    put(tmp_path, "1.csv", "a,b\n1,2\n")
    put(tmp_path, "2.csv", "a,b\n1,2,3\n")

    with pytest.raises(DataError, match=r"\(2\.jsonl\): line 2 is no JSON object"):
        open_table(str(tmp_path / "*.jsonl"))
    with pytest.raises(DataError, match=r"\(2\.csv\) cannot be read as csv: line 2 has 3 values"):
        open_table(str(tmp_path / "*.csv"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\n\n1\n", [None, 1]),
        ("a,b\n\n1,2\n", [1]),
        ('a,b\n"x\ny",2\n', ["x\ny"]),
        (f"a,b\n{'x' * 200_000},2\n", ["x" * 200_000]),
    ],
)
def test_a_first_row_that_fits_is_read(tmp_path: Path, text: str, expected: list[object]) -> None:
    assert values(put(tmp_path, "t.csv", text), "a", "category") == expected


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_ids_with_leading_zeros_stay_text(tmp_path: Path, kind: str) -> None:
    ids = [f"{i:04d}" for i in range(400)]
    table = open_table(put(tmp_path, "made.csv", "id,v\n" + "".join(f"{name},1\n" for name in ids)))
    table.export(tmp_path / f"t.{kind}")
    read = column(str(tmp_path / f"t.{kind}"), "id", "category")

    assert read.levels == tuple(ids)
    assert read.values.tolist() == list(range(400))


@pytest.mark.parametrize(
    ("select", "told"),
    [
        ("unnest([1, NULL, 3])", "id must be unique, but is missing in 1 row, the first of them row 2"),
        ("unnest([1, 1, NULL, NULL])", "missing in 2 rows, the first of them row 3"),
        ("unnest([1.5::DOUBLE, 'nan'::DOUBLE])", "missing in 1 row, the first of them row 2"),
        ("unnest(['', 'a', ''])", "but  stands in 2 rows, the first of them rows 1 and 3"),
        ("unnest([0.0::DOUBLE, 1, -0.0::DOUBLE])", "stands in 2 rows, the first of them rows 1 and 3"),
        ("unnest([2, 1, 2, 1, 1])", "but 1 stands in 3 rows, the first of them rows 2 and 4"),
    ],
)
def test_an_id_is_there_and_unique(tmp_path: Path, select: str, told: str) -> None:
    table = open_table(parquet(tmp_path, "t.parquet", f"SELECT {select} AS id, 1 AS v, 1 AS n, 1 AS r"))

    with pytest.raises(DataError, match=told):
        table.require_unique("id")


@pytest.mark.parametrize("name", ["id", "v", "n", "r"])
def test_unique_ids_are_accepted_whatever_the_column_is_called(tmp_path: Path, name: str) -> None:
    good = open_table(parquet(tmp_path, "t.parquet", f"SELECT unnest([3, 1, 2]) AS {name}, 7 AS other"))
    bad = open_table(parquet(tmp_path, "u.parquet", f"SELECT unnest([3, 1, 3]) AS {name}, 7 AS other"))

    good.require_unique(name)
    with pytest.raises(DataError, match="3 stands in 2 rows, the first of them rows 1 and 3"):
        bad.require_unique(name)


def test_a_truncated_parquet_file_is_refused(tmp_path: Path) -> None:
    path = Path(parquet(tmp_path, "t.parquet", "SELECT range AS a FROM range(1000)"))
    path.write_bytes(path.read_bytes()[:-20])

    with pytest.raises(DataError, match="cannot be read as parquet"):
        column(str(path), "a")


@pytest.mark.parametrize(
    ("name", "content", "want", "told"),
    [
        ("t.csv", "a\n1\n\nfour\n", "number", "a number in every row, but row 3 holds 'four'"),
        ("t.csv", "a\n2026-01-01\nsoon\n", "time", "a time in every row, but row 2 holds 'soon'"),
        ("t.csv", "a\n5\n", "time", "row 1 holds '5'"),
        ("t.jsonl", '{"a": 1}\n{"a": "x"}\n', "number", "row 2 holds"),
        ("t.jsonl", '{"a": {"b": 1}}\n', "number", "row 1 holds"),
    ],
)
def test_a_value_of_the_wrong_kind_is_named(
    tmp_path: Path, name: str, content: str, want: Want, told: str
) -> None:
    with pytest.raises(DataError, match=told):
        column(put(tmp_path, name, content), "a", want)


@pytest.mark.parametrize("name", ["missing.csv", "*.csv", "folder"])
def test_nothing_there_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match=r"does not exist|no file matches|without \.parquet"):
        open_table(str(tmp_path / name))


def test_header_only_has_no_rows(tmp_path: Path) -> None:
    table = open_table(put(tmp_path, "t.csv", "a,b\n"))

    assert table.read([("a", "any")])["a", "any"].values.tolist() == []
    assert table.rows == 0


def test_rows_are_matched_by_id_as_text(tmp_path: Path) -> None:
    ours = open_table(put(tmp_path, "a.csv", "id\n3\n1\n2\n"))
    theirs = open_table(parquet(tmp_path, "b.parquet", "SELECT unnest([1, 3, 9]) AS id"))
    here, there = ours.match(theirs, "id")

    np.testing.assert_array_equal(here, [0, 1])
    np.testing.assert_array_equal(there, [1, 0])
    assert open_table(put(tmp_path, "c.csv", "id\n1\n1\n2\n")).duplicated("id") == [("1", 2)]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_what_is_exported_reads_back(tmp_path: Path, suffix: str) -> None:
    table = open_table(put(tmp_path, "t.csv", 'id,"a ""b"""\n1,x\n2,\n3,007\n'))
    table.export(tmp_path / f"out{suffix}", where="id <> '2'")
    answered = open_table(put(tmp_path, "p.csv", "id,s\n3,0.3\n1,0.1\n"))
    table.export_joined(tmp_path / f"joined{suffix}", answered, on="id", take=["s"])

    assert values(str(tmp_path / f"out{suffix}"), 'a "b"', "category") == ["x", "007"]
    assert values(str(tmp_path / f"joined{suffix}"), "s", "number") == [0.1, 0.3]


@pytest.mark.parametrize("kind", ["FLOAT", "DOUBLE"])
def test_zeros_of_either_sign_are_one_category(tmp_path: Path, kind: str) -> None:
    select = f"SELECT unnest([-0.0::{kind}, 0.0::{kind}, 0.1::{kind}, 'nan'::{kind}]) AS z"
    specs = [parquet(tmp_path, "t.parquet", select), put(tmp_path, "t.csv", "z\n-0.0\n0\n0.1\nnan\n")]
    for read in (column(spec, "z", "category") for spec in specs):
        assert read.values.tolist() == [0, 0, 1, -1]
        assert str(read.levels[0]) == "0.0"


@pytest.mark.parametrize("name", ["a", "b", "cell", "k", "n", "r", "v"])
def test_no_name_of_a_column_gets_in_the_way_of_a_query(tmp_path: Path, name: str) -> None:
    select = f"SELECT unnest([3, 1, 2]) AS id, unnest([7, 9, 8]) AS {name}"
    table = open_table(parquet(tmp_path, "t.parquet", select))
    other = open_table(put(tmp_path, "o.csv", f"id,{name},s\n1,1,0.1\n2,2,0.2\n3,3,0.3\n"))
    table.export_joined(tmp_path / "joined.csv", other, on="id", take=["s"])

    assert values(str(tmp_path / "joined.csv"), "s") == [0.3, 0.1, 0.2]
    assert [rows.tolist() for rows in table.match(other, "id")] == [[0, 1, 2], [2, 0, 1]]
    assert [rows.tolist() for rows in table.match(other, name)] == [[], []]
    assert table.duplicated("id") == table.duplicated(name) == []
    assert table.repeated_rows(name) == 0
    assert table.id_keys("id").single == table.content_keys(["id", name]).distinct == 3


def test_the_fingerprint_is_of_the_bytes(tmp_path: Path) -> None:
    one, same = put(tmp_path, "1.csv", "a\n1\n"), put(tmp_path, "2.csv", "a\n1\n")
    other = put(tmp_path, "3.csv", "a\n2\n")

    assert open_table(one).sha256 == open_table(same).sha256 != open_table(other).sha256
    both = Table("both", [Path(one), Path(other)], "csv").sha256
    assert both not in {open_table(one).sha256, Table("both", [Path(other), Path(one)], "csv").sha256}
