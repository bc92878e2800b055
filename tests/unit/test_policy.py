import re

import pytest

from tidegate.drift.policy import parse_condition

FACTS = {
    "drift": True,
    "prediction_drift": False,
    "performance_drop": None,
    "estimated_drop": None,
    "data_quality": False,
    "drift.share": 0.25,
    "new_rows": 5000.0,
    "new_labels": None,
}


@pytest.mark.parametrize(
    ("condition", "value"),
    [
        ("drift", True),
        ("not drift", False),
        ("drift and not prediction_drift", True),
        ("prediction_drift or data_quality", False),
        ("new_rows >= 5000", True),
        ("new_rows > 5000", False),
        ("5000 != new_rows", False),
        ("new_rows == 5000.0", True),
        ("drift.share < 0.5 and (prediction_drift or new_rows <= 1e4)", True),
        # Unknown facts: an answer only where they could not change it.
        ("performance_drop", None),
        ("not performance_drop", None),
        ("drift and performance_drop", None),
        ("drift or performance_drop", True),
        ("performance_drop or drift", True),
        ("prediction_drift and performance_drop", False),
        ("prediction_drift or performance_drop", None),
        ("performance_drop and estimated_drop", None),
        ("new_labels > 10", None),
        ("new_labels > 10 or drift", True),
    ],
)
def test_conditions_are_true_false_or_unknown(condition, value):
    assert parse_condition(condition).evaluate(FACTS) is value


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("dirft", "did you mean 'drift'"),
        ("new_row > 3", "new_rows"),
        ("drift.shar > 3", "drift.share"),
        ("new_rows", "is a number"),
        ("drift > 3", "is no number"),
        ("new_rows > 'a'", "is no number"),
        ("new_rows > True", "is no number"),
        ("1 < new_rows < 3", "not supported"),
        ("new_rows in [1]", "not supported"),
        ("drift & data_quality", "not supported"),
        ("1", "not supported"),
        ("", "is no condition"),
        ("drift and", "is no condition"),
        ("drift; data_quality", "is no condition"),
        ("drift\x00", "is no condition"),
        ("(" * 200, "is no condition"),
        ("not " * 80 + "drift", "at most"),
        ("__import__('os').system('x')", "not supported"),
        ("drift.__class__", "unknown fact"),
        ("(lambda: drift)()", "not supported"),
        ("[x for x in drift]", "not supported"),
        ("-new_rows > 3", "is no number"),
    ],
)
def test_anything_else_is_refused_in_words(condition, said):
    with pytest.raises(ValueError, match=f"(?i){re.escape(said)}"):
        parse_condition(condition)


def test_the_facts_of_a_condition_are_listed():
    found = parse_condition("drift and drift.share > 0.5 or new_rows >= 10").facts
    assert found == {"drift", "drift.share", "new_rows"}
    assert parse_condition("drift.share > 0.5").facts == {"drift.share"}
