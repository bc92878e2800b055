"""How a candidate is compared with production."""

from typing import Literal, Self

from pydantic import Field, model_validator

from tidegate.config.measures import MetricUse
from tidegate.config.sections import Confidence, Section
from tidegate.metrics import METRICS
from tidegate.suggest import did_you_mean

_RELATIVE = (
    "largest acceptable loss as a share of production's value; with `margin:` too, the larger of both counts,"
    " so that `margin:` is the floor where production is near zero"
)


_MOST_ADAPTIVE = 40


class _Compared(MetricUse):
    better: Literal["higher", "lower"] | None = Field(
        default=None, description="which direction is better, for a metric such as `mean` that cannot know"
    )
    relative_margin: float | None = Field(default=None, gt=0, lt=1, description=_RELATIVE)

    @model_validator(mode="after")
    def _direction_is_known(self) -> Self:
        if (self.definition.better == "neither") != (self.better is not None):
            raise ValueError(
                f"metric {self.metric!r} needs `better: higher` or `better: lower` in a comparison"
                if self.better is None
                else f"metric {self.metric!r} knows that {self.definition.better} is better; remove `better:`"
            )
        return self


def _refuse_no_room(require: str, margin: float | None, relative_margin: float | None) -> None:
    if require == "equivalent" and not (margin or relative_margin):
        raise ValueError("`require: equivalent` needs a `margin:` or a `relative_margin:` above zero")


class Primary(_Compared):
    """The comparison that a candidate is promoted for."""

    require: Literal["superior", "non_inferior", "equivalent"] = "superior"
    margin: float | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _room_for_equivalence(self) -> Self:
        _refuse_no_room(self.require, self.margin, self.relative_margin)
        return self

    @property
    def has_margin(self) -> bool:
        """Whether it says which loss is acceptable."""
        return self.margin is not None or self.relative_margin is not None

    @model_validator(mode="after")
    def _whole_table(self) -> Self:
        if self.require != "superior" and not self.has_margin:
            raise ValueError(
                f"`require: {self.require}` needs a `margin:` or a `relative_margin:`, the largest loss that is"
                " acceptable"
            )
        if self.slices:
            raise ValueError("the primary comparison is over all rows; list slices under `guardrails:`")
        return self


class Guardrail(_Compared):
    """A comparison that must not go wrong."""

    require: Literal["non_inferior", "not_inferior", "equivalent"] = Field(
        default="non_inferior",
        description="non_inferior: harmlessness must be shown; not_inferior: blocks only on evidence of harm;"
        " equivalent: neither better nor worse by more than the margin",
    )
    margin: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _room_for_equivalence(self) -> Self:
        _refuse_no_room(self.require, self.margin, self.relative_margin)
        return self


class Segments(Section):
    """A search for segments where the candidate is worse, that nobody listed."""

    columns: list[str] | None = Field(
        default=None,
        min_length=1,
        description="what segments are made of; default: `drift.features`, else all without a part",
    )
    metric: str | None = Field(
        default=None, description="default: the primary metric where it can be searched by, else one by task"
    )
    false_discovery_rate: float = Field(default=0.1, gt=0, lt=1)
    min_rows: int = Field(
        default=50, ge=2, description="smaller segments are not searched, in either half of the rows"
    )
    margin: float = Field(default=0.0, ge=0, description="loss of a segment that is acceptable")
    block: bool = Field(
        default=True, description="whether a segment confirmed on held-back rows holds the candidate"
    )

    @model_validator(mode="after")
    def _known_metric(self) -> Self:
        known = {name: each for name, each in METRICS.items() if not each.options}
        if self.metric is not None and self.metric not in known:
            raise ValueError(
                f"`discover.metric:` knows no {self.metric!r} without options.{did_you_mean(self.metric, known)}"
            )
        return self


class Reuse(Section):
    """How often one evaluation set may decide; the error is divided among its uses (Renggli et al. 2019)."""

    horizon: int = Field(default=32, ge=1, le=1000, description="how many different candidates it may judge")
    adaptivity: Literal["none", "full"] = Field(
        default="none",
        description="full: what comes next may depend on every earlier decision; none: it does not",
    )

    @model_validator(mode="after")
    def _some_error_is_left(self) -> Self:
        if self.adaptivity == "full" and self.horizon > _MOST_ADAPTIVE:
            raise ValueError(
                f"with `adaptivity: full` each use halves the error: a horizon over {_MOST_ADAPTIVE} leaves none that"
                " rows could show; refresh the set more often, or use `adaptivity: none`"
            )
        return self


class Compare(Section):
    """How a candidate is compared with production."""

    confidence: Confidence = 0.95
    sets: list[Literal["golden", "recent"]] = Field(default=["golden"], min_length=1)
    primary: Primary
    guardrails: list[Guardrail] = Field(default_factory=list)
    correction: Literal["holm", "hierarchical"] = Field(
        default="holm",
        description="of what is called inferior or superior: over all comparisons at once, or the primary first and the"
        " guardrails only once it differs",
    )
    on_inconclusive: Literal["hold", "promote"] = "hold"
    discover: bool | Segments = Field(
        default=False, description="also search for segments where the candidate is worse"
    )
    reuse: Reuse | None = Field(
        default=None, description="counts the candidates that the set has judged; the last of them uses it up"
    )
    reference: str | None = Field(
        default=None,
        description="rows as production sees them; says when the golden set no longer looks like them",
    )
    reweight: bool = Field(
        default=False, description="weight the golden rows so that they look like the reference"
    )
    suspicious_gain: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="share of production's error that a candidate can hardly remove honestly; more is flagged",
    )
    flipped_rows: int = Field(
        default=50, ge=0, le=1000, description="how many rows whose answer changed are listed"
    )
    max_unmatched_share: float = Field(
        default=0.01,
        ge=0,
        lt=1,
        description="share of rows without a partner beyond which the comparison is refused",
    )

    @property
    def segments(self) -> Segments | None:
        """The search for segments, when one is asked for."""
        if isinstance(self.discover, Segments):
            return self.discover
        return Segments() if self.discover else None

    @model_validator(mode="after")
    def _further_sets_have_a_margin(self) -> Self:
        if len(set(self.sets)) < len(self.sets):
            raise ValueError("`sets:` names a set twice")
        if len(self.sets) > 1 and not self.primary.has_margin:
            raise ValueError(
                f"the primary metric must not get worse on the {self.sets[1]} set: give `primary.margin:` or"
                " `primary.relative_margin:`, the largest loss there that is acceptable"
            )
        return self

    @model_validator(mode="after")
    def _weights_have_an_aim(self) -> Self:
        if self.reweight and self.reference is None:
            raise ValueError(
                "`reweight: true` needs `reference:`, the rows that the golden ones should look like"
            )
        return self
