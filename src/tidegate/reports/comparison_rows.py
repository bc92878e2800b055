"""What a comparison came upon that nobody listed: segments that got worse, and rows whose answer changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tidegate.reports import figures
from tidegate.reports.verdicts import category, count

Row = Mapping[str, Any]

_COLUMNS = 5  # left out of a search that are named


@dataclass(frozen=True, slots=True)
class Search:
    """One search for segments where the candidate is worse.

    Attributes:
        about: the search as the document has it.
        method: how many segments were searched, and what was done against false alarms.
        outcome: what the search has shown.
        confirmed, unconfirmed: the segments found, worst first, by whether held-back rows confirm them.
        left_out: the first columns that were not searched.
        more_left_out: how many more of them there are.
    """

    about: Row
    method: str
    outcome: str
    confirmed: list[Row]
    unconfirmed: list[Row]
    left_out: list[str]
    more_left_out: int


@dataclass(frozen=True, slots=True)
class FlippedRow:
    """One row whose answer changed, as text.

    Attributes:
        word: what happened to it.
        id, label, production, candidate: as the row has them.
        scores: production's and the candidate's score, or nothing.
        change: of the absolute error, or of the probability that is not given to the label; a number or None.
    """

    word: str
    id: str
    label: str
    production: str
    candidate: str
    scores: str
    change: Any


@dataclass(frozen=True, slots=True)
class Flips:
    """The rows of one candidate and set whose answer changed.

    Attributes:
        about: the entry as the document has it.
        tally: `14 new errors, 31 fixed`.
        total: how many rows changed, listed or not.
        rows: those that are listed, new errors first.
    """

    about: Row
    tally: str
    total: int
    rows: list[FlippedRow]


def searches(document: Row) -> list[Search]:
    """Return the searches for segments, those that confirmed some first."""
    found = [_search(row) for row in document.get("segments") or []]
    return sorted(found, key=lambda search: (not search.confirmed, not search.unconfirmed))


def _search(row: Row) -> Search:
    found, columns = row.get("found") or [], [str(name) for name in row.get("left_out") or []]
    confirmed = [each for each in found if each.get("confirmed")]
    return Search(
        about={"metric": row.get("metric"), **_whose(row)},
        method=_method(row, len(found)),
        outcome=_outcome(row, len(found), len(confirmed)),
        confirmed=confirmed,
        unconfirmed=[each for each in found if not each.get("confirmed")],
        left_out=columns[:_COLUMNS],
        more_left_out=max(0, len(columns) - _COLUMNS),
    )


def _method(row: Row, found: int) -> str:
    searched, columns = row.get("searched") or 0, len(row.get("tested_columns") or [])
    discovered = row.get("discovered") or 0
    if not searched:
        return ""
    again = (
        f"{discovered:,} were found, and the {found:,} that do not repeat others were"
        if discovered > found
        else "what was found was"
    )
    return (
        f"{count(searched, 'segment')} over {count(columns, 'column')} {'was' if searched == 1 else 'were'} searched"
        f" in {count(row.get('rows_scanned') or 0, 'row')}, at most"
        f" {figures.share(row.get('false_discovery_rate'))} false discoveries expected; {again} tested again on"
        f" {count(row.get('rows_held_back') or 0, 'row')} held back."
    )


def _outcome(row: Row, found: int, confirmed: int) -> str:
    if not row.get("searched"):
        return "No segment could be searched."
    if not found:
        return "No segment was found where the candidate is worse."
    if not confirmed:
        return f"{count(found, 'segment')} looked worse; none is confirmed by the rows held back."
    worse = f"{count(confirmed, 'segment')} {_are(confirmed)} worse, confirmed by the rows held back"
    more = found - confirmed
    return f"{worse}; {more:,} more looked worse and {_are(more)} not confirmed." if more else f"{worse}."


def _whose(row: Row) -> Row:
    return {key: str(row.get(key)) for key in ("candidate", "set")}


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def flips(document: Row) -> list[Flips]:
    """Return the rows that flipped, by candidate and set, most new errors first."""
    return sorted(map(_flips, document.get("flips") or []), key=lambda each: -(each.about["new_errors"] or 0))


def _flips(row: Row) -> Flips:
    worse, better = row.get("new_errors") or 0, row.get("fixed") or 0
    errors = row.get("kind") == "error"
    if errors:
        tally = f"the error grew on {count(worse, 'row')} and shrank on {better:,}"
    else:
        tally = f"{count(worse, 'new error')}, {better:,} fixed"
    return Flips(
        about={"new_errors": worse, **_whose(row)},
        tally=f"{tally}, of {count(row.get('rows_compared') or 0, 'row')}",
        total=int(worse + better),
        rows=[_flipped(each, errors=errors) for each in row.get("rows") or []],
    )


def _flipped(row: Row, *, errors: bool) -> FlippedRow:
    worse = row.get("kind") == "new_error"
    word = ("grew" if worse else "shrank") if errors else ("new error" if worse else "fixed")
    form = figures.number if errors else _class_name
    scores = [row.get("production_score"), row.get("candidate_score")]
    return FlippedRow(
        word,
        _class_name(row.get("id")),
        form(row.get("label")),
        form(row.get("production")),
        form(row.get("candidate")),
        "" if None in scores else " → ".join(map(figures.number, scores)),
        row.get("change"),
    )


def _class_name(value: Any) -> str:
    """Name an id or a class as its column does: a number without separators of thousands."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else category(value)
