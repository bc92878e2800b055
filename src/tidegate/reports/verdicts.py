"""What every rendering says first about a document: its command, its verdict and the tally behind it."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from tidegate.errors import DataError
from tidegate.reports import backtest, ranking
from tidegate.reports.escape import SENTENCE_LIMIT, visible

Document = Mapping[str, Any]
Tone = Literal["go", "stop", "unsure", "act", "note"]

_SUBJECTS = {
    "evaluate-gate": "Gate",
    "compare-to-prod": "Comparison with production",
    "drift-report": "Drift",
    "backtest": "Backtest",
    "open-retrain-pr": "Retraining",
    "promote": "Promotion",
}

_ASIDES = {"waived": "waived", "warn": "warn only", "info": "info only"}

_TONES: dict[str, Tone] = {
    "pass": "go",
    "fail": "stop",
    "inconclusive": "unsure",
    "promote": "go",
    "hold": "stop",
    "retrain": "act",
    "watch": "note",
    "none": "go",
    "opened": "go",
    "updated": "go",
    "skipped": "note",
    "failed": "stop",
    "promoted": "go",
    "unchanged": "note",
}

_ROW_TONES: dict[str, Tone] = {
    "superior": "go",
    "non_inferior": "go",
    "inferior": "stop",
    "drifted": "act",
    "gain": "go",
    "loss": "act",
    "fixed": "go",
    "new error": "stop",
    "shrank": "go",
    "grew": "act",
}


class UnknownDocument(DataError):
    """The document's `schema` is none that this version can render."""


class MalformedDocument(DataError):
    """The document has a known `schema`, and something else than its schema says in a key that reports read."""


@contextmanager
def reading(document: Document) -> Iterator[None]:
    """Turn whatever goes wrong while a document is rendered into an error about the document.

    A document may come from a job that ran a stranger's code, so anything may stand in it anywhere.

    Raises:
        UnknownDocument, MalformedDocument: see there.
    """
    command = command_of(document)
    try:
        yield
    except Exception as error:
        wrong = f"The {command} document cannot be rendered: a value is not of its kind ({error})."
        raise MalformedDocument(visible(wrong, limit=SENTENCE_LIMIT)) from error


@dataclass(frozen=True, slots=True)
class Verdict:
    """The head of a report.

    Attributes:
        subject: what was decided about, in our words.
        decision: the document's decision.
        tone: how it reads: `go`, `stop`, `unsure`, `act` or `note`.
        tally: one sentence that counts what the decision rests on.
    """

    subject: str
    decision: str
    tone: Tone
    tally: str


def command_of(document: Document) -> str:
    """Return the command that wrote the document.

    Raises:
        UnknownDocument: see there.
    """
    parts = str(document.get("schema")).split("/")
    if len(parts) == 3 and parts[0] == "tidegate" and parts[1] in _SUBJECTS and parts[2] == "1":
        return parts[1]
    known = ", ".join(f"tidegate/{command}/1" for command in _SUBJECTS)
    raise UnknownDocument(f"No report for the schema {document.get('schema')!r}; there are {known}.")


def verdict_of(document: Document) -> Verdict:
    """Return the head of the document's report."""
    command = command_of(document)
    decision = str(document.get("decision"))
    return Verdict(_SUBJECTS[command], decision, _TONES.get(decision, "note"), _TALLIES[command](document))


def tone_of(verdict: str) -> Tone:
    """Return how the verdict of one check, comparison, feature or row reads."""
    return _ROW_TONES.get(verdict) or _TONES.get(verdict, "note")


def check_tone(check: Document) -> Tone:
    """Return how one check reads: what fails and only warns or informs does not read like what blocks."""
    asides: dict[str, Tone] = {"warn": "act", "info": "note"}
    return asides.get(ranking.standing(check)) or tone_of(str(check.get("verdict")))


MARKS: dict[Tone, str] = {"go": "✓", "stop": "✗", "unsure": "?", "act": "!", "note": "–"}
"""What stands beside a word, so that no meaning rests on colour alone."""


def outcome_of(comparison: Document) -> Tone:
    """Return how one comparison reads: by what was required of it, not by its verdict alone."""
    verdict = comparison.get("verdict")
    if verdict in ("inconclusive", "skipped"):
        return "note" if comparison.get("satisfied") else "unsure"
    return "go" if comparison.get("satisfied") else "stop"


def category(value: Any) -> str:
    """Return the value of a slice; those that would show as nothing are named in brackets."""
    return "(missing)" if value is None else str(value) or "(empty)"


def count(number: int, noun: str) -> str:
    """Return `1 check`, `2,000 checks`."""
    return f"{int(number):,} {noun}{'' if number == 1 else 's'}"


def _tally_gate(document: Document) -> str:
    checks = document.get("checks") or []
    verdicts = Counter(str(check.get("verdict")) for check in checks)
    standings = Counter((str(check.get("verdict")), ranking.standing(check)) for check in checks)
    parts = [
        f"{verdicts[verdict]:,} {verdict}"
        f"{_not_blocking({aside: standings[verdict, aside] for aside in _ASIDES}, verdicts[verdict])}"
        for verdict in ("fail", "inconclusive", "pass", "skipped")
        if verdicts[verdict]
    ]
    return f"{count(len(checks), 'check')}: {', '.join(parts) or 'none configured'}."


def _not_blocking(asides: Mapping[str, int], total: int) -> str:
    parts = [
        _ASIDES[aside] if number == total else f"{number:,} {_ASIDES[aside]}"
        for aside, number in asides.items()
        if number
    ]
    return f" ({', '.join(parts)})" if parts else ""


def _tally_comparison(document: Document) -> str:
    comparisons = document.get("comparisons") or []
    if document.get("first_release") and not comparisons:
        return "First release: no production model to compare with."
    missed = sum(not comparison.get("satisfied") for comparison in comparisons)
    candidates = len(document.get("candidates") or []) or 1
    of = f" of {candidates:,} candidates" if candidates > 1 else ""
    met = f"{missed:,} not met" if missed else "every requirement met"
    return f"{count(len(comparisons), 'comparison')}{of} with production: {met}."


def _tally_drift(document: Document) -> str:
    features = document.get("features") or []
    drifted = sum(bool(feature.get("drifted")) for feature in features)
    realised = (document.get("performance") or {}).get("realised") or {}
    labels = {True: "performance dropped", False: "no drop in performance shown"}
    performance = labels[bool(realised.get("fired"))] if realised else "no labels to measure performance by"
    return f"{drifted:,} of {count(len(features), 'feature')} drifted; {performance}."


def _tally_retrain(document: Document) -> str:
    if document.get("skipped_because"):
        return "No pull request was opened or changed."
    if document.get("decision") == "failed":
        return "Training did not finish; no branch was pushed and no pull request opened."
    comparison = document.get("comparison")
    if not comparison:
        return "The new model was not compared with production."
    outcome = verdict_of(comparison)
    return f"The new model against production: {outcome.decision}. {outcome.tally}"


def _tally_promotion(document: Document) -> str:
    version = document.get("version")
    return "No version was changed." if version is None else f"{document.get('alias')} is version {version}."


_TALLIES = {
    "evaluate-gate": _tally_gate,
    "compare-to-prod": _tally_comparison,
    "drift-report": _tally_drift,
    "backtest": backtest.tally,
    "open-retrain-pr": _tally_retrain,
    "promote": _tally_promotion,
}
