import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tidegate.drift.policy import NUMBERS, YES_NO, parse_condition, shown

DAY = 86_400.0
FACTS = {
    "drift": True,
    "prediction_drift": False,
    "performance_drop": None,
    "estimated_drop": None,
    "data_quality": False,
    "monitor": True,
    "segment_drop": False,
    "drift.share": 0.25,
    "new_rows": 5000.0,
    "new_labels": None,
    "age": 31 * DAY,
}


@pytest.mark.parametrize(
    ("condition", "value"),
    [
        ("drift", True),
        ("not drift", False),
        ("not not drift", True),
        ("drift and not prediction_drift", True),
        ("prediction_drift or data_quality", False),
        ("monitor and not segment_drop", True),
        ("new_rows >= 5000", True),
        ("new_rows > 5000", False),
        ("5000 != new_rows", False),
        ("new_rows == 5000.0", True),
        ("new_rows >= 5_000", True),
        ("drift.share < 0.5 and (prediction_drift or new_rows <= 1e4)", True),
        ("drift.share >= .25", True),
        # `and` binds closer than `or`, `not` closer than both and looser than a comparison.
        ("drift or drift and prediction_drift", True),
        ("(drift or drift) and prediction_drift", False),
        ("not new_rows > 5000", True),
        ("drift\n  and\tmonitor", True),
        # Lengths of time.
        ("age > 30d", True),
        ("age > 31d", False),
        ("age >= '31d'", True),
        ('age > "4w" and drift', True),
        ("age > '4.5 w'", False),
        ("30d<age", True),
        ("age < 745h", True),
        ("age == 44640m", True),
        ("age != 2678400s", False),
        ("age < 1y", True),
        # Unknown facts: an answer only where they could not change it.
        ("performance_drop", None),
        ("not performance_drop", None),
        ("drift and performance_drop", None),
        ("drift or performance_drop", True),
        ("performance_drop or drift", True),
        ("prediction_drift and performance_drop", False),
        ("prediction_drift or performance_drop", None),
        ("performance_drop and estimated_drop", None),
        ("calibration_drift", None),
        ("new_labels > 10", None),
        ("new_labels > 10 or drift", True),
        ("new_labels > new_rows", None),
    ],
)
def test_conditions_are_true_false_or_unknown(condition, value):
    assert parse_condition(condition).evaluate(FACTS) is value


@pytest.mark.parametrize("unknown", [float("nan"), float("inf"), None])
def test_a_number_that_is_not_finite_is_not_known(unknown):
    assert parse_condition("new_rows > 3").evaluate({"new_rows": unknown}) is None
    assert parse_condition("age < 3d or drift").evaluate({"age": unknown, "drift": True}) is True


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("dirft", "did you mean 'drift'"),
        ("new_row > 3", "did you mean 'new_rows'"),
        ("drift.shar > 3", "drift.share"),
        ("concept_drfit", "concept_drift"),
        ("new_rows", "is a number: compare it with one, as in 'new_rows > 10000'"),
        ("age", "as in 'age > 30d'"),
        ("drift > 3", "write 'drift' or 'not drift'"),
        ("drift == monitor", "write 'drift' or 'not drift'"),
        ("new_rows > 'a'", "not understood"),
        ("new_rows > True", "unknown fact 'True'"),
        ("age > 30", "age is compared with another unit: write it as 30d"),
        ("new_rows > 30d", "another unit: write it as 10000"),
        ("new_rows > '30d'", "another unit"),
        ("age > new_rows", "another unit"),
        ("drift.share > new_rows", "another unit"),
        ("drift.share > 20", "between 0 and 1: write 0.2 for 20%"),
        ("age > 30 days", "another unit: write it as 30d"),
        ("age > 3months", "not understood"),
        ("age > 30d5", "not understood"),
        ("30 days < age", "a time is written as 30d"),
        ("1 < 2", "name a fact on one side"),
        ("1 < new_rows < 3", "compare two at a time"),
        ("new_rows > 1e999", "too large"),
        ("new_rows > -3", "'-' is not understood"),
        ("new_rows > 3 drift", "'and' or 'or' is missing before 'drift'"),
        ("drift = true", "Write '=='"),
        ("drift & data_quality", "Write 'and'"),
        ("drift || data_quality", "Write 'or'"),
        ("drift OR data_quality", "Write 'or'"),
        ("NOT drift", "Write 'not'"),
        ("new_rows ≥ 3", "Write '>='"),
        ("new_rows in [1]", "'[' is not understood"),
        ("1", "neither true nor false"),
        ("", "ends too early"),
        ("drift and", "ends too early"),
        ("not", "ends too early"),
        ("(drift", "a ')' is missing"),
        ("drift)", "is missing before ')'"),
        ("drift; data_quality", "';' is not understood"),
        ("drift\x00", "not understood"),
        ("drift # x", "'#' is not understood"),
        ("(" * 200, "nests at most"),
        ("not " * 60 + "drift", "nests at most"),
        ("not " * 80 + "drift", "at most 300 characters"),
        ("__import__('os').system('x')", "'os')"),
        ("drift.__class__", "unknown fact 'drift.__class__'"),
        ("(lambda: drift)()", "':' is not understood"),
        ("lambda", "unknown fact 'lambda'"),
        ("[x for x in drift]", "'[' is not understood"),
        ("-new_rows > 3", "'-' is not understood"),
        ("dr\u0131ft", "not understood"),
        ("new_rows > \u0663", "not understood"),
    ],
)
def test_anything_else_is_refused_in_words(condition, said):
    with pytest.raises(ValueError, match=f"(?i){re.escape(said)}"):
        parse_condition(condition)


PIECES = st.sampled_from(
    [
        *YES_NO,
        *NUMBERS,
        *"()<>=!&'\"",
        "and",
        "or",
        "not",
        ">=",
        "30d",
        "0.5",
        "1e9",
        "'2w'",
        "\x00",
        "é",
        ".",
    ]
)


@given(st.text(max_size=310) | st.lists(PIECES, max_size=40).map(" ".join))
@example("(" * 300)
@example("not " * 75)
@example("'" * 299)
@example("1" * 300)
@example("1" * 299 + "d")
@example("1_" * 150)
@example("new_rows > " + "9" * 280)
@example("\ud800")
@settings(max_examples=500, deadline=None)
def test_any_text_parses_or_is_a_value_error(text):
    try:
        parsed = parse_condition(text)
    except ValueError:
        return
    assert parsed.facts
    assert parsed.facts <= YES_NO | set(NUMBERS)
    assert parsed.evaluate({}) in (True, False, None)
    assert parsed.evaluate(FACTS) in (True, False, None)


NAMES = sorted(YES_NO)
AMOUNTS = {"new_rows": "new_rows", "new_labels": "new_labels"}
TREES = st.recursive(
    st.sampled_from(NAMES)
    | st.builds(
        lambda name, sign, value, turned: f"{value} {sign} {name}" if turned else f"{name} {sign} {value}",
        st.sampled_from(sorted(AMOUNTS)),
        st.sampled_from(["<", "<=", ">", ">=", "==", "!="]),
        st.integers(0, 3),
        st.booleans(),
    ),
    lambda inner: (
        st.builds(lambda a, w, b: f"{a} {w} {b}", inner, st.sampled_from(["and", "or"]), inner)
        | inner.map(lambda text: f"not ({text})")
        | inner.map(lambda text: f"({text})")
    ),
    max_leaves=6,
)


@given(
    TREES.filter(lambda text: len(text) <= 300),
    st.fixed_dictionaries(
        {**dict.fromkeys(NAMES, st.booleans()), **dict.fromkeys(AMOUNTS, st.integers(0, 3).map(float))}
    ),
)
@settings(max_examples=300, deadline=None)
def test_with_all_facts_known_it_means_what_python_means_by_it(text, facts):
    assert parse_condition(text).evaluate(facts) is bool(eval(text, {}, facts))  # noqa: S307 (Python itself is the reference, on texts that the test made)


def test_the_facts_of_a_condition_are_listed():
    found = parse_condition("drift and drift.share > 0.5 or new_rows >= 10").facts
    assert found == {"drift", "drift.share", "new_rows"}
    assert parse_condition("drift.share > 0.5").facts == {"drift.share"}
    assert parse_condition("not (age > 30d and monitor)").facts == {"age", "monitor"}


def test_lines_and_spaces_do_not_make_another_condition():
    assert parse_condition(" drift\n   and monitor ") == parse_condition("drift and monitor")


@pytest.mark.parametrize(
    ("name", "fact", "words"),
    [
        ("drift", True, "true"),
        ("drift", False, "false"),
        ("drift", None, "not known"),
        ("drift.share", 0.25, "0.25"),
        ("new_rows", 5000.0, "5,000"),
        ("new_rows", 0.0, "0"),
        ("age", 31 * DAY, "31 days"),
        ("age", 1e300, "500,000,000 days"),
        ("age", float("nan"), "not known"),
    ],
)
def test_facts_are_shown_in_their_unit(name, fact, words):
    assert shown(name, fact) == words
