"""How far a backtest is, on a terminal; a log stays quiet."""

import sys
import time

from tidegate.commands.base import is_terminal
from tidegate.reports.escape import terminal_text

_EVERY = 0.2


class Progress:
    """A line that is written over again on standard error.

    Args:
        windows: of one replay.
    """

    def __init__(self, windows: int) -> None:
        self._windows = windows
        self._policies = 0
        self._done = 0
        self._name = ""
        self._began = time.monotonic()
        self._shown = 0.0
        self._watched = is_terminal(sys.stderr)

    def expect(self, policies: int) -> None:
        """So many more policies are to come."""
        self._policies += policies

    def start(self, name: str) -> None:
        """The next policy begins."""
        self._name = name

    def window(self, number: int) -> None:
        """The next window of it begins; `number` counts from 0."""
        self._done += 1
        now = time.monotonic()
        if not self._watched or now - self._shown < _EVERY:
            return
        self._shown = now
        total = max(self._policies * self._windows, self._done)
        left = (now - self._began) / self._done * (total - self._done)
        text = f"{terminal_text(self._name)}: window {number + 1}, step {self._done:,} of {total:,}, {_time(left)} left"
        sys.stderr.write(f"\r\x1b[2K{text}")
        sys.stderr.flush()

    def end(self) -> None:
        """Take the line away."""
        if self._watched:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()


def _time(seconds: float) -> str:
    return f"about {round(seconds / 60):,} min" if seconds >= 90 else f"about {round(seconds):,} s"
