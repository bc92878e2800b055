"""``promote``: make the model in the working tree the production version in the registry."""

from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from tidegate.commands.base import Invocation
from tidegate.commands.evaluation import evaluation_set, read_registry, working_model
from tidegate.documents import make_document
from tidegate.errors import RepositoryError
from tidegate.git import Repository, identity
from tidegate.registry import (
    Registry,
    Version,
    artifact_files,
    artifacts_digest,
    golden_predictions_path,
    registry_path,
)
from tidegate.registry.stored import MAX_BYTES, pack


@dataclass(frozen=True, slots=True)
class _Stored:
    """Predictions on the golden set as they are stored."""

    content: bytes
    golden_sha256: str

    @property
    def sha256(self) -> str:
        return sha256(self.content).hexdigest()


def run(invocation: Invocation, golden_predictions: str | None = None) -> int:
    """Register the checked-out model as production, tag it and push both; return the exit code.

    Args:
        invocation: gives the configuration and the repository.
        golden_predictions: the model's predictions on the golden set, which an earlier job made; they are stored with
            the version, so that no comparison has to make them again.
    """
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
    stored = None if golden_predictions is None else _packed(invocation, golden_predictions)
    if serving is not None and serving.digest == digest:
        return _serves_already(invocation, branch, registry, serving, stored)
    hashes = None if stored is None else (stored.golden_sha256, stored.sha256)
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    promoted = registry.promoted(repository.head(), digest, at, hashes)
    version = promoted.versions[-1]
    _record(repository, branch, promoted, version, stored)
    return _finish(invocation, version, "promoted", [f"version {version.version} is now production"])


def _serves_already(
    invocation: Invocation, branch: str, registry: Registry, serving: Version, stored: _Stored | None
) -> int:
    """Nothing is promoted; predictions that came late are stored with the version that serves."""
    reasons = [f"version {serving.version} already is production"]
    hashes = (serving.golden_sha256, serving.golden_predictions_sha256)
    if stored is None or (stored.golden_sha256, stored.sha256) == hashes:
        return _finish(invocation, serving, "unchanged", reasons)
    registry = registry.with_predictions(stored.golden_sha256, stored.sha256)
    _store(invocation.repository, branch, registry, serving, stored)
    reasons.append("its predictions on the golden set are stored with it now")
    return _finish(invocation, registry.production() or serving, "unchanged", reasons)


def _packed(invocation: Invocation, spec: str) -> _Stored | None:
    """The given predictions as they are stored; None, and a notice, where they are too large for git."""
    golden = evaluation_set(invocation, "golden")
    content = pack(invocation.open(spec), golden, invocation.model.columns)
    if content is None:
        invocation.notice(
            f"the golden predictions are not stored: they would take over {MAX_BYTES:,} bytes in git; comparisons run"
            " production's model"
        )
        return None
    return _Stored(content, golden.sha256)


def _committed_digest(repository: Repository, folder: Path, path: str) -> str:
    """The digest of the model as it is in git: a checkout may have changed its line ends."""
    if not folder.is_dir() or not artifact_files(folder):
        raise RepositoryError(f"{path} holds no model to promote")
    with repository.checkout(repository.head(), path) as committed:
        return artifacts_digest(artifact_files(committed).items())


def _record(
    repository: Repository, branch: str, registry: Registry, version: Version, stored: _Stored | None
) -> None:
    """One commit with the registry and one tag on the model's commit, pushed together."""
    commit = _commit(
        repository, registry, f"Promote {registry.model} version {version.version}", version, stored
    )
    tag = f"{registry.model}/v{version.version}"
    note = f"{registry.model} version {version.version}\n\nModel-Digest: {version.digest}\n"
    repository.git(
        "tag", "--annotate", "--file=-", tag, version.commit, data=note.encode(), environment=identity()
    )
    try:
        _push(repository, f"{commit}:refs/heads/{branch}", f"refs/tags/{tag}")
    except BaseException:
        # A tag that stays would stand in the way of the next try.
        repository.git("tag", "--delete", tag)
        raise
    repository.git("merge", "--quiet", "--ff-only", commit)


def _store(
    repository: Repository, branch: str, registry: Registry, version: Version, stored: _Stored
) -> None:
    """One commit with the predictions of a version that serves already, and with the registry that names them."""
    subject = f"Store golden predictions of {registry.model} version {version.version}"
    commit = _commit(repository, registry, subject, version, stored)
    _push(repository, f"{commit}:refs/heads/{branch}")
    repository.git("merge", "--quiet", "--ff-only", commit)


def _commit(
    repository: Repository, registry: Registry, subject: str, version: Version, stored: _Stored | None
) -> str:
    """The commit with the registry, and with predictions where they are stored; no branch has it yet."""
    predictions = golden_predictions_path(registry.model)
    files: dict[str, Path | bytes] = {registry_path(registry.model): registry.to_json().encode()}
    if stored is not None:
        files[predictions] = stored.content
    message = f"{subject}\n\nModel-Digest: {version.digest}\n"
    # Predictions that were stored before are of no use any more.
    return repository.commit_tree(repository.head(), message, files, [predictions])


def _push(repository: Repository, *refs: str) -> None:
    """Push all of them or none, where there is a remote."""
    if repository.git("remote"):
        repository.git("push", "--quiet", "--atomic", repository.remote, *refs)


def _finish(invocation: Invocation, version: Version, decision: str, reasons: list[str]) -> int:
    document = make_document(
        "promote",
        model=invocation.model_name,
        decision=decision,
        reasons=reasons,
        config=invocation.loaded,
        data={},
        body={
            "version": version.version,
            "alias": "production",
            "commit": version.commit,
            "digest": version.digest,
            "golden_sha256": version.golden_sha256,
            "golden_predictions_sha256": version.golden_predictions_sha256,
        },
    )
    invocation.publish(document)
    invocation.record(document)
    return 0
