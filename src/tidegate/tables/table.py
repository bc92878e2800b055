"""Opening tables: where they are, and what can be asked of them."""

import re
from collections.abc import Mapping
from pathlib import Path

from tidegate.errors import DataError
from tidegate.suggest import did_you_mean
from tidegate.tables.export import Export
from tidegate.tables.keys import Hashing
from tidegate.tables.quality import Quality
from tidegate.tables.reading import Reading
from tidegate.tables.rows import Rows
from tidegate.tables.scan import SUFFIXES
from tidegate.tables.vectors import Vectors


class Table(Reading, Rows, Quality, Hashing, Export, Vectors):
    """A table on disk, opened but not read: each base answers questions of one sort about it."""


def open_table(
    spec: str, *, sources: Mapping[str, str] | None = None, base: Path = Path(), shown: str | None = None
) -> Table:
    """Open a table by path, glob, directory of Parquet files, or name of a source.

    Args:
        spec: what the user wrote.
        sources: name to path, from the config.
        base: the folder that relative paths start from.
        shown: what messages and reports call it, when that is not `spec`.

    Raises:
        DataError: nothing is there, the suffix is unknown, or the file is malformed.
    """
    files = _found(spec, (sources or {}).get(spec, spec), base, sources or {})
    formats = {SUFFIXES.get(file.suffix.lower()) for file in files}
    if len(formats) != 1 or None in formats:
        raise DataError(f"{spec}: the suffix must be one of {', '.join(SUFFIXES)}, the same for all files")
    if all(file.stat().st_size == 0 for file in files):
        raise DataError(f"{spec} is empty (0 bytes): it needs a header and at least one row")
    return Table(shown or spec, files, str(formats.pop()))


def _found(spec: str, located: str, base: Path, sources: Mapping[str, str]) -> list[Path]:
    """The files of a table, in order of name; at least one."""
    path = base / located
    if path.is_dir():
        files = sorted(file for file in path.rglob("*.parquet") if file.is_file())
        if not files:
            raise DataError(f"{spec} is a folder without .parquet files")
        return files
    if path.is_file():
        return [path]
    if re.search(r"[*?\[]", located):
        pattern = Path(located)
        root = Path(pattern.anchor) if pattern.anchor else base
        files = sorted(file for file in root.glob(str(pattern.relative_to(pattern.anchor))) if file.is_file())
        if not files:
            raise DataError(f"no file matches {spec}")
        return files
    names = did_you_mean(spec, sources) if sources else ""
    raise DataError(
        f"{spec} does not exist: give a .parquet, .csv or .jsonl file, a glob, or a folder.{names}"
    )
