"""The policies that are replayed: the configured one, others from a file, schedules, and thresholds around."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import StringConstraints

from tidegate.backtest import Asked, Every, Kind, Policed, Strategy, Thresholds, Timeline, around
from tidegate.commands.policies import policy_of
from tidegate.config import Drift, PerformanceDropTrigger
from tidegate.config.backtesting import Trial
from tidegate.config.retraining import PerformanceDrop, Retrain
from tidegate.drift.rules import Policy
from tidegate.errors import ConfigError
from tidegate.loading import parse_settings, read_bytes

CONFIGURED = "configured"
NEVER, ALWAYS = "never", "always"
MOST = 30
_RESERVED = (CONFIGURED, NEVER, ALWAYS)
_SECONDS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_TESTS = frozenset(
    {
        "drift",
        "drift.share",
        "prediction_drift",
        "label_drift",
        "performance_drop",
        "estimated_drop",
        "multivariate_drift",
        "concept_drift",
        "calibration_drift",
        "segment_drop",
        "data_quality",
    }
)
"""Facts that come of a test at the level of the report."""

PolicyName = Annotated[str, StringConstraints(pattern=r"^[\w .+-]{1,60}$", strip_whitespace=True)]


@dataclass(frozen=True, slots=True)
class Entrant:
    """One policy to be replayed.

    Attributes:
        settings: keys of the configuration that make it, plain.
        fresh: makes a strategy without a memory.
    """

    name: str
    kind: Kind
    settings: dict[str, Any]
    fresh: Callable[[], Strategy]


def read_trials(path: Path) -> dict[str, Trial]:
    """Policies from a YAML file: names, each with the keys of `retrain:` that say when.

    Raises:
        ConfigError: the file is no such thing; the message names the line.
    """
    raw = read_bytes(path, "give --policies a YAML file of policies by name")
    found: dict[str, Trial] = parse_settings(
        raw,
        str(path),
        dict[PolicyName, Trial],
        needs="a policy, such as `cautious: {when: [performance_drop]}`",
    )
    if len(found) > MOST:
        raise ConfigError(f"{path} has {len(found):,} policies; at most {MOST} are compared")
    for name in found:
        if name in _RESERVED or name.startswith("every "):
            raise ConfigError(
                f"{path}: the name {name!r} is taken by a policy that is always compared: choose another"
            )
    return found


def configured(retrain: Retrain, drift: Drift) -> Entrant:
    """The policy of the configuration."""
    return _policed(CONFIGURED, "configured", retrain, drift)


def given(name: str, trial: Trial, drift: Drift) -> Entrant:
    """A policy of a file."""
    if trial.false_alarm_rate is not None:
        drift = drift.model_copy(update={"false_alarm_rate": trial.false_alarm_rate})
    return _policed(name, "given", trial, drift)


def scheduled(windows: int, timeline: Timeline) -> Entrant:
    """Retraining after every so many windows; 0 is never, 1 after each."""
    names = {0: NEVER, 1: ALWAYS}
    name = names.get(windows, f"every {windows:,} windows")
    span = timeline.spans[timeline.first]
    # Shorter than the distance of the windows, since a run may come a little early.
    age = _written(timedelta(seconds=round((span.end - span.start).total_seconds() * (windows - 0.5))))
    when = [] if windows == 0 else ["new_rows >= 1"] if windows == 1 else [f"age > {age}"]
    return Entrant(name, "baseline", {"retrain": {"when": when}}, lambda: Every(windows))


def matching(retrains: int, timeline: Timeline) -> int | None:
    """Windows between retrainings of a schedule that has about so many; None where that is never."""
    decisions = len(timeline.decided)
    if retrains == 0:
        return None
    return min(range(1, decisions + 1), key=lambda k: (abs(decisions // k - retrains), k))


def variants(base: Retrain, drift: Drift) -> Iterator[Entrant]:
    """The configured policy with other thresholds, of those that it depends on."""
    at = _thresholds(base, drift)
    for other in around(at):
        retrain = _with(base, other)
        changed = drift
        if other.false_alarm_rate is not None:
            changed = drift.model_copy(update={"false_alarm_rate": other.false_alarm_rate})
        yield _policed(f"{CONFIGURED}, {other.differences(at)}", "variant", retrain, changed)


def default_drop(retrain: Retrain, size: float) -> Retrain:
    """The same with the size of drop that counts written out."""
    return _with(retrain, Thresholds(retrain.consecutive, size)) if _drops(retrain) else retrain


def snippet(settings: Mapping[str, Any]) -> str:
    """Settings as YAML, to be pasted into the model's part of the configuration."""
    import yaml

    return yaml.safe_dump(
        dict(settings), sort_keys=False, default_flow_style=None, width=100, allow_unicode=True
    )


def _policed(name: str, kind: Kind, retrain: Retrain, drift: Drift) -> Entrant:
    policy, drop = policy_of(retrain, drift), retrain.performance_drop()
    asked = Asked(_facts(policy), drift.false_alarm_rate, drop.metric, drop.min_drop)
    false_per = drift.alarms.false_per if drift.alarms is not None else None
    return Entrant(
        name, kind, _settings(retrain, drift, asked), lambda: Policed(policy, asked, false_per=false_per)
    )


def _facts(policy: Policy) -> frozenset[str]:
    return frozenset().union(*(rule.condition.facts for rule in policy.when))


def _settings(retrain: Retrain, drift: Drift, asked: Asked) -> dict[str, Any]:
    """What a person would write for it."""
    when = [
        each if isinstance(each, str) else each.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        for each in retrain.when
    ]
    written: dict[str, Any] = {"when": when}
    if retrain.consecutive != 1:
        written["consecutive"] = retrain.consecutive
    if retrain.cooldown:
        written["cooldown"] = _written(retrain.cooldown)
    if retrain.min_labels:
        written["min_labels"] = retrain.min_labels
    if retrain.budget is not None:
        written["budget"] = {"retrains": retrain.budget.retrains, "per": _written(retrain.budget.per)}
    if retrain.blackout:
        written["blackout"] = [each.model_dump(mode="json", by_alias=True) for each in retrain.blackout]
    rate = {"drift": {"false_alarm_rate": drift.false_alarm_rate}} if asked.facts & _TESTS else {}
    return {**rate, "retrain": written}


def _thresholds(retrain: Retrain, drift: Drift) -> Thresholds:
    facts = _facts(policy_of(retrain, drift))
    drop = retrain.performance_drop().min_drop if _drops(retrain) else None
    return Thresholds(retrain.consecutive, drop, drift.false_alarm_rate if facts & _TESTS else None)


def _drops(retrain: Retrain) -> bool:
    """Whether a size of drop can be written into the policy."""
    return any(
        each == "performance_drop" or isinstance(each, PerformanceDropTrigger) for each in retrain.when
    )


def _with(retrain: Retrain, thresholds: Thresholds) -> Retrain:
    when = [
        _sized(each, thresholds.min_drop)
        if thresholds.min_drop is not None
        and (each == "performance_drop" or isinstance(each, PerformanceDropTrigger))
        else each
        for each in retrain.when
    ]
    return retrain.model_copy(update={"when": when, "consecutive": thresholds.consecutive})


def _sized(each: Any, min_drop: float) -> PerformanceDropTrigger:
    if isinstance(each, PerformanceDropTrigger):
        drop = each.performance_drop.model_copy(update={"min_drop": min_drop})
        return each.model_copy(update={"performance_drop": drop})
    return PerformanceDropTrigger(performance_drop=PerformanceDrop(min_drop=min_drop))


def _written(length: timedelta) -> str:
    """A length of time as the configuration writes it."""
    seconds = round(length.total_seconds())
    unit = next(unit for unit, size in _SECONDS.items() if seconds % size == 0)
    return f"{seconds // _SECONDS[unit]}{unit}"
