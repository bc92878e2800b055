import json
import math
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tidegate.cli import cli
from tidegate.commands.plan import Request, plan, understood
from tidegate.errors import UsageError


def told(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["plan", *arguments], standalone_mode=False)


def as_json(*arguments: str) -> dict[str, Any]:
    result = told(*arguments, "--json")
    assert result.exception is None, result.exception
    assert result.return_value == 0
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.mark.parametrize(
    ("condition", "adaptivity", "rows"),
    [
        ("accuracy > c", "none", 404),
        ("accuracy > c", "full", 1340),
        ("n - o > c", "none", 1753),
        ("n - o > c", "full", 5496),
    ],
)
def test_rows_of_a_condition(condition, adaptivity, rows):
    found = as_json(
        *("--condition", condition, "--reliability", "0.99", "--epsilon", "0.1"),
        *("--horizon", "32", "--adaptivity", adaptivity),
    )
    assert found == {
        "rows": rows,
        "epsilon": 0.1,
        "reliability": 0.99,
        "condition": condition,
        "horizon": 32,
        "adaptivity": adaptivity,
        "method": "Hoeffding",
        "labels": True,
    }


def test_rows_at_hand_give_the_epsilon():
    found = as_json("--condition", "n > 0.9", "--rows", "404", "--horizon", "32")
    assert (found["rows"], found["condition"]) == (404, "n > 0.9")
    assert found["epsilon"] == pytest.approx(math.sqrt(math.log(3200) / 808), rel=1e-11)


def test_models_that_seldom_differ_need_fewer_rows():
    asked = ("--condition", "n-o>c", "--reliability", "0.9999", "--horizon", "32", "--disagreement", "0.1")
    found = as_json(*asked, "--epsilon", "0.01")
    assert (found["rows"], found["paired_rows"], found["power_rows"]) == (267_385, 26_184, 28_719)
    assert (found["paired_method"], found["power"]) == ("Bennett", 0.8)
    reached = as_json(*asked, "--rows", "26184")
    assert reached["epsilon"] > 3 * reached["paired_epsilon"]
    assert reached["paired_epsilon"] == pytest.approx(0.01, rel=1e-4)
    assert as_json(*asked, "--rows", "28719")["power_epsilon"] == pytest.approx(0.01, rel=1e-4)
    surer = as_json(*asked, "--epsilon", "0.01", "--power", "0.95")
    assert surer["power_rows"] > found["power_rows"]


@pytest.mark.parametrize(
    ("written", "text", "models", "labels"),
    [
        ("accuracy>c", "accuracy > c", 1, True),
        ("  n  >  .9 ", "n > .9", 1, True),
        ("n-o>0.02", "n - o > 0.02", 2, True),
        ("n - o\t> -0.01", "n - o > -0.01", 2, True),
        ("d < 0.1", "d < 0.1", 1, False),
    ],
)
def test_conditions_in_any_spacing(written, text, models, labels):
    found = understood(written)
    assert (found.text, found.models, found.labels) == (text, models, labels)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "n",
        "n < c",
        "o > c",
        "d > c",
        "n - o",
        "n + o > c",
        "n > x",
        "n > 1e",
        "n > c; d < c",
        "\uff4e > c",
        "n > \u0663",
    ],
)
def test_other_conditions_are_refused(written):
    with pytest.raises(UsageError, match=r"--condition .* is not understood: write 'accuracy > c'"):
        understood(written)


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        (Request("n > c"), "either --epsilon.* or --rows"),
        (Request("n > c", epsilon=0.1, rows=10), "either --epsilon.* or --rows"),
        (Request("n > c", epsilon=0.0), "--epsilon 0: give a share"),
        (Request("n > c", epsilon=1.0), "--epsilon 1: give a share"),
        (Request("n > c", epsilon=math.nan), "--epsilon nan: give a share"),
        (Request("n > c", rows=0), "--rows 0: give a number from 1"),
        (Request("n > c", rows=10**13), "--rows 10000000000000: give"),
        (Request("n > c", rows=10, horizon=0), "--horizon 0: give how many"),
        (Request("n > c", rows=10, horizon=10**7), "--horizon 10000000: give how many"),
        (Request("n > c", rows=10, reliability=1.0), "--reliability 1: give"),
        (Request("n > c", rows=10, reliability=math.nan), "--reliability nan: give"),
        (Request("n - o > c", rows=10, disagreement=0.1, power=1.0), "--power 1: give"),
        (Request("n - o > c", rows=10, disagreement=0.0), "--disagreement 0: give the share"),
        (Request("n - o > c", rows=10, disagreement=1.5), "--disagreement 1.5: give the share"),
        (Request("n - o > c", epsilon=0.2, disagreement=0.1), "--disagreement 0.1 is below --epsilon 0.2"),
        (Request("n > c", rows=10, disagreement=0.1), "--disagreement is of two models"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_way_out(request_, told):
    with pytest.raises(UsageError, match=told):
        plan(request_)


def test_bad_options_end_with_exit_code_2():
    assert isinstance(told("--condition", "n > c").exception, UsageError)
    assert told("--condition", "n > c", "--rows", "x").exception.exit_code == 2
    assert told("--rows", "10").exception.exit_code == 2
    assert UsageError.exit_code == 2


def test_sentences_say_what_is_held_and_how():
    said = told(
        *("--condition", "n - o > 0.02", "--epsilon", "0.01", "--reliability", "0.9999"),
        *("--horizon", "32", "--adaptivity", "full", "--disagreement", "0.1"),
    ).stdout.splitlines()
    assert said == [
        "641,684 labelled rows tell whether n - o > 0.02 to within 0.01, with reliability 0.9999 over 32 decisions"
        " (each may depend on those before it), whatever the models (Hoeffding).",
        "If one model alone is right on at most 10% of the rows, 64,842 paired rows do (Bennett).",
        "A lead of 0.01 is then found with 80% power on 70,265 rows (Connor; a normal approximation).",
    ]


def test_sentences_say_when_rows_are_too_few_or_labels_not_needed():
    few = told("--condition", "n > c", "--rows", "2", "--horizon", "32").stdout
    assert few.startswith("2 labelled rows cannot tell whether n > c with reliability 0.99 over 32 decisions")
    differ = told("--condition", "d < 0.1", "--epsilon", "0.05").stdout
    assert differ.startswith(
        "922 rows tell whether d < 0.1 to within 0.05, with reliability 0.99 over one decision"
    )
    assert "No labels are needed" in differ
    hopeless = told("--condition", "n - o > c", "--rows", "20", "--disagreement", "0.01").stdout
    assert "No lead that such models can have is found with 80% power." in hopeless
    reached = told("--condition", "n - o > c", "--rows", "2000", "--disagreement", "0.1").stdout
    assert "they tell to within 0.02221 (Bennett)." in reached
    assert "A lead from 0.02239 is then found with 80% power" in reached


def test_the_longest_horizon_overflows_nothing():
    found = plan(Request("n - o > c", epsilon=0.01, horizon=1_000_000, adaptivity="full", disagreement=0.1))
    assert found["rows"] > found["power_rows"] > found["paired_rows"] / 2 > 10**8
