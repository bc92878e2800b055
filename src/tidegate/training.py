"""From windows of data to a trained model: choosing rows, keeping the newest apart, running ``train:``."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tidegate.config import Holdout, Model, parse_duration
from tidegate.errors import ConfigError, DataError, UserCommandError
from tidegate.registry import OWN_FILES, artifact_files
from tidegate.tables import Table, open_table, quote
from tidegate.userprocess import run


@dataclass(frozen=True, slots=True)
class TrainingRows:
    """The rows to train on and, when a hold-out is configured, the newest ones that were kept apart.

    Attributes:
        golden_excluded: rows left out because they are in the golden set.
        undated: rows without a time, which a hold-out can place on neither side.
    """

    training: Table
    recent: Table | None
    golden_excluded: int
    undated: int = 0


def choose_rows(data: Table, model: Model, golden: Table | None, place: Path) -> TrainingRows:
    """Split `data` by time and leave out the golden rows.

    Args:
        data: all rows at hand.
        model: names the columns and the hold-out.
        golden: rows that must never be trained on, found by their id.
        place: folder that the tables are written to.

    Raises:
        ConfigError: a hold-out without a timestamp column.
        DataError: no row is left on one side.
    """
    if model.retrain is None:
        raise ConfigError("`retrain:` is missing in the config")
    suffix = data.files[0].suffix.lower()
    keep, excluded = "true", 0
    identifier = model.columns.id
    if (
        golden is not None
        and identifier is not None
        and identifier in golden.schema
        and identifier in data.schema
    ):
        name = quote(identifier)
        keep = (
            f"coalesce(CAST({name} AS VARCHAR) NOT IN (SELECT CAST({name} AS VARCHAR) FROM {golden.source}"
            f" WHERE {name} IS NOT NULL), true)"
        )
        excluded = int(data.scalar(f"count(*) FILTER (WHERE NOT ({keep}))") or 0)
    training, recent = place / f"training{suffix}", place / f"recent{suffix}"
    if model.retrain.holdout is None:
        data.export(training, where=keep)
        rows = TrainingRows(open_table(str(training), shown="training rows"), None, excluded)
    else:
        when, cut = _cut(data, model, model.retrain.holdout)
        data.export(training, where=f"{keep} AND {when} <= {cut}")
        data.export(recent, where=f"{when} > {cut} AND {_labelled(data, model)}")
        rows = TrainingRows(
            open_table(str(training), shown="training rows"),
            open_table(str(recent), shown="recent labelled rows"),
            excluded,
            undated=int(data.scalar(f"count(*) FILTER (WHERE {when} IS NULL)") or 0),
        )
    for table in (rows.training, rows.recent):
        if table is not None and table.rows == 0:
            raise DataError(
                f"{data.path} leaves no {table.path}: choose another `retrain.holdout:` or more data"
                f" ({excluded:,} rows are in the golden set)"
            )
    return rows


def _labelled(data: Table, model: Model) -> str:
    """SQL that holds for rows that a model can be judged on."""
    label = model.columns.label
    return f"{quote(label)} IS NOT NULL" if label is not None and label in data.schema else "true"


def _cut(data: Table, model: Model, holdout: Holdout) -> tuple[str, str]:
    """SQL of a row's time, and of the last moment that may be trained on."""
    if model.columns.timestamp is None:
        raise ConfigError("`retrain.holdout:` keeps the newest rows apart and so needs `columns.timestamp:`")
    data.require([model.columns.timestamp])
    when = f"CAST({quote(model.columns.timestamp)} AS TIMESTAMP)"
    text = str(holdout.last)
    if text.endswith("%"):
        moment = data.scalar(f"quantile_disc({when}, {1 - float(text[:-1]) / 100})")
    elif text.isdigit():
        # The smallest quantile is the oldest row itself, which would stay in training.
        share = int(text) / max(data.rows, 1)
        moment = data.scalar(
            f"quantile_disc({when}, {1 - share})" if share < 1 else f"min({when}) - INTERVAL 1 SECOND"
        )
    else:
        seconds = parse_duration(text).total_seconds()
        moment = data.scalar(f"max({when}) - to_seconds({seconds})")
    if moment is None:
        raise DataError(f"{data.path}: column {model.columns.timestamp!r} holds no time")
    return when, f"TIMESTAMP '{moment}'"


def train(
    model: Model, rows: Table, output: Path, folder: Path, on_line: Callable[[str], None]
) -> dict[str, Path]:
    """Run ``train:`` and return the files that it wrote, by their path inside `output`.

    Raises:
        ConfigError: no ``train:``.
        UserCommandError: the command fails, hangs or writes no model.
    """
    if model.retrain is None or model.retrain.train is None:
        raise ConfigError("`retrain.train:` is missing in the config: the command that trains the model")
    output.mkdir(parents=True)
    tail = run(
        model.retrain.train,
        {"data": rows.files[0].resolve(), "model_dir": output.resolve()},
        name="train",
        folder=folder,
        timeout=model.retrain.train_timeout,
        on_line=on_line,
        pass_env=model.pass_env,
    )
    files = artifact_files(output)
    if not files:
        raise UserCommandError("the train command ended well but wrote nothing to {model_dir}", tail)
    reserved = OWN_FILES & {path.name for path in output.iterdir()}
    if reserved:
        raise UserCommandError(
            f"the train command wrote {sorted(reserved)[0]}, a name that Tidegate keeps for itself", tail
        )
    return files
