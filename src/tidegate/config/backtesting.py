"""Trigger policies that are tried out on a labelled history, beside the one of the configuration."""

from typing import Self

from pydantic import Field, model_validator

from tidegate.config.retraining import Retrain

POLICY_KEYS = frozenset({"when", "cooldown", "consecutive", "min_labels", "budget", "blackout"})


class Trial(Retrain):
    """One policy: keys of `retrain:` that say when, and the false-alarm rate of the drift report that it reads."""

    false_alarm_rate: float | None = Field(
        default=None, gt=0, lt=0.5, description="of each report; by default `drift.false_alarm_rate`"
    )

    @model_validator(mode="after")
    def _says_when_alone(self) -> Self:
        odd = sorted(self.model_fields_set - POLICY_KEYS - {"false_alarm_rate"})
        if odd:
            raise ValueError(
                f"`{odd[0]}:` says how to train, not when: leave it to the configuration"
                f" (a policy has {', '.join(sorted(POLICY_KEYS))} and false_alarm_rate)"
            )
        if not self.when:
            raise ValueError("`when:` is missing or empty: a policy needs a condition")
        return self
