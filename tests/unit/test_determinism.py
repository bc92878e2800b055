"""The same input gives the same bytes; any table gives a decision or one message."""

import json
import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from workspace import Workspace, workspace

from tidegate import reports
from tidegate.commands.base import Common, Invocation
from tidegate.commands.evaluate_gate import gate_document
from tidegate.documents import to_json
from tidegate.errors import TidegateError

__all__ = ["workspace"]

EVERYTHING = """\
version: 1
models:
  m:
    task: binary
    columns: {id: id, label: y, score: s, latency: ms, production_latency: old, error: err, cost: eur, timestamp: at}
    approval: required
    sanity: {leakage: warn, training: train.csv}
    waivers:
      - {metric: f1, expires: 2200-12-31, owner: Ada, reason: known, slice: {city: Ørsta}}
      - {metric: mean, expires: 2001-01-01, owner: Bo, reason: old}
    gate:
      - {metric: roc_auc, min: 0.5, confidence: 0.9, slices: [city]}
      - {metric: average_precision, min: 0.5, confidence: 0.9}
      - {metric: f1, min: 0.9, confidence: 0.9, slices: [city, [city, flag]], min_rows: 5}
      - {metric: recall, min: 0.1, confidence: 0.9, worst_slice: [city, {age: {quantiles: 4}}]}
      - {metric: accuracy, min: 0.1, slices: [{at: {period: week}}, [{age: {edges: [30, 50]}}, flag]], discover: true}
      - {metric: log_loss, max: 1, confidence: 0.9}
      - {metric: brier_score, max: 1, confidence: 0.9}
      - {metric: expected_calibration_error, max: 1, confidence: 0.9}
      - {metric: matthews_corrcoef, min: -1, confidence: 0.9}
      - {metric: expected_cost, costs: {fp: 1, fn: 5}, max: 9, confidence: 0.9}
      - {metric: latency_p95, max: 100, confidence: 0.9}
      - {metric: latency_p95_ratio, max: 2, confidence: 0.9}
      - {metric: error_rate, max: 1, confidence: 0.9}
      - {metric: cost_per_row, max: 1, confidence: 0.9}
      - {metric: demographic_parity_difference, by: flag, max: 0.9, confidence: 0.9}
      - {metric: equalized_odds_difference, by: [city, flag], max: 1, confidence: 0.9, min_rows: 5}
      - {metric: mean, column: age, max: 90, confidence: 0.9}
      - {metric: quantile, column: age, quantile: 0.9, max: 90, confidence: 0.9}
      - {metric: missing_share, column: city, max: 0.5, confidence: 0.9}
      - {metric: unseen_share, column: city, values: [Oslo, Ørsta], max: 1}
      - {invariance: {pair: pair, tolerance: 0.5}, max_share: 1}
      - {directional: {pair: pair, order: age, expect: increase}, max_share: 1}
      - {must_pass: [r1, r2], severity: info}
      - {schema: {age: number, flag: boolean}}
"""


def table(count: int = 400) -> list[dict[str, Any]]:
    rng = np.random.default_rng(4)
    made = []
    for i in range(count):
        label = int(rng.integers(2))
        made.append(
            {
                "id": f"r{i}",
                "y": label,
                "s": round(float(np.clip(rng.normal(0.35 + 0.3 * label, 0.2), 0, 1)), 6),
                "ms": round(float(rng.lognormal(3, 0.5)), 3),
                "old": round(float(rng.lognormal(3, 0.5)), 3),
                "err": "timeout" if rng.random() < 0.1 else None,
                "eur": round(float(rng.random()), 6),
                "at": f"2026-0{rng.integers(1, 5)}-{rng.integers(10, 28)}",
                "city": ("Oslo", "Ørsta", "東京", None)[rng.integers(4)],
                "age": round(float(rng.normal(40, 9)), 3),
                "flag": bool(rng.integers(2)),
                "pair": f"p{i // 3}",
            }
        )
    return made


def prepare(place: Workspace) -> list[dict[str, Any]]:
    rows = table()
    place.configure(EVERYTHING)
    place.table("p.csv", list(rows))
    place.table("train.csv", [{"id": f"r{i}", "y": 1} for i in range(390, 900)])
    return rows


def settled(place: Workspace) -> str:
    """The document but for the time at which it was made."""
    document = place.document("evaluate-gate")
    document.pop("created_at")
    return json.dumps(document)


def test_the_same_input_gives_the_same_bytes_in_any_process(workspace: Workspace) -> None:
    prepare(workspace)
    made = []
    for seed, threads in (("0", "1"), ("0", "1"), ("1", "2"), ("12345", "4")):
        variables = {
            "PYTHONHASHSEED": seed,
            "OMP_NUM_THREADS": threads,
            "OPENBLAS_NUM_THREADS": threads,
            "TZ": ("UTC", "Asia/Tokyo")[int(threads) % 2],
            "LC_ALL": ("C.UTF-8", "C")[int(seed) % 2],
        }
        ended = workspace.spawn("evaluate-gate", "--predictions", "p.csv", **variables)
        assert ended.code in (0, 1), ended.err
        made.append(settled(workspace))

    document = json.loads(made[0])
    assert len(set(made)) == 1
    assert len(document["checks"]) > 40
    assert document["discovered"]
    assert document["worst_slices"]
    assert {each["state"] for each in document["waivers"]} == {"used", "expired"}


def test_the_number_of_threads_of_the_engine_does_not_matter(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(workspace)
    connect, made = duckdb.connect, []
    for threads in (1, 4):

        def limited(*arguments: Any, threads: int = threads, **keys: Any) -> Any:
            keys["config"] = {**keys.get("config", {}), "threads": threads}
            return connect(*arguments, **keys)

        monkeypatch.setattr(duckdb, "connect", limited)
        assert workspace.tidegate("evaluate-gate", "--predictions", "p.csv").code in (0, 1)
        made.append(settled(workspace))

    assert made[0] == made[1]


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_rows_and_columns_does_not_matter(workspace: Workspace, seed: int) -> None:
    rows = prepare(workspace)
    assert workspace.tidegate("evaluate-gate", "--predictions", "p.csv").code in (0, 1)
    expected = workspace.document("evaluate-gate")
    rng = np.random.default_rng(seed)
    names = [str(name) for name in rng.permutation(list(rows[0]))]
    workspace.table("p.csv", [{name: rows[i][name] for name in names} for i in rng.permutation(len(rows))])
    assert workspace.tidegate("evaluate-gate", "--predictions", "p.csv").code in (0, 1)
    turned = workspace.document("evaluate-gate")

    for key in ("decision", "reasons", "warnings", "checks", "worst_slices", "findings", "waivers"):
        assert turned[key] == expected[key], key
    for one, other in zip(turned["discovered"], expected["discovered"], strict=True):
        assert sorted(one.pop("tested_columns")) == sorted(other.pop("tested_columns"))
        assert sorted(one.pop("crossed_columns")) == sorted(other.pop("crossed_columns"))
        assert sorted(one.pop("left_out")) == sorted(other.pop("left_out"))
        assert one == other


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
def test_the_format_of_the_file_does_not_matter(workspace: Workspace, suffix: str) -> None:
    prepare(workspace)
    assert workspace.tidegate("evaluate-gate", "--predictions", "p.csv").code in (0, 1)
    expected = workspace.document("evaluate-gate")
    source, target = (workspace.root / name for name in ("p.csv", f"p.{suffix}"))
    kind = {"parquet": "parquet", "jsonl": "json"}[suffix]
    connection = duckdb.connect()
    connection.read_csv(source.as_posix(), header=True).create("judged")
    connection.execute(f"COPY judged TO '{target.as_posix()}' (FORMAT {kind})")
    ended = workspace.tidegate("evaluate-gate", "--predictions", target.name)
    assert ended.code in (0, 1), ended.err
    found = workspace.document("evaluate-gate")

    for key in ("decision", "checks", "worst_slices", "discovered", "findings"):
        assert found[key] == expected[key], key


NAMES = ["y", "s", "g", "x", "k"]
HOSTILE = [
    *(
        "",
        " ",
        "'",
        '"',
        '""',
        "a,b",
        "a\nb",
        "a\r\nb",
        "\t",
        "=1+1",
        "NULL",
        "nan",
        "None",
        "inf",
        "-0",
        "007",
    ),
    *(
        "<script>",
        "|",
        "`x`",
        "@all",
        "::error::",
        "%0A",
        "{table}",
        "\u202e",
        "é",
        "e\u0301",
        "ß",
        "東京",
        "💥",
    ),
    *(
        "1",
        "1.0",
        "true",
        "True",
        "1e3",
        "2026-01-01",
        "x" * 300,
        "\x1b[31m",
        "\\",
        "--",
        ";DROP TABLE loaded",
    ),
]
TEXT = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\x00"), max_size=8),
)
NUMBER = st.one_of(
    st.integers(-3, 3),
    st.floats(width=32),
    st.sampled_from([0.0, -0.0, 1.0, math.inf, -math.inf, math.nan, 1e60, 5e-324, 2**53 + 1]),
)
LABELS = st.sampled_from(
    [[0, 1], [0.0, 1.0], ["0", "1"], [False, True], ["no", "yes"], [1], [0], [0, 1, 2], [None]]
)
SCORE = st.one_of(st.floats(0, 1), st.sampled_from([0, 1, 0.5]))
# Seldom, so that most tables get as far as a decision.
ODD_SCORE = st.one_of(*[SCORE] * 12, st.sampled_from([None, math.nan, math.inf, -0.1, 1.1]))


FINITE = st.one_of(
    st.integers(-3, 3), st.floats(-1e6, 1e6), st.sampled_from([0.0, -0.0, 1e60, -1e60, 5e-324])
)
GRADE = st.one_of(st.integers(0, 4), st.floats(0, 9))


@st.composite
def tables(draw: st.DrawFn, task: str = "binary") -> dict[str, list[Any]]:
    """Columns y, s, g, x and k of 0 to 12 rows, of kinds that change from table to table.

    What the task needs is in order in nine tables of ten: the others are those that must be refused.
    """
    count = draw(st.one_of(st.integers(0, 3), st.integers(4, 12)))
    odd = draw(st.integers(0, 9)) == 9

    def column(values: st.SearchStrategy[Any], *, filled: bool = False) -> list[Any]:
        return draw(
            st.lists(values if filled else st.one_of(st.none(), values), min_size=count, max_size=count)
        )

    labels = draw(st.sampled_from([[0, 1], [0.0, 1.0], ["0", "1"], [False, True], [1], [0]]))
    label = {"binary": st.sampled_from(labels), "regression": FINITE, "ranking": GRADE}.get(task)
    score = SCORE if task == "binary" else FINITE
    group = draw(st.sampled_from([TEXT, NUMBER, st.booleans(), st.sampled_from(["a", "b", "c"])]))
    if label is None:
        label = group = st.sampled_from(draw(st.sampled_from([["a", "b"], [1, 2, 3], ["x"], HOSTILE[6:]])))
    if task == "ranking":
        group = (
            st.sampled_from([1, 2]) if draw(st.booleans()) else TEXT.filter(lambda text: text.strip() != "")
        )
    if odd:
        label = draw(st.sampled_from([LABELS.flatmap(st.sampled_from), TEXT, NUMBER]))
        score = ODD_SCORE
    needs_group = task in ("multiclass", "ranking") and not odd
    return {
        "y": column(label, filled=not odd),
        "s": column(draw(st.sampled_from([score, st.just(0.5)])), filled=True),
        "g": column(group, filled=needs_group),
        "x": column(FINITE if task == "regression" and not odd else NUMBER, filled=task == "regression"),
        "k": column(st.sampled_from(["a", "b", "ä"])),
    }


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def cell(value: Any) -> str:
    if value is None:
        return ""
    text = repr(value) if isinstance(value, float) else str(value)
    return '"' + text.replace('"', '""') + '"'


def write(folder: Path, columns: dict[str, list[Any]], suffix: str) -> Path:
    path = folder / f"p.{suffix}"
    count = len(next(iter(columns.values())))
    if suffix == "csv":
        lines = [",".join(map(quoted, columns))]
        lines += [",".join(cell(values[i]) for values in columns.values()) for i in range(count)]
        path.write_bytes(("\n".join(lines) + "\n").encode())
        return path
    connection = duckdb.connect()
    kinds = {name: _type(values) for name, values in columns.items()}
    connection.execute(
        "CREATE TABLE t (" + ", ".join(f"{quoted(name)} {kind}" for name, kind in kinds.items()) + ")"
    )
    for i in range(count):
        row = [
            None if v[i] is None else str(v[i]) if kinds[n] == "VARCHAR" else v[i] for n, v in columns.items()
        ]
        marks = ", ".join("?" * len(row))
        connection.execute(f"INSERT INTO t VALUES ({marks})", row)
    connection.execute(f"COPY t TO '{path.as_posix()}' (FORMAT parquet)")
    return path


def _type(values: list[Any]) -> str:
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {bool}:
        return "BOOLEAN"
    if kinds <= {int}:
        return "BIGINT"
    return "DOUBLE" if kinds <= {int, float} else "VARCHAR"


@contextmanager
def folder_of_a_gate(config: str) -> Iterator[Path]:
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        try:
            (Path(name) / "c.yml").write_text(config, encoding="utf-8")
            yield Path(name)
        finally:
            os.chdir(before)


def decide(config: str, columns: dict[str, list[Any]], suffix: str) -> dict[str, Any] | None:
    """The document, published in all its forms; None where the input is refused in one message."""
    with folder_of_a_gate(config) as folder:
        path = write(folder, columns, suffix)
        common = Common(
            config=folder / "c.yml",
            model=None,
            output_dir=folder / "out",
            forge="none",
            comment=False,
            fail_on="stop",
        )
        invocation = Invocation("evaluate-gate", common)
        try:
            document = gate_document(invocation, invocation.open(path.name))
        except TidegateError as error:
            refusal = error
        else:
            return published(document)
    assert refusal.exit_code == 2
    assert str(refusal).strip()
    return None


def published(document: dict[str, Any]) -> dict[str, Any]:
    """The document, whose forms are what their formats ask for."""
    text = to_json(document)
    assert json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON")) == document
    for rendered in (
        reports.markdown(document, limit=None),
        reports.html(document),
        reports.terminal(document, color=False),
    ):
        rendered.encode("utf-8")
        assert "\x1b" not in rendered
    return document


BODY = """\
      - {metric: accuracy, min: 0.5, confidence: 0.9, slices: [%(g)s, [%(g)s, k]], discover: true, min_rows: 2}
      - {metric: roc_auc, min: 0.5, confidence: 0.9}
      - {metric: precision, min: 0.5}
      - {metric: f1, min: 0.1, worst_slice: [k, %(g)s], confidence: 0.9}
      - {metric: log_loss, max: 1, confidence: 0.9}
      - {metric: expected_calibration_error, max: 1}
      - {metric: demographic_parity_difference, by: k, max: 0.5, confidence: 0.9}
      - {metric: equalized_odds_difference, by: [%(g)s, k], max: 0.5}
      - {metric: missing_share, column: x, max: 0.5}
      - {metric: duplicate_share, column: %(g)s, max: 0.5}
      - {metric: unseen_share, column: %(g)s, values: [a, 1], max: 0.5}
      - {invariance: {pair: %(g)s, tolerance: 0.1}, max_share: 0.5}
      - {schema: {x: number, %(g)s: text}, severity: warn}
"""
NUMBERS = """\
      - {metric: mean, column: x, max: 1, confidence: 0.9}
      - {metric: quantile, column: x, quantile: 0.5, max: 1, confidence: 0.9}
      - {metric: accuracy, min: 0.1, slices: [{x: {quantiles: 3}}, {x: {edges: [0, 1]}}]}
      - {directional: {pair: k, order: x, expect: increase}}
"""
HEAD = "version: 1\nmodels:\n  m:\n    task: %s\n    columns: %s\n    gate:\n"
RELAXED = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def as_yaml(name: str) -> str:
    return json.dumps(name, ensure_ascii=True)


@RELAXED
@given(columns=tables(), suffix=st.sampled_from(["csv", "parquet"]), numbers=st.booleans(), data=st.data())
def test_any_table_gives_a_decision_or_one_message(
    columns: dict[str, list[Any]], suffix: str, numbers: bool, data: st.DataObject
) -> None:
    config = HEAD % ("binary", "{label: y, score: s}") + BODY % {"g": "g"} + (NUMBERS if numbers else "")
    document = decide(config, columns, suffix)
    if document is None:
        return
    assert document["decision"] in ("pass", "fail", "inconclusive")
    count = len(columns["y"])
    order = data.draw(st.permutations(range(count)))
    turned = decide(config, {name: [values[i] for i in order] for name, values in columns.items()}, suffix)
    assert turned is not None
    for key in ("decision", "checks", "worst_slices"):
        assert turned[key] == document[key]


@RELAXED
@given(columns=tables(), name=TEXT.filter(lambda name: name.strip() and name.lower() not in NAMES))
def test_a_column_may_have_any_name(columns: dict[str, list[Any]], name: str) -> None:
    columns[name] = columns.pop("g")
    config = HEAD % ("binary", "{label: y, score: s}") + BODY % {"g": as_yaml(name)}
    document = decide(config, columns, "csv")

    assert document is None or name in {key for c in document["checks"] for key in c["slice"] or {}}


@RELAXED
@given(data=st.data(), task=st.sampled_from(["multiclass", "regression", "ranking"]))
def test_the_other_tasks(data: st.DataObject, task: str) -> None:
    columns = data.draw(tables(task))
    roles = {
        "multiclass": "{label: y, prediction: g}",
        "regression": "{label: y, prediction: x}",
        "ranking": "{label: y, score: s, query: g}",
    }[task]
    items = {
        "multiclass": (
            "accuracy, min: 0.5",
            "precision, min: 0.1",
            "f1_macro, min: 0.1",
            "cohen_kappa, min: 0",
        ),
        "regression": (
            "r2, min: 0",
            "root_mean_squared_error, max: 9",
            "mean_absolute_percentage_error, max: 1",
        ),
        "ranking": ("ndcg@3, min: 0.1", "mrr, min: 0.1", "recall@2, min: 0.1", "hit_rate@1, min: 0.1"),
    }[task]
    lines = "".join(f"      - {{metric: {item}, confidence: 0.9, slices: [k]}}\n" for item in items)
    document = decide(HEAD % (task, roles) + lines, columns, data.draw(st.sampled_from(["csv", "parquet"])))

    assert document is None or len(document["checks"]) >= len(items)


@pytest.mark.parametrize(
    "labels", [(0, 1), (0.0, 1.0), ("0", "1"), (False, True), ("false", "true"), ("0.0", "1.0")]
)
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_labels_of_any_type_are_judged_alike(labels: tuple[Any, Any], suffix: str) -> None:
    config = HEAD % ("binary", "{label: y, score: s}") + "      - {metric: roc_auc, min: 0.1}\n"
    columns = {"y": [labels[i % 2] for i in range(20)], "s": [((i * 7) % 20) / 20 for i in range(20)]}
    if suffix == "parquet" and labels == ("0.0", "1.0"):
        columns["y"] = [float(value) for value in columns["y"]]
    document = decide(config, columns, suffix)
    expected = decide(config, {**columns, "y": [i % 2 for i in range(20)]}, "csv")

    assert document is not None
    assert expected is not None
    assert document["checks"] == expected["checks"]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("zeros", [[0.0, -0.0, 0.5], [-0.0, 0.0, 0.5]])
def test_zero_has_no_sign(zeros: list[float], suffix: str) -> None:
    config = HEAD % ("binary", "{label: y, score: s}") + "      - {metric: accuracy, min: 0.1, slices: [g]}\n"
    document = decide(config, {"y": [0, 1, 1], "s": [0.1, 0.9, 0.9], "g": zeros}, suffix)

    assert document is not None
    assert [(c["slice"], c["rows"]) for c in document["checks"]] == [({"g": 0.0}, 2), ({"g": 0.5}, 1)]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("count", [0, 1])
def test_no_row_and_one_row(count: int, suffix: str) -> None:
    config = HEAD % ("binary", "{label: y, score: s}") + BODY % {"g": "g"}
    columns = {"y": [1], "s": [0.9], "g": ["a"], "x": [1.5], "k": ["b"]}
    document = decide(config, {name: values[:count] for name, values in columns.items()}, suffix)

    assert (document is None) == (count == 0)
    if document is not None:
        by_metric = {check["metric"]: check["verdict"] for check in document["checks"]}
        assert by_metric["roc_auc"] == "fail"
        assert document["decision"] == "fail"
