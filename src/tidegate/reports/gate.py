"""What a gate's document says besides its checks, in the order and the words that all renderings share.

Sentences here are plain text that may quote hostile names: every rendering escapes them as it does all others.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidegate.reports import figures, ranking
from tidegate.reports.escape import NAME_LIMIT, visible
from tidegate.reports.verdicts import Tone, count

Row = Mapping[str, Any]

_REASON_LIMIT = 300  # characters of a waiver's reason that are shown
_SEVERITIES: dict[str, Tone] = {"block": "stop", "warn": "act", "info": "note"}
_KINDS = ("failing check", "inconclusive check", "check", "finding")
_FALLS_SHORT = {"fail": "fails", "inconclusive": "is inconclusive"}
_SIDES = {"min": "at least", "max": "at most"}
_WORDS = {1: "one condition", 2: "up to two conditions"}


@dataclass(frozen=True, slots=True)
class Waived:
    """The failing and inconclusive checks, and the findings, that one waiver covers; worst first."""

    waiver: Row
    rows: list[Row]


def name(row: Row) -> str:
    """Name the metric of a check, or what a finding is."""
    return str(row["metric"] if "metric" in row else row.get("finding"))


def grouped_by(row: Row) -> list[str]:
    """Return the columns whose groups a check compares; several when their crossing makes the groups."""
    by = row.get("by")
    if by is None:
        return []
    return [str(column) for column in by] if isinstance(by, list | tuple) else [str(by)]


def waived(document: Row) -> list[Waived]:
    """Return what is waived, one entry per waiver, checks before findings."""
    entries: dict[str, Waived] = {}
    long = {_grant(waiver) for waiver in document.get("waivers") or [] if waiver.get("long")}
    for row in (*ranking.checks(document), *findings(document)):
        waiver = row.get("waiver")
        if waiver:
            key = _grant(waiver)
            told = {**waiver, "long": waiver.get("long") or key in long}
            entries.setdefault(key, Waived(told, [])).rows.append(row)
    return list(entries.values())


def _grant(waiver: Row) -> str:
    """Tell waivers apart by what a reader is told of them; checks carry no more of theirs."""
    return repr([waiver.get(field) for field in ("expires", "owner", "reason")])


def waived_headline(entries: Sequence[Waived]) -> str:
    """Say how many checks and findings do not block although they should."""
    rows = [row for entry in entries for row in entry.rows]
    return f"{_counted(rows)} {'is waived and does' if len(rows) == 1 else 'are waived and do'} not block"


def warned(document: Row) -> list[Row]:
    """Return the checks that fall short and the findings that only warn, checks before findings, worst first."""
    # The change of the golden set has a line of its own.
    told = "golden_changed" if golden_swapped(document) else None
    return [
        *(check for check in ranking.checks(document) if ranking.standing(check) == "warn"),
        *(
            finding
            for finding in findings(document)
            if finding.get("severity") == "warn" and finding.get("finding") != told
        ),
    ]


def warned_headline(rows: Sequence[Row]) -> str:
    """Say how many checks and findings warn and do not decide."""
    return f"{_counted(rows)} {'warns and does' if len(rows) == 1 else 'warn and do'} not block"


def warning(row: Row) -> str:
    """Say what a check or a finding warns of."""
    if "metric" not in row:
        return str(row.get("detail"))
    value, bound, detail = row.get("value"), ranking.threshold(row), row.get("detail")
    form = figures.setting if ranking.is_expectation(row) else figures.number
    at = form(value) if value is not None else ""
    interval = f" ({figures.interval(row['ci'])})" if row.get("ci") else ""
    if detail:
        return f"{at}{interval}{',' if interval else ''} {detail}".strip()
    needs = f", needs {_SIDES[bound[0]]} {figures.setting(bound[1])}" if bound else ""
    return (
        f"{_FALLS_SHORT.get(str(row.get('verdict')), 'does not pass')}{at and f' at {at}'}{interval}{needs}"
    )


def golden_swapped(document: Row) -> bool:
    """Tell whether the golden set changed together with the model."""
    return (document.get("golden") or {}).get("changed_with_model") is True


def _counted(rows: Sequence[Row]) -> str:
    kinds = Counter(map(_kind, rows))
    parts = [count(kinds[kind], kind) for kind in _KINDS if kinds[kind]]
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last


def _kind(row: Row) -> str:
    if "metric" not in row:
        return "finding"
    return {"fail": "failing check", "inconclusive": "inconclusive check"}.get(
        str(row.get("verdict")), "check"
    )


def waived_until(waiver: Row) -> str:
    """Say until when, by whom and why."""
    return f"waived until {_end(waiver)} {_owner_and_reason(waiver)}"


def valid_until(waiver: Row) -> str:
    """Say until when a waiver that covers nothing would hold, whose it is and why it was given."""
    return f"until {_end(waiver)}, given {_owner_and_reason(waiver)}"


def _end(waiver: Row) -> str:
    long = " (more than a year ahead)" if waiver.get("long") else ""
    return f"{figures.moment(waiver.get('expires'))}{long}"


def expired_on(waiver: Row) -> str:
    """Say when a waiver ended, what would need it, whose it was and why it was given."""
    covers = waiver.get("covers") or 0
    needed = f" and is missed by {count(covers, 'check')}" if covers else ""
    return f"ended {figures.moment(waiver.get('expires'))}{needed}, given {_owner_and_reason(waiver)}"


def _owner_and_reason(waiver: Row) -> str:
    owner = visible(str(waiver.get("owner")), limit=NAME_LIMIT)
    return f"by {owner}: {visible(str(waiver.get('reason')), limit=_REASON_LIMIT)}"


def expired_headline(number: int) -> str:
    """Say how many waivers have ended."""
    return f"{count(number, 'waiver')} {'has expired and does' if number == 1 else 'have expired and do'} not work"


def unused_headline(number: int) -> str:
    """Say how many waivers could go."""
    return f"{count(number, 'waiver')} {'covers' if number == 1 else 'cover'} nothing and can go"


def waivers(document: Row, state: str) -> list[Row]:
    """Return the waivers in one state: `used`, `unused` or `expired`."""
    return [waiver for waiver in document.get("waivers") or [] if waiver.get("state") == state]


def findings(document: Row) -> list[Row]:
    """Return the findings about sanity and data: those that block first, then those that are waived."""
    order = list(_SEVERITIES)

    def key(finding: Row) -> tuple[int, bool]:
        severity = str(finding.get("severity"))
        return order.index(severity) if severity in order else 0, bool(finding.get("waiver"))

    return sorted(document.get("findings") or [], key=key)


def severity_tone(severity: Any) -> Tone:
    """Return how a finding of this severity reads."""
    return _SEVERITIES.get(str(severity), "stop")


def searches(document: Row) -> list[Row]:
    """Return the searches for slices that nobody listed, those that found some first."""
    return sorted(document.get("discovered") or [], key=lambda search: not claimed(search))


def claimed(search: Row) -> list[Row]:
    """Return the slices that are shown to be worse than the rest, worst first."""
    return [row for row in search.get("slices") or [] if row.get("claimed")]


def unclaimed(search: Row) -> list[Row]:
    """Return the other slices of the search that are worth a look, worst first."""
    return [row for row in search.get("slices") or [] if not row.get("claimed")]


def tested(search: Row) -> str:
    """State the multiplicity: how many slices were tested, and how their p-values are corrected."""
    limit, fewest = search.get("max_conditions"), search.get("min_rows")
    conditions = _WORDS.get(limit, f"up to {figures.number(limit)} conditions") if limit else "any conditions"
    rows = f" and at least {figures.number(fewest)} rows" if fewest and fewest > 1 else ""
    number, columns = search.get("searched") or 0, len(search.get("tested_columns") or [])
    if not number:
        return "No slice could be tested."
    correction = visible(str(search.get("correction")), limit=NAME_LIMIT)
    wider = corrected_for(search)
    over = f"{count(wider, 'slice')}, which counts pairs that were not combined" if wider else "all of them"
    return (
        f"{count(number, 'slice')} of {conditions}{rows} over {count(columns, 'column')}"
        f" {'was' if number == 1 else 'were'} tested; p-values are corrected by {correction} over {over}."
        f"{_crossed(search, columns)}"
    )


def corrected_for(search: Row) -> int | None:
    """Return how many slices the correction is over, when they are more than those tested."""
    wider = search.get("corrected_for")
    return int(wider) if wider is not None and wider > (search.get("searched") or 0) else None


def _crossed(search: Row, columns: int) -> str:
    crossed = len(search.get("crossed_columns") or [])
    return f" Only {crossed:,} of the columns were combined in pairs." if 0 < crossed < columns else ""


def outcome(search: Row) -> str:
    """Say what the search has shown."""
    listed = len(claimed(search))
    found = max(search.get("found") or 0, listed)
    level = search.get("confidence")
    at = f" at {figures.share(level)} confidence" if level is not None else ""
    if not search.get("searched"):
        return "Nothing was searched."
    if not found:
        return f"None is shown to be worse than the rest{at}."
    worse = f"{count(found, 'slice')} {'is' if found == 1 else 'are'} worse than the rest{at}"
    if found == listed:
        return f"{worse}."
    named = "the worst is" if listed == 1 else f"the worst {listed:,} that do not repeat each other are"
    return f"{worse}; {named} listed."


def left_out(search: Row, most: int = 5) -> tuple[list[str], int]:
    """Return the first columns that were not searched, and how many more there are."""
    columns = [str(column) for column in search.get("left_out") or []]
    return columns[:most], max(0, len(columns) - most)
