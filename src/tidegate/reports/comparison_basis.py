"""What a comparison stands on: the budget of its test set, its likeness to production, the baseline.

What is wrong with these, or too good to be true, is a notice that no reader may miss.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tidegate.reports import figures
from tidegate.reports.comparison_rows import Search
from tidegate.reports.escape import NAME_LIMIT, visible
from tidegate.reports.gate_lines import subject
from tidegate.reports.verdicts import category, count

Row = Mapping[str, Any]

_SOURCES = {
    "given": "its answers were given as a table",
    "registry": "its answers were read from the registry",
    "predict": "its answers were made by `predict:`",
}


@dataclass(frozen=True, slots=True)
class Notice:
    """What a reader must not miss: a headline in our own words, and sentences that may quote names."""

    headline: str
    lines: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Basis:
    """One thing that the comparison stands on.

    Attributes:
        label: what it is, in our words.
        line: how it stands.
        commit: what it was made from, or nothing.
        notes: sentences about it.
    """

    label: str
    line: str
    commit: str = ""
    notes: list[str] = field(default_factory=list)


def notices(document: Row, searches: Sequence[Search]) -> list[Notice]:
    """Return what a reader must not miss beside the verdict."""
    found = [
        _disagreements(document.get("disagreements") or []),
        _exhausted(document.get("budget") or {}),
        _confirmed(searches, several=len(document.get("candidates") or []) > 1),
        _suspicious([row for row in document.get("comparisons") or [] if row.get("suspicious")]),
        _unlike(document.get("golden_drift") or {}),
    ]
    return [notice for notice in found if notice is not None]


def _disagreements(sentences: Sequence[Any]) -> Notice | None:
    headline = "The sets lead to different conclusions"
    return Notice(headline, [str(sentence) for sentence in sentences]) if sentences else None


def _exhausted(budget: Row) -> Notice | None:
    if not budget.get("exhausted"):
        return None
    short = "has too few uses left" if budget.get("left") else "is used up"
    return Notice(f"The test set {short} and cannot decide", [str(budget.get("detail") or _left(budget))])


def _confirmed(searches: Sequence[Search], *, several: bool) -> Notice | None:
    worse = [(search, row) for search in searches for row in search.confirmed]
    if not worse:
        return None
    are = "is" if len(worse) == 1 else "are"
    headline = f"{count(len(worse), 'segment')} that nobody listed {are} worse, confirmed by rows held back"
    return Notice(headline, [_segment(search.about, row, several=several) for search, row in worse])


def _segment(about: Row, row: Row, *, several: bool) -> str:
    where = " and ".join(
        f"{visible(str(column), limit=NAME_LIMIT)} = {visible(category(value), limit=NAME_LIMIT)}"
        for column, value in (row.get("slice") or {}).items()
    )
    delta = f"{figures.signed(row.get('delta'))} ({figures.interval(row.get('ci'), sign=True)})"
    who = f"{visible(str(about.get('candidate')), limit=NAME_LIMIT)}, " if several else ""
    return f"{who}{where}: {_named(about)} {delta} over {count(row.get('rows') or 0, 'row')}"


def _suspicious(rows: Sequence[Row]) -> Notice | None:
    if not rows:
        return None
    are = "is" if len(rows) == 1 else "are"
    headline = f"{count(len(rows), 'gain')} {are} suspiciously large: look for a leak first"
    values = (
        (row, figures.number(row.get("production_value")), figures.number(row.get("candidate_value")))
        for row in rows
    )
    return Notice(headline, [f"{_named(row)}: {before} → {after}" for row, before, after in values])


def _unlike(drift: Row) -> Notice | None:
    if not _tells_apart(drift):
        return None
    return Notice("The golden rows may not stand for production", [str(drift.get("sentence"))])


def _tells_apart(drift: Row) -> bool:
    """Weighted rows do look like production again, as far as weights can make them."""
    return bool(drift.get("differs")) and not drift.get("reweighted")


def _named(row: Row) -> str:
    return visible(subject(row), limit=NAME_LIMIT)


def basis(document: Row) -> list[Basis]:
    """Return what the comparison stands on, as far as the document says it."""
    parts = {"budget": _budget, "golden_drift": _likeness, "baseline": _baseline}
    return [tell(document[key]) for key, tell in parts.items() if document.get(key)]


def _budget(budget: Row) -> Basis:
    known = "; this candidate was judged before and costs nothing" if budget.get("known") else ""
    # The notice of a set that is used up has the detail already.
    told = budget.get("exhausted") or not budget.get("detail")
    return Basis("Test-set budget", f"{_left(budget)}{known}", notes=[] if told else [str(budget["detail"])])


def _left(budget: Row) -> str:
    used = (
        "uses are not counted"
        if budget.get("ledger") == "none"
        else f"{figures.number(budget.get('used'))} of {count(budget.get('horizon') or 0, 'candidate')} judged,"
        f" {figures.number(budget.get('left'))} left"
    )
    error = figures.number(budget.get("error_per_decision"))
    return f"{visible(str(budget.get('set')), limit=NAME_LIMIT)} set: {used}; error per decision {error}"


def _likeness(drift: Row) -> Basis:
    sizes = (
        f"{count(drift.get('rows') or 0, 'golden row')} against {figures.number(drift.get('reference_rows'))} of"
        f" {visible(str(drift.get('reference')), limit=NAME_LIMIT)}"
    )
    notes = [_weights(drift)] if drift.get("reweighted") else []
    notes += [str(drift["detail"])] if drift.get("detail") else []
    if _tells_apart(drift) or not drift.get("sentence"):
        return Basis("Likeness to production", sizes, notes=notes)
    return Basis("Likeness to production", str(drift["sentence"]), notes=[sizes, *notes])


def _weights(drift: Row) -> str:
    method = f" ({visible(str(drift['method']), limit=NAME_LIMIT)})" if drift.get("method") else ""
    return (
        f"golden rows are weighted to look like production{method}: they count as"
        f" {count(drift.get('effective_rows') or 0, 'row')}, and the largest weight is"
        f" {figures.setting(drift.get('largest_weight'))}"
    )


def _baseline(baseline: Row) -> Basis:
    version, promoted, age = (baseline.get(key) for key in ("version", "promoted_at", "age_days"))
    parts = [f"version {visible(str(version), limit=NAME_LIMIT)}"] if version is not None else []
    parts += [f"promoted {figures.moment(promoted)}"] if promoted else []
    parts += [f"{count(age, 'day')} ago"] if age is not None else []
    parts += [_SOURCES.get(str(baseline.get("source")), "")]
    commit = str(baseline.get("commit") or "")
    notes = [str(note) for note in baseline.get("notes") or []]
    return Basis("Production", ", ".join(part for part in parts if part), commit, notes)
