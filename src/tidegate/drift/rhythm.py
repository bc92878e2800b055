"""The windows that past reports were about, each once, and the rhythm in which they came."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median_low

from tidegate.history.drift import KeptWindow, PastReport

_LATEST = 30


@dataclass(frozen=True, slots=True)
class SeenWindow:
    """A window with the reports about it.

    Attributes:
        first: when it was first reported on.
        newest: the last of its reports, which counts.
    """

    window: KeptWindow
    first: datetime
    newest: PastReport


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How far apart windows come.

    Attributes:
        usual: the median.
        long: what one in ten exceeds, as weekends do on a schedule of working days; at least `usual`.
    """

    usual: timedelta
    long: timedelta


def same_window(one: KeptWindow | None, other: KeptWindow | None) -> bool:
    """Whether two windows hold the same rows: the same bytes, or the same times though labels came in meanwhile."""
    return one is not None and other is not None and bool(set(marks(one)) & set(marks(other)))


def seen_windows(past: Iterable[PastReport]) -> list[SeenWindow]:
    """Every window once, in the order in which they were first reported on; failed runs have none."""
    seen: list[SeenWindow] = []
    places: dict[object, int] = {}
    for report in sorted(past, key=lambda each: each.at):
        window = report.kept.windows.current
        if window is None or report.summarised or report.kept.failed is not None:
            continue
        known_by = marks(window)
        place = next((places[mark] for mark in known_by if mark in places), len(seen))
        if place == len(seen):
            seen.append(SeenWindow(window, report.at, report))
        else:
            seen[place] = SeenWindow(window, seen[place].first, report)
        places.update(dict.fromkeys(known_by, place))
    return seen


def rhythm(times: Sequence[datetime], every: timedelta | None = None) -> Rhythm | None:
    """The rhythm of ascending times.

    Args:
        times: of which the latest count.
        every: the configured distance, which goes before what is seen.

    Returns:
        None when there are fewer than two times and nothing is configured.
    """
    if every is not None:
        return Rhythm(every, every)
    gaps = sorted(later - earlier for earlier, later in pairwise(times[-_LATEST - 1 :]))
    if not gaps:
        return None
    usual = median_low(gaps)
    return Rhythm(usual, max(usual, gaps[9 * (len(gaps) - 1) // 10]))


def marks(window: KeptWindow) -> list[object]:
    """What a window is known by."""
    if window.start is None or window.end is None:
        return [window.sha256]
    return [window.sha256, (window.start, window.end, window.rows)]
