"""From verdicts to a decision about each candidate, and where the evaluation sets disagree."""

import math
from collections.abc import Mapping, Sequence

from tidegate.comparison.results import CandidateDecision, Comparison, Decision
from tidegate.comparison.verdicts import moved, sentence
from tidegate.wording import plural


def decide(name: str, comparisons: Sequence[Comparison], segments: Sequence[str]) -> CandidateDecision:
    """What is concluded about a candidate.

    Args:
        name: of the candidate.
        comparisons: all of its comparisons.
        segments: in words, the segments that were shown to be worse and may hold it.
    """
    blocking = [sentence(c) for c in comparisons if c.verdict == "inferior" or _plainly_not_better(c)]
    if blocking or segments:
        return CandidateDecision(name, "hold", [*blocking, *segments])
    open_ones = [c for c in comparisons if not c.satisfied]
    if open_ones:
        return CandidateDecision(name, "inconclusive", [sentence(c) for c in open_ones])
    if not any(c.role == "primary" and c.verdict != "skipped" for c in comparisons):
        return CandidateDecision(
            name, "inconclusive", ["the primary metric was skipped: it stands on too few rows"]
        )
    primary = next(c for c in comparisons if c.role == "primary")
    guardrails = [c for c in comparisons if c.role == "guardrail"]
    skipped = sum(c.verdict == "skipped" for c in guardrails)
    held = f"; {plural(len(guardrails) - skipped, 'guardrail')} kept" if guardrails else ""
    held += f", {skipped} skipped under min_rows" if skipped else ""
    return CandidateDecision(name, "promote", [f"{sentence(primary)}{held}"])


def _plainly_not_better(c: Comparison) -> bool:
    """The primary's interval lies wholly on the wrong side: more rows would not change that."""
    if c.role != "primary" or c.ci is None or c.satisfied or c.verdict == "skipped":
        return False
    if c.require == "superior":
        return c.ci[1] <= 0
    if c.relative_margin is not None:
        # Its margin is an estimate, of which the published one is the end that shows harmlessness.
        return False
    return c.ci[1] < -c.margin or (c.require == "equivalent" and c.ci[0] > c.margin)


def best(decisions: Sequence[CandidateDecision], order: Sequence[str]) -> CandidateDecision:
    """The candidate that may go on, best first; without one, the best of those that came closest."""
    place = {name: i for i, name in enumerate(order)}
    preference: dict[Decision, int] = {"promote": 0, "inconclusive": 1, "hold": 2}
    return min(decisions, key=lambda d: (preference[d.decision], place.get(d.candidate, math.inf)))


def disagreements(comparisons: Sequence[Comparison]) -> list[str]:
    """Where one set says better and another worse, or one is content and another objects, in words."""
    by_subject: dict[tuple[str, str], list[Comparison]] = {}
    for c in comparisons:
        by_subject.setdefault((c.candidate, c.measure), []).append(c)
    several = len({c.candidate for c in comparisons}) > 1
    found = []
    for (candidate, measure), same in by_subject.items():
        known = {c.set: c for c in same if c.ci is not None and c.verdict != "skipped"}
        better = [c for c in known.values() if c.ci is not None and c.ci[0] > 0]
        worse = [c for c in known.values() if c.ci is not None and c.ci[1] < 0]
        if better and worse:
            who = f"{candidate}: " if several else ""
            told = "; ".join(f"on the {c.set} set it {moved(c)}" for c in (*better, *worse))
            found.append(f"{who}the sets disagree about {measure}: {told}")
    return found + _sides(comparisons, several=several)


def _sides(comparisons: Sequence[Comparison], *, several: bool) -> list[str]:
    """Sets of which one would let a candidate go on and another would not."""
    found = []
    for name in dict.fromkeys(c.candidate for c in comparisons):
        content: Mapping[str, bool] = {
            each: all(c.satisfied for c in comparisons if (c.candidate, c.set) == (name, each))
            for each in dict.fromkeys(c.set for c in comparisons if c.candidate == name)
        }
        yes, no = [each for each in content if content[each]], [each for each in content if not content[each]]
        if yes and no:
            who = f"{name}: " if several else ""
            found.append(f"{who}the {yes[0]} set alone would let it go on, the {no[0]} set does not")
    return found
