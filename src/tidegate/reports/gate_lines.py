"""What a gate's document says besides its checks, in lines for a terminal or a workflow log."""

from collections.abc import Mapping, Sequence
from typing import Any

from tidegate.reports import figures, gate
from tidegate.reports.escape import NAME_LIMIT, SENTENCE_LIMIT, terminal_text, visible
from tidegate.reports.verdicts import Document, category, count

Row = Mapping[str, Any]


def notices(document: Document) -> list[str]:
    """Return what a reader must not miss beside the verdict: waivers, warnings, a golden set that changed, approval."""
    waived = [
        f"! {_several(entry.rows)}: {gate.waived_until(entry.waiver)}" for entry in gate.waived(document)
    ]
    expired = [
        f"! {_named(waiver)}: the waiver does not work, it {gate.expired_on(waiver)}"
        for waiver in gate.waivers(document, "expired")
    ]
    warned = [f"! warning: {_warning(row)}" for row in gate.warned(document)]
    lines = [*_first(waived, 3, "waived"), *_first(expired, 2, "expired"), *_first(warned, 3, "warnings")]
    if gate.golden_swapped(document):
        lines.append("! the golden set changed together with the model")
    if document.get("approval") == "required" and document.get("decision") == "pass":
        lines.append("it passes the gate; a release still needs an approval")
    return [_line(line) for line in lines]


def remarks(document: Document) -> list[str]:
    """Return findings, the worst slice and what the searches for slices have shown, a few lines each.

    Findings that warn are among the notices.
    """
    found = [_finding(finding) for finding in gate.findings(document) if finding.get("severity") != "warn"]
    worst = [_worst(row) for row in document.get("worst_slices") or []]
    searched = [_search(search) for search in gate.searches(document)]
    lines = [*_first(found, 3, "findings"), *worst[:1], *_first(searched, 2, "searches")]
    return [_line(line) for line in lines]


def _worst(row: Row) -> str:
    return f"worst slice: {_named(row)} is {figures.number(row.get('value'))}, {row.get('verdict')}"


def _finding(finding: Row) -> str:
    waived = ", waived" if finding.get("waiver") else ""
    return f"{finding.get('severity')}{waived}: {_warning(finding)}"


def _warning(row: Row) -> str:
    return f"{_named(row)}: {gate.warning(row)}"


def _search(search: Row) -> str:
    claimed = gate.claimed(search)
    named = f" Worst: {_where(claimed[0])} {figures.number(claimed[0].get('value'))}" if claimed else ""
    tested, wider = count(search.get("searched") or 0, "slice"), gate.corrected_for(search)
    corrected = f", corrected for {wider:,}" if wider else ""
    return f"{_named(search)}: {tested} searched{corrected}. {gate.outcome(search)}{named}"


def _several(rows: Sequence[Row]) -> str:
    more = f" and {len(rows) - 1:,} more" if len(rows) > 1 else ""
    return f"{_named(rows[0])}{more}"


def _first(lines: list[str], most: int, noun: str) -> list[str]:
    return lines if len(lines) <= most else [*lines[: most - 1], f"and {len(lines) - most + 1:,} more {noun}"]


def _line(text: str) -> str:
    plain = text.replace("−", "-").replace("–", "-")
    return "  " + terminal_text(plain, limit=SENTENCE_LIMIT)


def _named(row: Row) -> str:
    return visible(subject(row), limit=NAME_LIMIT)


def subject(row: Row) -> str:
    """Name what a check or a comparison is about, on one line."""
    parts = [gate.name(row)]
    if row.get("column") is not None:
        parts.append(f"of {row['column']}")
    by = gate.grouped_by(row)
    if by:
        parts.append(f"by {' x '.join(by)}")
    parts += [f"{name} {_setting(value)}" for name, value in (row.get("options") or {}).items()]
    if row.get("worst_of") is not None:
        parts.append(f"worst of {figures.number(row['worst_of'])} slices:")
    if row.get("slice"):
        parts.append(_where(row))
    if row.get("set") is not None:
        parts.append(f"on {row['set']}")
    return " ".join(parts)


def _where(row: Row) -> str:
    return " ".join(f"{column}={category(value)}" for column, value in (row.get("slice") or {}).items())


def _setting(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:g}"
