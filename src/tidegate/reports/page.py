"""Documents as self-contained HTML pages: no script, no outside request, light and dark, printable."""

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import ChainableUndefined, Environment, FileSystemLoader
from markupsafe import Markup

from tidegate.reports import (
    backtest,
    cells,
    charts,
    comparison,
    drift,
    drift_charts,
    drift_performance,
    figures,
    gate,
    ranking,
)
from tidegate.reports.escape import NAME_LIMIT, SENTENCE_LIMIT, visible
from tidegate.reports.verdicts import (
    MARKS,
    Document,
    category,
    check_tone,
    command_of,
    count,
    outcome_of,
    tone_of,
    verdict_of,
)

_MOST_PICTURES = 200  # of columns, in either group
_TEMPLATES = Path(__file__).with_name("templates") / "html"


def render(document: Document) -> str:
    """Render a document; see `reports.html`."""
    command = command_of(document)
    template = _environment().get_template(f"{command}.html")
    return template.render(document=document, command=command, verdict=verdict_of(document))


def _name(text: Any) -> str:
    return visible(str(text), limit=NAME_LIMIT)


def _slice(where: Document | None) -> str:
    if not where:
        return "all rows"
    return " and ".join(f"{_name(column)} = {_name(category(value))}" for column, value in where.items())


def _finalize(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return {None: "–", True: "yes", False: "no"}[value]
    if isinstance(value, int | float):
        return figures.number(value)
    if hasattr(value, "__html__"):
        return value
    return visible(str(value), limit=SENTENCE_LIMIT)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES, encoding="utf-8"),
        autoescape=True,
        finalize=_finalize,
        undefined=ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for figure in (
        figures.interval,
        figures.moment,
        figures.probability,
        figures.setting,
        figures.share,
        figures.signed,
    ):
        environment.filters[figure.__name__] = figure
    environment.filters |= {
        "capital": drift.capitalised,
        "confidence": cells.confidence,
        "flatten": cells.flatten,
        "name": _name,
        "outcome": outcome_of,
        "severity": gate.severity_tone,
        "slice": _slice,
        "tone": tone_of,
        "check_tone": check_tone,
        "weight": drift.severity_tone,
    }
    style = (_TEMPLATES / "report.css").read_text(encoding="utf-8")
    environment.globals |= {
        "MARKS": MARKS,
        "backtest_of": backtest.read,
        "backtest_standing": backtest.standing,
        "charts": charts,
        "counted": count,
        "gates": gate,
        "comparisons_of": comparison.read,
        "drift_charts": drift_charts,
        "drift_of": drift.read,
        "drift_parts": drift_performance,
        "most_pictures": _MOST_PICTURES,
        "severities": drift.severities,
        "ranking": ranking,
        "style": Markup(style),  # noqa: S704 - our own file
        "style_hash": base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        "verdict_of": verdict_of,
    }
    return environment
