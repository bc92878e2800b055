"""What candidates are held to: the production version, where its predictions come from, and whether it is stale."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from tidegate.commands.base import Invocation
from tidegate.errors import TidegateError
from tidegate.git import Repository
from tidegate.registry import Version, parse_registry, registry_path

Source = Literal["given", "registry", "predict"]
STALE_DAYS = 90
"""Age of a production version from which it is said."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """The production that candidates are held to; the fields are those of the JSON document.

    Attributes:
        version, commit, promoted_at: of the registry; None for a table that was given.
        age_days: whole days since it was promoted.
        source: whether its predictions were given, stored in the registry, or made by ``predict:``.
        golden_sha256: of the golden set that its predictions are of; None where that is not known.
        notes: sentences about what is stale.
    """

    version: int | None
    commit: str | None
    promoted_at: str | None
    age_days: int | None
    source: Source
    golden_sha256: str | None
    notes: list[str] = field(default_factory=list)


GIVEN = Baseline(None, None, None, None, "given", None)
"""A table that was given: which version it is of is not known."""


def baseline_of(
    invocation: Invocation,
    version: Version,
    source: Source,
    golden_sha256: str | None,
    notes: Iterable[str] = (),
) -> Baseline:
    """The baseline that a version of the registry is, with what is stale about it."""
    age = _age_days(version.promoted_at)
    told = list(notes)
    if age is not None and age > STALE_DAYS:
        told.append(f"production version {version.version} was promoted {age:,} days ago")
    newest = _newest_version(invocation)
    if newest is not None and newest != version.version:
        told.append(
            f"production moved on from version {version.version} to {newest} after this branch was cut:"
            " update the branch"
        )
    return Baseline(
        version=version.version,
        commit=version.commit,
        promoted_at=version.promoted_at,
        age_days=age,
        source=source,
        golden_sha256=golden_sha256,
        notes=told,
    )


def _age_days(promoted_at: str) -> int | None:
    """Whole days since a version was promoted; None where the registry holds no time."""
    try:
        at = datetime.fromisoformat(promoted_at)
    except (TypeError, ValueError):
        return None
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return max((datetime.now(UTC) - at).days, 0)


def _newest_version(invocation: Invocation) -> int | None:
    """Production's version on the branch that a pull request goes to; None where it cannot be told, or needs not be."""
    event = invocation.actions.event
    branch = ((event.get("pull_request") or {}).get("base") or {}).get("ref")
    queued = (event.get("merge_group") or {}).get("base_ref")
    name = str(branch or queued or "").removeprefix("refs/heads/")
    if not name or invocation.actions.base_sha is None:
        return None
    try:
        tip = _tip(invocation.repository, name)
        raw = None if tip is None else invocation.repository.read(tip, registry_path(invocation.model_name))
        newest = parse_registry(raw, invocation.model_name).production()
    except TidegateError:
        # What is said of the branch is a service: the comparison stands without it.
        return None
    return None if newest is None else newest.version


def _tip(repository: Repository, branch: str) -> str | None:
    """The newest commit of a branch: as it was fetched, or else from the remote."""
    fetched = f"refs/remotes/{repository.remote}/{branch}"
    if repository.has_commit(fetched):
        return fetched
    tip = repository.remote_branch(branch)
    if tip is not None and not repository.has_commit(tip):
        repository.fetch_commit(tip)
    return tip
