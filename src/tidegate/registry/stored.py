"""Production's predictions on the golden set, stored when it was promoted, so that it need not run again."""

import hashlib
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from tidegate.answers import answer_columns, require_answers
from tidegate.config import Columns
from tidegate.errors import DataError, RepositoryError
from tidegate.git import Repository
from tidegate.registry import Version, golden_predictions_path
from tidegate.tables import Table, open_table, quote

MAX_BYTES = 10_000_000


def pack(predictions: Table, golden: Table, columns: Columns) -> bytes | None:
    """The file that is stored: the id and what the model answered, for exactly the golden rows.

    Args:
        predictions: the table that an earlier job made; its other columns are left out.
        golden: the golden set.
        columns: the parts that columns play.

    Returns:
        None where it would be larger than :data:`MAX_BYTES`.

    Raises:
        DataError: no id, no answers, or not exactly the golden rows.
    """
    if columns.id is None:
        raise DataError("golden predictions are stored by id, and the config names no `columns.id:`")
    predictions.require([columns.id])
    answers = [name for name in answer_columns(columns) if name in predictions.schema]
    if not answers:
        raise DataError(
            f"{predictions.path} has none of the columns that the config names for score or prediction"
        )
    try:
        golden.require_unique(columns.id)
        require_answers(predictions, golden, columns.id)
    except DataError as error:
        raise DataError(f"{predictions.path} is not of the golden set {golden.path}: {error}") from None
    with TemporaryDirectory(prefix="tidegate-") as place:
        path = Path(place) / "golden-predictions.parquet"
        predictions.export(path, select=", ".join(map(quote, [columns.id, *answers])))
        return path.read_bytes() if path.stat().st_size <= MAX_BYTES else None


def unpack(repository: Repository, commit: str, version: Version, model: str, place: Path) -> Table:
    """The predictions that were stored with a version, from the registry at a commit.

    Args:
        repository: holds the registry.
        commit: of the registry.
        version: whose predictions they are.
        model: its name.
        place: folder that the file is copied to, for as long as the table is read.

    Raises:
        RepositoryError: they are not there, or are not those that were stored.
    """
    path = golden_predictions_path(model)
    # Bytes of the model's own folder, as a checkout of it would have them: Git LFS may keep them elsewhere.
    with repository.checkout(commit, path) as found:
        if not found.is_file() or found.is_symlink() or found.stat().st_size > MAX_BYTES:
            raise RepositoryError(f"{path} at {commit[:12]} is no table of predictions that was stored there")
        if hashlib.sha256(found.read_bytes()).hexdigest() != version.golden_predictions_sha256:
            raise RepositoryError(
                f"{path} at {commit[:12]} does not hold the predictions that were stored with version {version.version}"
            )
        kept = place / f"stored-{version.golden_predictions_sha256}.parquet"
        place.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(found, kept)
    return open_table(str(kept), shown=f"stored predictions of version {version.version}")
