"""``demo``: the whole loop on real data, on this machine, without a token."""

import shutil
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tidegate.commands.base import is_terminal
from tidegate.errors import UsageError
from tidegate.reports.escape import terminal_text

if TYPE_CHECKING:
    from tidegate.demo.story import Chapter

MARKER = ".tidegate-demo"


def run(output_dir: Path) -> int:
    """Tell the story and end with the table of months; return the exit code."""
    began = time.monotonic()
    _prepare(output_dir)
    from tidegate.demo.story import Flywheel

    wheel = Flywheel(output_dir)
    chapters = wheel.run()
    print()
    print(_table(chapters))
    with_loop = statistics.fmean(chapter.with_loop for chapter in chapters)
    without = statistics.fmean(chapter.without_loop for chapter in chapters)
    print()
    print(
        f"Mean realised ROC AUC, April to December: {with_loop:.4f} with the loop,"
        f" {without:.4f} with the first model kept."
    )
    print(f"Reports:        {wheel.reports}/<month>/*.html")
    print(f"Pull requests:  {wheel.forge.folder}/pulls/")
    print(f"Repository:     {wheel.repo} (git log --graph)")
    print(f"It took {time.monotonic() - began:.0f} seconds.")
    return 0


def _prepare(folder: Path) -> None:
    """An empty folder: a demo that was there before is replaced, anything else is left alone."""
    if folder.exists():
        if not folder.is_dir() or (any(folder.iterdir()) and not (folder / MARKER).exists()):
            raise UsageError(f"--output-dir {folder} exists and holds something else: choose another folder")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / MARKER).touch()


def _table(chapters: "Sequence[Chapter]") -> str:
    """The months as aligned columns."""
    header = ("month", "flights", "drifted", "AUC", "without", "decision", "why")
    rows = [
        (
            c.month,
            f"{c.flights:,}",
            c.drifted,
            f"{c.with_loop:.3f}",
            f"{c.without_loop:.3f}",
            c.decision,
            terminal_text(c.why, limit=None),
        )
        for c in chapters
    ]
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in [header, *rows]
    ]
    if is_terminal(sys.stdout):
        width = shutil.get_terminal_size().columns
        lines = [line if len(line) <= width else line[: width - 3] + "..." for line in lines]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])
