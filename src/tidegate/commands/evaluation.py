"""Predictions tables for a decision: as given, or made by running ``predict:`` on a model and an evaluation set."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from tidegate.commands.base import Invocation
from tidegate.config import Columns, MetricUse
from tidegate.errors import ConfigError, DataError, RepositoryError
from tidegate.git import Repository
from tidegate.metrics.base import Part
from tidegate.metrics.data import Predictions
from tidegate.predictions import read_predictions
from tidegate.registry import (
    Registry,
    Version,
    artifact_files,
    artifacts_digest,
    parse_registry,
    registry_path,
)
from tidegate.scoring import Scorer
from tidegate.slices import slice_columns
from tidegate.tables import Table


def scorer(invocation: Invocation) -> Scorer:
    """What runs ``predict:`` for this invocation."""
    return Scorer(
        model=invocation.model,
        folder=Path.cwd(),
        keep=invocation.scratch / "predictions",
        on_line=invocation.progress("predict"),
    )


def evaluation_set(invocation: Invocation, name: str) -> Table:
    """The ``golden`` or ``recent`` rows that the config names.

    Raises:
        ConfigError: it names none.
    """
    spec = getattr(invocation.model, name)
    if spec is None:
        raise ConfigError(
            f"{invocation.common.config}: model {invocation.model_name!r} has no `{name}:` rows to judge on;"
            " name them, or give the predictions tables on the command line"
        )
    try:
        return invocation.open(spec)
    except DataError as error:
        raise DataError(
            f"`{name}:` of model {invocation.model_name!r}, looked for from {Path.cwd()}: {error}"
        ) from None


def rows_identity(table: Table, columns: Columns) -> str:
    """Which evaluation rows a table is of: 64 hex digits, the same in whatever order and format they are stored.

    It is over the ids and labels, what tells rows apart and what is true of them: predictions of the rows have it too.
    """
    named = (columns.id, columns.label)
    hashes = table.content_keys([n for n in named if n is not None and n in table.schema]).hashes
    return sha256(hashes.astype(">u8").tobytes()).hexdigest()


def working_model(invocation: Invocation) -> Path:
    """The folder of the model in the working tree.

    Raises:
        ConfigError: the config does not say where it lies.
    """
    retrain = invocation.model.retrain
    if retrain is None or not retrain.artifacts:
        raise ConfigError(
            f"{invocation.common.config}: model {invocation.model_name!r} has no `retrain.artifacts:`, so the model to"
            " predict with is not known; name its folder, or give the predictions table on the command line"
        )
    return Path.cwd() / retrain.artifacts[0]


def read_registry(invocation: Invocation) -> Registry:
    """The model's registry, of a pull request as its base has it: what is judged must not choose its judge."""
    path = registry_path(invocation.model_name)
    return parse_registry(invocation.repository.read(invocation.base_commit, path), invocation.model_name)


@contextmanager
def production_model(invocation: Invocation, version: Version) -> Iterator[Path]:
    """The files of the production version, in a temporary folder.

    Raises:
        RepositoryError: they are not in the repository, or are not what was promoted.
    """
    path = working_model(invocation).relative_to(Path.cwd()).as_posix()
    with checked_out(invocation.repository, version, path) as folder:
        yield folder


@contextmanager
def checked_out(repository: Repository, version: Version, path: str) -> Iterator[Path]:
    """A version's files, verified against its digest."""
    if not repository.has_commit(version.commit):
        repository.fetch_commit(version.commit)
    with repository.checkout(version.commit, path) as folder:
        digest = artifacts_digest(artifact_files(folder).items())
        if digest != version.digest:
            raise RepositoryError(
                f"production version {version.version} is not what was promoted: its files at"
                f" {version.commit[:12]} have digest {digest[:12]}, the registry says {version.digest[:12]}"
            )
        yield folder


def features_of(invocation: Invocation, table: Table) -> list[str]:
    """The features of a table: those that the drift report watches, else the columns that have no part of their own."""
    model = invocation.model
    if model.drift.features is not None:
        return [name for name in model.drift.features if name in table.schema]
    return [name for name in table.schema if name not in model.columns.named()]


def read_for(
    invocation: Invocation, table: Table, uses: Sequence[MetricUse], more: Collection[Part] = ()
) -> Predictions:
    """Read what the given checks or comparisons need, and `more` parts beside."""
    parts: set[Part] = {*more, *(part for use in uses for part in use.definition.parts)}
    extra = [pair for use in uses for pair in use.reads.items()]
    extra += slice_columns(spec for use in uses for spec in use.slices)
    return read_predictions(table, invocation.model, parts=parts, extra=extra)
