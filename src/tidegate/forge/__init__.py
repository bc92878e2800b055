"""The only code that talks to GitHub, or to its local stand-in."""

from pathlib import Path

from tidegate.errors import UsageError
from tidegate.forge.actions import Actions
from tidegate.forge.base import Comment, Forge, PullRequest
from tidegate.forge.local import LocalForge

__all__ = ["Actions", "Comment", "Forge", "LocalForge", "PullRequest", "choose_forge"]


def choose_forge(spec: str, actions: Actions) -> Forge | None:
    """The forge that ``--forge`` names; None for no forge.

    Raises:
        UsageError: an unknown name, or GitHub without what it needs.
    """
    if spec == "none" or (spec == "auto" and not (actions.inside and actions.repository and actions.token)):
        return None
    if spec in ("auto", "github"):
        from tidegate.forge.github import GitHubForge

        return GitHubForge(actions)
    kind, _, folder = spec.partition(":")
    if kind == "local" and folder:
        return LocalForge(Path(folder))
    raise UsageError(f"--forge {spec!r} is unknown: use auto, github, local:DIR or none")
