"""Input that cannot be judged: exit code 2, one message with file, column, row and mend, and nothing written."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest
from workspace import CONFIG, Ended, Workspace, rows, workspace

__all__ = ["workspace"]

RANKING = """\
version: 1
models:
  m:
    task: ranking
    columns: {id: id, label: y, score: s, query: q}
    gate:
      - {metric: ndcg@10, min: 0.5}
"""
MULTICLASS = """\
version: 1
models:
  m:
    task: multiclass
    columns: {id: id, label: y, score: {a: pa, b: pb}}
    gate:
      - {metric: accuracy, min: 0.5}
"""
REGRESSION = """\
version: 1
models:
  m:
    task: regression
    columns: {id: id, label: y, prediction: p}
    gate:
      - {metric: r2, min: 0.5}
"""


def check(item: str) -> str:
    return CONFIG.replace("{metric: accuracy, min: 0.7}", item)


def judge(place: Workspace, name: str = "p.csv") -> Ended:
    return place.tidegate("evaluate-gate", "--predictions", name)


def refused(place: Workspace, ended: Ended, told: Sequence[str]) -> None:
    """One message that says all of this, and no trace of the run."""
    assert ended.code == 2, ended.err or ended.out
    assert len(ended.err.splitlines()) == 1, ended.err
    assert ended.err.startswith("tidegate: ")
    missing = [text for text in told if text not in ended.err]
    assert not missing, (missing, ended.err)
    assert not ended.out
    assert place.reports == set()


@pytest.mark.parametrize(
    ("config", "table", "told"),
    [
        pytest.param(
            CONFIG, "id,y,p\n0,1,0.9\n", ("p.csv", "no column 's'", "Accepted: id, p, y"), id="score"
        ),
        pytest.param(CONFIG, "id,label,s\n0,1,0.9\n", ("p.csv", "no column 'y'", "Accepted"), id="label"),
        pytest.param(CONFIG, "key,y,s\n0,1,0.9\n1,0,0.1\n", ("p.csv", "no column 'id'", "Accepted"), id="id"),
        pytest.param(
            check("{metric: accuracy, min: 0.7, slices: [town]}"),
            "id,y,s,towns\n0,1,0.9,x\n",
            ("p.csv", "no column 'town'", "Did you mean 'towns'?"),
            id="slice",
        ),
        pytest.param(
            check("{invariance: {pair: pair_id}}"),
            "id,y,s,pair\n0,1,0.9,x\n",
            ("p.csv", "no column 'pair_id'", "Did you mean 'pair'?"),
            id="pair",
        ),
        pytest.param(
            check("{directional: {pair: pair, order: step, expect: increase}}"),
            "id,y,s,pair,steps\n0,1,0.9,x,1\n",
            ("p.csv", "no column 'step'", "Did you mean 'steps'?"),
            id="order",
        ),
        pytest.param(
            CONFIG,
            "id,y,s\n0,1,0.9\n1,0,high\n",
            ("p.csv", "column 's'", "a number", "row 2", "'high'", "mend the file"),
            id="text for a score",
        ),
        pytest.param(
            check("{metric: mean, column: cost, max: 1}"),
            "id,y,s,cost\n0,1,0.9,1\n1,0,0.1,2 EUR\n",
            ("p.csv", "column 'cost'", "row 2", "'2 EUR'", "mend the file"),
            id="text for a measurement",
        ),
        pytest.param(
            check("{metric: accuracy, min: 0.7, slices: [{at: {period: month}}]}"),
            "id,y,s,at\n0,1,0.9,2026-01-01\n1,0,0.1,yesterday\n",
            ("p.csv", "column 'at'", "a time", "row 2", "'yesterday'", "mend the file"),
            id="text for a time",
        ),
        pytest.param(
            CONFIG,
            "id,y,s\n0,1,0.9\n1,,0.1\n2,,0.2\n",
            ("p.csv", "column 'y'", "missing in 2 rows", "row 2", "leave such rows out"),
            id="missing label",
        ),
        pytest.param(
            CONFIG,
            "id,y,s\n0,1,0.9\n1,0,0.1\n2,NaN,0.2\n",
            ("p.csv", "column 'y'", "row 3"),
            id="NaN label",
        ),
        pytest.param(
            CONFIG,
            "id,y,s\n0,1,0.9\n1,0,\n",
            ("p.csv", "column 's'", "missing or NaN in 1 row", "row 2", "leave such rows out"),
            id="missing score",
        ),
        pytest.param(
            CONFIG,
            "id,y,s\n0,1,0.9\n1,0,1.5\n",
            ("p.csv", "column 's'", "between 0 and 1", "row 2 holds 1.5 (1 such row)", "write probabilities"),
            id="score above 1",
        ),
        pytest.param(
            CONFIG,
            "id,y,s\n0,1,-1e-9\n1,0,-inf\n",
            ("p.csv", "column 's'", "between 0 and 1", "row 1 holds -1e-09 (2 such rows)"),
            id="score below 0",
        ),
        pytest.param(
            CONFIG,
            "id,y,s\n0,1,0.9\n1,2,0.1\n2,0,0.1\n3,2,0.1\n",
            ("p.csv", "column 'y'", "3 values (0, 1, 2)", "row 3", "`task: multiclass`, or mend the table"),
            id="three labels",
        ),
        pytest.param(
            CONFIG,
            "id,y,s\n" + "".join(f"{i},{i}.5,0.1\n" for i in range(9)),
            ("p.csv", "column 'y'", "9 values (0.5, 1.5, 2.5, 3.5, 4.5, ...)", "row 3"),
            id="numbers for labels",
        ),
        pytest.param(
            CONFIG,
            "id,y,s\n0,ham,0.9\n1,spam,0.1\n",
            ("p.csv", "column 'y'", "'ham' and 'spam'", "set `columns.positive:`"),
            id="labels of which none is known as positive",
        ),
        pytest.param(
            CONFIG,
            "id,y,s\n7,1,0.9\n8,0,0.1\n7,1,0.9\n",
            ("p.csv", "id must be unique", "7 stands in 2 rows", "keep one row"),
            id="repeated id",
        ),
        pytest.param(
            CONFIG,
            "id,y,s\n7,1,0.9\n,0,0.1\n9,1,0.9\n",
            ("p.csv", "id must be unique", "missing in 1 row", "row 2", "give each row"),
            id="missing id",
        ),
        pytest.param(
            CONFIG, "", ("p.csv", "is empty (0 bytes)", "a header and at least one row"), id="empty"
        ),
        pytest.param(CONFIG, "\n\n", ("p.csv", "the first line must name the columns"), id="blank lines"),
        pytest.param(CONFIG, "id,y,s\n", ("p.csv", "has no rows"), id="header only"),
        pytest.param(
            CONFIG,
            "id,y,s\n0,1,0.9\n1,0\n2,1,0.8\n",
            ("p.csv", "Line: 3", "1,0", "Columns: 3", "Found: 2"),
            id="a ragged line that is short",
        ),
        pytest.param(
            CONFIG,
            "id,y,s\n0,1,0.9\n1,0,0.1,9\n2,1,0.8\n",
            ("p.csv", "Line: 3", "Columns: 3", "Found: 4"),
            id="a ragged line that is long",
        ),
        pytest.param(
            CONFIG,
            "id,y,s\n" + "0,1\n" * 30 + "1,1,0.8\n",
            ("p.csv", "line 2 has 2 values and the header 3", "as many values as the header"),
            id="the one line that fits does not stand alone",
        ),
        pytest.param(
            CONFIG,
            "# exported 2026\nid,y,s\n0,1,0.9\n",
            ("p.csv", "line 2 has 3 values and the header 1", "the first line must name all columns"),
            id="a comment before the header",
        ),
        pytest.param(
            CONFIG, "id;y;s\n0;1;0.9\n", ("p.csv", "separated by ';'", "save the file"), id="semicolons"
        ),
        pytest.param(
            CONFIG, "id,y,s,S\n0,1,0.9,1\n", ("p.csv", "names 's' twice", "of its own"), id="header"
        ),
        pytest.param(
            RANKING,
            "id,y,s,q\n0,1,0.9,a\n1,-2,0.1,a\n",
            ("p.csv", "column 'y'", "relevance", "row 2 holds -2", "mend the table"),
            id="negative relevance",
        ),
        pytest.param(
            RANKING,
            "id,y,s,q\n0,1,0.9,a\n1,1,0.1,\n",
            ("p.csv", "column 'q'", "missing in 1 row", "row 2", "leave such rows out"),
            id="missing query",
        ),
        pytest.param(
            RANKING,
            "id,y,s,q\n0,1,0.9,1\n1,1,0.1,nan\n",
            ("p.csv", "column 'q'", "missing in 1 row", "row 2"),
            id="NaN query",
        ),
        pytest.param(
            MULTICLASS,
            "id,y,pa,pb\n0,a,0.9,0.1\n1,b,0.9,0.3\n",
            ("p.csv", "row 2 sum to 1.2", "(1 such row)", "mend the columns"),
            id="probabilities that do not add up",
        ),
        pytest.param(
            REGRESSION,
            "id,y,p\n0,1,2\n1,inf,2\n",
            ("p.csv", "column 'y'", "not a finite number in 1 row", "row 2", "leave such rows out"),
            id="infinite label",
        ),
        pytest.param(
            check("{metric: unseen_share, column: city, values: cities.csv, max: 0}"),
            "id,y,s,city\n0,1,0.9,x\n",
            ("cities.csv does not exist", "give a .parquet, .csv or .jsonl file"),
            id="a table of known values that is not there",
        ),
    ],
)
def test_a_table_that_cannot_be_judged(
    workspace: Workspace, config: str, table: str, told: tuple[str, ...]
) -> None:
    workspace.configure(config)
    workspace.write("p.csv", table)

    refused(workspace, judge(workspace), told)


@pytest.mark.parametrize(
    ("table", "mend"),
    [
        ("id,y,s\n0,1,0.9\n1,0\n", "as many values as the header"),
        ("id,y,s\n0,1,0.9\n1,0,0.2,3\n", "as many values as the header"),
        ('id,y,s\n0,1,"0.9\n1,0,0.2\n', "quotes"),
    ],
)
def test_a_csv_that_cannot_be_read_says_how_to_mend_it(workspace: Workspace, table: str, mend: str) -> None:
    workspace.write("p.csv", table)

    refused(workspace, judge(workspace), ("p.csv", mend))


@pytest.mark.parametrize(
    ("ids", "at"),
    [
        (("7", "8", "7"), "rows 1 and 3"),
        (("a", "b", "b", "a", "b"), "rows 2 and 3"),
        (("missing", "", ""), "missing in 2 rows, the first of them row 2"),
        (("7", "7", ""), "missing in 1 row, the first of them row 3"),
        (("x'); DROP TABLE loaded; --", "y", "x'); DROP TABLE loaded; --"), "rows 1 and 3"),
    ],
)
def test_repeated_ids_are_found_by_their_rows(workspace: Workspace, ids: tuple[str, ...], at: str) -> None:
    workspace.write("p.csv", "id,y,s\n" + "".join(f"{name},1,0.9\n" for name in ids))

    refused(workspace, judge(workspace), ("id must be unique", at))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('{"id": 0, "y": 1, "s": 0.9}\n{"id": 1, "y"', ("line 2", "one JSON object per line")),
        ('garbage\n{"id": 0, "y": 1, "s": 0.9}\n', ("line 1", "one JSON object per line")),
        ('[{"id": 0, "y": 1, "s": 0.9}]\n', ("is a JSON array", "one JSON object per line")),
        ("\n", ("has no rows", "needs at least one")),
    ],
)
def test_a_file_that_is_no_json_lines(workspace: Workspace, content: str, told: tuple[str, ...]) -> None:
    workspace.write("p.jsonl", content)

    refused(workspace, judge(workspace, "p.jsonl"), ("p.jsonl", *told))


def test_must_pass_finds_ids_with_leading_zeros(workspace: Workspace) -> None:
    workspace.configure(CONFIG + '      - {must_pass: ["0001", 2]}\n')
    lines = [f"{i:04d},{i % 2},{0.1 + 0.8 * (i % 2):.1f}\n" for i in range(400)]
    workspace.write("p.csv", "id,y,s\n" + "".join(lines))
    ended = judge(workspace)

    # 0001 is found; the number 2 is not the text 0002.
    assert ended.code == 1, ended.err
    assert "not in the table: 2" in ended.out


def parquet(place: Workspace, name: str, select: str) -> Path:
    path = place.root / name
    duckdb.connect().execute(f"COPY ({select}) TO '{path.as_posix()}' (FORMAT parquet)")
    return path


GOOD = "SELECT range AS id, range % 2 AS y, (range % 2) * 0.8 + 0.1 AS s FROM range(1000)"


def test_a_parquet_file_named_csv(workspace: Workspace) -> None:
    parquet(workspace, "p.csv", GOOD)

    refused(workspace, judge(workspace), ("p.csv is a Parquet file", "name it .parquet"))


@pytest.mark.parametrize("kept", [0.5, 0.99, 8, 3])
def test_a_truncated_parquet_file(workspace: Workspace, kept: float) -> None:
    path = parquet(workspace, "p.parquet", GOOD)
    assert judge(workspace, "p.parquet").code == 0
    for report in workspace.reports:
        (workspace.root / "tidegate-out" / report).unlink()
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if kept < 1 else int(kept)])

    refused(
        workspace, judge(workspace, "p.parquet"), ("p.parquet cannot be read as parquet", "write it again")
    )


def test_a_parquet_file_with_a_damaged_page(workspace: Workspace) -> None:
    path = parquet(workspace, "p.parquet", GOOD)
    content = bytearray(path.read_bytes())
    content[10:300] = bytes(290)
    path.write_bytes(content)

    refused(
        workspace, judge(workspace, "p.parquet"), ("p.parquet cannot be read as parquet", "write it again")
    )


@pytest.mark.parametrize(
    ("column", "told"),
    [
        ("[0.5] AS s", ("column 's'", "a number", "row 1")),
        ("'0,5' AS s", ("column 's'", "a number", "row 1", "'0,5'")),
        ("DATE '2026-01-01' AS s", ("column 's'", "a number", "row 1")),
        ("'nan'::DOUBLE AS s", ("column 's'", "missing or NaN in 9 rows", "row 1")),
    ],
)
def test_a_parquet_column_of_the_wrong_type(workspace: Workspace, column: str, told: tuple[str, ...]) -> None:
    parquet(workspace, "p.parquet", f"FROM range(9) SELECT range AS id, range % 2 AS y, {column}")

    refused(workspace, judge(workspace, "p.parquet"), ("p.parquet", *told))


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_file_of_ten_thousand_columns_is_refused_at_once(workspace: Workspace, suffix: str) -> None:
    if suffix == "csv":
        header = ["id", "y", "s", *(f"c{i}" for i in range(10_000))]
        body = ["1,1,0.5" + ",0" * 10_000] * 3
        workspace.write("p.csv", "\n".join([",".join(header), *body]) + "\n")
    else:
        wide = ", ".join(f"0 AS c{i}" for i in range(10_000))
        parquet(workspace, "p.parquet", f"SELECT 1 AS id, 1 AS y, 0.5 AS s, {wide}")
    started = time.process_time()
    ended = judge(workspace, f"p.{suffix}")

    assert time.process_time() - started < 10
    columns = ("10,003 columns", "at most 5,000", "leave out")
    refused(workspace, ended, (f"p.{suffix}", *columns))


@pytest.mark.parametrize(
    ("item", "told"),
    [
        ("{metric: acuracy, min: 0.5}", ("gate.0.metric", "'acuracy'", "Did you mean 'accuracy'?")),
        ("{metric: latency_95, max: 5}", ("gate.0.metric", "'latency_95'", "Did you mean 'latency_p95'?")),
        (
            "{metric: ndcg@ten, min: 0.5}",
            ("gate.0.metric", "'ndcg@ten'", "a whole number", "such as ndcg@10"),
        ),
        ("{metric: ndgc@10, min: 0.5}", ("gate.0.metric", "'ndgc@10'", "Did you mean 'ndcg@10'?")),
        ("{metric: latency_p100, max: 5}", ("gate.0.metric", "between 0 and 100", "such as latency_p95")),
        ("{metric: accuracy, max: 0.5}", ("gate.0", "higher is better", "write `min:`", "allow_cap: true")),
        ("{metric: log_loss, min: 0.5}", ("gate.0", "lower is better", "write `max:`", "allow_cap: true")),
    ],
)
def test_a_check_that_makes_no_sense(workspace: Workspace, item: str, told: tuple[str, ...]) -> None:
    workspace.configure(check(item))
    workspace.table("p.csv", rows())

    refused(workspace, judge(workspace), (".github/tidegate.yml:7: models.m", *told))


def test_a_refusal_leaves_older_reports_as_they_are(workspace: Workspace) -> None:
    workspace.table("p.csv", rows())
    assert judge(workspace).code == 0
    folder = workspace.root / "tidegate-out"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    workspace.write("p.csv", "id,y,s\n0,1,7\n")

    assert judge(workspace).code == 2
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_wide_table_that_is_accepted_is_judged_in_time(workspace: Workspace) -> None:
    many: list[dict[str, Any]] = [{**row, **{f"c{i}": i for i in range(1_000)}} for row in rows()]
    workspace.table("p.csv", list(many))
    started = time.process_time()
    ended = judge(workspace)

    assert ended.code == 0
    assert time.process_time() - started < 10


def test_the_third_label_is_found_where_spellings_differ(workspace: Workspace) -> None:
    labels = ("1", "true", "0", "False", "maybe")
    workspace.table("p.csv", [{"id": i, "y": label, "s": 0.5} for i, label in enumerate(labels)])

    refused(workspace, judge(workspace), ("3 values (0, 1, maybe)", "first in row 5"))
