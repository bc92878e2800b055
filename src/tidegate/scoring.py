"""Making a predictions table by running the user's ``predict:`` command on a model and a set of rows."""

import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tidegate.config import Model
from tidegate.errors import ConfigError, DataError, UserCommandError
from tidegate.registry import artifact_files, artifacts_digest
from tidegate.tables import Table, open_table, quote
from tidegate.userprocess import run


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
        command, identifier = self.model.predict, self.model.columns.id
        if command is None or identifier is None:
            missing = "predict:" if command is None else "columns.id:"
            raise ConfigError(
                f"`{missing}` is missing in the config: it is needed to make predictions of a model"
            )
        files = artifact_files(model_dir) if model_dir.is_dir() else {}
        if not files:
            raise UserCommandError(f"there is no model to predict with: {model_dir.name} is missing or empty")
        suffix = data.files[0].suffix.lower()
        key = hashlib.sha256(
            f"{artifacts_digest(files.items())}\n{data.sha256}\n{command}".encode()
        ).hexdigest()
        kept = self.keep / f"{key[:32]}{suffix}"
        if not kept.is_file():
            data.require([identifier])
            data.require_unique(identifier)
            self._predict(command, model_dir, data, identifier, kept, name)
        return open_table(str(kept), shown=f"predictions of {name}")

    def _predict(
        self, command: str, model_dir: Path, data: Table, identifier: str, kept: Path, name: str
    ) -> None:
        columns = self.model.columns
        produced = set(columns.named()) - {
            identifier,
            columns.label,
            columns.timestamp,
            columns.cluster,
            *columns.kpi,
        }
        hidden = sorted(name for name in {*produced, columns.label} if name in data.schema)
        with TemporaryDirectory(prefix="tidegate-") as place:
            # A copy, so that a command that writes beside its model cannot change what is judged next.
            model = Path(place) / "model"
            shutil.copytree(model_dir, model, symlinks=True)
            given, made = Path(place) / f"data{kept.suffix}", Path(place) / f"predictions{kept.suffix}"
            shown = f"* EXCLUDE ({', '.join(map(quote, hidden))})" if hidden else "*"
            data.export(given, select=shown)
            run(
                command,
                {"model_dir": model, "data": given, "predictions": made},
                name="predict",
                folder=self.folder,
                timeout=self.model.predict_timeout,
                on_line=self.on_line,
                pass_env=self.model.pass_env,
            )
            try:
                answered = open_table(str(made), shown="the table that `predict:` wrote")
                present = [column for column in answered.schema if column in produced]
                self._check(answered, data, identifier, present)
                kept.parent.mkdir(parents=True, exist_ok=True)
                # Whoever finds the table there finds all of it.
                part = kept.with_name(f"{os.getpid()}-{kept.name}")
                data.export_joined(part, answered, on=identifier, take=present)
                part.replace(kept)
            except DataError as error:
                raise UserCommandError(
                    f"the predict command for {name} gave no usable table: {error}"
                ) from None

    def _check(self, answered: Table, data: Table, identifier: str, present: list[str]) -> None:
        answered.require([identifier])
        if not present:
            raise DataError(
                "it has none of the columns that the config names for score, prediction or latency"
            )
        repeated = answered.duplicated(identifier, limit=1)
        if repeated:
            raise DataError(f"the {identifier} {repeated[0][0]} stands in it {repeated[0][1]} times")
        ours, _ = data.match(answered, identifier)
        if len(ours) != data.rows or answered.rows != data.rows:
            raise DataError(
                f"it must answer each of the {data.rows:,} rows once, but has {answered.rows:,} rows,"
                f" of which {len(ours):,} match"
            )
