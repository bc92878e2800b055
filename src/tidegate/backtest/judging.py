"""Hindsight: when the first model began to be worse, and which alarms were for nothing."""

from collections.abc import Callable, Sequence
from datetime import datetime

from tidegate.backtest.results import Onset, Retrained, Run
from tidegate.backtest.timeline import Timeline
from tidegate.drift.performance import Realised
from tidegate.wording import number, plural

CONFIDENCE = 0.95
_DAY = 86_400.0


def onset_confidence(windows: int) -> float:
    """Of the interval that each window's drop is read off: that none of them alarms by chance has 95% (Bonferroni)."""
    return 1 - 2 * (1 - CONFIDENCE) / max(windows, 1)


def estimated_onset(timeline: Timeline, drop: Callable[[int], Realised | None]) -> Onset:
    """The first window in which the first model is worse than its reference, beyond chance and by the size that counts.

    Args:
        timeline: the windows.
        drop: of the first model in a window against its reference, at :func:`onset_confidence`; None where not known.
    """
    for window in timeline.served:
        found = drop(window)
        if found is not None and found.fired:
            at = timeline.spans[window].start
            return Onset(
                window,
                at.isoformat(),
                False,
                f"the first model is worse from {at:%Y-%m-%d} on: {number(found.reference)} on its reference,"
                f" {number(found.current)} in that window, where {number(found.min_drop)} counts",
            )
    return Onset(
        None,
        None,
        False,
        f"in none of {plural(len(timeline.served), 'window')} is the first model worse than its reference beyond"
        " chance and by the size that counts",
    )


def given_onset(timeline: Timeline, moment: datetime) -> Onset:
    """The onset that a person knows; outside of the windows that are served it is none of theirs."""
    window = timeline.containing(moment)
    inside = window is not None and window >= timeline.first
    said = "" if inside else ", which is in none of the windows that are served"
    return Onset(
        window if inside else None,
        moment.isoformat(),
        True,
        f"the change began on {moment:%Y-%m-%d}, as given{said}",
    )


def false_alarms(run: Run, onset: Onset) -> int:
    """Alarms that were for nothing.

    One that was followed by a retraining was for nothing unless the new model is better than the one it replaced, in
    the paired comparison on the next window. One that was not, or whose next window cannot tell for want of labels, was
    for nothing before the onset, and without one.
    """
    retrained = {each.window: each for each in run.retrains}
    return sum(
        served.alarm and _for_nothing(served.window, retrained.get(served.window), onset)
        for served in run.windows
    )


def _for_nothing(window: int, retrained: Retrained | None, onset: Onset) -> bool:
    if retrained is not None and retrained.outcome != "not judged":
        return retrained.outcome != "better"
    return onset.window is None or window < onset.window


def days_until(timeline: Timeline, onset: Onset, windows: Sequence[int]) -> float | None:
    """Days from the onset to the end of the first of `windows` that does not end before it."""
    first = next((window for window in windows if onset.window is not None and window >= onset.window), None)
    if first is None or onset.at is None:
        return None
    return (timeline.at(first) - datetime.fromisoformat(onset.at)).total_seconds() / _DAY
