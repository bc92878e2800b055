"""The windows of a history, and which of their labels are known when."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from tidegate.errors import DataError
from tidegate.wording import duration, plural

MOST_WINDOWS = 2_000


@dataclass(frozen=True, slots=True)
class Span:
    """One window of the history: rows from `start` up to but without `end`, at which it is decided about."""

    start: datetime
    end: datetime
    rows: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """Windows in order of time.

    Labels of a window count as known as soon as those of its last row must be: never too early, up to a window late.

    Attributes:
        spans: ascending, without overlap.
        first: windows before the first model serves; it is trained at the end of them.
        label_delay: how long labels take.
    """

    spans: Sequence[Span]
    first: int
    label_delay: timedelta = timedelta(0)

    @property
    def served(self) -> range:
        """Windows that a model serves."""
        return range(self.first, len(self.spans))

    @property
    def decided(self) -> range:
        """Windows that are decided about: the last has no window after it that a decision could be judged by."""
        return range(self.first, len(self.spans) - 1)

    def known(self, window: int) -> int:
        """The newest window whose labels are all known at the end of `window`; -1 when there is none."""
        now = self.spans[window].end
        newest = window
        while newest >= 0 and self.spans[newest].end + self.label_delay > now:
            newest -= 1
        return newest

    def at(self, window: int) -> datetime:
        """When it is decided about a window; of the one before the first, when that begins."""
        return self.spans[window].end if window >= 0 else self.spans[0].start

    def containing(self, moment: datetime) -> int | None:
        """The first window that ends after a moment; None when all have ended."""
        return next((i for i, span in enumerate(self.spans) if span.end > moment), None)


def laid_out(
    spans: Sequence[Span],
    *,
    label_delay: timedelta = timedelta(0),
    first: int | None = None,
    labelled: int = 2,
) -> Timeline:
    """A timeline that leaves enough windows for the first model and for decisions.

    Args:
        spans: windows in order.
        label_delay: how long labels take.
        first: windows before the first model serves; by default a quarter of them, or as many as it needs.
        labelled: windows whose labels must be known then: one to train on and one to be held out on.

    Raises:
        DataError: the windows are too few, too many, or overlap.
    """
    if len(spans) > MOST_WINDOWS:
        raise DataError(
            f"the history has {len(spans):,} windows; at most {MOST_WINDOWS:,} are replayed: choose longer ones"
        )
    for before, after in pairwise(spans):
        if after.start < before.end:
            raise DataError(
                f"windows overlap: one ends at {before.end:%Y-%m-%d %H:%M}, the next begins at"
                f" {after.start:%Y-%m-%d %H:%M}; give windows in order of time, without shared rows"
            )
    trial = Timeline(spans, 0, label_delay)
    needed = next((i + 1 for i in range(len(spans)) if trial.known(i) >= labelled - 1), len(spans))
    needed = needed if labelled else 0
    chosen = max(needed, round(len(spans) / 4)) if first is None else first
    late = f", whose labels take {duration(label_delay)}" if label_delay else ""
    if chosen < needed:
        raise DataError(
            f"the first model cannot be trained on {plural(chosen, 'window')}{late}: it needs {needed:,},"
            " two of them with labels, one to train on and one to be held out on"
        )
    if len(spans) - chosen < 2:
        raise DataError(
            f"the history has {plural(len(spans), 'window')}{late}, and {chosen:,} of them go into the first model:"
            " at least 2 more are needed, one to decide after and one to judge by; give a longer history or shorter"
            " windows"
        )
    return Timeline(spans, chosen, label_delay)
