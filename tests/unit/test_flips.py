"""The rows whose answer changed: which are listed, in which order, and that neither depends on where rows stand."""

import json
import time
from dataclasses import asdict, replace

import numpy as np
import pytest

from tidegate.flips import Flips, flipped
from tidegate.metrics.data import Predictions
from tidegate.tables import Column


def names(*ids: str | int | None) -> Column:
    levels = tuple(sorted({each for each in ids if each is not None}))
    codes = [levels.index(each) if each is not None else -1 for each in ids]
    return Column("id", "category", np.array(codes, dtype=np.int32), levels)


def binary(label: list[int], prediction: list[int], score: list[float] | None = None) -> Predictions:
    return Predictions(
        "binary",
        len(label),
        ("no", "yes"),
        np.array(label, dtype=np.int8),
        np.array(prediction, dtype=np.int8),
        None if score is None else np.array(score),
    )


LABEL = [1, 1, 0, 0, 1, 0]
CANDIDATE = binary(LABEL, [0, 0, 1, 0, 1, 1], [0.4, 0.1, 0.8, 0.2, 0.9, 0.7])
PRODUCTION = binary(LABEL, [1, 1, 0, 1, 0, 1], [0.6, 0.7, 0.3, 0.9, 0.3, 0.6])
IDS = names("a", "b", "c", "d", "e", "f")


def found(candidate: Predictions, production: Predictions, ids: Column, limit: int = 50) -> Flips:
    result = flipped(candidate, production, ids.take, limit)
    assert result is not None
    return result


def test_new_errors_come_first_the_most_confident_before_all():
    result = found(CANDIDATE, PRODUCTION, IDS)
    assert (result.kind, result.new_errors, result.fixed, result.rows_compared) == ("class", 3, 2, 6)
    assert [(row.id, row.kind) for row in result.rows] == [
        ("b", "new_error"),
        ("c", "new_error"),
        ("a", "new_error"),
        ("d", "fixed"),
        ("e", "fixed"),
    ]
    worst = result.rows[0]
    assert (worst.label, worst.production, worst.candidate) == ("yes", "yes", "no")
    assert (worst.production_score, worst.candidate_score) == (0.7, 0.1)
    assert worst.change == pytest.approx(0.6)
    assert result.rows[3].change == pytest.approx(0.2 - 0.9)


@pytest.mark.parametrize(
    ("limit", "listed"), [(0, ""), (1, "b"), (2, "bc"), (3, "bca"), (4, "bcad"), (9, "bcade")]
)
def test_a_limit_cuts_the_end_of_the_list_and_counts_nothing_less(limit, listed):
    result = found(CANDIDATE, PRODUCTION, IDS, limit)
    assert "".join(str(row.id) for row in result.rows) == listed
    assert (result.new_errors, result.fixed) == (3, 2)


def test_without_scores_the_ids_decide():
    result = found(replace(CANDIDATE, score=None), replace(PRODUCTION, score=None), IDS, 2)
    assert [row.id for row in result.rows] == ["a", "b"]
    assert {(row.production_score, row.candidate_score, row.change) for row in result.rows} == {
        (None, None, None)
    }


def test_a_score_of_one_model_alone_is_shown():
    result = found(CANDIDATE, replace(PRODUCTION, score=None), IDS, 1)
    assert (result.rows[0].candidate_score, result.rows[0].production_score) == (0.1, None)
    assert result.rows[0].change is None


def test_of_several_classes_the_score_is_that_of_the_label():
    score = np.array([[0.1, 0.7, 0.2], [0.2, 0.2, 0.6]])
    label = np.array([0, 2], dtype=np.int32)
    classes = ("cat", "cow", "dog")
    candidate = Predictions("multiclass", 2, classes, label, np.array([1, 2], dtype=np.int32), score)
    production = replace(candidate, prediction=np.array([0, 1], dtype=np.int32), score=score[::-1])
    rows = found(candidate, production, names(7, 3)).rows
    assert [(row.id, row.kind, row.label, row.production, row.candidate) for row in rows] == [
        (7, "new_error", "cat", "cat", "cow"),
        (3, "fixed", "dog", "cow", "dog"),
    ]
    assert [row.candidate_score for row in rows] == [0.1, 0.6]
    assert [row.production_score for row in rows] == [0.2, 0.2]
    assert rows[1].change == pytest.approx(-0.4)


def test_one_wrong_answer_for_another_is_no_flip():
    label = np.zeros(1, dtype=np.int32)
    one = Predictions("multiclass", 1, ("a", "b", "c"), label, np.array([1], dtype=np.int32))
    other = replace(one, prediction=np.array([2], dtype=np.int32))
    assert found(one, other, names("x")).rows == []


def test_numbers_are_listed_by_how_much_further_off_they_are():
    label = np.array([10.0, 10.0, 10.0, 10.0, 10.0])
    candidate = Predictions("regression", 5, (), label, np.array([13.0, 10.0, 10.5, 10.0, 4.0]))
    production = Predictions("regression", 5, (), label, np.array([11.0, 14.0, 10.0, 10.0, 16.0]))
    result = found(candidate, production, names("a", "b", "c", "d", "e"), 2)
    assert (result.kind, result.new_errors, result.fixed, result.rows_compared) == ("error", 2, 1, 5)
    assert [(row.id, row.kind, row.change) for row in result.rows] == [
        ("a", "new_error", 2.0),
        ("b", "fixed", -4.0),
    ]
    assert (result.rows[0].label, result.rows[0].production, result.rows[0].candidate) == (10.0, 11.0, 13.0)
    assert result.rows[0].candidate_score is None


def test_errors_beyond_all_numbers_are_finite():
    label = np.array([-1.5e308, 0.0])
    candidate = Predictions("regression", 2, (), label, np.array([1.5e308, 0.0]))
    production = Predictions("regression", 2, (), label, np.array([1.5e308, 1.0]))
    result = found(candidate, production, names("a", "b"))
    assert [(row.id, row.change) for row in result.rows] == [("b", -1.0)]
    json.dumps(asdict(result), allow_nan=False)


@pytest.mark.parametrize("missing", ["label", "prediction"])
def test_there_is_nothing_to_tell_without_labels_or_answers(missing):
    assert flipped(replace(CANDIDATE, **{missing: None}), PRODUCTION, IDS.take, 5) is None


def test_rankings_are_not_judged_by_row():
    items = Predictions("ranking", 2, (), np.ones(2), np.ones(2), np.ones(2))
    assert flipped(items, items, names("a", "b").take, 5) is None


def test_the_same_answers_make_an_empty_list():
    result = found(CANDIDATE, CANDIDATE, IDS)
    assert (result.new_errors, result.fixed, result.rows) == (0, 0, [])


def test_no_rows_are_no_flips():
    empty = binary([], [], [])
    assert found(empty, empty, Column("id", "category", np.zeros(0, dtype=np.int32))).rows_compared == 0


def test_a_missing_id_is_none_and_a_hostile_one_is_left_alone():
    hostile = "<img src=x onerror=alert(1)>\u202e::set-output"
    result = found(CANDIDATE, PRODUCTION, names(None, hostile, "c", "d", "e", "f"), 3)
    assert [row.id for row in result.rows] == [hostile, "c", None]


@pytest.mark.parametrize("task", ["binary", "regression"])
@pytest.mark.parametrize("limit", [1, 7, 60, 500])
def test_ties_go_by_id_wherever_rows_stand(task, limit):
    rng = np.random.default_rng(0)
    rows = 400
    label = rng.integers(0, 2, rows)
    if task == "binary":
        make = [(rng.integers(0, 2, rows), np.round(rng.random(rows), 1)) for _ in range(2)]
        models = [
            Predictions(task, rows, ("0", "1"), label.astype(np.int8), prediction.astype(np.int8), score)
            for prediction, score in make
        ]
    else:
        models = [
            Predictions(task, rows, (), label.astype(float), rng.integers(0, 4, rows).astype(float))
            for _ in range(2)
        ]
    ids = Column("id", "category", rng.permutation(rows).astype(np.int32), tuple(range(rows)))
    order = rng.permutation(rows)
    one = found(*models, ids, limit)
    other = found(*(model.take(order) for model in models), ids.take(order), limit)
    assert one == other
    everything = found(*models, ids, rows)
    if task == "binary":
        assert one.rows == everything.rows[:limit]
    sizes = {row.id: abs(row.change or 0.0) for row in everything.rows}
    if task == "regression":
        largest = sorted(sizes, key=lambda name: (-sizes[name], name))[:limit]
        assert {row.id for row in one.rows} == set(largest)


def test_a_million_rows_take_no_time():
    rng = np.random.default_rng(1)
    rows = 1_000_000
    label, score = rng.integers(0, 2, rows).astype(np.int8), rng.random(rows)
    models = [
        Predictions("binary", rows, ("0", "1"), label, rng.integers(0, 2, rows).astype(np.int8), score)
        for _ in range(2)
    ]
    ids = Column("id", "category", rng.permutation(rows).astype(np.int32), tuple(range(rows)))
    started = time.process_time()
    result = found(*models, ids, 50)
    assert time.process_time() - started < 2
    assert len(result.rows) == 50
    assert result.new_errors > 200_000
