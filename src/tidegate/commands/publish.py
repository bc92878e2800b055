"""``publish``: post reports that another job has made.

The job that runs code of a pull request holds read permissions only; a second job, which runs none, posts its reports.
What it reads was made within reach of that code, so it is taken as data: bounded in size, and escaped like any table.
"""

import json
from pathlib import Path

from tidegate import reports as rendering
from tidegate.commands.base import Invocation
from tidegate.documents import Document
from tidegate.errors import DataError, UsageError

MAX_BYTES = 5_000_000
MAX_REPORTS = 100
_SCHEMAS = frozenset({"tidegate/evaluate-gate/1", "tidegate/compare-to-prod/1"})


def run(invocation: Invocation, reports: Path | None) -> int:
    """Post every gate and comparison report in a folder; return the exit code."""
    if reports is None:
        raise UsageError("--reports is missing: give the folder that holds the reports")
    if not reports.is_dir():
        raise UsageError(f"--reports {reports} is no folder: did the job that makes the reports run?")
    documents = [
        document for path in sorted(reports.rglob("*.json"))[:MAX_REPORTS] if (document := _read(path))
    ]
    for document in documents:
        # What cannot be rendered is refused before anything is posted.
        rendering.markdown(document)
    posted = sum(invocation.comment_on_pull_request(document) is not None for document in documents)
    invocation.actions.write_outputs({"decision": "published" if posted else "none"})
    print(f"{len(documents)} reports found in {reports}, {posted} posted")
    return 0


def _read(path: Path) -> Document | None:
    """A report of a kind that is posted; None for other files."""
    if path.is_symlink() or path.stat().st_size > MAX_BYTES:
        return None
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise DataError(f"{path} is no JSON") from None
    if not isinstance(document, dict) or document.get("schema") not in _SCHEMAS:
        return None
    return document
