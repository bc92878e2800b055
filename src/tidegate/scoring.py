"""Making a predictions table by running the user's ``predict:`` command on a model and a set of rows."""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tidegate.answers import answer_columns, require_answers, timing_columns
from tidegate.config import Model
from tidegate.errors import ConfigError, DataError, UserCommandError
from tidegate.registry import artifact_files, artifacts_digest
from tidegate.tables import Table, open_table, quote
from tidegate.userprocess import run

ROUNDS = 10
"""How many parts the rows are cut into where two models answer in turns."""
_ROWS_PER_ROUND = 20


def rounds(rows: int) -> int:
    """How often each of two models answers a part of `rows`: even, so that each is the first equally often."""
    most = min(ROUNDS, rows // _ROWS_PER_ROUND)
    return most - most % 2 or 1


@dataclass(frozen=True, slots=True)
class Answered:
    """A model with what it answered on a set of rows.

    Attributes:
        model_dir: the model's files.
        table: its answers.
        sha256: of that table when it was answered, before another model's command ran.
        name: what messages call both.
    """

    model_dir: Path
    table: Table
    sha256: str
    name: str


@dataclass(frozen=True)
class Scorer:
    """Runs one model's ``predict:`` command; a table that was made before for the same model and rows is kept.

    Attributes:
        model: gives the command, its limit, and the names of the columns.
        folder: where the command runs.
        keep: where tables are kept.
        on_line: called with each line that the command prints.
    """

    model: Model
    folder: Path
    keep: Path
    on_line: Callable[[str], None]

    def table(self, model_dir: Path, data: Table, name: str) -> Table:
        """The rows of `data` with the predictions of the model in `model_dir`.

        Args:
            model_dir: the model's files.
            data: rows with an id; their label and old predictions are not shown to the command.
            name: of the model and set, for messages.

        Raises:
            ConfigError: no ``predict:``, or no id column.
            UserCommandError: the command fails, hangs, or its table does not match the rows.
        """
        command, identifier = self._needs()
        files = artifact_files(model_dir) if model_dir.is_dir() else {}
        if not files:
            raise UserCommandError(f"there is no model to predict with: {model_dir.name} is missing or empty")
        kept = self._place(f"{artifacts_digest(files.items())}\n{data.sha256}\n{command}", data)
        if not kept.is_file():
            data.require([identifier])
            data.require_unique(identifier)
            with TemporaryDirectory(prefix="tidegate-") as place:
                given = Path(place) / f"data{kept.suffix}"
                self._export(data, given)
                made = self._answer(_copy(model_dir, Path(place) / "model"), given)
                # Its labels are joined to the answers now.
                require_unchanged(data, data.sha256)
                answered = self._checked(made, data, name)
                present = [column for column in answered.schema if column in self._answers]
                with _usable(name):
                    join_answers(data, kept, answered, identifier, present)
        return open_table(str(kept), shown=f"predictions of {name}")

    def in_turns(self, production: Answered, candidate: Answered, data: Table) -> tuple[Table, Table]:
        """The tables of both models with latencies that they had in turns, part by part of the rows.

        A machine has slow phases; in the order production, candidate, candidate, production, ... they meet both alike.

        Nothing but latencies is taken from the turns. The candidate's command has run by the time that production's
        runs again, and could have left something behind: what production answers was settled before.

        Raises:
            ConfigError, UserCommandError: as :meth:`table`; a command rewrote what was answered before it ran.
        """
        columns = self.model.columns
        if columns.latency is None:
            return production.table, candidate.table
        suffix = data.files[0].suffix.lower()
        with TemporaryDirectory(prefix="tidegate-") as name:
            place = Path(name)
            sides = [production, candidate]
            models = [_copy(side.model_dir, place / f"model-{i}") for i, side in enumerate(sides)]
            parts: tuple[list[Path], list[Path]] = ([], [])
            settled = [(data, data.sha256), *((side.table, side.sha256) for side in sides)]
            count = rounds(data.rows)
            for i in range(count):
                given = place / f"data-{i}{suffix}"
                self._export(data, given, range(i * data.rows // count, (i + 1) * data.rows // count))
                for side in (0, 1) if i % 2 == 0 else (1, 0):
                    shown = f"{sides[side].name}, part {i + 1} of {count}"
                    made = self._answer(models[side], given)
                    answered = self._checked(made, open_table(str(given)), shown)
                    parts[side].append(answered.files[0])
                    settled.append((answered, answered.sha256))
            for table, sha256 in settled:
                require_unchanged(table, sha256)
            took = [Table(side.name, files, data.format) for side, files in zip(sides, parts, strict=True)]
            if any(columns.latency not in each.schema for each in took):
                return production.table, candidate.table
            return self._timed(production, took[0], took[0]), self._timed(candidate, took[1], took[0])

    def _timed(self, side: Answered, own: Table, production: Table) -> Table:
        """Answers with the latencies that the model had in turns, and with production's where they have a column."""
        (_, identifier), columns = self._needs(), self.model.columns
        given, latency, beside = side.table, columns.latency or "", columns.production_latency
        takes = [(own, quote(latency))]
        if beside is not None:
            takes.append((production, f"{quote(latency)} AS {quote(beside)}"))
        for source, column in takes:
            with TemporaryDirectory(prefix="tidegate-") as place:
                path = Path(place) / f"latencies{given.files[0].suffix.lower()}"
                source.export(path, select=f"{quote(identifier)}, {column}")
                taken = open_table(str(path))
                kept = self._place(f"{given.sha256}\n{taken.sha256}", given)
                join_answers(given, kept, taken, identifier, [n for n in taken.schema if n != identifier])
            given = open_table(str(kept), shown=side.table.path)
        return given

    @property
    def _answers(self) -> set[str]:
        """All columns that the command may answer with."""
        return {*answer_columns(self.model.columns), *timing_columns(self.model.columns)}

    def _needs(self) -> tuple[str, str]:
        """The command and the id, which predicting cannot do without."""
        command, identifier = self.model.predict, self.model.columns.id
        if command is None or identifier is None:
            missing = "predict:" if command is None else "columns.id:"
            raise ConfigError(
                f"`{missing}` is missing in the config: it is needed to make predictions of a model"
            )
        return command, identifier

    def _place(self, what: str, data: Table) -> Path:
        """Where a table is kept, by what it was made from."""
        key = hashlib.sha256(what.encode()).hexdigest()
        return self.keep / f"{key[:32]}{data.files[0].suffix.lower()}"

    def _export(self, data: Table, given: Path, rows: range | None = None) -> None:
        """Write rows as the command may see them: without the label, and without what is answered."""
        hidden = {*self._answers, self.model.columns.label}
        names = [quote(name) for name in sorted(name for name in hidden if name in data.schema)]
        data.export(given, select=f"* EXCLUDE ({', '.join(names)})" if names else "*", rows=rows)

    def _answer(self, model: Path, given: Path) -> Path:
        """Run the command; where it is to write its table."""
        command, _ = self._needs()
        made = given.with_name(f"{model.name}-{given.name}")
        run(
            command,
            {"model_dir": model, "data": given, "predictions": made},
            name="predict",
            folder=self.folder,
            timeout=self.model.predict_timeout,
            on_line=self.on_line,
            pass_env=self.model.pass_env,
        )
        return made

    def _checked(self, made: Path, data: Table, name: str) -> Table:
        """The table that the command wrote; it must answer every row of `data` once."""
        _, identifier = self._needs()
        with _usable(name):
            answered = open_table(str(made), shown="the table that `predict:` wrote")
            answered.require([identifier])
            if not self._answers & set(answered.schema):
                raise DataError(
                    "it has none of the columns that the config names for score, prediction or latency"
                )
            require_answers(answered, data, identifier)
        return answered


def require_unchanged(table: Table, sha256: str) -> None:
    """Check that no command has rewritten the files of a table since its fingerprint was taken.

    Raises:
        UserCommandError: one has.
    """
    try:
        # The table at hand remembers the fingerprint that it had first.
        now = Table(table.path, table.files, table.format).sha256
    except (DataError, OSError):
        now = None
    if now != sha256:
        raise UserCommandError(
            f"{table.path} changed while the predict command ran: it must write the table that {{predictions}} names,"
            " and leave all others as they are"
        )


@contextmanager
def _usable(name: str) -> Iterator[None]:
    """Turn what is wrong with a table that a command wrote into a failure of the command."""
    try:
        yield
    except DataError as error:
        raise UserCommandError(f"the predict command for {name} gave no usable table: {error}") from None


def _copy(model_dir: Path, place: Path) -> Path:
    """A copy of a model, so that a command that writes beside it cannot change what is judged next."""
    shutil.copytree(model_dir, place, symlinks=True)
    return place


def join_answers(data: Table, kept: Path, other: Table, identifier: str, take: list[str]) -> None:
    """Write the rows of `data` with columns of another table; whoever finds the file there finds all of it."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    part = kept.with_name(f"{os.getpid()}-{kept.name}")
    data.export_joined(part, other, on=identifier, take=take)
    part.replace(kept)
