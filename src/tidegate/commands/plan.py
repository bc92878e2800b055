"""``plan``: rows that a condition needs, or what can be shown with the rows at hand. Reads no file and no config."""

import json
import re
from dataclasses import dataclass
from typing import Any

from tidegate.errors import UsageError
from tidegate.stats.planning import (
    Adaptivity,
    bennett_epsilon,
    bennett_rows,
    hoeffding_epsilon,
    hoeffding_rows,
    log_error,
    power_difference,
    power_rows,
)
from tidegate.wording import number, plural, significant

_NUMBER = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)"
_CONDITION = re.compile(rf"(?:(accuracy|n)>|(n-o)>|(d)<)(c|{_NUMBER})", re.ASCII)
_SMALLEST = 1e-6
_LONGEST = 1_000_000
_MOST_ROWS = 10**12


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked, by the names of the options.

    Attributes:
        condition: in the words of Renggli et al. (2019): n is the candidate's accuracy, o production's, d the share of
            rows that they answer differently.
        epsilon: the largest deviation; either this or `rows`.
    """

    condition: str
    reliability: float = 0.99
    epsilon: float | None = None
    rows: int | None = None
    horizon: int = 1
    adaptivity: Adaptivity = "none"
    disagreement: float | None = None
    power: float = 0.8


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition as it is understood.

    Attributes:
        text: in one spelling.
        models: how many accuracies must be known.
        labels: whether rows must be labelled to tell.
    """

    text: str
    models: int
    labels: bool


def run(request: Request, *, as_json: bool) -> int:
    """Print the plan; returns the exit code."""
    found = plan(request)
    print(json.dumps(found) if as_json else "\n".join(sentences(request, found)))
    return 0


def plan(request: Request) -> dict[str, Any]:
    """The plan, plain JSON.

    Raises:
        UsageError: the options make no sense, or not together.
    """
    condition = understood(request.condition)
    _check(request, condition)
    error = log_error(request.reliability, request.horizon, request.adaptivity)
    rows, epsilon = request.rows, request.epsilon
    if epsilon is not None:
        rows = hoeffding_rows(epsilon, error, models=condition.models)
    elif rows is not None:
        epsilon = hoeffding_epsilon(rows, error, models=condition.models)
    found = {
        "rows": rows,
        "epsilon": epsilon,
        "reliability": request.reliability,
        "condition": condition.text,
        "horizon": request.horizon,
        "adaptivity": request.adaptivity,
        "method": "Hoeffding",
        "labels": condition.labels,
    }
    if request.disagreement is not None:
        found |= _paired(request, request.disagreement, error)
    return {key: significant(value) if isinstance(value, float) else value for key, value in found.items()}


def _paired(request: Request, disagreement: float, error: float) -> dict[str, Any]:
    found: dict[str, Any] = {"disagreement": disagreement, "power": request.power}
    if request.epsilon is not None:
        found["paired_rows"] = bennett_rows(request.epsilon, disagreement, error)
        found["power_rows"] = power_rows(request.epsilon, disagreement, error, power=request.power)
    elif request.rows is not None:
        found["paired_epsilon"] = bennett_epsilon(request.rows, disagreement, error)
        found["power_epsilon"] = power_difference(request.rows, disagreement, error, power=request.power)
    return {**found, "paired_method": "Bennett", "power_method": "Connor"}


def understood(text: str) -> Condition:
    """A condition from what the user wrote; spaces are free, and a number may stand for c.

    Raises:
        UsageError: it is none of those that can be planned for.
    """
    found = _CONDITION.fullmatch("".join(text.split()))
    if found is None:
        raise UsageError(
            f"--condition {text[:100]!r} is not understood: write 'accuracy > c' (or 'n > c') for the candidate's"
            " accuracy, 'n - o > c' for its lead over production, or 'd < c' for how often they differ; c may be a"
            " number such as 0.02"
        )
    single, lead, differ, limit = found.groups()
    if differ:
        return Condition(f"d < {limit}", 1, labels=False)
    return (
        Condition(f"n - o > {limit}", 2, labels=True)
        if lead
        else Condition(f"{single} > {limit}", 1, labels=True)
    )


def _check(request: Request, condition: Condition) -> None:
    if (request.epsilon is None) == (request.rows is None):
        raise UsageError("give either --epsilon, to learn the rows, or --rows, to learn the epsilon")
    for name, share in (("reliability", request.reliability), ("power", request.power)):
        if not 0 < share < 1:
            raise UsageError(f"--{name} {share:g}: give a share between 0 and 1, such as 0.99")
    if request.epsilon is not None and not _SMALLEST <= request.epsilon < 1:
        raise UsageError(
            f"--epsilon {request.epsilon:g}: give a share such as 0.02, at least {_SMALLEST:f} and under 1"
        )
    if request.rows is not None and not 1 <= request.rows <= _MOST_ROWS:
        raise UsageError(f"--rows {request.rows}: give a number from 1 to {_MOST_ROWS:,}")
    if not 1 <= request.horizon <= _LONGEST:
        raise UsageError(f"--horizon {request.horizon}: give how many decisions, from 1 to {_LONGEST:,}")
    if request.disagreement is not None:
        _check_disagreement(request.disagreement, request.epsilon, condition)


def _check_disagreement(disagreement: float, epsilon: float | None, condition: Condition) -> None:
    if condition.models == 1:
        raise UsageError(
            f"--disagreement is of two models, and {condition.text!r} is about one: leave it out"
        )
    if not _SMALLEST <= disagreement <= 1:
        raise UsageError(
            f"--disagreement {disagreement:g}: give the share of rows that one model alone has right, such as 0.1"
        )
    if epsilon is not None and epsilon > disagreement:
        raise UsageError(
            f"--disagreement {disagreement:g} is below --epsilon {epsilon:g}: models that differ on so few rows cannot"
            " differ by so much; give a smaller --epsilon"
        )


def sentences(request: Request, found: dict[str, Any]) -> list[str]:
    """The plan in words."""
    epsilon, rows = (
        number(found["epsilon"]),
        plural(found["rows"], "row" if not found["labels"] else "labelled row"),
    )
    decisions = "one decision" if found["horizon"] == 1 else f"{found['horizon']:,} decisions"
    if found["horizon"] > 1:
        depends = "may depend on" if found["adaptivity"] == "full" else "depends on none of"
        decisions += f" (each {depends} those before it)"
    held = f"with reliability {found['reliability']:g} over {decisions}"
    said = [
        f"{rows} tell whether {found['condition']} to within {epsilon}, {held}, whatever the models (Hoeffding)."
    ]
    if request.rows is not None and found["epsilon"] >= 1:
        said = [
            f"{rows} cannot tell whether {found['condition']} {held}: more are needed for any epsilon under 1."
        ]
    if not found["labels"]:
        said.append("No labels are needed: how often two models differ shows without them.")
    if "disagreement" in found:
        said += _paired_sentences(found)
    return said


def _paired_sentences(found: dict[str, Any]) -> list[str]:
    share = f"{100 * found['disagreement']:.4g}%"
    where = f"If one model alone is right on at most {share} of the rows"
    power = f"{100 * found['power']:.4g}%"
    if "paired_rows" in found:
        return [
            f"{where}, {found['paired_rows']:,} paired rows do (Bennett).",
            f"A lead of {number(found['epsilon'])} is then found with {power} power on {found['power_rows']:,} rows"
            " (Connor; a normal approximation).",
        ]
    said = [f"{where}, they tell to within {number(found['paired_epsilon'])} (Bennett)."]
    if found["power_epsilon"] is None:
        return [*said, f"No lead that such models can have is found with {power} power."]
    least = number(found["power_epsilon"])
    return [*said, f"A lead from {least} is then found with {power} power (Connor; a normal approximation)."]
