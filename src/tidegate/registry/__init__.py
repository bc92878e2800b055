"""Versions, aliases and lineage of each model, kept in git beside the model itself."""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from tidegate.errors import RepositoryError
from tidegate.git import Repository

SCHEMA = "tidegate/registry/1"
SCHEMA_FINGERPRINT = "tidegate/training-fingerprint/1"
FINGERPRINT = "training-fingerprint.json"
GOLDEN_PREDICTIONS = "golden-predictions.parquet"
OWN_FILES = frozenset({"registry.json", "lineage.json", FINGERPRINT, GOLDEN_PREDICTIONS, "MODEL_CARD.md"})
"""What Tidegate itself keeps in a model's folder; no part of the model."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version that was promoted.

    Attributes:
        commit: where its artifacts can be checked out.
        digest: of the artifacts, see :func:`artifacts_digest`.
        golden_sha256, golden_predictions_sha256: of the golden set, and of the model's predictions on it that were
            stored when it was promoted; None where none were.
    """

    version: int
    commit: str
    digest: str
    promoted_at: str
    golden_sha256: str | None = None
    golden_predictions_sha256: str | None = None

    def to_document(self) -> dict[str, Any]:
        """As it is kept in git; what was not stored is not named, so that older readers read it."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True)
class Registry:
    """All versions of one model, oldest first, and the aliases that point to them."""

    model: str
    versions: tuple[Version, ...] = ()
    aliases: dict[str, int] = field(default_factory=dict)

    def production(self) -> Version | None:
        """The version that serves now."""
        number = self.aliases.get("production")
        return next((version for version in self.versions if version.version == number), None)

    def promoted(
        self, commit: str, digest: str, at: str, stored: tuple[str, str] | None = None
    ) -> "Registry":
        """The registry after a new version went to production.

        Args:
            commit: where its artifacts can be checked out.
            digest: of the artifacts.
            at: when it was promoted.
            stored: sha256 of the golden set and of the predictions on it that are stored; None where none are.
        """
        serving = self.production()
        number = max((version.version for version in self.versions), default=0) + 1
        aliases = {**self.aliases, "production": number}
        if serving is not None:
            aliases["previous"] = serving.version
        version = Version(number, commit, digest, at, *(stored or ()))
        return replace(self, versions=(*self.versions, version), aliases=aliases)

    def with_predictions(self, golden_sha256: str, predictions_sha256: str) -> "Registry":
        """The registry after the production version's predictions on a golden set were stored."""
        serving = self.production()
        if serving is None:
            return self
        now = replace(serving, golden_sha256=golden_sha256, golden_predictions_sha256=predictions_sha256)
        return replace(self, versions=tuple(now if each is serving else each for each in self.versions))

    def to_json(self) -> str:
        """As it is kept in git."""
        document = {
            "schema": SCHEMA,
            "model": self.model,
            "aliases": dict(sorted(self.aliases.items())),
            "versions": [version.to_document() for version in self.versions],
        }
        return json.dumps(document, indent=2) + "\n"


def registry_path(model: str) -> str:
    """Where a model's registry lies in the repository."""
    return f"models/{model}/registry.json"


def lineage_path(model: str) -> str:
    """Where the lineage of the model at hand lies in the repository."""
    return f"models/{model}/lineage.json"


def fingerprint_path(model: str) -> str:
    """Where the fingerprint of the rows that the model at hand was trained on lies in the repository."""
    return f"models/{model}/{FINGERPRINT}"


def golden_predictions_path(model: str) -> str:
    """Where the production version's predictions on the golden set lie in the repository."""
    return f"models/{model}/{GOLDEN_PREDICTIONS}"


def parse_registry(raw: bytes | None, model: str) -> Registry:
    """Read a registry; nothing there is an empty one.

    Raises:
        RepositoryError: the file is there and is no registry.
    """
    if raw is None:
        return Registry(model)
    try:
        document: dict[str, Any] = json.loads(raw)
        if document["schema"] != SCHEMA:
            raise ValueError(document["schema"])
        return Registry(
            model,
            tuple(Version(**version) for version in document["versions"]),
            {str(name): int(number) for name, number in document["aliases"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise RepositoryError(
            f"{registry_path(model)} is no registry that this version reads: restore it from git history"
        ) from None


def artifact_files(folder: Path) -> dict[str, Path]:
    """The files of a model by their path inside its folder, in order, Tidegate's own left out.

    Raises:
        RepositoryError: a link, which could point anywhere, or a name with control characters.
    """
    files = {}
    for path in sorted(folder.rglob("*")):
        name = PurePosixPath(path.relative_to(folder)).as_posix()
        if path.is_symlink():
            raise RepositoryError(f"the model contains a link, {name}: write the file itself")
        # Names go into the digest line by line, and into git as UTF-8.
        if not name.isprintable():
            raise RepositoryError(
                f"the model contains a file whose name is no plain text, {name!r}: rename it"
            )
        if path.is_file() and name not in OWN_FILES:
            files[name] = path
    return files


def artifacts_digest(files: Iterable[tuple[str, Path]]) -> str:
    """sha256 over the names and contents of a model's files."""
    digest = hashlib.sha256()
    for name, path in sorted(files):
        with path.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        digest.update(f"{content}  {name}\n".encode())
    return digest.hexdigest()


def golden_changed_with_model(
    repository: Repository, base_commit: str | None, golden: str, artifacts: str
) -> bool | None:
    """Whether both the golden set and the model differ between a commit and the working tree, new files included.

    Args:
        repository: whose working tree is judged.
        base_commit: what it is compared with; of a pull request its base.
        golden: a file, a folder of Parquet files, or a glob, from the top of the repository.
        artifacts: the model's file or folder; what Tidegate itself keeps there does not count.

    Returns:
        None when git cannot tell: no base, or a golden set that it does not keep.
    """
    if base_commit is None or not repository.has_commit(base_commit):
        return None
    own = [f":(top,exclude,literal){PurePosixPath(artifacts) / name}" for name in sorted(OWN_FILES)]
    try:
        changed = _changed(repository, base_commit, [_pathspec(repository.root, golden)])
        if not changed:
            return changed
        return bool(_changed(repository, base_commit, [f":(top,literal){PurePosixPath(artifacts)}", *own]))
    except RepositoryError:
        # Outside of the repository, or in a submodule.
        return None


def _pathspec(root: Path, spec: str) -> str:
    """The files that a table is read from, in git's words."""
    path = Path(spec)
    if path.is_absolute() and path.is_relative_to(root):
        path = path.relative_to(root)
    name = path.as_posix()
    if (root / path).is_dir():
        folder = re.sub(r"([*?\[\]\\])", r"\\\1", name)
        return f":(top,glob){folder}/**/*.parquet"
    if not (root / path).exists() and re.search(r"[*?\[]", name):
        return f":(top,glob){name}"
    return f":(top,literal){name}"


def _changed(repository: Repository, commit: str, paths: list[str]) -> bool | None:
    """Whether files differ from a commit, by git's own filters, LFS included; None when there are none in git."""
    unlocked = {"GIT_OPTIONAL_LOCKS": "0"}
    options = ("--name-only", "--no-renames", "--no-ext-diff", "--no-textconv")
    if repository.git("diff", *options, commit, "--", *paths, environment=unlocked):
        return True
    if repository.git("ls-files", "--others", "--exclude-standard", "--", *paths):
        return True
    return False if repository.git("ls-files", "--", *paths) else None
