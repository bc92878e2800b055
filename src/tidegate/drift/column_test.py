"""What is said of one column in two windows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Baseline = Literal["rows", "clusters", "chunks"]
_CERTAIN = 1e-9
"""Small enough for any family of columns."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """Shares of both windows in the same bins, for the report."""

    labels: list[str]
    reference: list[float]
    current: list[float]


@dataclass(frozen=True, slots=True)
class Shares:
    """The same share in both windows."""

    reference: float
    current: float


@dataclass(frozen=True, slots=True)
class LevelList:
    """Levels that one window has and the other has not.

    Attributes:
        names: the twenty with most rows.
        count: of all of them.
        share: of the rows of the window that has them.
    """

    names: list[str]
    count: int
    share: float


@dataclass(frozen=True, slots=True)
class ColumnTest:
    """What changed in one column.

    Attributes:
        kind: ``numeric``, ``date``, ``boolean``, ``categorical`` or ``text``.
        effect: numeric, the Wasserstein distance in standard deviations of the reference; categorical, the total
            variation distance. Both without the part that chance alone gives.
        findings: what is wrong with the column itself, in words.
        psi: population stability index over the reference's deciles, or over levels; None without values. When nothing
            changed it is (bins - 1)(1/n + 1/m) on average, 0.036 for ten bins and 500 rows.
        jensen_shannon: distance to base 2 over the same bins; without change the root of an eighth of that in bits,
            0.08 for ten bins and 500 rows. Neither decides anything.
        detectable: smallest effect, in units of `effect`, that these windows would show with 80% power: for numbers a
            shift of the mean, for levels the least conspicuous change; None where none would do.
        missing: share of missing values, infinite ones included.
        new_levels, vanished_levels: None where it cannot be told: for numbers, and against a profile of a reference
            with more levels than a profile keeps.
        baseline: what is taken as independent, and so as the measure of chance.
    """

    name: str
    kind: str
    test: str
    statistic: float
    p_value: float
    effect: float
    detail: str
    distribution: Distribution | None
    findings: tuple[str, ...] = ()
    psi: float | None = None
    jensen_shannon: float | None = None
    detectable: float | None = None
    missing: Shares = Shares(0.0, 0.0)
    new_levels: LevelList | None = None
    vanished_levels: LevelList | None = None
    baseline: Baseline = "rows"


@dataclass(frozen=True, slots=True)
class Part:
    """One of the questions asked of a column, at a level of its own."""

    test: str
    statistic: float
    p_value: float
    effect: float


NOTHING = Part("none", 0.0, 1.0, 0.0)


def worst(parts: Sequence[Part], min_effect: float) -> Part:
    """The part to report, with a p-value for all of them (Bonferroni).

    Of changes that are certain either way the larger one is the news.
    """
    if not parts:
        return NOTHING
    part = min(parts, key=lambda each: (each.effect < min_effect, max(each.p_value, _CERTAIN), -each.effect))
    return Part(part.test, part.statistic, min(1.0, len(parts) * part.p_value), part.effect)
