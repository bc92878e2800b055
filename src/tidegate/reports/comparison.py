"""What a comparison's document says besides its table, in the order and the words that all renderings share.

Sentences here are plain text that may quote hostile names: every rendering escapes them as it does all others.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidegate.reports import figures, ranking
from tidegate.reports.comparison_basis import Basis, Notice, basis, notices
from tidegate.reports.comparison_rows import Flips, Search, flips, searches
from tidegate.reports.escape import NAME_LIMIT, visible
from tidegate.reports.gate_lines import subject
from tidegate.reports.verdicts import count

Row = Mapping[str, Any]

_MUST = {
    "superior": "must be superior",
    "non_inferior": "must be shown to be harmless (non-inferior)",
    "not_inferior": "must not be shown to do harm (not inferior)",
    "equivalent": "must be shown to be equivalent",
}
_CORRECTIONS = {
    "holm": "What is called superior or inferior is corrected by Holm over all comparisons.",
    "hierarchical": "The primary is tested first; guardrails are called superior or inferior only once it differs.",
}


@dataclass(frozen=True, slots=True)
class SideBySide:
    """One metric and slice of a candidate, on every set.

    Attributes:
        row: names it; its set is null.
        answers: one comparison per set in the order of the document's sets, or None where none was made.
    """

    row: Row
    answers: list[Row | None]


@dataclass(frozen=True, slots=True)
class Changes:
    """Differences of slices: those that are shown, the largest first, and how many are not."""

    losses: list[Row]
    gains: list[Row]
    within_noise: int

    @property
    def tally(self) -> str:
        """Count them in words."""
        losses = f"{len(self.losses):,} {'loss' if len(self.losses) == 1 else 'losses'}"
        return f"{losses}, {count(len(self.gains), 'gain')}, {self.within_noise:,} within noise"


@dataclass(frozen=True, slots=True)
class Forest:
    """The slices of one metric of a candidate on one set, worst first, below the same metric on all rows."""

    about: Row
    rows: list[Row]


@dataclass(frozen=True, slots=True)
class Told:
    """All that a `compare-to-prod` document says besides its comparisons.

    Attributes:
        level: at which the intervals hold.
        required: what was required at which level, in one paragraph, or nothing without comparisons.
        costs: the comparisons whose requirement costs something here, which their `cost` says.
        notices: what a reader must not miss beside the verdict.
        side_by_side: what was compared on several sets; empty with one.
        changes: gains and losses of the slices that the config names, or None without slices.
        forests: the same slices with their differences, by metric.
        searches: searches for segments that nobody listed.
        flips: rows whose answer changed.
        best: the statement about the best candidate, or nothing.
        basis: what the comparison stands on: budget of the set, its likeness to production, the baseline.
        drifted: columns in which the golden set differs from production.
    """

    level: Any
    required: str
    costs: list[Row]
    notices: list[Notice]
    side_by_side: list[SideBySide]
    changes: Changes | None
    forests: list[Forest]
    searches: list[Search]
    flips: list[Flips]
    best: str
    basis: list[Basis]
    drifted: list[Row]


def read(document: Row) -> Told:
    """Read a `compare-to-prod` document; keys that an older one lacks say nothing."""
    searched = searches(document)
    return Told(
        level=document.get("level") or document.get("confidence"),
        required=_required(document),
        costs=[row for row in ranking.comparisons(document) if row.get("cost")],
        notices=notices(document, searched),
        side_by_side=_side_by_side(document),
        changes=_changes(document),
        forests=_forests(document),
        searches=searched,
        flips=flips(document),
        best=str((document.get("best") or {}).get("sentence") or ""),
        basis=basis(document),
        drifted=list((document.get("golden_drift") or {}).get("drifted") or []),
    )


def _required(document: Row) -> str:
    asked = {_question(row): row for row in document.get("comparisons") or []}
    if not asked:
        return ""
    primaries = [row for row in asked.values() if row.get("role") == "primary"]
    one = visible(subject(primaries[0]), limit=NAME_LIMIT) if len(primaries) == 1 else ""
    parts = _asked(primaries, "primary comparison", one)
    parts += _asked([row for row in asked.values() if row.get("role") != "primary"], "guardrail")
    sentences = [f"Required at {figures.share(document.get('confidence'))} confidence: {'; '.join(parts)}."]
    level, confidence = document.get("level"), document.get("confidence")
    if level and confidence and level > confidence:
        sentences.append(f"Intervals hold at {figures.share(level)}{_divided(document)}.")
    sentences.append(_CORRECTIONS.get(str(document.get("correction")), ""))
    return " ".join(sentences).strip()


def _question(row: Row) -> str:
    """Tell comparisons apart by what is asked of every candidate."""
    return repr([row.get("role"), row.get("require"), row.get("set"), *_measured(row)])


def _measured(row: Row) -> list[Any]:
    return [row.get(field) for field in ("metric", "column", "by", "options", "slice")]


def _asked(rows: Sequence[Row], noun: str, one: str = "") -> list[str]:
    requirements = Counter(str(row.get("require")) for row in rows)
    return [
        f"{one or count(number, noun)} {_MUST.get(requirement, f'must be {requirement[:NAME_LIMIT]}')}"
        for requirement, number in requirements.items()
    ]


def _divided(document: Row) -> str:
    candidates = len(document.get("candidates") or [])
    among = [count(candidates, "candidate")] if candidates > 1 else []
    among += ["the uses of the set"] if document.get("budget") else []
    return f", after division among {' and '.join(among)}" if among else ""


def _side_by_side(document: Row) -> list[SideBySide]:
    sets = document.get("sets") or []
    found: dict[str, dict[Any, Row]] = {}
    for row in ranking.comparisons(document):
        found.setdefault(repr([row.get("candidate"), *_measured(row)]), {})[row.get("set")] = row
    if not any(len(answers) > 1 for answers in found.values()):
        return []
    return [
        SideBySide({**_named_by(list(answers.values())), "set": None}, [answers.get(name) for name in sets])
        for answers in found.values()
    ]


def _named_by(rows: Sequence[Row]) -> Row:
    """Return the primary comparison, if it is among these; its guardrails on further sets are then its own."""
    return min(rows, key=lambda row: row.get("role") != "primary")


def _changes(document: Row) -> Changes | None:
    rows = [row for row in document.get("comparisons") or [] if _drawn(row)]
    shown = [row for row in rows if _change_of(row, document)]
    losses = sorted((row for row in shown if row["delta"] < 0), key=lambda row: float(row["delta"]))
    gains = sorted((row for row in shown if row["delta"] > 0), key=lambda row: -float(row["delta"]))
    return Changes(losses, gains, len(rows) - len(losses) - len(gains)) if rows else None


def _drawn(row: Row) -> bool:
    return bool(row.get("slice")) and row.get("delta") is not None and row.get("verdict") != "skipped"


def _change_of(row: Row, document: Row) -> str:
    """Call a difference a `gain` or a `loss` when its corrected p-value allows it; else nothing."""
    p_value, confidence = row.get("adjusted_p_value"), document.get("confidence")
    if p_value is None or confidence is None or p_value > 1 - confidence or not row.get("delta"):
        return ""
    return "gain" if row["delta"] > 0 else "loss"


def _forests(document: Row) -> list[Forest]:
    groups: dict[str, list[Row]] = {}
    for row in document.get("comparisons") or []:
        if row.get("delta") is not None and row.get("verdict") != "skipped":
            key = repr([row.get("candidate"), row.get("set"), *_measured(row)[:-1]])
            groups.setdefault(key, []).append({**row, "change": _change_of(row, document)})
    return [
        Forest(
            {**rows[0], "slice": None}, sorted(rows, key=lambda row: (bool(row.get("slice")), row["delta"]))
        )
        for rows in groups.values()
        if any(row.get("slice") for row in rows)
    ]
