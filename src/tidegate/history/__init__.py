"""The history: one line for every decision, on a git branch of its own.

The lines of a file form a chain (Haber and Stornetta, 1991): each names the sha256 of the one before, so that none
can be changed, dropped or put in between without the next one telling. The newest lines are vouched for by the
commits of the branch alone. Oldest lines give way to a summary, which the next record names as well.
"""

from tidegate.history.branch import Appended, append, read
from tidegate.history.chain import BRANCH, History, parse

__all__ = ["BRANCH", "Appended", "History", "append", "parse", "read"]
