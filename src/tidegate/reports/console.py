"""Documents as a short verdict for a terminal or a workflow log. Our own words are plain ASCII."""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from tidegate.reports import backtest, comparison, figures, gate_lines, ranking
from tidegate.reports.escape import SENTENCE_LIMIT, terminal_text
from tidegate.reports.gate_lines import subject
from tidegate.reports.verdicts import Document, Tone, check_tone, command_of, verdict_of

_COLORS = {"go": "32", "stop": "31", "unsure": "33", "act": "33", "note": "36"}
_REASONS, _ROWS, _LOG, _CELL, _FLIPS = 5, 8, 10, 44, 3
_ASIDES = ("waived", "warn", "info")

Row = Mapping[str, Any]
Table = tuple[Sequence[str], list[list[str]]]


def render(document: Document, *, color: bool) -> str:
    """Render a document; see `reports.terminal`."""
    command, verdict = command_of(document), verdict_of(document)
    decision = terminal_text(verdict.decision.upper())
    if color:
        decision = f"\x1b[1;{_COLORS[verdict.tone]}m{decision}\x1b[0m"
    model = terminal_text(str(document.get("model")))
    lines = [f"{command} {model}: {decision} - {_ascii(verdict.tally)}"]
    reasons = [terminal_text(str(reason), limit=SENTENCE_LIMIT) for reason in document.get("reasons") or []]
    lines += [f"  - {reason}" for reason in reasons[:_REASONS]]
    if len(reasons) > _REASONS:
        lines.append(f"  - and {len(reasons) - _REASONS:,} more")
    lines += _retraining(document)
    notices = _NOTICES[command](document) if command in _NOTICES else []
    lines += [f"\x1b[33m{line}\x1b[0m" for line in notices] if color else notices
    if command in _TABLES:
        header, rows = _TABLES[command](document)
        lines += _aligned(header, rows[:_ROWS], color=color)
        if len(rows) > _ROWS:
            lines.append(f"  ... and {len(rows) - _ROWS:,} more rows in {command}.html")
    if command == "evaluate-gate":
        lines += gate_lines.remarks(document)
    return "\n".join(lines)


def _retraining(document: Document) -> list[str]:
    lines = []
    pull_request = document.get("pull_request")
    if pull_request:
        number, branch, url = (
            terminal_text(str(text), limit=None)
            for text in (pull_request.get("number"), document.get("branch"), pull_request.get("url"))
        )
        lines.append(f"  pull request {number} from {branch}: {url}")
    if document.get("decision") == "failed":
        tail = (document.get("log_tail") or [])[-_LOG:]
        lines += [f"  | {terminal_text(str(line), limit=SENTENCE_LIMIT)}" for line in tail]
    return lines


def _comparison_notices(document: Document) -> list[str]:
    """Return a line for each thing that a reader must not miss, and one for each set's new errors."""
    told = comparison.read(document)
    lines = [f"! {': '.join([notice.headline, *notice.lines[:1]])}" for notice in told.notices]
    flips = [each for each in told.flips if each.about["new_errors"]]
    lines += [f"{each.about['candidate']} on {each.about['set']}: {each.tally}" for each in flips[:_FLIPS]]
    if len(flips) > _FLIPS:
        lines.append(f"and {len(flips) - _FLIPS:,} more with new errors")
    return [f"  {terminal_text(_ascii(line), limit=SENTENCE_LIMIT)}" for line in lines]


_NOTICES = {"evaluate-gate": gate_lines.notices, "compare-to-prod": _comparison_notices}


def _gate_table(document: Document) -> Table:
    rows = []
    for check in ranking.checks(document):
        bound, standing = ranking.threshold(check), ranking.standing(check)
        limit = f"{'>=' if bound[0] == 'min' else '<='} {figures.setting(bound[1])}" if bound else "-"
        form = figures.setting if ranking.is_expectation(check) else figures.number
        rows.append(
            [
                f"{check.get('verdict')}{f', {standing}' if standing in _ASIDES else ''}",
                subject(check),
                form(check.get("value")),
                limit,
                figures.interval(check.get("ci")),
                figures.number(check.get("rows")),
            ]
        )
    return ("verdict", "check", "value", "needs", "interval", "rows"), rows


def _comparison_table(document: Document) -> Table:
    rows = []
    for row in ranking.comparisons(document):
        met = "met" if row.get("satisfied") else "not met"
        rows.append(
            [
                str(row.get("verdict")),
                met,
                str(row.get("candidate")),
                subject(row),
                figures.signed(row.get("delta")),
                figures.interval(row.get("ci"), sign=True),
                figures.number(row.get("rows")),
            ]
        )
    return ("verdict", "", "candidate", "comparison", "difference", "interval", "rows"), rows


def _drift_table(document: Document) -> Table:
    rows = []
    for feature in ranking.features(document):
        of = f"{feature['of']}: " if feature.get("of") else ""
        rows.append(
            [
                "drifted" if feature.get("drifted") else "no",
                f"{of}{feature.get('feature')}",
                figures.number(feature.get("effect")),
                figures.probability(feature.get("adjusted_p_value")),
            ]
        )
    return ("drifted", "feature", "effect", "adjusted p"), rows


def _backtest_table(document: Document) -> Table:
    rows = []
    for row in backtest.read(document).rows:
        about = row.about
        rows.append(
            [
                row.standing,
                str(about.get("name")),
                figures.number(row.retrains),
                f"{figures.number(about.get('alarms'))} ({figures.number(about.get('false_alarms'))})",
                figures.setting(about.get("days_to_alarm")),
                figures.number(about.get("mean_metric")),
                figures.number(about.get("points_lost")),
                figures.number(about.get("cost")),
                figures.interval(about.get("ci")),
            ]
        )
    metric = f"mean {document.get('metric')}"
    header = (
        "",
        "policy",
        "retrains",
        "alarms (for nothing)",
        "days",
        metric,
        "points lost",
        "cost",
        "interval",
    )
    return header, rows


_TABLES = {
    "evaluate-gate": _gate_table,
    "compare-to-prod": _comparison_table,
    "drift-report": _drift_table,
    "backtest": _backtest_table,
}


def _aligned(header: Sequence[str], rows: Sequence[Sequence[str]], *, color: bool) -> list[str]:
    if not rows:
        return []
    cells = [[_cell(text) for text in row] for row in (header, *rows)]
    widths = [max(_width(row[column]) for row in cells) for column in range(len(header))]
    lines = []
    for index, row in enumerate(cells):
        padded = [text + " " * (width - _width(text)) for text, width in zip(row, widths, strict=True)]
        if color and index:
            padded[0] = f"\x1b[{_COLORS[_tone(rows[index - 1][0])]}m{padded[0]}\x1b[0m"
        lines.append("  " + "  ".join(padded).rstrip())
    return lines


def _tone(cell: str) -> Tone:
    verdict, _, aside = cell.partition(", ")
    return check_tone({"verdict": verdict, "severity": aside})


def _cell(text: str) -> str:
    shown = terminal_text(_ascii(text), limit=None)
    return shown if len(shown) <= _CELL else shown[: _CELL - 3] + "..."


def _ascii(text: str) -> str:
    return text.replace("−", "-").replace("–", "-").replace("→", "->")


def _width(text: str) -> int:
    """Return the columns that a terminal gives a text: two for wide characters, none for combining ones."""
    return sum(
        0 if unicodedata.combining(character) else 1 + (unicodedata.east_asian_width(character) in "WF")
        for character in text
    )
