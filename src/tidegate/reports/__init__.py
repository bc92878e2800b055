"""Finished results in, text for people out: Markdown, HTML and a short verdict for the terminal.

Everything here works from the plain JSON documents alone and decides nothing. Every string of a document
is taken for hostile. Jinja is imported on first use, so that importing this package costs next to nothing.
"""

from collections.abc import Mapping
from typing import Any

from tidegate.reports.verdicts import MalformedDocument, UnknownDocument, reading

__all__ = [
    "MalformedDocument",
    "UnknownDocument",
    "html",
    "markdown",
    "model_card",
    "pull_request_body",
    "terminal",
]

COMMENT_LIMIT = 65_000
"""Bytes that a comment or a pull-request body may safely have; GitHub refuses 65,536 characters."""


def markdown(document: Mapping[str, Any], *, limit: int | None = COMMENT_LIMIT) -> str:
    """Render a document as GitHub Markdown.

    Args:
        document: what a command published, as in its JSON file.
        limit: most bytes of UTF-8 wanted, or None for every row. A document that is too long is rendered with
            fewer rows, worst first, and says how many are left out and where they are; it is never cut.
            The heading, the verdict and one reason are always there (at most about 4 kB).

    Raises:
        UnknownDocument: the document's `schema` is none that this version knows; so for all renderings.
        MalformedDocument: it holds something else than its schema says; so for all renderings.
    """
    from tidegate.reports.github_markdown import render

    with reading(document):
        return render(document, limit=limit)


def pull_request_body(document: Mapping[str, Any], *, limit: int | None = COMMENT_LIMIT) -> str:
    """Render an `open-retrain-pr` document as the body of its pull request.

    Args:
        document: an `open-retrain-pr` document; its `gate`, `comparison` and `drift` are documents or null.
        limit: as for `markdown`.
    """
    from tidegate.reports.github_markdown import render

    with reading(document):
        return render(document, limit=limit, template="pull-request.md")


def model_card(document: Mapping[str, Any]) -> str:
    """Render an `open-retrain-pr` document as the Markdown model card that is committed with the model."""
    from tidegate.reports.github_markdown import render

    with reading(document):
        return render(document, limit=None, template="model-card.md")


def html(document: Mapping[str, Any]) -> str:
    """Render a document as one self-contained HTML page without scripts or outside requests."""
    from tidegate.reports.page import render

    with reading(document):
        return render(document)


def terminal(document: Mapping[str, Any], *, color: bool) -> str:
    """Render a document as a short verdict for a terminal or a log: a line, the reasons, a few rows."""
    from tidegate.reports.console import render

    with reading(document):
        return render(document, color=color)
