"""What a comparison is made of and what it concludes; the fields of the results are those of the JSON document."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from tidegate.arms import Best, Rank
from tidegate.flips import Flips, Names
from tidegate.metrics.data import Predictions
from tidegate.segments import SegmentSearch
from tidegate.stats.equivalence import Equivalence
from tidegate.tables import Column, Level
from tidegate.wording import name_measure, name_slice

Verdict = Literal["superior", "non_inferior", "inferior", "inconclusive", "skipped"]
Decision = Literal["promote", "hold", "inconclusive"]
Require = Literal["superior", "non_inferior", "not_inferior", "equivalent"]
Role = Literal["primary", "guardrail"]
Slice = dict[str, Level | None] | None


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """One set of rows that production and all candidates answered, in the same order.

    Attributes:
        features: what segments are searched in; of the same rows.
        keys: (n,) uint64, by which rows are split in two halves; None searches no segments.
        names: what rows are called when their answer changed; None names none.
    """

    name: str
    production: Predictions
    candidates: Mapping[str, Predictions]
    features: tuple[Column, ...] = ()
    keys: np.ndarray | None = None
    names: Names | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """One metric, one slice, one candidate against production.

    Attributes:
        delta: candidate minus production, turned so that positive means the candidate is better.
        margin: the largest acceptable loss; a relative one less what production's own uncertainty takes from it.
        cost: what the requirement costs on these rows, in words.
        suspicious: more of production's error is gone than a candidate can hardly remove honestly.
    """

    candidate: str
    set: str
    metric: str
    column: str | None
    by: str | list[str] | None
    options: dict[str, float | str]
    slice: Slice
    candidate_value: float | None
    production_value: float | None
    delta: float | None
    ci: tuple[float, float] | None
    p_value: float | None
    adjusted_p_value: float | None
    p_better: float | None
    margin: float
    relative_margin: float | None
    require: Require
    verdict: Verdict
    method: str
    rows: int
    clusters: int | None
    role: Role
    detectable: float | None
    rows_needed: int | None
    equivalence: Equivalence | None
    suspicious: bool
    satisfied: bool
    cost: str
    detail: str

    @property
    def measure(self) -> str:
        """What was compared, in words, whatever the set."""
        measure = name_measure(self.metric, self.column, self.by, self.options)
        return f"{measure}{name_slice(self.slice)}"

    @property
    def subject(self) -> str:
        """What was compared, in words."""
        return f"{self.measure} on the {self.set} set"


@dataclass(frozen=True, slots=True)
class CandidateDecision:
    """What is concluded about one candidate."""

    candidate: str
    decision: Decision
    reasons: list[str]


@dataclass(frozen=True, slots=True)
class SetSegments:
    """A search for segments where a candidate is worse, and where it was made."""

    candidate: str
    set: str
    search: SegmentSearch


@dataclass(frozen=True, slots=True)
class SetFlips:
    """The rows of a set whose answer changed with a candidate."""

    candidate: str
    set: str
    flips: Flips


@dataclass(frozen=True, slots=True)
class ComparisonResult:
    """The decision of a comparison with everything it rests on.

    Attributes:
        candidate: which one the decision is about.
        level: of the two-sided intervals, after the error was divided.
        disagreements: where the sets lead to different conclusions, in words.
        warnings: what a reader must know and the decision does not tell.
    """

    decision: Decision
    candidate: str
    reasons: list[str]
    level: float
    comparisons: list[Comparison]
    candidates: list[CandidateDecision]
    ranking: list[Rank]
    best: Best | None = None
    segments: list[SetSegments] = field(default_factory=list)
    flips: list[SetFlips] = field(default_factory=list)
    disagreements: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
