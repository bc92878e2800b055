"""Waivers: what excuses a check for a while, who answers for it, and when it ends."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from tidegate.config import Waiver
from tidegate.metrics.data import canonical
from tidegate.tables import Level
from tidegate.wording import name_measure, name_slice, plural

_LONG = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class WaiverInForce:
    """The waiver that a check is excused by."""

    owner: str
    reason: str
    expires: str


@dataclass(frozen=True, slots=True)
class AppliedWaiver:
    """What became of one waiver; the fields are those of the JSON document.

    Attributes:
        covers: how many failing or inconclusive checks it names, whether it still counts or not.
        long: it counts for more than a year from now, as if for ever.
    """

    metric: str
    column: str | None
    by: str | list[str] | None
    options: Mapping[str, Level] | None
    slice: Mapping[str, Level | None] | None
    expires: str
    owner: str
    reason: str
    state: Literal["used", "unused", "expired"]
    covers: int
    long: bool


class Covers:
    """Finds the waiver of each check that does not pass, and counts what each covers."""

    def __init__(self, waived: Sequence[Waiver], today: date) -> None:
        self._waivers = waived
        self._today = today
        self._counts = [0] * len(waived)

    def check(
        self,
        metric: str,
        column: str | None,
        by: str | list[str] | None,
        options: Mapping[str, float | str],
        where: Mapping[str, Level | None] | None,
    ) -> WaiverInForce | None:
        """The first waiver in force that names this check; an expired one excuses nothing."""
        found = None
        for i, waiver in enumerate(self._waivers):
            if not _names(waiver, metric, column, by, options, where):
                continue
            self._counts[i] += 1
            if found is None and waiver.expires >= self._today:
                found = WaiverInForce(waiver.owner, waiver.reason, waiver.expires.isoformat())
        return found

    def applied(self) -> list[AppliedWaiver]:
        """What became of each."""
        return [
            AppliedWaiver(
                waiver.metric,
                waiver.column,
                waiver.by,
                waiver.options,
                waiver.slice,
                waiver.expires.isoformat(),
                waiver.owner,
                waiver.reason,
                "expired" if waiver.expires < self._today else "used" if count else "unused",
                count,
                waiver.expires - self._today > _LONG,
            )
            for waiver, count in zip(self._waivers, self._counts, strict=True)
        ]


def _names(
    waiver: Waiver,
    metric: str,
    column: str | None,
    by: str | list[str] | None,
    options: Mapping[str, float | str],
    where: Mapping[str, Level | None] | None,
) -> bool:
    if waiver.metric != metric or waiver.column not in (None, column):
        return False
    if waiver.by is not None and _listed(waiver.by) != _listed(by):
        return False
    for name, value in (waiver.options or {}).items():
        if name not in options or canonical(options[name]) != canonical(value):
            return False
    return waiver.slice is None or _same_slice(waiver.slice, where)


def _listed(by: str | list[str] | None) -> list[str]:
    return [by] if isinstance(by, str) else list(by or [])


def _same_slice(wanted: Mapping[str, Level | None], where: Mapping[str, Level | None] | None) -> bool:
    if where is None or set(wanted) != set(where):
        return False
    return all(
        (value is None) == (where[name] is None)
        and (value is None or canonical(value) == canonical(where[name]))
        for name, value in wanted.items()
    )


def waiver_sentences(applied: Sequence[AppliedWaiver], excused: Sequence[str]) -> list[str]:
    """What a reader must know of waivers, loud ones first."""
    said = [f"waived, not passed: {sentence}" for sentence in excused]
    for each in applied:
        what = name_measure(each.metric, each.column, each.by, each.options or {}) + name_slice(each.slice)
        if each.state == "used":
            long = ", more than a year from now" if each.long else ""
            said.append(
                f"the waiver of {what} counts until {each.expires}{long}: owner {each.owner}, reason: {each.reason}"
            )
        elif each.state == "expired":
            covered = (
                f" and {plural(each.covers, 'check')} that it named would need it" if each.covers else ""
            )
            said.append(
                f"the waiver of {what} expired on {each.expires}{covered}: mend the model, or have {each.owner}"
                " renew it"
            )
        else:
            said.append(
                f"the waiver of {what} excuses nothing: no check that it names fails and blocks; remove it"
            )
    return said
