from pathlib import Path
from typing import Any

import pytest

from tidegate.config import Model
from tidegate.errors import ConfigError, DataError
from tidegate.metrics.base import Part
from tidegate.metrics.data import Predictions, canonical
from tidegate.predictions import read_predictions
from tidegate.tables import Want, open_table

PARTS: tuple[Part, ...] = ("label", "score", "prediction")


def read(
    folder: Path,
    text: str,
    *,
    parts: tuple[Part, ...] = PARTS,
    task: str = "binary",
    extra: tuple[tuple[str, Want], ...] = (),
    partial_labels: bool = False,
    **columns: Any,
) -> Predictions:
    path = folder / "p.csv"
    path.write_text(text, encoding="utf-8")
    model = Model.model_validate({"task": task, "columns": {"label": "y", "score": "s", **columns}})
    return read_predictions(
        open_table(str(path)), model, parts=parts, extra=extra, partial_labels=partial_labels
    )


@pytest.mark.parametrize(
    ("labels", "positive"),
    [
        (("0", "1"), None),
        (("0.0", "1.0"), None),
        (("false", "True"), None),
        (("no", "yes"), "yes"),
        (("1", "0"), 0),
        (("1", "2"), 2),
        (("ham", "spam"), "spam"),
        (("0", "1"), True),
    ],
)
def test_labels_in_any_spelling(tmp_path: Path, labels: tuple[str, str], positive: object) -> None:
    negative, other = labels
    data = read(tmp_path, f"y,s\n{negative},0.2\n{other},0.5\n{other},0.4\n", positive=positive)

    assert data.label is not None
    assert data.prediction is not None
    assert data.label.tolist() == [0, 1, 1]
    assert data.prediction.tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("text", "columns", "told"),
    [
        ("y,s\n1,0.5\n,0.5\n", {}, "'y' is missing in 1 row, the first of them row 2"),
        ("y,s\n1,0.5\nnan,0.5\n", {}, "'y' is missing in 1 row"),
        ("y,s\n1,0.5\n0,\n", {}, "'s' is missing or NaN in 1 row"),
        ("y,s\n1,0.5\n0,nan\n", {}, "'s' is missing or NaN"),
        ("y,s\n1,0.5\n0,1.5\n", {}, "between 0 and 1, but row 2 holds 1.5"),
        ("y,s\n1,-0.1\n0,0\n", {}, "row 1 holds -0.1"),
        ("y,s\n1,inf\n0,0\n", {}, "row 1 holds inf"),
        ("y,s\n1,high\n0,0\n", {}, "a number in every row"),
        ("y,s\n1,0.5\n0,0.5\n2,0.5\n", {}, "has 3 values"),
        ("y,s\n0,0.5\n0.5,0.5\n1,0.5\n", {}, "has 3 values"),
        ("y,s\nno,0.5\nyes,0.5\n", {}, "set `columns.positive:`"),
        ("y,s\n", {}, "has no rows"),
        ("y,z\n1,1\n", {}, "has no column 's'"),
        ("y,s,p\n1,0.5,1\n0,0.5,2\n", {"prediction": "p"}, "'p' holds 2, which is none of the classes 0, 1"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(
    tmp_path: Path, text: str, columns: dict[str, str], told: str
) -> None:
    with pytest.raises(DataError, match=told):
        read(tmp_path, text, **columns)


@pytest.mark.parametrize("column", ["label", "score"])
def test_a_column_that_the_config_does_not_name_is_asked_for(tmp_path: Path, column: str) -> None:
    with pytest.raises(ConfigError, match=rf"`columns.{column}:` is missing"):
        read(tmp_path, "y,s\n1,0.5\n", **{column: None})


@pytest.mark.parametrize("want", [("latency", "number"), ("extra", "number")])
def test_infinite_measurements_are_refused(tmp_path: Path, want: tuple[str, Want]) -> None:
    name, _ = want
    parts: tuple[Part, ...] = ("latency",) if name == "latency" else ("label",)
    with pytest.raises(DataError, match="is infinite in 1 row, the first of them row 2"):
        read(
            tmp_path,
            f"y,{name}\n1,5\n0,inf\n",
            parts=parts,
            extra=() if name == "latency" else (want,),
            latency="latency",
        )


def test_one_column_may_be_read_as_several_kinds(tmp_path: Path) -> None:
    data = read(tmp_path, "y,s,g\n1,0.5,1\n0,0.5,0\n", extra=(("g", "number"), ("g", "category")))

    assert data.columns["g", "number"].values.tolist() == [1.0, 0.0]
    assert data.columns["g", "category"].levels == (0, 1)


def test_rows_without_a_label_may_be_left_out(tmp_path: Path) -> None:
    data = read(tmp_path, "y,s\n1,0.9\n,0.8\n0,0.1\n", partial_labels=True)

    assert data.rows == 2
    assert data.score is not None
    assert data.score.tolist() == [0.9, 0.1]


SCORES = {"a": "pa", "b": "pb"}


def test_multiclass_codes_classes_and_scores(tmp_path: Path) -> None:
    data = read(tmp_path, "y,pa,pb\nb,0.3,0.7\na,0.4,0.6\n", task="multiclass", score=SCORES)

    assert data.classes == ("a", "b")
    assert data.label is not None
    assert data.label.tolist() == [1, 0]
    assert data.prediction is not None
    assert data.prediction.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("text", "error", "told"),
    [
        ("y,pa,pb\nb,0.3,0.6\n", DataError, "row 1 sum to 0.9, not 1"),
        ("y,pa,pb\nc,0.3,0.7\n", ConfigError, "no column for class 'c'"),
        ("y,pa,pb\na,1.3,-0.3\n", DataError, "between 0 and 1"),
    ],
)
def test_multiclass_scores_are_checked(tmp_path: Path, text: str, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        read(tmp_path, text, task="multiclass", score=SCORES)


def test_classes_are_numbers_in_the_config_and_text_in_the_table(tmp_path: Path) -> None:
    data = read(tmp_path, "y,p0,p1\n1,0.3,0.7\n0,0.4,0.6\n", task="multiclass", score={0: "p0", 1: "p1"})

    assert data.classes == ("0", "1")


@pytest.mark.parametrize("bad", ["", "nan", "inf"])
def test_regression_wants_finite_numbers(tmp_path: Path, bad: str) -> None:
    with pytest.raises(DataError, match="'y' is missing or not a finite number in 1 row"):
        read(
            tmp_path,
            f"y,p\n1,2\n{bad},2\n",
            parts=("label", "prediction"),
            task="regression",
            score=None,
            prediction="p",
        )


@pytest.mark.parametrize("value", [1, 1.0, True, "1", "true", "TRUE"])
def test_values_that_mean_the_same_have_one_spelling(value: object) -> None:
    assert canonical(value) == "1"


@pytest.mark.parametrize("labels", [["1", "2"], ["1", "no"], ["0.5", "1"]])
def test_which_of_two_labels_is_positive_is_not_guessed(tmp_path: Path, labels: list[str]) -> None:
    path = tmp_path / "p.csv"
    path.write_text("y,s\n" + "".join(f"{label},0.4\n" for label in labels), encoding="utf-8")
    model = {"task": "binary", "columns": {"label": "y", "score": "s"}}
    with pytest.raises(DataError, match=r"set `columns\.positive:`"):
        read_predictions(open_table(str(path)), Model.model_validate(model), parts={"label", "score"})
    told = {**model, "columns": {"label": "y", "score": "s", "positive": labels[1]}}
    found = read_predictions(open_table(str(path)), Model.model_validate(told), parts={"label", "score"})
    assert found.label is not None
    assert found.label.tolist() == [0, 1]
