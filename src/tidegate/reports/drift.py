"""What a drift document says, in the order and the words that all renderings share.

Sentences here are plain text that may quote hostile names: every rendering escapes them as it does all others.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidegate.reports import drift_performance, drift_tracked, figures
from tidegate.reports.comparison_basis import Notice
from tidegate.reports.drift_columns import Columns, columns
from tidegate.reports.drift_performance import Concept, Known
from tidegate.reports.drift_tracked import Followed, Gauge
from tidegate.reports.verdicts import Tone, count

Row = Mapping[str, Any]

_SEVERITIES: dict[str, Tone] = {"error": "stop", "critical": "stop", "warning": "act", "info": "note"}
_WATCHING = frozenset({"late", "failed", "no_rows", "same_rows", "stale", "idle_repository"})
"""Checks that are about the watch and not about the data."""
_ORDER = ("error", "warning", "info")


@dataclass(frozen=True, slots=True)
class Told:
    """A drift document as it is told.

    Attributes:
        notices: what a reader must not miss beside the decision.
        known, unknown: performance, as far as it is known, and why no further.
        made: how it was estimated without labels.
        concept: None where it was not looked for.
        columns: those tested.
        followed: segments, gaps and service, what got worse first.
        gauge: of the monitor; None without one.
        alarms: sentences on how often reports may be wrong.
        quality: findings about the data, the gravest first.
        triggers: of the policy, those that fired first.
        last_run: when the last good run was; empty without a history.
    """

    notices: list[Notice]
    known: list[Known]
    unknown: list[str]
    made: list[str]
    concept: Concept | None
    columns: Columns
    followed: list[Followed]
    gauge: Gauge | None
    alarms: list[str]
    quality: list[Row]
    triggers: list[Row]
    last_run: str

    @property
    def telling(self) -> list[Followed]:
        """What changed, or moves for the worse."""
        return [row for row in self.followed if row.telling]

    @property
    def quiet(self) -> list[Followed]:
        """The rest of what is followed."""
        return [row for row in self.followed if not row.telling]


def read(document: Row) -> Told:
    """Read a `drift-report` document; keys that an older one lacks say nothing."""
    found = quality(document)
    return Told(
        notices=notices(document, found),
        known=drift_performance.known(document),
        unknown=drift_performance.unknown(document),
        made=drift_performance.made((document.get("performance") or {}).get("estimated")),
        concept=drift_performance.concept(document),
        columns=columns(document),
        followed=drift_tracked.followed(document),
        gauge=drift_tracked.gauge(document.get("monitor")),
        alarms=_alarms(document.get("alarms") or {}),
        quality=found,
        triggers=sorted(document.get("triggers") or [], key=lambda row: not row.get("fired")),
        last_run=str(((document.get("history") or {}).get("last_good_run") or {}).get("sentence") or ""),
    )


def severity_tone(severity: Any) -> Tone:
    """Return how a finding or a trigger of this severity reads."""
    return _SEVERITIES.get(str(severity), "note")


def quality(document: Row) -> list[Row]:
    """Return the findings about the data, the gravest first; older documents call none grave."""
    rows = [{"severity": "warning", **row} for row in document.get("data_quality") or []]
    order = {severity: place for place, severity in enumerate(_ORDER)}
    return sorted(rows, key=lambda row: order.get(str(row["severity"]), len(order)))


def notices(document: Row, found: Sequence[Row]) -> list[Notice]:
    """Return what a reader must not miss beside the decision."""
    said = [
        _by_hand(document),
        _held(document),
        _watching(found),
        _errors(found),
        _broken((document.get("performance") or {}).get("estimated") or {}),
        _biased(document.get("labels") or {}),
    ]
    return [notice for notice in said if notice]


def _by_hand(document: Row) -> Notice | None:
    if not document.get("by_hand"):
        return None
    return Notice(f"Started by hand: the policy was not asked; it says {document.get('policy_says')}")


def _held(document: Row) -> Notice | None:
    holds = document.get("holds") or []
    if not holds or document.get("decision") == "retrain":
        return None
    rules = " and ".join(dict.fromkeys(str(hold.get("rule")) for hold in holds))
    at = document.get("possible_from")
    when = f"; the next retrain is possible from {figures.moment(at)} UTC" if at else ""
    return Notice(f"A retrain is held back by {rules}{when}")


def _watching(found: Sequence[Row]) -> Notice | None:
    wrong = [
        str(row.get("detail")) for row in found if row.get("check") in _WATCHING and row["severity"] != "info"
    ]
    return Notice("Something is wrong with the watch itself", wrong) if wrong else None


def _errors(found: Sequence[Row]) -> Notice | None:
    grave = [row for row in found if row["severity"] == "error" and row.get("check") not in _WATCHING]
    if not grave:
        return None
    headline = f"{count(len(grave), 'finding')} about the data: nothing can be concluded from what they name"
    return Notice(headline, [about(row) for row in grave])


def about(finding: Row) -> str:
    """Say what a finding is of, and what it is."""
    column = finding.get("column")
    return f"{column}: {finding.get('detail')}" if column is not None else str(finding.get("detail"))


def _broken(estimated: Row) -> Notice | None:
    """Say it; which assumptions these are stands beside the estimate."""
    if not estimated.get("broken"):
        return None
    return Notice("The estimate without labels is not to be relied on: its assumptions do not hold")


def _biased(labels: Row) -> Notice | None:
    if not labels.get("biased"):
        return None
    headline = (
        "Rows without a label differ from those with one: performance on the latter need not hold for all"
    )
    return Notice(headline)


def _alarms(alarms: Row) -> list[str]:
    said = [f"{capitalised(str(alarms['sentence']))}."] if alarms.get("sentence") else []
    spent, pace = alarms.get("spent_over_period"), alarms.get("expected_false_alarms_per_year")
    if spent is not None:
        said.append(f"Spent by the reports of that time, this one included: {figures.number(spent)}.")
    if pace is not None:
        said.append(f"At this pace at most {figures.number(pace)} false alarms are expected in a year.")
    return said


def capitalised(sentence: Any) -> str:
    """Begin a sentence with a capital, unless it begins with a name."""
    text = str(sentence)
    return text if "_" in text.split(" ", 1)[0] else text[:1].upper() + text[1:]


def severities(found: Sequence[Row]) -> str:
    """Count findings by how grave they are: `1 error, 2 warnings, 3 info`."""
    tally = Counter(str(row["severity"]) for row in found)
    named = [
        f"{tally[severity]:,} info" if severity == "info" else count(tally[severity], severity)
        for severity in _ORDER
        if tally[severity]
    ]
    return ", ".join(named)
