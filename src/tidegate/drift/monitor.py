"""One monitor over the stream of windows, for slow rot that no single report shows.

An e-detector (Shin, Ramdas & Rinaldo, 2024) of Shiryaev-Roberts form over all streams. While nothing changes, the
expected number of windows until it alarms is at least `run_length`, for all but `RISK` of the references that could
have been drawn; looking at it after every window costs nothing. That holds when windows do not overlap, rows of
different windows are independent, and the errors given with each window are right.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from tidegate.drift.evidence import Distance, Shift, WindowEvidence
from tidegate.errors import ConfigError, DataError
from tidegate.stats.results import FloatArray
from tidegate.stats.sequential import (
    BETS,
    e_values,
    expected_delay,
    shiryaev_roberts,
)
from tidegate.wording import first_few, number, plural

SCHEMA = "tidegate/monitor/1"
RISK = 0.05
"""Share of references whose error is larger than is granted."""
MOST_STREAMS = 40
"""Kept between windows; of more, those with the least evidence begin again, which only lowers the sum."""
LONGEST_RUN = 1_000_000
_NAME = 48
_SEEN = 32
_DIGITS = 6
_HIGHEST = 100.0
"""Thresholds: evidence beyond would only delay the all-clear."""
_NEGLIGIBLE = 0.01
_CARRIES = 0.1


@dataclass(frozen=True, slots=True)
class MonitorReport:
    """Where the monitor stands.

    Attributes:
        value, threshold: evidence so far, and how much raises the alarm.
        windows: counted since the reference was new.
        run_length: windows until a false alarm, at least, on average.
        since: window at which the leading evidence began to add up: the estimated onset, ISO 8601; None while there is
            none to speak of.
        streams: names of those that carry the value, the largest first.
        delay: windows in which a lasting shift of one standard error of a window, beyond the allowance and the
            reference's error, is found in a stream of weight 1; None before the first window.
    """

    value: float
    threshold: float
    alarm: bool
    windows: int
    run_length: int
    since: str | None
    streams: list[str]
    delay: float | None
    sentence: str


@dataclass(frozen=True, slots=True)
class _Stream:
    """One stream's evidence by bets; `rise` is the CUSUM of the smallest bet, whose last floor dates the onset."""

    evidence: tuple[float, ...]
    rise: float
    since: str

    @property
    def total(self) -> float:
        return math.fsum(self.evidence)


@dataclass(frozen=True, slots=True)
class Monitor:
    """The monitor after some windows; :meth:`update` gives the next one.

    Attributes:
        seen: short hashes of the windows counted last.
        until: when the last counted window ended, ISO 8601.
        attention: largest sum of the streams' weights in a window.
        note: why the last window was not counted, or that it began anew; not part of the state.
    """

    run_length: int
    reference: str = ""
    windows: int = 0
    seen: tuple[str, ...] = ()
    until: str | None = None
    attention: float = 0.0
    streams: Mapping[str, _Stream] = field(default_factory=dict)
    note: str = ""

    @classmethod
    def start(cls, run_length: int) -> "Monitor":
        """A monitor that has seen nothing.

        Raises:
            ConfigError: the run length makes no sense.
        """
        if not 2 <= run_length <= LONGEST_RUN:
            raise ConfigError(
                f"drift.monitor.run_length is {run_length}: give the windows between false alarms, 2 to {LONGEST_RUN:,}"
            )
        return cls(run_length)

    @property
    def threshold(self) -> float:
        """Evidence that raises the alarm."""
        return self.run_length / (1 - RISK)

    @property
    def value(self) -> float:
        """Evidence so far."""
        return math.fsum(each.total for each in self.streams.values())

    def update(self, window: WindowEvidence) -> "Monitor":
        """Count one window, unless it was counted before or shares rows with one that was."""
        reference, name, at = _short(window.reference), _short(window.window), _utc(window.at)
        note = ""
        monitor = self
        if self.reference not in ("", reference):
            monitor, note = (
                Monitor(self.run_length),
                "the reference or the model is new: the monitor began anew",
            )
        if name in monitor.seen:
            return replace(monitor, note="this window was counted before")
        if window.start is not None and monitor.until and _utc(window.start) < _read(monitor.until):
            return replace(
                monitor,
                note="this window shares time with one that was counted: the monitor waits for the next",
            )
        usable = [each for each in window.streams if each.usable()]
        if not usable:
            return replace(monitor, note="this window gave the monitor no evidence")
        # Streams that are missing today keep their share of the risk: nobody else may spend it.
        attention = max(monitor.attention, math.fsum(each.weight for each in usable))
        return replace(
            monitor,
            reference=reference,
            windows=monitor.windows + 1,
            seen=(*monitor.seen, name)[-_SEEN:],
            until=_text(at),
            attention=attention,
            streams=monitor._step(usable, attention, _text(at)),
            note=note,
        )

    def _step(self, given: Sequence[Shift | Distance], attention: float, at: str) -> dict[str, _Stream]:
        names = [_key(each.name) for each in given]
        weights = np.array([each.weight for each in given]) / attention
        before = [self.streams.get(name) for name in names]
        evidence: FloatArray = np.array([each.evidence if each else (0.0,) * len(BETS) for each in before])
        p_values = [each.p_value(RISK * float(w)) for each, w in zip(given, weights, strict=True)]
        e = e_values(p_values)
        most = _HIGHEST * self.threshold
        after = np.minimum(shiryaev_roberts(evidence, e, weights), most)
        streams = dict(self.streams)
        for i, (name, old) in enumerate(zip(names, before, strict=True)):
            since, floor = (old.since, old.rise) if old is not None and old.rise > 1 else (at, 1.0)
            rise = min(floor * float(e[i, 0]), most)
            streams[name] = _Stream(tuple(_kept(value) for value in after[i]), _kept(rise), since)
        return _largest(streams, _NEGLIGIBLE * float(weights.min()))

    def report(self) -> MonitorReport:
        """Where the monitor stands, in numbers and in words."""
        value, threshold = self.value, self.threshold
        ranked = sorted(self.streams.items(), key=lambda item: (-item[1].total, item[0]))
        carrying = [name for name, each in ranked if each.total >= max(_CARRIES * value, 1.0)]
        since = self.streams[carrying[0]].since if carrying else None
        delay = expected_delay(1.0, threshold, self.attention) if self.windows else None
        return MonitorReport(
            value=value,
            threshold=threshold,
            alarm=value >= threshold,
            windows=self.windows,
            run_length=self.run_length,
            since=since,
            streams=carrying,
            delay=delay,
            sentence=self._in_words(value, carrying, since, delay),
        )

    def _in_words(self, value: float, carrying: list[str], since: str | None, delay: float | None) -> str:
        counted = plural(self.windows, "window")
        if value >= self.threshold:
            text = (
                f"slow change: {first_few(carrying)} moved away from the reference since {since}; over {counted} the"
                f" evidence is {number(value)}, and {number(self.threshold)} alarms"
            )
        else:
            text = f"no slow change over {counted}: evidence {number(value)} of {number(self.threshold)}"
        text += f"; without change an alarm comes after {self.run_length:,} windows or more on average"
        if delay is not None and value < self.threshold:
            text += (
                f", and a lasting shift one standard error beyond what the reference leaves open is found in about"
                f" {plural(round(delay), 'window')}"
            )
        return f"{text}; {self.note}" if self.note else text

    def state(self) -> dict[str, Any]:
        """What to keep until the next window, as plain JSON of at most a few kilobytes."""
        return {
            "schema": SCHEMA,
            "run_length": self.run_length,
            "reference": self.reference,
            "windows": self.windows,
            "seen": list(self.seen),
            "until": self.until,
            "attention": self.attention,
            "streams": {
                name: {"evidence": list(each.evidence), "rise": each.rise, "since": each.since}
                for name, each in sorted(self.streams.items())
            },
        }


def from_state(state: object) -> Monitor:
    """The monitor that a state was kept of.

    Raises:
        DataError: it is no such state.
    """
    try:
        kept = _State.model_validate(state)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part)[:_NAME] for part in first["loc"])
        raise DataError(
            f"the state of the drift monitor in the history is damaged at {where or 'its top'}: {first['msg']};"
            " remove it and the monitor starts anew"
        ) from None
    streams = {
        name: _Stream(each.evidence, each.rise, _text(each.since)) for name, each in kept.streams.items()
    }
    until = _text(kept.until) if kept.until else None
    return Monitor(
        kept.run_length, kept.reference, kept.windows, tuple(kept.seen), until, kept.attention, streams
    )


_Short = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
_Evidence = Annotated[float, Field(ge=0, le=2 * _HIGHEST * LONGEST_RUN, allow_inf_nan=False)]


class _KeptStream(BaseModel):
    model_config = ConfigDict(extra="forbid")

    evidence: tuple[_Evidence, _Evidence, _Evidence]
    rise: _Evidence
    since: AwareDatetime


class _State(BaseModel):
    model_config = ConfigDict(extra="forbid")

    form: Literal["tidegate/monitor/1"] = Field(alias="schema")
    run_length: Annotated[int, Field(ge=2, le=LONGEST_RUN)]
    reference: _Short | Literal[""]
    windows: Annotated[int, Field(ge=0, lt=2**53)]
    seen: Annotated[list[_Short], Field(max_length=_SEEN)]
    until: AwareDatetime | None
    attention: Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
    streams: Annotated[
        dict[Annotated[str, Field(max_length=_NAME)], _KeptStream], Field(max_length=MOST_STREAMS)
    ]


def _largest(streams: Mapping[str, _Stream], least: float) -> dict[str, _Stream]:
    ranked = sorted(streams.items(), key=lambda item: (-item[1].total, item[0]))
    return {name: each for name, each in ranked[:MOST_STREAMS] if each.total >= least}


def _kept(value: float) -> float:
    # The same before and after it was kept.
    return float(f"{value:.{_DIGITS}g}")


def _key(name: str) -> str:
    """A name short enough to keep, and still its own."""
    return name if len(name) <= _NAME else f"{name[: _NAME - 9]} {_short(name)[:8]}"


def _short(text: str) -> str:
    # Column names may hold lone surrogates, which UTF-8 has not.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _utc(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _text(at: datetime) -> str:
    return _utc(at).isoformat().replace("+00:00", "Z")


def _read(text: str) -> datetime:
    return datetime.fromisoformat(text)
