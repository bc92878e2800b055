"""What a drift document says of performance: as it is known with and without labels, and why it changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidegate.reports import figures
from tidegate.reports.verdicts import Tone, count

Row = Mapping[str, Any]

_PARTS = (
    ("total", "change in all"),
    ("explained", "because features moved"),
    ("remaining", "beyond that"),
)
_FIGURES = (
    ("error", "expected calibration error, best at 0"),
    ("slope", "slope, best at 1"),
    ("intercept", "calibration in the large, best at 0"),
)


@dataclass(frozen=True, slots=True)
class Known:
    """One way in which performance is known; `about` has the keys of a realised drop.

    Attributes:
        how: where it is known from.
        word, tone: what it says, and how that reads.
    """

    how: str
    about: Row
    word: str
    tone: Tone


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a change, as a drop with its interval."""

    name: str
    about: Row


@dataclass(frozen=True, slots=True)
class Concept:
    """What is said of the relation between labels and features.

    Attributes:
        about: as the document has it.
        word, tone: whether it changed.
        sentence: why nobody can tell, or how far labels moved.
        parts: of the change of the metric; empty where nobody can tell, since they mean nothing then.
        segments: where it changed, confirmed ones first; likewise.
        searched: how many segments were, and what of it holds.
    """

    about: Row
    word: str
    tone: Tone
    sentence: str
    parts: list[Part]
    segments: list[Row]
    searched: str


def known(document: Row) -> list[Known]:
    """Return what is known of performance, what labels say before what is estimated."""
    performance = document.get("performance") or {}
    realised, estimated = performance.get("realised"), performance.get("estimated")
    reweighted = ((performance.get("reweighted") or {}).get("performance") or {}).get("realised")
    found = [Known("on rows with a label", realised, *_realised(realised))] if realised else []
    if reweighted:
        how = "the same, weighted to stand for all rows"
        found.append(Known(how, reweighted, *_realised(reweighted)))
    if estimated:
        about = {
            **estimated,
            "reference": estimated.get("reference_value"),
            "current": estimated.get("value"),
        }
        how = f"estimated without labels ({str(estimated.get('method')).upper()})"
        found.append(Known(how, about, *_estimated(estimated)))
    return found


def _realised(about: Row) -> tuple[str, Tone]:
    if about.get("fired"):
        return "dropped", "act"
    bounds, size = about.get("ci"), about.get("min_drop")
    if bounds and size is not None and bounds[1] <= size:
        return "no drop", "go"
    return "no drop shown", "note"


def _estimated(about: Row) -> tuple[str, Tone]:
    if about.get("broken"):
        return "unreliable", "unsure"
    return ("drop expected", "act") if about.get("fired") else ("no drop expected", "go")


def unknown(document: Row) -> list[str]:
    """Say why performance is not known by labels, or not without them."""
    performance = document.get("performance") or {}
    found = []
    if not performance.get("realised"):
        found.append(performance.get("detail"))
    if not performance.get("estimated"):
        found.append(performance.get("estimate"))
    return [str(words) for words in found if words]


def made(estimated: Row | None) -> list[str]:
    """Say how an estimate was made and what it rests on, beside what it assumes."""
    if not estimated:
        return []
    parts = [estimated.get(key) or {} for key in ("calibration", "error_model", "overlap", "agreement")]
    broken = {str(each) for each in estimated.get("broken") or []}
    said = [str(part["detail"]) for part in parts if part.get("detail")]
    said += [str(note) for note in estimated.get("notes") or []]
    return [words for words in said if words not in broken]


def concept(document: Row) -> Concept | None:
    """Return what is said of concept drift; None where it was not looked for."""
    about = document.get("concept_drift")
    if not about:
        return None
    present = about.get("present")
    if present is None:
        return Concept(about, "cannot be told", "unsure", _uncovered(about), [], [], "")
    scan = about.get("segments") or {}
    return Concept(
        about,
        *_presence(bool(present)),
        _related(about.get("relation") or {}),
        [Part(words, {**about[key], "min_drop": None}) for key, words in _PARTS if about.get(key)],
        sorted(scan.get("found") or [], key=lambda row: not row.get("confirmed")),
        _searched(scan),
    )


def _presence(present: bool) -> tuple[str, Tone]:
    return ("found", "act") if present else ("no sign of it", "go")


def _uncovered(about: Row) -> str:
    return (
        "Whether labels still follow features as they did cannot be told:"
        f" {figures.share(about.get('uncovered_share'))} of the current window lies where the reference has next to no"
        f" rows, which are worth {_whole(about.get('effective_rows'))} after weighting."
    )


def _related(relation: Row) -> str:
    if relation.get("effect") is None:
        return ""
    return (
        f"Labels moved by {figures.number(relation['effect'])} on average over rows with like features, where"
        f" {figures.setting(relation.get('min_effect'))} counts (p {figures.probability(relation.get('p_value'))});"
        f" their mean by {figures.signed(relation.get('shift'))}"
        f" ({figures.interval(relation.get('shift_ci'), sign=True)})."
    )


def _searched(scan: Row) -> str:
    if not scan.get("searched"):
        return ""
    found = scan.get("found") or []
    confirmed = sum(bool(row.get("confirmed")) for row in found)
    return (
        f"{count(scan['searched'], 'segment')} searched in half of the rows, at most"
        f" {figures.share(scan.get('false_discovery_rate'))} false discoveries expected; of"
        f" {count(len(found), 'segment')} found, {confirmed:,} confirmed by the other half."
    )


def calibration_figures(document: Row) -> list[tuple[str, Row]]:
    """Return the figures of calibration with their names."""
    about = document.get("calibration_drift") or {}
    return [(words, about[key]) for key, words in _FIGURES if about.get(key)]


def reliability(document: Row) -> Sequence[Row]:
    """Return the bins of the reliability chart that either window has rows for."""
    bins = (document.get("calibration_drift") or {}).get("bins") or []
    return [each for each in bins if each.get("reference_rows") or each.get("current_rows")]


def labels_by_age(document: Row) -> list[float]:
    """Return the shares of rows with a label, from the oldest rows to the newest."""
    bands = (document.get("labels") or {}).get("by_age") or []
    return [float(band.get("share") or 0.0) for band in reversed(bands)]


def biased_columns(document: Row) -> list[Row]:
    """Return the columns in which rows with and without a label differ."""
    return [row for row in (document.get("labels") or {}).get("columns") or [] if row.get("biased")]


def _whole(rows: Any) -> str:
    return count(round(rows), "row") if isinstance(rows, int | float) else "–"
