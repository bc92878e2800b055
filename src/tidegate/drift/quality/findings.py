"""What is found of two windows, and how much of it is told."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tidegate.wording import plural

Severity = Literal["error", "warning", "info"]
MOST = 20
"""Findings of one check that are told; of the others, how many there are."""
SHOWN = 60


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about the data itself that a reader must know.

    Attributes:
        check: what was looked at.
        column: that it is about; None for the whole window.
        value: a share, a count, or what `detail` says it is.
        detail: in plain words; names and values in it are as hostile as the table that they come from.
        severity: ``error`` (nothing can be concluded from the window, or from the column), ``warning`` (something is
            wrong) or ``info`` (worth knowing; both windows may be fine).
    """

    check: str
    column: str | None
    value: float | None
    detail: str
    severity: Severity = "warning"


def bounded(findings: Sequence[Finding]) -> list[Finding]:
    """The first of each check and severity, and how many more there are, in the order given."""
    kept: list[Finding] = []
    counts: dict[tuple[str, Severity], int] = {}
    for finding in findings:
        key = (finding.check, finding.severity)
        counts[key] = counts.get(key, 0) + 1
        if counts[key] <= MOST:
            kept.append(finding)
    for (check, severity), count in counts.items():
        if count > MOST:
            more = plural(count - MOST, "more finding")
            kept.append(
                Finding(
                    check, None, float(count - MOST), f"{more} of the kind {check!r} not listed", severity
                )
            )
    return kept


def shown(value: str) -> str:
    """A name or value from a table, in quotes and cut short."""
    return repr(value if len(value) <= SHOWN else value[: SHOWN - 1] + "…")
