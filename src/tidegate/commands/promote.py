"""``promote``: make the model in the working tree the production version in the registry."""

from datetime import UTC, datetime
from pathlib import Path

from tidegate.commands.base import Invocation
from tidegate.commands.evaluation import read_registry, working_model
from tidegate.documents import make_document
from tidegate.errors import RepositoryError
from tidegate.git import Repository, identity
from tidegate.registry import Registry, Version, artifact_files, artifacts_digest, registry_path


def run(invocation: Invocation) -> int:
    """Register the checked-out model as production, tag it and push both; return the exit code."""
    invocation.check_output_dir()
    repository = invocation.repository
    branch = repository.branch()
    if branch is None:
        raise RepositoryError(
            "promote writes the registry to a branch, but no branch is checked out (detached head)"
        )
    folder = working_model(invocation)
    path = folder.relative_to(Path.cwd()).as_posix()
    for place in (path, registry_path(invocation.model_name)):
        if repository.git("status", "--porcelain", "--", place):
            raise RepositoryError(
                f"{place} has changes that are not committed: commit them, or take them back"
            )
    digest = _committed_digest(repository, folder, path)
    registry = read_registry(invocation)
    serving = registry.production()
    if serving is not None and serving.digest == digest:
        return _finish(invocation, serving, promoted=False)
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    promoted = registry.promoted(repository.head(), digest, at)
    version = promoted.versions[-1]
    _record(repository, branch, promoted, version)
    return _finish(invocation, version, promoted=True)


def _committed_digest(repository: Repository, folder: Path, path: str) -> str:
    """The digest of the model as it is in git: a checkout may have changed its line ends."""
    if not folder.is_dir() or not artifact_files(folder):
        raise RepositoryError(f"{path} holds no model to promote")
    with repository.checkout(repository.head(), path) as committed:
        return artifacts_digest(artifact_files(committed).items())


def _record(repository: Repository, branch: str, registry: Registry, version: Version) -> None:
    """One commit with the registry and one tag on the model's commit, pushed together."""
    before = repository.head()
    tag = f"{registry.model}/v{version.version}"
    message = f"Promote {registry.model} version {version.version}\n\nModel-Digest: {version.digest}\n"
    content = registry.to_json().encode()
    commit = repository.commit_tree(before, message, {registry_path(registry.model): content})
    note = f"{registry.model} version {version.version}\n\nModel-Digest: {version.digest}\n"
    repository.git(
        "tag", "--annotate", "--file=-", tag, version.commit, data=note.encode(), environment=identity()
    )
    try:
        if repository.git("remote"):
            repository.git(
                "push",
                "--quiet",
                "--atomic",
                repository.remote,
                f"{commit}:refs/heads/{branch}",
                f"refs/tags/{tag}",
            )
    except BaseException:
        # A tag that stays would stand in the way of the next try.
        repository.git("tag", "--delete", tag)
        raise
    repository.git("merge", "--quiet", "--ff-only", commit)


def _finish(invocation: Invocation, version: Version, *, promoted: bool) -> int:
    decision = "promoted" if promoted else "unchanged"
    what = "is now" if promoted else "already is"
    document = make_document(
        "promote",
        model=invocation.model_name,
        decision=decision,
        reasons=[f"version {version.version} {what} production"],
        config=invocation.loaded,
        data={},
        body={
            "version": version.version,
            "alias": "production",
            "commit": version.commit,
            "digest": version.digest,
        },
    )
    invocation.publish(document)
    invocation.record(document)
    return 0
