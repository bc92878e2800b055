from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score
from test_tables import parquet, put

from tidegate.data_quality import (
    constant_columns,
    describe_misfit,
    duplicate_rows,
    leakage,
    table_overlap,
)
from tidegate.findings import Finding
from tidegate.tables import Table, open_table

ROWS = 4_000


def frame(folder: Path, columns: dict[str, Any], name: str = "t.parquet") -> Table:
    path = folder / name
    data = pd.DataFrame(columns)
    if path.suffix == ".csv":
        data.to_csv(path, index=False)
    else:
        duckdb.connect().from_df(data).write_parquet(str(path))
    return open_table(str(path))


def names(findings: list[Finding]) -> list[str | None]:
    return [finding.column for finding in findings]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_columns_that_never_change_are_named(tmp_path: Path, kind: str) -> None:
    select = (
        "SELECT range AS id, 'x' AS same, NULL::INT AS nothing, 1.0 AS one, range % 2 AS two,"
        ' CASE WHEN range < 3 THEN 7 END AS "some""times" FROM range(9)'
    )
    spec = parquet(tmp_path, "t.parquet", select)
    if kind == "csv":
        spec = str(tmp_path / "t.csv")
        duckdb.connect().execute(f"COPY ({select}) TO '{spec}' (FORMAT csv, HEADER)")
    table = open_table(spec)
    found = constant_columns(table, table.schema)

    assert names(found) == ["same", "nothing", "one"]
    assert [each.detail.startswith("is missing") for each in found] == [False, True, False]
    assert "'x' in every row" in found[0].detail


@pytest.mark.parametrize(
    ("values", "constant"),
    [
        ("['1.0', 'nan']::DOUBLE[]", False),
        ("['nan', NULL]::FLOAT[]", True),
        ("['nan', 'nan']::DOUBLE[]", True),
        ("[0.0, -0.0]::DOUBLE[]", True),
        ("[[1, 2], [1, 2]]", True),
        ("[[1, 2], [1, 3]]", False),
        ("[{'a': 1}, {'a': 2}]", False),
        ("[TIMESTAMP '2026-01-01', TIMESTAMP '2026-01-01']", True),
        ("[true, true]", True),
        ("[1.50, 1.50]::DECIMAL(5, 2)[]", True),
        ("[NULL, 1]", False),
        ("[1]", False),
    ],
)
def test_what_counts_as_constant(tmp_path: Path, values: str, constant: bool) -> None:
    table = open_table(parquet(tmp_path, "t.parquet", f"SELECT unnest({values}) AS a"))

    assert bool(constant_columns(table, ["a"])) is constant


def test_repeated_rows_are_counted_without_their_first(tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    x, y = draw.normal(size=1000), draw.integers(0, 2, 1000)
    x[900:], y[900:] = x[:100], y[:100]
    table = frame(tmp_path, {"id": np.arange(1000), "x": x, "y": y, "c": ["a"] * 1000, "gap": [None] * 1000})
    found = duplicate_rows(table, ["x", "y", "c", "gap"])

    assert found is not None
    assert found.value == 0.1
    assert found.detail == "100 of 1,000 rows repeat another in all 4 columns compared"
    assert duplicate_rows(table, ["id", "x", "y", "c", "gap"]) is None
    assert duplicate_rows(table, []) is None


def test_a_table_that_was_appended_to_itself_is_found(tmp_path: Path) -> None:
    x = np.tile(np.random.default_rng(1).normal(size=(2, 500)), 2)
    found = duplicate_rows(frame(tmp_path, {"x": x[0], "y": x[1]}), "xy")

    assert found is not None
    assert found.value == 0.5


@pytest.mark.parametrize("columns", ["a", "ab", "abc", "abcd", "abcde"])
def test_rows_that_can_only_be_alike_are_no_duplicates(tmp_path: Path, columns: str) -> None:
    draw = np.random.default_rng(2)
    table = frame(tmp_path, {name: draw.integers(0, 5, 2000) for name in columns})

    assert table.distinct_rows(columns) < 2000
    assert duplicate_rows(table, columns) is None


def binary(rows: int = ROWS, share: float = 0.3, seed: int = 3) -> tuple[np.ndarray, np.random.Generator]:
    draw = np.random.default_rng(seed)
    return (draw.random(rows) < share).astype(int), draw


def features(y: np.ndarray, draw: np.random.Generator) -> dict[str, np.ndarray]:
    """Leaks by the name ``leak...``, and what must not be taken for one."""
    rows = len(y)
    noisy = np.where(draw.random(rows) < 0.001, 1 - y, y)
    strong = draw.normal(size=rows) + y * stats.norm.ppf(0.97) * np.sqrt(2)
    return {
        "leak_copy": y,
        "leak_noisy": noisy,
        "leak_reversed": -2.5 * y,
        "leak_text": np.where(y == 1, "late", "in time"),
        "leak_reasons": np.where(
            y == 1, np.char.add("r", draw.integers(0, 40, rows).astype(str)), "fine"
        ).astype(object),
        "leak_where_known": np.where(y == 1, draw.normal(size=rows), np.nan),
        "leak_in_the_middle": np.where(y == 1, draw.uniform(-1, 1, rows), draw.choice([-2.0, 2.0], rows)),
        "leak_time": pd.Timestamp("2026-01-01") + pd.to_timedelta(y * 50 + draw.integers(0, 40, rows), "D"),
        "strong": strong,
        "coarse": draw.integers(0, 50, rows),
        "unique_text": np.array([f"order {i}" for i in draw.permutation(rows)], dtype=object),
        "pairs": np.array([f"customer {i // 2}" for i in range(rows)], dtype=object),
        "noise": draw.normal(size=rows),
        "empty": np.full(rows, np.nan),
    }


@pytest.mark.parametrize("name", ["t.parquet", "t.csv"])
def test_what_tells_the_label_alone_is_found_and_nothing_else(tmp_path: Path, name: str) -> None:
    y, draw = binary()
    columns = features(y, draw)
    assert roc_auc_score(y, columns["strong"]) == pytest.approx(0.97, abs=0.01)
    table = frame(tmp_path, {"y": y, **columns}, name)
    found = leakage(table, table.schema, "y", "binary")

    assert {each.column for each in found} == {each for each in columns if each.startswith("leak")}
    assert [each.value for each in found] == sorted((each.value for each in found), reverse=True)
    assert "area under the ROC curve" in found[0].detail


def test_the_value_is_the_area_under_the_curve(tmp_path: Path) -> None:
    y, draw = binary()
    x = np.round(draw.normal(size=ROWS) + 4.5 * y, 1)
    (found,) = leakage(frame(tmp_path, {"y": y, "x": -x}), ["x"], "y", "binary")

    assert found.value == pytest.approx(roc_auc_score(y, x), abs=1e-3)
    assert found.value >= roc_auc_score(y, x) - 1e-12


@pytest.mark.parametrize("labels", ["bool", "text", "float"])
def test_labels_may_be_of_any_type_and_partly_missing(tmp_path: Path, labels: str) -> None:
    y, draw = binary()
    shown: Any = {"bool": y == 1, "text": np.where(y, "yes", "no"), "float": y.astype(float)}[labels]
    known = draw.random(ROWS) < 0.5
    column = pd.Series(shown, dtype=object).where(known, None)
    if labels == "float":
        column = column.astype(float)
    table = frame(tmp_path, {"y": column, "x": np.where(known, y, 1 - y), "n": draw.normal(size=ROWS)})

    assert names(leakage(table, ["x", "n"], "y", "binary")) == ["x"]


def test_of_many_classes(tmp_path: Path) -> None:
    _, draw = binary()
    y = draw.choice(["a", "b", "c"], ROWS, p=[0.6, 0.3, 0.1])
    code = np.select([y == "a", y == "b"], [2, 0], 1)
    spread = code * 10 + draw.uniform(0, 9, ROWS)
    table = frame(
        tmp_path, {"y": y, "code": code, "spread": spread, "id": draw.permutation(ROWS), "weak": code // 2}
    )

    assert set(names(leakage(table, table.schema, "y", "multiclass"))) == {"code", "spread"}


def test_a_class_that_nearly_all_have_is_no_leak(tmp_path: Path) -> None:
    _, draw = binary()
    y = np.where(np.arange(ROWS) < 0.996 * ROWS, "a", draw.choice(["b", "c"], ROWS))
    table = frame(tmp_path, {"y": y, "noise": draw.normal(size=ROWS), "c": draw.integers(0, 9, ROWS)})

    assert leakage(table, table.schema, "y", "multiclass") == []
    assert (
        leakage(open_table(table.path), ["copy"], "y", "multiclass") == [] if "copy" in table.schema else True
    )


def test_of_numbers(tmp_path: Path) -> None:
    _, draw = binary()
    y = draw.lognormal(0, 2, ROWS)
    columns = {
        "leak_copy": y,
        "leak_noisy": y * (1 + draw.normal(0, 1e-3, ROWS)),
        "leak_log": -np.log(y),
        "strong": y * np.exp(draw.normal(0, 0.3, ROWS)),
        "id": draw.permutation(ROWS),
        "group": draw.integers(0, 300, ROWS),
    }
    table = frame(tmp_path, {"y": y, **columns})
    square = frame(tmp_path, {"y": (draw.integers(-9, 9, ROWS) ** 2), "x": 0}, "s.parquet")

    assert set(names(leakage(table, table.schema, "y", "regression"))) == {
        *("leak_copy", "leak_noisy", "leak_log")
    }
    assert leakage(square, ["x"], "y", "regression") == []


def test_numbers_that_rise_and_fall_with_the_label_are_found(tmp_path: Path) -> None:
    x = np.random.default_rng(4).integers(-20, 21, ROWS)
    found = leakage(frame(tmp_path, {"y": x**2, "x": x}), ["x"], "y", "regression")

    assert names(found) == ["x"]
    assert found[0].value == pytest.approx(1)


def test_rank_correlation_is_that_of_scipy(tmp_path: Path) -> None:
    draw = np.random.default_rng(5)
    y = draw.normal(size=300)
    x = np.round(y + draw.normal(0, 0.01, 300), 2)
    (found,) = leakage(frame(tmp_path, {"y": y, "x": x}), ["x"], "y", "regression")

    assert found.value == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)


@pytest.mark.parametrize(("each", "found"), [(19, False), (20, True)])
def test_a_class_needs_twenty_rows(tmp_path: Path, each: int, found: bool) -> None:
    y = np.repeat([0, 1], [100, each])

    assert bool(leakage(frame(tmp_path, {"y": y, "x": y}), ["x"], "y", "binary")) is found


def test_few_rows_must_be_told_without_a_mistake(tmp_path: Path) -> None:
    y = np.repeat([0, 1], [30, 30])
    x = np.arange(60.0)
    x[29], x[30] = x[30], x[29]
    assert roc_auc_score(y, x) > 0.995

    assert leakage(frame(tmp_path, {"y": y, "x": x}), ["x"], "y", "binary") == []


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("rows", [0, 1, 2, 25])
def test_a_constant_label_or_hardly_a_row_tells_nothing(tmp_path: Path, task: str, rows: int) -> None:
    table = frame(tmp_path, {"y": np.ones(rows), "x": np.ones(rows)})

    assert leakage(table, ["x"], "y", task) == []
    assert constant_columns(table, ["x"]) == ([] if rows < 2 else constant_columns(table, ["x"]))


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_the_order_of_rows_does_not_matter(tmp_path: Path, task: str) -> None:
    y, draw = binary(1000)
    y = y if task == "binary" else draw.normal(size=1000)
    columns = {"y": y, "x": y + draw.normal(0, 0.001, 1000), "c": np.round(y, 2).astype(str)}
    mixed = draw.permutation(1000)
    one = leakage(frame(tmp_path, columns), ["x", "c"], "y", task)
    other = leakage(frame(tmp_path, {k: v[mixed] for k, v in columns.items()}, "m.parquet"), "xc", "y", task)

    assert len(one) >= 1
    assert [f"{each.value:.12g}" for each in one] == [f"{each.value:.12g}" for each in other]


@pytest.mark.parametrize("period", [2, 3, 4, 7])
def test_large_tables_are_sampled_whatever_the_period_of_their_rows(tmp_path: Path, period: int) -> None:
    label = f"(range % {period} = 0)"
    select = f"{label} AS y, {label}::INT AS x, range % 11 AS c, random() AS r"
    table = open_table(parquet(tmp_path, "t.parquet", f"SELECT {select} FROM range(200000)"))
    (found,) = leakage(table, ["x", "c", "r"], "y", "binary")
    drawn = int(found.detail.split("a sample of ")[1].split(" ")[0].replace(",", ""))

    assert found.column == "x"
    assert drawn == pytest.approx(50_000, rel=1e-3)
    assert table.rows == 200_000


HOSTILE = (
    'SELECT range % 2 AS y, {\'a\': range % 2} AS "st""ruct\'; --", [range % 2, 1] AS list, [now()] AS times,'
    " [1.5::DECIMAL(5, 2)] AS prices, MAP {'k': range % 2} AS map, (range % 2)::DECIMAL(9, 3) AS price,"
    " TIME '10:00:00' AS t, '\\xAA'::BLOB AS bytes, (range % 2 = 1) AS flag, NULL AS nothing,"
    " CASE WHEN range % 2 = 1 THEN 'inf' ELSE '-inf' END::DOUBLE AS endless, uuid() AS u,"
    " (range % 2)::HUGEINT AS huge, INTERVAL 1 DAY AS span, TIMESTAMPTZ '2026-01-01 00:00:00+02' AS zoned, 1 AS cell"
    " FROM range(200)"
)


def test_types_of_every_sort(tmp_path: Path) -> None:
    table = open_table(parquet(tmp_path, "t.parquet", HOSTILE))
    columns = [name for name in table.schema if name != "y"]

    told = {"st\"ruct'; --", "list", "map", "price", "flag", "endless", "huge"}
    assert set(names(leakage(table, columns, "y", "binary"))) == told
    constant = ["times", "prices", "t", "bytes", "nothing", "span", "zoned", "cell"]
    assert names(constant_columns(table, columns)) == constant
    assert duplicate_rows(table, columns) is None
    assert len(table.misfits(dict.fromkeys(columns, "number"))) == len(columns) - 5
    assert table.content_keys(columns).rows == 200


@pytest.mark.slow
def test_five_thousand_columns(tmp_path: Path) -> None:
    select = ", ".join(f"range % {2 + i} AS c{i}" for i in range(4_999))
    table = open_table(parquet(tmp_path, "w.parquet", f"SELECT range % 2 AS y, {select} FROM range(300)"))
    columns = [name for name in table.schema if name != "y"]

    assert names(leakage(table, columns, "y", "binary"))[:1] == ["c0"]
    assert constant_columns(table, columns) == []
    assert duplicate_rows(table, columns) is None
    assert table.misfits(dict.fromkeys(columns, "integer")) == []
    assert table.content_keys(columns).distinct == 300


def told(table: Table, **expected: str) -> list[str]:
    return [describe_misfit(misfit) for misfit in table.misfits(expected)]


def test_a_csv_is_of_the_kind_of_its_values(tmp_path: Path) -> None:
    table = open_table(
        put(
            tmp_path,
            "t.csv",
            "i,n,b,t,m,e\n1,1.5,true,2026-01-01,1,\n-2,2,False,2026-01-02 03:04,noon,\n,,,,2,\n",
        )
    )

    assert told(table, i="integer", n="number", b="boolean", t="time", m="text", e="integer") == []
    assert told(table, i="number", n="text", b="text", t="text") == []
    assert told(table, n="integer", m="integer", t="number", i="boolean", gone="text", i2="time") == [
        "'n' should be integer, but 1 row holds '1.5'",
        "'m' should be integer, but 1 row holds 'noon'",
        "'t' should be number, but 2 rows hold '2026-01-01'",
        "'i' should be boolean, but 2 rows hold '-2'",
        "'gone' is missing",
        "'i2' is missing",
    ]


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        ("1", {"integer", "number"}),
        ("1::UBIGINT", {"integer", "number"}),
        ("1::DECIMAL(9, 0)", {"integer", "number"}),
        ("1.5::DECIMAL(9, 2)", {"number"}),
        ("1.0::FLOAT", {"number"}),
        ("true", {"boolean"}),
        ("'x'", {"text"}),
        ("'x'::ENUM('x', 'y')", {"text"}),
        ("DATE '2026-01-01'", {"time"}),
        ("now()", {"time"}),
        ("[1]", set()),
        ("['x']", set()),
        ("['x'::ENUM('x', 'y')]", set()),
        ("[DATE '2026-01-01']", set()),
        ("{'a': 1}", set()),
        ("NULL::STRUCT(a INT)", {"integer", "number", "boolean", "text", "time"}),
    ],
)
def test_elsewhere_the_type_decides(tmp_path: Path, value: str, fits: set[str]) -> None:
    table = open_table(parquet(tmp_path, "t.parquet", f"SELECT {value} AS a"))

    kinds = ("integer", "number", "boolean", "text", "time")
    assert {kind for kind in kinds if not table.misfits({"a": kind})} == fits


def test_json_has_no_times_of_its_own(tmp_path: Path) -> None:
    table = open_table(put(tmp_path, "t.jsonl", '{"t": "2026-01-01 10:00:00", "n": 1}\n'))

    assert told(table, t="time", n="integer") == []
    assert told(table, t="text") == []


def test_golden_rows_in_a_training_table_are_found_by_id_or_by_what_they_hold(tmp_path: Path) -> None:
    training = open_table(
        put(tmp_path, "train.csv", "id,x,y\n" + "".join(f"{i},{i / 2},1\n" for i in range(100)))
    )
    rows = [*((i, i / 2) for i in range(97, 100)), *((i, i * 7 + 0.25) for i in range(100, 107))]
    golden = open_table(
        parquet(tmp_path, "g.parquet", f"SELECT unnest({[r[0] for r in rows]}) AS id, 1 AS y")
    )
    nameless = open_table(
        parquet(tmp_path, "n.parquet", f"SELECT unnest({[r[1] for r in rows]}::DOUBLE[]) AS x, 1 AS y")
    )
    by_id, by_content = (table_overlap(each, training, "id") for each in (golden, nameless))

    assert by_id is not None
    assert by_content is not None
    assert (by_id.column, by_id.value, by_content.column, by_content.value) == ("id", 0.3, None, 0.3)
    assert "3 of 10 golden rows are in the training data" in by_content.detail
    fresh = open_table(put(tmp_path, "f.csv", "id,x,y\n500,0.1,1\n"))
    assert table_overlap(fresh, training, "id") is None
    assert table_overlap(open_table(put(tmp_path, "y.csv", "y\n1\n")), training, "id") is None
