"""How a candidate is compared with production."""

from typing import Literal, Self

from pydantic import Field, model_validator

from tidegate.config.measures import MetricUse
from tidegate.config.sections import Confidence, Section


class _Compared(MetricUse):
    better: Literal["higher", "lower"] | None = Field(
        default=None, description="which direction is better, for a metric such as `mean` that cannot know"
    )

    @model_validator(mode="after")
    def _direction_is_known(self) -> Self:
        if (self.definition.better == "neither") != (self.better is not None):
            raise ValueError(
                f"metric {self.metric!r} needs `better: higher` or `better: lower` in a comparison"
                if self.better is None
                else f"metric {self.metric!r} knows that {self.definition.better} is better; remove `better:`"
            )
        return self


class Primary(_Compared):
    """The comparison that a candidate is promoted for."""

    require: Literal["superior", "non_inferior"] = "superior"
    margin: float | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _whole_table(self) -> Self:
        if self.require == "non_inferior" and self.margin is None:
            raise ValueError("`require: non_inferior` needs a `margin:`, the largest loss that is acceptable")
        if self.slices:
            raise ValueError("the primary comparison is over all rows; list slices under `guardrails:`")
        return self


class Guardrail(_Compared):
    """A comparison that must not go wrong."""

    require: Literal["non_inferior", "not_inferior"] = "non_inferior"
    margin: float = Field(default=0.0, ge=0)


class Compare(Section):
    """How a candidate is compared with production."""

    confidence: Confidence = 0.95
    sets: list[Literal["golden", "recent"]] = Field(default=["golden"], min_length=1)
    primary: Primary
    guardrails: list[Guardrail] = Field(default_factory=list)
    on_inconclusive: Literal["hold", "promote"] = "hold"
    max_unmatched_share: float = Field(
        default=0.01,
        ge=0,
        lt=1,
        description="share of rows without a partner beyond which the comparison is refused",
    )

    @model_validator(mode="after")
    def _further_sets_have_a_margin(self) -> Self:
        if len(set(self.sets)) < len(self.sets):
            raise ValueError("`sets:` names a set twice")
        if len(self.sets) > 1 and self.primary.margin is None:
            raise ValueError(
                f"the primary metric must not get worse on the {self.sets[1]} set:"
                " give `primary.margin:`, the largest loss there that is acceptable"
            )
        return self
