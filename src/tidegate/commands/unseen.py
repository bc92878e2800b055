"""Whether rows are new to a model: later than what it was trained on, and none of it."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tidegate.commands.base import Invocation
from tidegate.errors import DataError, TidegateError
from tidegate.registry import Version, fingerprint_path, lineage_path
from tidegate.registry.fingerprint import Fingerprint, Overlap, named_fingerprint, overlap
from tidegate.registry.lineage import Lineage, parse_lineage
from tidegate.tables import Table, quote
from tidegate.wording import plural

_MAX_BYTES = 20_000_000


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A model whose training is looked into.

    Attributes:
        name: for messages.
        digest: of its files; a lineage of other files has no say about it.
        commit: where its lineage lies; None: in the working tree.
    """

    name: str
    digest: str
    commit: str | None = None

    @classmethod
    def serving(cls, version: Version) -> "TrainedModel":
        """The production version."""
        return cls(f"production version {version.version}", version.digest, version.commit)


def require_unseen(invocation: Invocation, rows: Table, models: list[TrainedModel]) -> list[str]:
    """Check that none of the models was trained on the recent rows, by time and by fingerprint.

    Returns:
        Sentences about what could not be checked.

    Raises:
        DataError: a row is not later than what a model was trained on, or is among it: answers there are memories.
        RepositoryError: a lineage is malformed, or names a fingerprint that is not there.
    """
    unknown = []
    for model in models:
        lineage = _lineage(invocation, model)
        undated = None if lineage is None else _undated(invocation, rows, lineage.trained_until, model.name)
        known = None if lineage is None else _fingerprint(invocation, model, lineage)
        compared = known is not None and _not_in(invocation, rows, known, model.name)
        if not compared and undated is None:
            unknown.append(
                f"whether {model.name} was trained on recent rows could not be checked: no lineage says what it was"
                " trained on"
            )
        if undated:
            unknown.append(
                f"{undated:,} of {plural(rows.rows, 'recent row')} {'has' if undated == 1 else 'have'} no time"
                f" (`columns.timestamp: {invocation.model.columns.timestamp}`), which would tell whether"
                f" {model.name} was trained on {'it' if undated == 1 else 'them'}"
            )
    return unknown


def unchecked(invocation: Invocation) -> list[str]:
    """A sentence where tables were given that stand for the recent rows, and a lineage could have told if they are new.

    Given tables stand for the golden rows as well, which may be as old as they are.
    """
    timestamp = invocation.model.columns.timestamp
    if timestamp is None or not (Path.cwd() / lineage_path(invocation.model_name)).is_file():
        return []
    return [
        "whether the models were trained on the given rows was not checked: name the newest ones as `recent:` and let"
        " the tables be made"
    ]


def _undated(invocation: Invocation, rows: Table, until: datetime | None, name: str) -> int | None:
    """How many rows have no time, all others being later than what was trained on; None without times to compare."""
    timestamp = invocation.model.columns.timestamp
    if timestamp is None or until is None:
        return None
    rows.require([timestamp])
    # A lineage tells the second in which the newest row falls, and not when in that second.
    moment = f"TIMESTAMP '{until.replace(microsecond=999_999).isoformat(sep=' ')}'"
    early = rows.scalar(f"count(*) FILTER (WHERE CAST({quote(timestamp)} AS TIMESTAMP) <= {moment})")
    if early:
        raise DataError(
            f"{early:,} of {rows.rows:,} recent rows are not later than the data that {name} was trained on, which ends"
            f" {until.isoformat(sep=' ', timespec='seconds')} (`columns.timestamp: {timestamp}`): judge on newer rows,"
            " which neither model has seen"
        )
    return rows.rows - int(rows.scalar(f"count({quote(timestamp)})"))


def _not_in(invocation: Invocation, rows: Table, known: Fingerprint, name: str) -> bool:
    """Whether rows could be looked up, none of them being among those that were trained on."""
    looked_up = [each for each in overlap(rows, known, invocation.model.columns.id) if each.keys]
    for found in looked_up:
        if found.found:
            raise DataError(
                f"{_told(found)} among the rows that {name} was trained on: judge on newer rows, which neither model"
                " has seen"
            )
    return any(each.examined for each in looked_up)


def _told(found: Overlap) -> str:
    by = f"by {found.column!r}" if found.column is not None else "by what they hold"
    sampled = "" if found.exact else f" that the training data's fingerprint can tell, of {found.keys:,},"
    return f"{found.matched:,} of {found.examined:,} recent rows{sampled} are ({by})"


def _lineage(invocation: Invocation, model: TrainedModel) -> Lineage | None:
    raw = _read(invocation, model.commit, lineage_path(invocation.model_name))
    lineage = None if raw is None else parse_lineage(raw, invocation.model_name)
    return lineage if lineage is not None and lineage.digest == model.digest else None


def _fingerprint(invocation: Invocation, model: TrainedModel, lineage: Lineage) -> Fingerprint | None:
    path = fingerprint_path(invocation.model_name)
    return named_fingerprint(
        lineage, lambda: _read(invocation, model.commit, path), f"models/{invocation.model_name}"
    )


def _read(invocation: Invocation, commit: str | None, name: str) -> bytes | None:
    """A file beside a model; None where there is none, or where the commit is out of reach."""
    if commit is None:
        path = Path.cwd() / name
        return path.read_bytes() if path.is_file() and path.stat().st_size <= _MAX_BYTES else None
    repository = invocation.repository
    try:
        if not repository.has_commit(commit):
            repository.fetch_commit(commit)
        size = repository.size(commit, name)
    except TidegateError:
        return None
    return repository.read(commit, name) if size is not None and size <= _MAX_BYTES else None
