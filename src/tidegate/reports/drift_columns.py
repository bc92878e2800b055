"""What a drift document says of columns: those that drifted first, and what could not have been seen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidegate.reports import figures, ranking
from tidegate.reports.verdicts import count

Row = Mapping[str, Any]

_LEVELS = ("categorical", "boolean")
_PSI_NOTE = "PSI and JS (Jensen-Shannon distance) are shown because people know them; they decide nothing."


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a report.

    Attributes:
        telling: prediction, predicted class and label, whatever is said of them, and the columns that drifted.
        stable: the others.
        rule: when a column counts as drifted.
        detectable: what could not have been seen; empty where the document does not say.
    """

    telling: list[Row]
    stable: list[Row]
    rule: str
    detectable: str

    @property
    def all(self) -> list[Row]:
        """Every column, in order."""
        return [*self.telling, *self.stable]


def columns(document: Row) -> Columns:
    """Return the columns of a `drift-report` document."""
    rows = [{**row, "changes": changes(row)} for row in ranking.features(document)]
    return Columns(
        [row for row in rows if row.get("of") or row.get("drifted")],
        [row for row in rows if not (row.get("of") or row.get("drifted"))],
        _rule(document, rows),
        _detectable(rows),
    )


def changes(row: Row) -> list[str]:
    """Say what changed in a column, beside its distribution: in words, and missing values and levels in numbers."""
    said = [str(row["detail"])] if row.get("detail") else []
    missing = row.get("missing") or {}
    before, after = missing.get("reference"), missing.get("current")
    if before != after and "missing" not in "".join(said):
        said.append(f"missing {figures.share(before)} → {figures.share(after)}")
    for key, word in (("new_levels", "new"), ("vanished_levels", "vanished")):
        levels = row.get(key) or {}
        if levels.get("count"):
            share = figures.share(levels.get("share"))
            said.append(f"{count(levels['count'], f'{word} level')} in {share} of the rows")
    return said


def left_over(rows: Sequence[Row]) -> str:
    """Count rows that are folded away, those that drifted apart."""
    drifted = sum(bool(row.get("drifted")) for row in rows)
    if not drifted:
        return f"{count(len(rows), 'column')} that did not drift"
    rest = len(rows) - drifted
    more = f"{count(drifted, 'more column')} that drifted"
    return f"{more}, and {rest:,} that did not" if rest else more


def _rule(document: Row, rows: Sequence[Row]) -> str:
    level = (document.get("levels") or {}).get("columns")
    if level is None:
        at = f"adjusted p below {figures.share(document.get('false_alarm_rate'))} for the whole report"
    else:
        at = f"adjusted p (over all columns) at most {figures.setting(float(f'{level:.3g}'))}"
    size = figures.setting(document.get("min_effect"))
    note = f" {_PSI_NOTE}" if any(row.get("psi") is not None for row in rows) else ""
    return f"Drifted: {at}, and an effect of at least {size}.{_baseline(rows)}{note}"


def _baseline(rows: Sequence[Row]) -> str:
    measured = {str(row.get("baseline")) for row in rows}
    said = []
    if "chunks" in measured:
        said.append("whole chunks of time of the reference, so that seasons and dependent rows do not alarm")
    if "clusters" in measured:
        said.append("whole clusters of rows")
    return f" Chance is measured by {' and by '.join(said)}." if said else ""


def _detectable(rows: Sequence[Row]) -> str:
    """Say what the report could not have shown with 80% power."""
    if not any("detectable" in row for row in rows):
        return ""
    numbers = [row for row in rows if row.get("kind") not in _LEVELS]
    levels = [row for row in rows if row.get("kind") in _LEVELS]
    parts = []
    for group, what, unit in ((numbers, "shifts of numbers", " sd"), (levels, "changes of shares", "")):
        known = sorted(row["detectable"] for row in group if row.get("detectable") is not None)
        if known:
            low, high = (figures.setting(float(f"{value:.2g}")) for value in (known[0], known[-1]))
            each = f" to {high}{unit}, by column," if low != high else f"{unit}"
            parts.append(f"{what} under {low}{each}")
    blind = sum("detectable" in row and row["detectable"] is None for row in rows)
    said = f"With these windows {' and '.join(parts)} could not be seen (with 80% power)." if parts else ""
    if blind:
        said += f" In {count(blind, 'column')} no change of any size could: too few rows have a value."
    return said.strip()
