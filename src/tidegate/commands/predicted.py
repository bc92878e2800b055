"""Predictions tables that nobody gave: made by ``predict:``, or read from the registry where it holds production's."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from tidegate.answers import answer_columns, score_columns
from tidegate.commands.base import Invocation
from tidegate.commands.baseline import Baseline, baseline_of
from tidegate.commands.evaluation import evaluation_set, production_model, rows_identity, scorer
from tidegate.commands.joining import SetTables
from tidegate.config import Columns, Compare
from tidegate.errors import DataError, RepositoryError
from tidegate.registry import Version, artifact_files, artifacts_digest
from tidegate.registry.stored import unpack
from tidegate.scoring import Answered, join_answers, rounds
from tidegate.tables import Table, open_table


def evaluation_sets(invocation: Invocation, names: Iterable[str]) -> dict[str, Table]:
    """The sets that the config names, each with rows, no two of them the same.

    Raises:
        ConfigError: the config names no table for one.
        DataError: a table is missing or empty, or stands for two sets.
    """
    sets: dict[str, Table] = {}
    for name in names:
        table = evaluation_set(invocation, name)
        if not table.rows:
            raise DataError(
                f"`{name}:` of model {invocation.model_name!r}, {table.path}, has no rows to judge on"
            )
        same = next((other for other, known in sets.items() if _same_rows(invocation, known, table)), None)
        if same is not None:
            raise DataError(
                f"`{same}:` and `{name}:` of model {invocation.model_name!r} hold the same rows ({table.path}): golden"
                " rows must never get worse, recent ones are newer than anything a model was trained on"
            )
        sets[name] = table
    return sets


def _same_rows(invocation: Invocation, one: Table, other: Table) -> bool:
    """Whether two sets hold the same rows, in whatever order and format."""
    if one.sha256 == other.sha256:
        return True
    columns = invocation.model.columns
    known = all(columns.id in table.schema for table in (one, other))
    return known and one.rows == other.rows and rows_identity(one, columns) == rows_identity(other, columns)


def reads_latency(config: Compare, columns: Columns) -> bool:
    """Whether a comparison looks at how long answers took."""
    timing = {columns.latency, columns.production_latency} - {None}
    return any(
        use.definition.parts & {"latency", "production_latency"} or timing & set(use.reads)
        for use in (config.primary, *config.guardrails)
    )


@dataclass(frozen=True, slots=True)
class Predicted:
    """The tables of one or more sets, and what there is to say of how they were made."""

    sets: list[SetTables]
    warnings: list[str]


def predicted(
    invocation: Invocation, config: Compare, serving: Version, model_dir: Path, data: Mapping[str, Table]
) -> Predicted:
    """The predictions of production and of the model in a folder on the sets of `data`.

    Raises:
        ConfigError, UserCommandError: ``predict:`` is missing, or fails.
        RepositoryError: production's files are not what was promoted.
    """
    make, warnings = scorer(invocation), []
    with serving_model(invocation, config, serving) as rival:
        # Production first: what the candidate's predictions leave behind must not reach its rival's. The candidate's
        # command can write wherever this process can, so that production's answers are held to what they were before.
        theirs = {name: rival.table(name, rows) for name, rows in data.items()}
        settled = {name: table.sha256 for name, table in theirs.items()}
        ours = {name: make.table(model_dir, rows, _candidate_on(name)) for name, rows in data.items()}
        for name, rows in data.items() if reads_latency(config, invocation.model.columns) else ():
            production = Answered(rival.folder, theirs[name], settled[name], f"production on the {name} set")
            candidate = Answered(model_dir, ours[name], ours[name].sha256, _candidate_on(name))
            theirs[name], ours[name] = rival.scorer.in_turns(production, candidate, rows)
            settled[name] = theirs[name].sha256
            warnings.append(
                f"latency on the {name} set was measured here, both models answering in turns on"
                f" {rounds(rows.rows)} parts of the rows"
            )
        baseline = rival.baseline(data.get("golden"))
    digest = artifacts_digest(artifact_files(model_dir).items())
    sets = [
        SetTables(
            name,
            theirs[name],
            {"candidate": ours[name]},
            settled=settled[name],
            digests={"candidate": digest},
            baseline=baseline,
            place=rival.place,
        )
        for name in data
    ]
    return Predicted(sets, warnings)


def _candidate_on(name: str) -> str:
    return f"the candidate on the {name} set"


class ServingModel:
    """The production version: its files and its predictions, each fetched when first asked for.

    Attributes:
        version: of the registry.
        place: where its predictions lie, as long as somebody holds it. Not where other steps of a job keep tables: a
            candidate's command that ran in one of them could have left production's answers there for the next.
        scorer: what runs ``predict:`` on it.
    """

    def __init__(self, invocation: Invocation, config: Compare, version: Version, stack: ExitStack) -> None:
        self._invocation = invocation
        self._config = config
        self._stack = stack
        self._folder: Path | None = None
        self._stored = False
        self._notes: list[str] = []
        self.version = version
        self.place = TemporaryDirectory(prefix="tidegate-")
        self.scorer = replace(scorer(invocation), keep=Path(self.place.name))

    @property
    def folder(self) -> Path:
        """Its files, verified."""
        if self._folder is None:
            self._folder = self._stack.enter_context(production_model(self._invocation, self.version))
        return self._folder

    def table(self, name: str, rows: Table) -> Table:
        """Its predictions on a set: those stored in the registry where they are of the same rows, else by a run."""
        stored = self._from_registry(rows) if name == "golden" else None
        if stored is not None:
            return stored
        return self.scorer.table(self.folder, rows, f"production on the {name} set")

    def baseline(self, golden: Table | None) -> Baseline:
        """What candidates were held to, after its predictions were taken."""
        return baseline_of(
            self._invocation,
            self.version,
            "registry" if self._stored else "predict",
            None if golden is None else golden.sha256,
            self._notes,
        )

    def _from_registry(self, golden: Table) -> Table | None:
        """The golden rows with what the registry holds of them; None, and a note, where it does not serve."""
        version, columns = self.version, self._invocation.model.columns
        if version.golden_predictions_sha256 is None:
            return None
        if version.golden_sha256 != golden.sha256:
            self._note(
                f"are of another golden set ({str(version.golden_sha256)[:12]}, and this is {golden.sha256[:12]})"
            )
            return None
        place, identifier = self.scorer.keep, columns.id or ""
        try:
            stored = unpack(
                self._invocation.repository,
                self._invocation.base_commit,
                version,
                self._invocation.model_name,
                place,
            )
            missing = self._needed(columns) - set(stored.schema) - set(golden.schema)
            if missing:
                raise RepositoryError(f"it lacks the column {sorted(missing)[0]!r}")
            taken = [name for name in answer_columns(columns) if name in stored.schema]
            kept = place / f"production-{version.golden_predictions_sha256}{golden.files[0].suffix.lower()}"
            join_answers(golden, kept, stored, identifier, taken)
        except (RepositoryError, DataError) as error:
            self._note(f"do not serve: {error}")
            return None
        self._stored = True
        return open_table(str(kept), shown=stored.path)

    def _needed(self, columns: Columns) -> set[str]:
        """The answers that the comparison reads."""
        parts = {
            part for use in (self._config.primary, *self._config.guardrails) for part in use.definition.parts
        }
        scores = score_columns(columns)
        read: dict[str, Iterable[str | None]] = {
            "score": scores,
            "prediction": scores if columns.prediction is None else [columns.prediction],
            "error": [columns.error],
            "cost": [columns.cost],
        }
        return {name for part in parts for name in read.get(part, ()) if name is not None}

    def _note(self, why: str) -> None:
        self._notes.append(
            f"the predictions stored with production version {self.version.version} {why}: production was run anew"
        )


@contextmanager
def serving_model(invocation: Invocation, config: Compare, version: Version) -> Iterator[ServingModel]:
    """The production version, for as long as its files are needed."""
    with ExitStack() as stack:
        yield ServingModel(invocation, config, version, stack)
