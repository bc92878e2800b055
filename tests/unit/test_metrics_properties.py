"""What any small table must satisfy, from a file to every metric: order, spelling, missing values, ties, one row."""

import csv
import io
import json
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from tidegate.config import Model
from tidegate.errors import TidegateError
from tidegate.metrics import METRICS, Estimate, find
from tidegate.metrics.cuts import Cut, groups_of
from tidegate.metrics.data import Groups, Predictions
from tidegate.predictions import read_predictions
from tidegate.tables import Want, open_table

Rows = list[dict[str, Any]]
PARTS = {
    "binary": ("label", "prediction", "score", "latency", "error", "cost"),
    "multiclass": ("label", "prediction", "latency", "error", "cost"),
    "regression": ("label", "prediction", "latency", "error", "cost"),
    "ranking": ("label", "score", "query", "latency", "error", "cost"),
}
EXTRA: list[tuple[str, Want]] = [("x", "number"), ("x", "any"), ("g", "category")]
OPTIONS: dict[str, Any] = {
    "column": "x",
    "by": (Cut("g"),),
    "at": 0.5,
    "quantile": 0.9,
    "k": 2,
    "costs": {"fp": 1, "fn": 5},
    "range": [0, 3],
    "values": ["a", "1"],
}
TEXT = st.text(
    st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters='"'), min_size=1, max_size=6
)
GROUPS = st.sampled_from(["a", "b", "Zürich", "東京", "a b", "a,b", "", "<b>", "‮x"])
NUMBERS = st.one_of(st.none(), st.integers(-3, 3), st.floats(-1e6, 1e6, allow_nan=False))
TENTHS = st.integers(0, 10).map(lambda tenths: tenths / 10)
QUICK = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def rows_of(task: str) -> st.SearchStrategy[Rows]:
    label: st.SearchStrategy[Any] = st.integers(0, 1)
    if task == "multiclass":
        label = st.sampled_from(["ham", "späm", "東"])
    elif task == "regression":
        label = st.floats(-1e6, 1e6, allow_nan=False)
    elif task == "ranking":
        label = st.integers(0, 3)
    return st.lists(
        st.fixed_dictionaries(
            {
                "y": label,
                "p": label,
                "s": TENTHS,
                "q": st.integers(0, 3),
                "g": GROUPS,
                "x": NUMBERS,
                "ms": NUMBERS,
            }
        ),
        min_size=1,
        max_size=25,
    )


def read(rows: Rows, task: str, form: str = "csv", **columns: Any) -> Predictions:
    """The table of these rows, by way of a file."""
    names = {"label": "y", "latency": "ms", "error": "e", "cost": "x", **columns}
    if task in ("binary", "ranking"):
        names["score"] = "s"
    if task != "ranking":
        names["prediction"] = "p"
    else:
        names["query"] = "q"
    full = [{**row, "ms": None if row["ms"] is None else abs(row["ms"]), "e": 0} for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"t.{form}"
        if form == "csv":
            text = io.StringIO()
            writer = csv.DictWriter(text, full[0].keys(), lineterminator="\n")
            writer.writeheader()
            writer.writerows(full)
            path.write_text(text.getvalue(), encoding="utf-8")
        else:
            path.write_text("".join(json.dumps(row) + "\n" for row in full), encoding="utf-8")
        model = Model.model_validate({"task": task, "columns": names})
        return read_predictions(open_table(str(path)), model, parts=PARTS[task], extra=EXTRA)


def all_of(
    data: Predictions, groups: Groups | None = None, confidence: float | None = None
) -> dict[str, list[Estimate]]:
    """Every metric that the table can be measured by."""
    found = {}
    for name, metric in METRICS.items():
        if data.task not in metric.tasks or metric.name in ("unseen_share", "duplicate_share"):
            continue
        if any(getattr(data, part) is None for part in metric.parts if part != "production_latency"):
            continue
        if data.task == "multiclass" and name in ("precision", "recall", "f1", "expected_cost"):
            continue
        options = {**metric.settled, **{key: OPTIONS[key] for key in metric.options}}
        where = groups or Groups.everything(data.rows)
        found[name] = metric.estimate(data, where, options, confidence)
    return found


def close(one: list[Estimate], other: list[Estimate]) -> bool:
    return all(
        (a.problem, a.rows, a.value is None) == (b.problem, b.rows, b.value is None)
        and (
            a.value is None or b.value is None or math.isclose(a.value, b.value, rel_tol=1e-12, abs_tol=1e-9)
        )
        for a, b in zip(one, other, strict=True)
    )


TASKS = pytest.mark.parametrize("task", PARTS)


@TASKS
@QUICK
@given(data=st.data())
def test_the_order_of_a_file_does_not_matter(task: str, data: st.DataObject) -> None:
    rows = data.draw(rows_of(task))
    turned = data.draw(st.permutations(rows))
    one, other = all_of(read(rows, task)), all_of(read(turned, task))

    assert len(one) > 8
    for name, found in one.items():
        assert close(found, other[name]), name


@TASKS
@QUICK
@given(data=st.data())
def test_the_format_of_a_file_does_not_matter(task: str, data: st.DataObject) -> None:
    rows = data.draw(rows_of(task))
    for row in rows:
        row["g"] = row["g"] or None  # which CSV cannot tell from an empty text
    one, other = all_of(read(rows, task)), all_of(read(rows, task, "jsonl"))

    for name, found in one.items():
        assert close(found, other[name]), name


SPELLINGS: list[Callable[[int], Any]] = [
    int,
    float,
    bool,
    str,
    lambda v: ("no", "yes")[v],
    lambda v: ("−", "ja ✓")[v],
]


@pytest.mark.parametrize("spell", SPELLINGS)
@pytest.mark.parametrize("form", ["csv", "jsonl"])
@QUICK
@given(rows=rows_of("binary"))
def test_labels_mean_the_same_in_any_spelling(spell: Callable[[int], Any], form: str, rows: Rows) -> None:
    # With both labels; of one alone nobody could tell which it is.
    rows = [*rows, {**rows[0], "y": 0, "p": 1}, {**rows[0], "y": 1, "p": 0}]
    spelt = [{**row, "y": spell(row["y"]), "p": spell(row["p"])} for row in rows]
    positive = spell(1)
    one = all_of(read(rows, "binary"))
    other = all_of(read(spelt, "binary", form, positive=positive))

    for name, found in one.items():
        assert close(found, other[name]), name


@QUICK
@given(rows=rows_of("binary"), names=st.tuples(TEXT, TEXT))
def test_any_two_texts_are_two_labels(rows: Rows, names: tuple[str, str]) -> None:
    spelt = [{**row, "y": names[row["y"]], "p": names[row["p"]]} for row in rows]
    label, said = [row["y"] for row in spelt], [row["p"] for row in spelt]
    try:
        data = read(spelt, "binary", "jsonl", positive=names[1])
    except TidegateError as error:
        refused = str(error)
    else:
        refused = ""
    if refused:
        assert "\n" not in refused
        return
    (found,) = METRICS["accuracy"].estimate(data, Groups.everything(data.rows), {}, None)

    assert found.value is not None
    if names[0].strip() != names[1].strip() and not {n.lower() for n in names} & {"0", "1", "true", "false"}:
        assert found.value == pytest.approx(sk.accuracy_score(label, said), rel=1e-12)


@TASKS
@QUICK
@given(data=st.data())
def test_every_estimate_has_a_value_or_a_reason(task: str, data: st.DataObject) -> None:
    table = read(data.draw(rows_of(task)), task)
    groups = groups_of(table, (Cut("g"),))
    # An interval may be boundless, where labels lie within 1e-70 of each other.
    with np.errstate(all="raise", under="ignore", over="ignore"):
        found = all_of(table, groups, 0.95)

    for name, estimates in found.items():
        assert len(estimates) == groups.count
        for one in estimates:
            assert (one.value is None) == bool(one.problem), name
            assert one.value is None or math.isfinite(one.value), (name, one)
            assert one.rows >= 0
            if one.interval is not None:
                assert one.value is not None
                assert one.interval.low <= one.value <= one.interval.high, (name, one)


@TASKS
@QUICK
@given(data=st.data())
def test_slices_do_not_know_of_each_other(task: str, data: st.DataObject) -> None:
    rows = data.draw(rows_of(task))
    table = read(rows, task)
    groups = groups_of(table, (Cut("g"),))
    together = all_of(table, groups)
    for number, members in enumerate(groups.members):
        alone = all_of(table.take(members))
        for name, found in together.items():
            if name != "model_size_mb":
                assert close([found[number]], alone[name]), name


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@QUICK
@given(data=st.data())
def test_rows_that_come_twice_change_no_value(task: str, data: st.DataObject) -> None:
    rows = data.draw(rows_of(task))
    one, other = all_of(read(rows, task)), all_of(read(rows + rows, task))
    # Interpolated quantiles do depend on the number of rows; where the likelihood is flat, rounding does.
    moved = {"median_absolute_error", "quantile", *(name for name in METRICS if name.startswith("latency_p"))}
    for name, (found,) in one.items():
        if name not in moved:
            (twice,) = other[name]
            assert (found.value is None) == (twice.value is None), name
            if found.value is not None:
                within = 1e-6 if name.startswith("calibration_") else 1e-9
                assert found.value == pytest.approx(twice.value, rel=within, abs=within), name


@QUICK
@given(rows=rows_of("binary"))
def test_equal_scores_know_nothing(rows: Rows) -> None:
    table = read([{**row, "s": 0.5} for row in rows], "binary")
    found = all_of(table)
    assert table.label is not None
    share = float(table.label.mean())
    if 0 < share < 1:
        assert found["roc_auc"][0].value == 0.5
        assert found["average_precision"][0].value == pytest.approx(share, rel=1e-12)
        assert found["precision_at_recall"][0].value == pytest.approx(share, rel=1e-12)
        assert found["recall_at_fpr"][0].value == 0
        assert found["calibration_slope"][0].value is None
    assert found["log_loss"][0].value == pytest.approx(math.log(2), rel=1e-12)
    assert found["brier_score"][0].value == pytest.approx(0.25, rel=1e-12)


@QUICK
@given(rows=rows_of("ranking"), k=st.integers(1, 30))
def test_figures_of_rankings_are_shares_and_a_perfect_one_is_whole(rows: Rows, k: int) -> None:
    table, best = read(rows, "ranking"), read([{**row, "s": row["y"] / 3} for row in rows], "ranking")
    for name in ("ndcg", "map", "mrr", "recall@k", "precision@k", "hit_rate@k"):
        found = find(name.replace("@k", f"@{k}"))
        assert found is not None
        everything = Groups.everything(table.rows)
        (one,), (top,) = (found.metric.estimate(t, everything, {"k": k}, 0.9) for t in (table, best))
        if one.value is not None:
            assert 0 <= one.value <= 1 + 1e-12
            assert top.value is not None
            # Grades part ties of the relevant, which for map and its kin are all alike.
            assert top.value >= one.value - 1e-12 or name != "ndcg"
        if name == "ndcg" and all(any(r["y"] for r in rows if r["q"] == q) for q in {r["q"] for r in rows}):
            assert top.value == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
@pytest.mark.parametrize(
    ("task", "column"), [("binary", "s"), ("regression", "y"), ("regression", "p"), ("ranking", "s")]
)
def test_numbers_that_are_none_are_refused(task: str, column: str, bad: float) -> None:
    rows = [{"y": 1, "p": 1, "s": 0.5, "q": 1, "g": "a", "x": 1, "ms": 1} for _ in range(3)]
    rows[1][column] = bad
    with pytest.raises(TidegateError, match=f"'{column}'.*row 2"):
        read(rows, task)


@pytest.mark.parametrize("column", ["x", "ms"])
def test_infinite_figures_are_refused(column: str) -> None:
    rows = [{"y": 1, "p": 1, "s": 0.5, "q": 1, "g": "a", "x": 1, "ms": 1} for _ in range(3)]
    rows[2][column] = math.inf
    with pytest.raises(TidegateError, match=f"'{column}' is infinite.*row 3"):
        read(rows, "binary")
