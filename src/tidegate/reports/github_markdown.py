"""Documents as GitHub Markdown: comments, job summaries, pull-request bodies and model cards.

The environment is hostile by default: whatever a template prints is escaped unless it is `Safe`.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from jinja2 import ChainableUndefined, Environment, FileSystemLoader

from tidegate.reports import (
    backtest,
    cells,
    comparison,
    drift,
    drift_columns,
    drift_performance,
    figures,
    gate,
    ranking,
)
from tidegate.reports.escape import Safe, code, digest, md
from tidegate.reports.verdicts import Document, command_of, count, verdict_of

_ALERTS = {"go": "TIP", "stop": "CAUTION", "unsure": "WARNING", "act": "WARNING", "note": "NOTE"}
_SMALLEST_ROW = 100  # bytes; bounds the rows that are worth trying
_LINK = re.compile(r"https?://[A-Za-z0-9.-]+(?::\d+)?/[\w.-]+/[\w.-]+/pull/\d+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Detail:
    """How much a rendering shows.

    Attributes:
        rows: most rows of a table, or None for all.
        sentences: most sentences of a list.
        minor: whether what a reader may miss (evidence, log, provenance, lineage) is kept.
        shortened: whether more was tried and did not fit.
    """

    rows: int | None = None
    sentences: int = 6
    minor: bool = True
    shortened: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """Rows split into those in plain sight, those folded away, and those left out."""

    first: Sequence[Any]
    folded: Sequence[Any]
    left_out: Sequence[Any]


def render(document: Document, *, limit: int | None, template: str | None = None) -> str:
    """Render a document in the most detail that fits the limit, in bytes of UTF-8; see `reports.markdown`."""
    command = command_of(document)
    layout = _environment().get_template(template or f"{command}.md")
    text = ""
    for detail in _details(limit):
        text = layout.render(document=document, detail=detail, where=f"{command}.html")
        text = re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"
        if limit is None or len(text.encode()) <= limit:
            break
    return text


def _details(limit: int | None) -> Iterator[Detail]:
    if limit is None:
        yield Detail()
        return
    most = rows = limit // _SMALLEST_ROW
    while rows:
        yield Detail(rows=rows, minor=rows > 8, shortened=rows < most)
        rows //= 2
    yield Detail(rows=0, sentences=1, minor=False, shortened=True)


def _shown(rows: Sequence[Any], detail: Detail, first: int) -> Shown:
    budget = len(rows) if detail.rows is None else detail.rows
    first = min(first, budget)
    return Shown(rows[:first], rows[first:budget], rows[max(first, budget) :])


def _alert(tone: str) -> Safe:
    return Safe(f"> [!{_ALERTS[tone]}]")


def _pull_request(pull_request: Document) -> Safe:
    number, url = pull_request.get("number"), str(pull_request.get("url"))
    name = f"#{number}" if isinstance(number, int) else md(str(number))
    return Safe(f"[{name}]({url})") if _LINK.fullmatch(url) else Safe(f"{md(name)} ({md(url)})")


def _log(lines: Sequence[str]) -> Safe:
    return Safe("\n".join(md(line, limit=300) for line in lines))


def _finalize(value: Any) -> str:
    if isinstance(value, Safe):
        return value
    if value is None or isinstance(value, bool):
        return {None: "–", True: "yes", False: "no"}[value]
    if isinstance(value, int | float):
        return figures.number(value)
    return md(str(value))


@cache
def _environment() -> Environment:
    # Autoescape would escape for HTML; `finalize` escapes for Markdown, and nothing passes it but `Safe`.
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates") / "markdown", encoding="utf-8"),
        autoescape=False,  # noqa: S701 - Markdown; its finalize escapes all that is not Safe
        finalize=_finalize,
        undefined=ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"code": code, "digest": digest, "pull_request": _pull_request, "log": _log}
    for cell in (
        cells.sentence,
        cells.word,
        cells.judged,
        cells.severity,
        cells.outcome,
        cells.measure,
        cells.subject,
        cells.check_name,
        cells.finding_name,
        cells.warning,
        cells.slice_name,
        cells.value,
        cells.unbroken,
        cells.needs,
        cells.required,
        cells.evidence,
        cells.difference,
        cells.drop,
        cells.confidence,
        cells.shape,
        cells.toned,
        cells.weight,
        cells.column,
        cells.followed,
        cells.trend,
        cells.spark,
        cells.gauge,
    ):
        environment.filters[cell.__name__] = cell
    environment.filters["flatten"] = cells.flatten
    for figure in (figures.setting, figures.signed, figures.share, figures.probability, figures.moment):
        environment.filters[figure.__name__] = _figure(figure)
    environment.filters["interval"] = _figure(figures.interval)
    environment.filters["signed_interval"] = _figure(partial(figures.interval, sign=True))
    environment.globals |= {
        "alert": _alert,
        "backtest_of": backtest.read,
        "backtest_standing": backtest.standing,
        "count": lambda number, noun: Safe(count(number, noun)),
        "gates": gate,
        "comparisons_of": comparison.read,
        "drift_of": drift.read,
        "drift_parts": drift_performance,
        "left_over": drift_columns.left_over,
        "severities": drift.severities,
        "ranking": ranking,
        "shown": _shown,
        "verdict_of": verdict_of,
    }
    return environment


def _figure(form: Callable[[Any], str]) -> Callable[[Any], Safe]:
    # A figure holds digits, signs and our own words alone.
    return lambda value: Safe(form(value))
