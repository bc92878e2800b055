"""The chain that the lines of a file form: growing it, and telling when it was broken."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from pydantic import ValidationError

from tidegate.errors import RepositoryError
from tidegate.history.drift import (
    DRIFT_REPORT,
    MAX_CONDITIONS,
    KeptDrift,
    PastReport,
    past_report,
    remembered,
)
from tidegate.history.lines import TEXT_LIMIT, encoded
from tidegate.history.records import (
    MAX_LINE_BYTES,
    MAX_SUMMARY_BYTES,
    Record,
    SetUse,
    Summary,
    entry,
    heading,
    merged,
)

BRANCH = "tidegate-history"
MAX_LINES = 1_000
"""Lines of a file beyond which the older half is replaced by a summary."""


@dataclass(frozen=True, slots=True)
class History:
    """The decisions of one command about one model, oldest first.

    Attributes:
        lines: as they are kept, without their line ends.
        summary: what older records were replaced by.
    """

    lines: tuple[bytes, ...] = ()
    summary: Summary | None = None
    records: tuple[Record, ...] = ()

    @property
    def total(self) -> int:
        """How many decisions there were, those in the summary included."""
        return len(self.records) + (self.summary.compacted.records if self.summary else 0)

    @property
    def test_sets(self) -> Iterator[SetUse]:
        """The sets that decided about candidates, oldest first; one occurs as often as it was used."""
        if self.summary is not None:
            yield from self.summary.compacted.test_sets
        for record in self.records:
            yield from record.test_sets

    def drift(self) -> list[PastReport]:
        """The drift reports, newest last; of those that a summary stands for, retrains and one a week."""
        earlier = self.summary.compacted.drift if self.summary else []
        return [
            *(past_report(each.at, each.decision, each.drift, summarised=True) for each in earlier),
            *(
                past_report(each.at, each.decision, each.drift or _as_before(each))
                for each in self.records
                if each.drift is not None or each.command == DRIFT_REPORT
            ),
        ]


def parse(raw: bytes, path: str, model: str, command: str) -> History:
    """Read and verify the lines of a file.

    Raises:
        RepositoryError: a line is malformed or does not follow the one before; the message names the first.
    """
    if raw and not raw.endswith(b"\n"):
        raise _broken(path, raw.count(b"\n") + 1, "is cut off")
    lines = tuple(raw.split(b"\n")[:-1])
    summary: Summary | None = None
    records: list[Record] = []
    tip: str | None = None
    for number, line in enumerate(lines, 1):
        found = _parsed(line, path, number, model, command)
        if isinstance(found, Summary):
            summary, tip = found, found.compacted.tip
            continue
        if found.previous != tip:
            said = f"does not follow line {number - 1} as it is now" if tip else "names a line before it"
            raise _broken(path, number, said)
        records.append(found)
        tip = _sha(line)
    named = records[-1].compaction if records else None
    if lines and named != (_sha(lines[0]) if summary else None):
        raise _broken(path, 1, f"is not what the file begins with by its last line, {len(lines)}")
    return History(lines, summary, tuple(records))


def extended(before: History, audit: Mapping[str, Any], audit_sha256: str) -> list[bytes]:
    """The lines with one more, the older half replaced by a summary when they are too many."""
    lines = list(before.lines)
    if len(lines) >= MAX_LINES:
        half = len(lines) // 2
        lines = [_summary(before, audit, lines[:half]), *lines[half:]]
    compacted = before.summary is not None or len(lines) < len(before.lines)
    record = {
        **entry(audit, audit_sha256),
        "previous": _sha(lines[-1]) if lines else None,
        "compaction": _sha(lines[0]) if compacted else None,
    }
    return [*lines, encoded(record)]


def _summary(before: History, audit: Mapping[str, Any], replaced: Sequence[bytes]) -> bytes:
    earlier = before.summary.compacted if before.summary else None
    records = before.records[: len(replaced) - (1 if earlier else 0)]
    history = History(summary=before.summary, records=records)
    test_sets, drift = merged(history.test_sets), remembered(history.drift())
    decisions = Counter(earlier.decisions if earlier else {}) + Counter(each.decision for each in records)
    compacted = {
        "records": len(records) + (earlier.records if earlier else 0),
        "first": earlier.first if earlier else records[0].at,
        "last": records[-1].at,
        "decisions": dict(sorted(decisions.items())),
        **({"test_sets": test_sets} if test_sets else {}),
        **({"drift": drift} if drift else {}),
        "tip": _sha(replaced[-1]),
        "sha256": _sha(b"".join(line + b"\n" for line in replaced)),
    }
    return encoded({**heading(audit), "compacted": compacted})


def _as_before(record: Record) -> KeptDrift:
    """What the line of an older version, which had no part of its own for drift, says all the same."""
    triggers = [each for each in record.verdicts if each.kind == "trigger" and each.condition is not None]
    return KeptDrift(
        conditions=[str(each.condition) for each in triggers][:MAX_CONDITIONS],
        fired=[str(each.condition) for each in triggers if each.verdict == "fired"][:MAX_CONDITIONS],
        acted=record.decision == "retrain",
    )


def _parsed(line: bytes, path: str, number: int, model: str, command: str) -> Record | Summary:
    kind = Summary if number == 1 and b'"compacted": ' in line else Record
    most = MAX_SUMMARY_BYTES if kind is Summary else MAX_LINE_BYTES
    if len(line) > most:
        raise _broken(path, number, f"has {len(line):,} bytes, of which at most {most:,} are read")
    try:
        found = kind.model_validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part)[:TEXT_LIMIT] for part in first["loc"][:1])
        raise _broken(path, number, f"is malformed ({where or 'no JSON'}: {first['type']})") from None
    if (found.model, found.command) != (model, command):
        raise _broken(path, number, "is about another model or command")
    return found


def _broken(path: str, number: int, what: str) -> RepositoryError:
    return RepositoryError(
        f"{BRANCH}: line {number} of {path} {what}; find the commit that changed it"
        f" (git log -p origin/{BRANCH} -- {path}) and take that commit back"
    )


def _sha(line: bytes) -> str:
    return sha256(line).hexdigest()
