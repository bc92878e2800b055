"""What is kept of a decision: one line of JSON, short enough for git."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from tidegate.errors import UsageError
from tidegate.history.drift import KeptDrift, Remembered
from tidegate.history.lines import STRICT, TEXT_LIMIT, At, Count, Digest, Scalar, Text, encoded

SCHEMA = "tidegate/history/1"
MAX_LINE_BYTES = 32_768
MAX_SUMMARY_BYTES = 2_097_152
"""Of the line that stands for older ones, which has room for `MOST_DIGESTS`."""
SUMMARY_BYTES = 8_192
"""Room that the verdicts of a record have in its line."""
DIGESTS_OF_ONE = 256
"""Candidates of one decision, over all its sets, that there is room for in its line."""
MOST_DIGESTS = 20_000
"""Candidates that a summary keeps: beyond, the sets that decided longest ago are forgotten."""


class _Line(BaseModel):
    model_config = STRICT

    form: Literal["tidegate/history/1"] = Field(alias="schema")
    model: Text
    command: Text


class Judged(BaseModel):
    """One verdict in short; which names are given depends on its kind."""

    model_config = STRICT

    kind: Text
    verdict: Text
    value: Scalar = None
    metric: Text | None = None
    column: Text | None = None
    by: Text | list[Text] | None = None
    options: dict[Text, Scalar] | None = None
    slice: dict[Text, Scalar] | None = None
    worst_of: Count | None = None
    severity: Text | None = None
    waived: bool = False
    candidate: Text | None = None
    set: Text | None = None
    condition: Text | None = None
    finding: Text | None = None


class SetUse(BaseModel):
    """Which candidates an evaluation set judged.

    Attributes:
        golden_sha256: of the set's rows.
        candidates: digests of the models, each once.
    """

    model_config = STRICT

    golden_sha256: Digest
    candidates: list[Digest]


class Record(_Line):
    """One decision.

    Attributes:
        test_sets: the sets that decided, when candidates were compared.
        drift: what a drift report says beside its verdicts; lines of older versions have none.
        previous: sha256 of the line before; None in the first line of a file.
        compaction: sha256 of the summary that the file begins with; None when it begins with its first record.
        left_out: verdicts that found no room.
    """

    at: At
    decision: Text
    audit_sha256: Digest
    document_sha256: Digest
    git_sha: Annotated[str, Field(pattern=r"^[0-9a-f]{40,64}$")] | None
    run: Annotated[str, Field(max_length=500, pattern=r"^https?://")] | None
    verdicts: list[Judged]
    left_out: Count
    test_sets: list[SetUse] = Field(default_factory=list)
    drift: KeptDrift | None = None
    previous: Digest | None
    compaction: Digest | None


class Compacted(BaseModel):
    """What a summary stands for.

    Attributes:
        records: how many, those of earlier summaries included.
        first: time of the oldest.
        last: time of the newest.
        decisions: how often each was made.
        test_sets: the sets that decided, each once, the one used last at the end.
        drift: retrain decisions of a year, and one drift report a week, oldest first.
        tip: sha256 of the last line that was replaced, which the next line follows.
        sha256: of all replaced lines; the branch's older commits still have them.
    """

    model_config = STRICT

    records: Count
    first: Text
    last: Text
    decisions: dict[Text, Count]
    test_sets: list[SetUse] = Field(default_factory=list)
    drift: list[Remembered] = Field(default_factory=list)
    tip: Digest
    sha256: Digest


class Summary(_Line):
    """The line that a file begins with after its oldest lines were replaced."""

    compacted: Compacted


def heading(audit: Mapping[str, Any]) -> dict[str, Any]:
    """What every line about the model and the command of an audit document begins with."""
    return {"schema": SCHEMA, "model": str(audit["model"]), "command": str(audit["command"])}


def entry(audit: Mapping[str, Any], audit_sha256: str) -> dict[str, Any]:
    """What is kept of an audit document: a record without its links to other lines."""
    verdicts, left_out = _shortened(audit["verdicts"])
    test_sets = _judged_by(audit.get("test_sets") or ())
    return {
        **heading(audit),
        "at": audit["at"],
        "decision": audit["decision"],
        "audit_sha256": audit_sha256,
        "document_sha256": audit["document_sha256"],
        "git_sha": audit["code"]["git_sha"],
        "run": (audit["run"] or {}).get("url"),
        "verdicts": verdicts,
        "left_out": left_out,
        **({"test_sets": test_sets} if test_sets else {}),
        **({"drift": audit["drift"]} if audit.get("drift") else {}),
    }


def _judged_by(test_sets: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    found = [
        {"golden_sha256": each["sha256"], "candidates": sorted(set(each["candidates"]))} for each in test_sets
    ]
    count = sum(len(each["candidates"]) for each in found)
    if count > DIGESTS_OF_ONE:
        # A line that left some out would let the set judge more than it was made for.
        raise UsageError(
            f"a record of the history has room for {DIGESTS_OF_ONE} candidates, not for {count:,}: compare fewer at"
            " once"
        )
    return found


def merged(test_sets: Iterable[SetUse]) -> list[dict[str, Any]]:
    """Each set once with all its candidates, in the order of last use; the earliest go when there are too many."""
    judged: dict[str, set[str]] = {}
    for each in test_sets:
        # Taken out and put back, a set moves to the end.
        judged[each.golden_sha256] = judged.pop(each.golden_sha256, set()) | set(each.candidates)
    kept: list[dict[str, Any]] = []
    room = MOST_DIGESTS
    for sha256, digests in reversed(judged.items()):
        # A set costs room of its own, too.
        room -= len(digests) + 2
        if room < 0:
            break
        kept.append({"golden_sha256": sha256, "candidates": sorted(digests)})
    return kept[::-1]


def _shortened(verdicts: Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], int]:
    """The verdicts that there is room for, those on all rows first, and how many were left out."""
    kept: list[dict[str, Any]] = []
    room = SUMMARY_BYTES
    fields = tuple(Judged.model_fields)
    good = {"pass", "non_inferior", "superior", "stable", "not_fired"}
    ordered = sorted(verdicts, key=lambda each: (bool(each.get("slice")), each["verdict"] in good))
    for each in ordered:
        short = {name: _short(each[name]) for name in fields if each.get(name) not in (None, {})}
        if each.get("waiver"):
            short["waived"] = True
        room -= len(encoded(short))
        if room < 0:
            break
        kept.append(short)
    return kept, len(verdicts) - len(kept)


def _short(value: Any) -> Any:
    if isinstance(value, str):
        return value[:TEXT_LIMIT]
    if isinstance(value, list):
        return [_short(item) for item in value]
    if isinstance(value, dict):
        return {key[:TEXT_LIMIT]: _short(item) for key, item in value.items()}
    return value
