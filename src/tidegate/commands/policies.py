"""The trigger policy as the configuration writes it, as plain data."""

from tidegate.config import Drift, PerformanceDropTrigger, Retrain
from tidegate.config.retraining import Period, Trigger
from tidegate.drift.rules import Blackout, Policy, RetrainBudget, Rule
from tidegate.errors import ConfigError


def policy_of(retrain: Retrain | None, drift: Drift) -> Policy:
    """The policy of a model; without `retrain:` one that never fires.

    Raises:
        ConfigError: rules that make no sense together.
    """
    if retrain is None:
        return Policy(every=drift.expected_every)
    try:
        return Policy(
            when=tuple(_rule(each) for each in retrain.when),
            consecutive=retrain.consecutive,
            cooldown=retrain.cooldown,
            min_labels=retrain.min_labels,
            budget=RetrainBudget(retrain.budget.retrains, retrain.budget.per) if retrain.budget else None,
            blackout=tuple(
                Blackout(each.from_, each.to, (), each.reason)
                if isinstance(each, Period)
                else Blackout(None, None, tuple(each.days), each.reason)
                for each in retrain.blackout
            ),
            every=drift.expected_every,
        )
    except ValueError as error:
        raise ConfigError(f"retrain: {error}") from None


def _rule(condition: str | PerformanceDropTrigger | Trigger) -> Rule:
    if isinstance(condition, str):
        return Rule.of(condition)
    if isinstance(condition, Trigger):
        return Rule.of(condition.if_, condition.severity)
    return Rule.of("performance_drop", condition.severity)
