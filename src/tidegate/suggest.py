"""Did-you-mean: the nearest accepted name for a misspelt one."""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(word: object, accepted: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the nearest accepted name, or the list of them when none is near.

    The list is cut at a dozen names, so that a table of thousands of columns does not fill the screen.
    """
    names = sorted(set(accepted))
    near = get_close_matches(str(word), names, n=1, cutoff=0.6)
    if near:
        return f" Did you mean {near[0]!r}?"
    shown = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    return f" Accepted: {shown}." if names else ""
