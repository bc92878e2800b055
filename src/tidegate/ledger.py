"""How often an evaluation set has decided: candidates counted from the history, the error divided among its uses.

Every decision on the same rows leaks a little of them. With a horizon of H uses the error is divided by H when what
comes next does not depend on earlier decisions, and by 2^H when it may depend on all of them (Renggli et al. 2019).
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, Self

from tidegate.config import Reuse
from tidegate.history import History
from tidegate.stats.planning import Adaptivity, log_decisions
from tidegate.wording import number, plural


@dataclass(frozen=True, slots=True)
class Ledger:
    """Which candidates each evaluation set has judged.

    Attributes:
        judged: digests of candidates by the sha256 of the set.
    """

    judged: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, history: History) -> Self:
        """What the history of ``compare-to-prod`` says, the records that a summary stands for included."""
        judged: defaultdict[str, set[str]] = defaultdict(set)
        for each in history.test_sets:
            judged[each.golden_sha256].update(each.candidates)
        return cls({sha256: frozenset(digests) for sha256, digests in judged.items()})

    def used(self, sha256: str) -> frozenset[str]:
        """Digests of the distinct candidates that a set has judged."""
        return self.judged.get(sha256, frozenset())


@dataclass(frozen=True, slots=True)
class Budget:
    """What is left of an evaluation set; the fields are those of the JSON document.

    Attributes:
        used: distinct candidates that it had judged before this decision.
        left: how many more it may judge, those of this decision included.
        known: all candidates of this decision were judged before; to judge them again costs nothing.
        exhausted: more of them are new than are left.
        error_per_decision: two-sided, of each decision.
        ledger: where the count comes from.
    """

    set: str
    golden_sha256: str
    horizon: int
    adaptivity: Adaptivity
    used: int
    left: int
    known: bool
    exhausted: bool
    error_per_decision: float
    ledger: Literal["history", "none"]
    detail: str


def budget(
    ledger: Ledger | None, sha256: str, digests: Iterable[str], reuse: Reuse, confidence: float, set_name: str
) -> Budget:
    """What a set may still decide, and with which error.

    Args:
        ledger: None where no history is kept: then every decision counts as the first.
        sha256: of the set.
        digests: of the candidates to be judged; a decision that names none counts as one new candidate.
        reuse: horizon and adaptivity.
        confidence: of all decisions of the set together.
        set_name: for the sentences.
    """
    asked, before = frozenset(digests), ledger.used(sha256) if ledger else frozenset()
    known = bool(asked) and asked <= before
    left = max(reuse.horizon - len(before), 0)
    new = 0 if known else max(len(asked - before), 1)
    exhausted = new > left
    detail = _detail(set_name, reuse, len(before), left, new, counted=ledger is not None)
    return Budget(
        set=set_name,
        golden_sha256=sha256,
        horizon=reuse.horizon,
        adaptivity=reuse.adaptivity,
        used=len(before),
        left=left,
        known=known,
        exhausted=exhausted,
        error_per_decision=divided(1 - confidence, reuse),
        ledger="none" if ledger is None else "history",
        detail="; ".join(part for part in (detail, _cost(reuse, confidence)) if part),
    )


def divided(error: float, reuse: Reuse) -> float:
    """What each use of a set gets of the error of all."""
    return math.ldexp(error, -reuse.horizon) if reuse.adaptivity == "full" else error / reuse.horizon


def _detail(name: str, reuse: Reuse, used: int, left: int, new: int, *, counted: bool) -> str:
    candidates = plural(reuse.horizon, "candidate")
    if not counted:
        return (
            f"nobody counts the uses of this {name} set, for which the history must be kept: that it judges no more"
            f" than {candidates} is up to you"
        )
    if new > left and left:
        return (
            f"too little is left: this {name} set has judged {used:,} of {candidates}, and {new:,} more were to be"
            " judged: compare fewer, or refresh it"
        )
    if new > left:
        return (
            f"used up: this {name} set has judged {used:,} of {candidates}: refresh it with rows that are new"
        )
    again = ", this one among them, which costs nothing" if new == 0 else ""
    return f"this {name} set has judged {used:,} of {candidates}{again}; {left:,} {'is' if left == 1 else 'are'} left"


def _cost(reuse: Reuse, confidence: float) -> str:
    """What the division costs, by Hoeffding's bound, whose width goes with the root of the error's logarithm."""
    alone = math.log(2 / (1 - confidence))
    ways = log_decisions(reuse.horizon, reuse.adaptivity)
    if ways == 0:
        return ""
    wider = (
        f"intervals are about {number(math.sqrt(1 + ways / alone))} times as wide as for a single decision"
    )
    if reuse.adaptivity == "full":
        return (
            "each candidate may depend on all earlier decisions, so the error is divided by"
            f" 2^{reuse.horizon}, and {wider}"
        )
    return f"the error is divided by {reuse.horizon:,}, and {wider}"
