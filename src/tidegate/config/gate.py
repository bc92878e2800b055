"""What `evaluate-gate` requires: checks of metrics, behaviour and the table; and what excuses them."""

from difflib import get_close_matches
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from tidegate.config.measures import MetricUse, SliceSpec
from tidegate.config.sections import Confidence, Day, Scalar, Section, Words
from tidegate.metrics import find

Severity = Literal["block", "warn", "info"]
BEHAVIOURS = ("invariance", "directional", "must_pass", "schema")
"""What checks other than those of metrics are reported by."""


class _Item(Section):
    severity: Severity = Field(
        default="block", description="block decides; warn is told as a warning; info stands in the report"
    )


class _Threshold(_Item):
    min: float | None = None
    max: float | None = None
    confidence: Confidence | None = Field(
        default=None,
        description="the interval at this level must clear the threshold, not the point estimate",
    )

    @model_validator(mode="after")
    def _one_threshold(self) -> Self:
        if (self.min is None) == (self.max is None):
            raise ValueError("give exactly one of `min:` and `max:`")
        return self

    @property
    def threshold(self) -> dict[str, float]:
        """As it is published."""
        return {"min": self.min} if self.min is not None else {"max": self.max or 0.0}


class Check(_Threshold, MetricUse):
    """One requirement of `evaluate-gate`: a metric, a threshold, optionally slices."""

    allow_cap: bool = Field(
        default=False, description="allows a `max` where higher is better, a `min` where lower is"
    )
    worst_slice: bool | list[SliceSpec] = Field(
        default=False,
        description="judge the worst of the slices alone; its interval holds for all of them at once",
    )
    discover: bool = Field(
        default=False, description="also search all features for the worst slices of up to two conditions"
    )

    @model_validator(mode="before")
    @classmethod
    def _worst_of_these(cls, data: Any) -> Any:
        worst = data.get("worst_slice") if isinstance(data, dict) else None
        if isinstance(worst, str | list) and "slices" not in data:
            return {**data, "slices": worst, "worst_slice": True}
        return data

    @model_validator(mode="after")
    def _threshold_on_the_right_side(self) -> Self:
        side = "max" if self.min is None else "min"
        wrong = {"higher": "max", "lower": "min"}.get(self.definition.better)
        if side == wrong and not self.allow_cap:
            raise ValueError(
                f"`{side}:` on {self.metric!r}, where {self.definition.better} is better, would fail good models;"
                f" write `{'min' if side == 'max' else 'max'}:`, or `allow_cap: true` if it is meant"
            )
        return self

    @model_validator(mode="after")
    def _slices_to_choose_from(self) -> Self:
        if isinstance(self.worst_slice, list):
            raise ValueError("list the slices under `slices:` or under `worst_slice:`, not under both")
        if self.worst_slice and not self.slices:
            raise ValueError("`worst_slice:` needs the slices to choose from: list them, such as [country]")
        if self.discover and (not self.definition.searchable or self.definition.better == "neither"):
            raise ValueError(
                f"`discover:` cannot search by {self.metric!r}: use one such as accuracy or recall"
            )
        return self


class CommandCheck(_Threshold):
    """A metric that the user's own command computes."""

    command: str = Field(
        min_length=1,
        description="run with the path of the table in the place of {table}, or after it; prints JSON with `value`",
    )
    metric: str = Field(
        default="command",
        pattern=r"^[A-Za-z][A-Za-z0-9_.@-]{0,99}$",
        description="the name it is reported by",
    )
    min_rows: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _name_of_its_own(self) -> Self:
        if find(self.metric) is not None or self.metric in (*BEHAVIOURS, *Sanity.model_fields):
            raise ValueError(
                f"a command cannot be reported as {self.metric!r}, which is measured here: name it otherwise"
            )
        return self


class Pairs(Section):
    """Rows that belong together."""

    pair: str = Field(description="the column whose equal values make a pair")
    tolerance: float | None = Field(
        default=None,
        ge=0,
        description="how far scores (regression: predictions) may lie apart; without it the predictions must be equal",
    )


class Invariance(_Item):
    """Rows that differ in nothing that should matter must be answered alike (Ribeiro et al. 2020)."""

    invariance: Pairs
    max_share: float = Field(default=0.0, ge=0, le=1, description="share of pairs that may break it")


class Ordered(Section):
    """Rows that belong together, in an order."""

    pair: str = Field(description="the column whose equal values make a pair")
    order: str = Field(description="the column of numbers that orders the rows of a pair")
    expect: Literal["increase", "decrease"]
    min_change: float = Field(default=0.0, ge=0, description="by how much at least from each row to the next")


class Directional(_Item):
    """A change of known direction must move the score in that direction (Ribeiro et al. 2020)."""

    directional: Ordered
    max_share: float = Field(default=0.0, ge=0, le=1, description="share of pairs that may break it")


class KnownCases(Section):
    """Rows that must be answered right."""

    ids: list[str | int] = Field(default_factory=list)
    file: str | None = Field(default=None, description="a table with their ids")
    column: str | None = Field(default=None, description="of the file; default: the name of the id column")
    tolerance: float | None = Field(default=None, ge=0, description="regression: how far off is still right")

    @model_validator(mode="after")
    def _some(self) -> Self:
        if bool(self.ids) == (self.file is not None):
            raise ValueError("give either `ids:` or a `file:` that holds them")
        return self


class MustPass(_Item):
    """Known hard cases, and cases that once failed: each must be answered right."""

    must_pass: KnownCases

    @model_validator(mode="before")
    @classmethod
    def _list_of_ids(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("must_pass"), list):
            return {**data, "must_pass": {"ids": data["must_pass"]}}
        if isinstance(data, dict) and isinstance(data.get("must_pass"), str):
            return {**data, "must_pass": {"file": data["must_pass"]}}
        return data


class SchemaCheck(_Item):
    """Columns that the table must have, and what they hold."""

    columns: dict[str, Literal["integer", "number", "text", "boolean", "time"]] = Field(
        alias="schema", min_length=1
    )


_KINDS = ("command", *BEHAVIOURS)


def _kind(data: Any) -> str:
    if isinstance(data, dict):
        named = next((key for key in _KINDS if key in data), None)
        if named is None:
            # A slip in the one key that tells the kinds apart is told as such.
            known = [*_KINDS, *Check.model_fields]
            near = (get_close_matches(str(key), known, n=1, cutoff=0.7) for key in data)
            named = next((found[0] for found in near if found and found[0] in _KINDS), None)
        return f"a {named or 'metric'} check"
    kinds: dict[str, str] = {
        "CommandCheck": "command",
        "Invariance": "invariance",
        "Directional": "directional",
    }
    kinds |= {"MustPass": "must_pass", "SchemaCheck": "schema"}
    return f"a {kinds.get(type(data).__name__, 'metric')} check"


# The tags are no possible keys, so that they are never mistaken for a place in the file.
GateItem = Annotated[
    Annotated[Check, Tag("a metric check")]
    | Annotated[CommandCheck, Tag("a command check")]
    | Annotated[Invariance, Tag("a invariance check")]
    | Annotated[Directional, Tag("a directional check")]
    | Annotated[MustPass, Tag("a must_pass check")]
    | Annotated[SchemaCheck, Tag("a schema check")],
    Discriminator(_kind),
]
Sane = Literal["block", "warn", "info", "off"]


class Sanity(Section):
    """What is looked for without being asked, and what it means when found."""

    trivial_model: Sane = Field(default="warn", description="no better than the majority class or the mean")
    too_good: Sane = Field(default="warn", description="a score that is hardly possible without a leak")
    leakage: Sane = Field(default="warn", description="a feature that alone predicts the label")
    constant_column: Sane = Field(default="info", description="a feature with one value")
    duplicate_rows: Sane = Field(default="warn", description="rows that repeat others in all but the id")
    training_overlap: Sane = Field(default="warn", description="rows that the model was trained on")
    golden_changed: Sane = Field(default="warn", description="the golden set changes together with the model")
    training: str | None = Field(
        default=None, description="the training table, for an exact answer to the overlap"
    )


class Waiver(Section):
    """A check that may fail for a while."""

    metric: str = Field(description="of the checks that it covers, or the name of a finding")
    column: str | None = None
    by: str | list[str] | None = None
    options: dict[str, Scalar] | None = Field(
        default=None, description="settings of the metric, such as {class: 2}, that narrow it to one check"
    )
    slice: dict[str, Scalar | None] | None = Field(
        default=None, description="the one slice that it covers; without it, every check of the metric"
    )
    expires: Day = Field(description="the last day on which it counts, such as 2026-12-31 (UTC)")
    owner: Words
    reason: Words
