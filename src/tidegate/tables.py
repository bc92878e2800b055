"""Reading tables: Parquet, CSV and JSON Lines, by DuckDB, into numpy columns; only the columns asked for."""

import csv
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import duckdb
import numpy as np

from tidegate.errors import DataError
from tidegate.suggest import did_you_mean

Kind = Literal["number", "category", "time"]
Want = Literal["number", "category", "time", "any"]
Level = str | int | float | bool

SUFFIXES = {".parquet": "parquet", ".pq": "parquet", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
MAX_COLUMNS = 5_000
_COPY = {"parquet": "FORMAT parquet", "csv": "FORMAT csv, HEADER", "jsonl": "FORMAT json"}
_ORDER = "tidegate row order"
_INTEGERS = {
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
}
_FLOATS = {"FLOAT", "DOUBLE"}


@dataclass(frozen=True, slots=True)
class Column:
    """One column in memory.

    Attributes:
        kind: ``number`` (float64, NaN is missing), ``category`` (int32 codes into `levels`, -1 is missing) or
            ``time`` (datetime64[us], NaT is missing).
        values: shape (rows,).
        levels: the sorted distinct values of a category, in their own type; empty for other kinds.
    """

    name: str
    kind: Kind
    values: np.ndarray
    levels: tuple[Level, ...] = ()

    @property
    def missing(self) -> np.ndarray:
        """Mask of missing values, shape (rows,)."""
        if self.kind == "category":
            return self.values < 0
        return np.isnat(self.values) if self.kind == "time" else np.isnan(self.values)

    def take(self, rows: np.ndarray) -> "Column":
        """The column at `rows`, in their order."""
        return Column(self.name, self.kind, self.values[rows], self.levels)


def quote(identifier: str) -> str:
    """A name as an SQL identifier, whatever it contains."""
    return '"' + identifier.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


class Table:
    """A table on disk, opened but not read.

    Attributes:
        path: as the user gave it, for messages.
        schema: column name to DuckDB type; CSV columns are all VARCHAR until read.
    """

    def __init__(self, path: str, files: list[Path], file_format: str) -> None:
        self.path = path
        self.files = files
        self.format = file_format
        self._connection = duckdb.connect(
            ":memory:",
            config={
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                "python_enable_replacements": "false",
            },
        )
        # Times with a zone are read as UTC, wherever the machine stands.
        self._connection.execute("SET TimeZone = 'UTC'")
        self._scratch: TemporaryDirectory[str] | None = None
        self._sha256: str | None = None
        self._rows: int | None = None
        self.source = self._scan()
        self.schema: dict[str, str] = {
            str(row[0]): str(row[1])
            for row in self._query(f"DESCRIBE SELECT * FROM {self.source}").fetchall()
        }
        if len(self.schema) > MAX_COLUMNS:
            raise DataError(f"{path} has {len(self.schema):,} columns; at most {MAX_COLUMNS:,} are read")

    def _scan(self) -> str:
        """The SQL that reads the files."""
        if self.format == "parquet":
            return f"read_parquet({_paths(self.files)}, union_by_name=true)"
        if self.format == "jsonl":
            return f"read_json({_paths(self.files)}, format='newline_delimited', sample_size=-1, union_by_name=true)"
        headers = [_csv_header(file, self.path) for file in self.files]
        files = [
            self._on_one_line(file) if any(set(name) & set("\r\n") for name in header) else file
            for file, header in zip(self.files, headers, strict=True)
        ]
        if all(header == headers[0] for header in headers):
            return _read_csv(files, headers[0])
        # With columns given, DuckDB goes by their position: files in another order must not meet in one call.
        each = [
            f"SELECT * FROM {_read_csv([file], header)}" for file, header in zip(files, headers, strict=True)
        ]
        return f"({' UNION ALL BY NAME '.join(each)})"

    def _on_one_line(self, file: Path) -> Path:
        """A copy whose header has no line break: DuckDB 2.0 finds no rows at all where one meets CRLF lines."""
        if self._scratch is None:
            self._scratch = TemporaryDirectory(prefix="tidegate-")
        copy = Path(self._scratch.name) / f"{len(list(Path(self._scratch.name).iterdir()))}.csv"
        with file.open(encoding="utf-8-sig", newline="") as source:
            header = next(csv.reader(source, strict=True))
            first = source.readline()
            ending = "\r\n" if first.endswith("\r\n") else "\n"
            with copy.open("w", encoding="utf-8", newline="") as target:
                target.write(",".join(f"c{i}" for i in range(len(header))) + ending + first)
                target.writelines(source)
        return copy

    def _query(self, sql: str, parameters: list[Any] | None = None) -> duckdb.DuckDBPyConnection:
        try:
            return self._connection.execute(sql, parameters or [])
        except duckdb.Error as error:
            raise DataError(f"{self.path} cannot be read as {self.format}: {_first_lines(error)}") from None

    @property
    def sha256(self) -> str:
        """Fingerprint of the bytes; of several files, of their fingerprints in order of name."""
        if self._sha256 is None:
            digests = [_file_sha256(file) for file in self.files]
            joined = "\n".join(digests).encode()
            self._sha256 = digests[0] if len(digests) == 1 else hashlib.sha256(joined).hexdigest()
        return self._sha256

    @property
    def rows(self) -> int:
        """Number of rows."""
        if self._rows is None:
            row = self._query(f"SELECT count(*) FROM {self.source}").fetchone()
            self._rows = int(row[0]) if row else 0
        return self._rows

    def require(self, columns: Iterable[str]) -> None:
        """Check that the columns exist.

        Raises:
            DataError: one does not; the message suggests the nearest.
        """
        for name in columns:
            if name not in self.schema:
                raise DataError(f"{self.path} has no column {name!r}.{did_you_mean(name, self.schema)}")

    def read(self, wanted: Iterable[tuple[str, Want]]) -> dict[tuple[str, Want], Column]:
        """Read columns into memory in one pass, in the order of the file.

        Args:
            wanted: pairs of column name and the kind it must have; ``any`` takes what the type suggests. One column may
                be read as several kinds.

        Raises:
            DataError: a column is missing, or a value does not fit the kind (the first is named).
        """
        asked = list(dict.fromkeys(wanted))
        names = list(dict.fromkeys(name for name, _ in asked))
        self.require(names)
        if not names:
            return {}
        selected = ", ".join(f"{quote(name)} AS c{i}" for i, name in enumerate(names))
        self._query(f"CREATE OR REPLACE TEMP TABLE loaded AS SELECT {selected} FROM {self.source}")
        try:
            columns = {
                (name, want): self._load(f"c{names.index(name)}", name, self.schema[name], want)
                for name, want in asked
            }
        finally:
            self._query("DROP TABLE loaded")
        self._rows = len(columns[asked[0]].values)
        return columns

    def _load(self, slot: str, name: str, sql_type: str, want: Want) -> Column:
        base = sql_type.split("(")[0]
        if base == "DECIMAL":
            base = "DOUBLE"
        if self.format == "csv":
            base = self._infer(slot)
        if want == "any":
            want = _kind(base)
        if want == "category":
            return self._load_category(slot, name, sql_type, base)
        target = "DOUBLE" if want == "number" else "TIMESTAMP"
        # Epochs and numbers written as times are guesses we do not make.
        fits = (_kind(base) == want and base != "VARCHAR") or (base == "BOOLEAN" and want == "number")
        if not fits:
            self._refuse_misfits(slot, name, target)
        if base == "BOOLEAN" and self.format == "csv":
            slot = f"{slot}::BOOLEAN"
        values = self._numpy(f"SELECT CAST({slot} AS {target}) AS v FROM loaded")
        if want == "number":
            return Column(name, "number", np.ma.filled(values.astype(np.float64), np.nan))
        return Column(name, "time", np.ma.filled(values.astype("datetime64[us]"), np.datetime64("NaT")))

    def _infer(self, slot: str) -> str:
        """The narrowest type that all values of a CSV column fit."""
        row = self._query(
            # An integer is what reads the same when written again: 1.5 is none, and 007 is a code.
            f"SELECT count({slot}), count(TRY_CAST({slot} AS DOUBLE)),"
            f" count(*) FILTER (CAST(TRY_CAST({slot} AS BIGINT) AS VARCHAR) = {slot}),"
            f" count(*) FILTER (regexp_matches({slot}, '^[+-]?0[0-9]')),"
            f" count(TRY_CAST({slot} AS TIMESTAMP)), count(*) FILTER (lower({slot}) IN ('true', 'false')) FROM loaded"
        ).fetchone()
        filled, doubles, integers, padded, times, booleans = row if row else (0, 0, 0, 0, 0, 0)
        if filled == 0 or integers == filled:
            return "BIGINT" if filled else "DOUBLE"
        if booleans == filled:
            return "BOOLEAN"
        if doubles == filled and not padded:
            return "DOUBLE"
        return "TIMESTAMP" if times == filled else "VARCHAR"

    def _refuse_misfits(self, slot: str, name: str, target: str) -> None:
        row = self._query(
            f"SELECT rowid + 1, CAST({slot} AS VARCHAR) FROM loaded WHERE {slot} IS NOT NULL"
            f" AND TRY_CAST(CAST({slot} AS VARCHAR) AS {target}) IS NULL ORDER BY rowid LIMIT 1"
        ).fetchone()
        if row is not None:
            what = "a number" if target == "DOUBLE" else "a time"
            raise DataError(
                f"{self.path}: column {name!r} must hold {what} in every row, but row {row[0]} holds"
                f" {str(row[1])[:60]!r}: mend the file, or name another column in the config"
            )

    def _load_category(self, slot: str, name: str, sql_type: str, base: str) -> Column:
        typed = f"TRY_CAST({slot} AS {base})" if base != sql_type else slot
        if base not in _INTEGERS | _FLOATS | {"BOOLEAN"}:
            typed = f"CAST({slot} AS VARCHAR)"
        if base in _FLOATS:
            typed = f"(CASE WHEN isnan({typed}) THEN NULL ELSE {typed} END)"
        distinct = self._query(
            f"SELECT DISTINCT {typed} AS v, CAST({typed} AS VARCHAR) AS t FROM loaded"
            f" WHERE {typed} IS NOT NULL ORDER BY v"
        ).fetchall()
        if not distinct:
            return Column(name, "category", np.full(self._count("loaded"), -1, dtype=np.int32))
        self._query("DROP TYPE IF EXISTS level")
        self._connection.execute(
            "CREATE TYPE level AS ENUM (" + ", ".join(_literal(t) for _, t in distinct) + ")"
        )
        codes = self._numpy(f"SELECT enum_code(CAST(CAST({typed} AS VARCHAR) AS level)) AS v FROM loaded")
        return Column(
            name, "category", np.ma.filled(codes.astype(np.int32), -1), tuple(value for value, _ in distinct)
        )

    def _count(self, relation: str) -> int:
        row = self._query(f"SELECT count(*) FROM {relation}").fetchone()
        return int(row[0]) if row else 0

    def _numpy(self, sql: str) -> Any:
        try:
            return self._connection.execute(sql).fetchnumpy()["v"]
        except duckdb.Error as error:
            raise DataError(f"{self.path} cannot be read: {_first_lines(error)}") from None

    def duplicated(self, column: str, limit: int = 5) -> list[tuple[str, int]]:
        """Values of `column` that stand in more than one row, with their counts."""
        name = quote(column)
        rows = self._query(
            f"SELECT CAST({name} AS VARCHAR), count(*) AS n FROM {self.source} GROUP BY {name} HAVING n > 1"
            f" ORDER BY n DESC, 1 LIMIT {limit}"
        ).fetchall()
        return [("missing" if value is None else str(value), int(count)) for value, count in rows]

    def match(self, other: "Table", column: str) -> tuple[np.ndarray, np.ndarray]:
        """Row numbers, here and in `other`, of the rows with equal `column`, in the order of this table.

        Values are compared as text, so that an id that one file stores as a number and the other as text still joins.
        Missing values and those that stand in several rows of a table have no partner.
        """
        self.require([column])
        other.require([column])
        key = f"CAST({quote(column)} AS VARCHAR)"

        def ids(source: str) -> str:
            numbered = f"(SELECT row_number() OVER () - 1 AS r, {key} AS k FROM {source})"
            once = f"(SELECT {key} AS k FROM {source} GROUP BY k HAVING count(*) = 1)"
            return f"(SELECT r, k FROM {numbered} SEMI JOIN {once} USING (k))"

        pairs = self._query(
            f"SELECT a.r AS a, b.r AS b FROM {ids(self.source)} a JOIN {ids(other.source)} b USING (k) ORDER BY a.r"
        ).fetchnumpy()
        return np.asarray(pairs["a"], dtype=np.int64), np.asarray(pairs["b"], dtype=np.int64)

    def require_unique(self, column: str) -> None:
        """Check that no value of a column stands in two rows.

        Raises:
            DataError: one does.
        """
        repeated = self.duplicated(column, limit=1)
        if repeated:
            value, count = repeated[0]
            raise DataError(
                f"{self.path}: {column} must be unique, but {value} stands in {count} rows: keep one row of each,"
                " so that none is counted twice"
            )

    def period(self, column: str) -> tuple[str, str] | None:
        """The first and the last time of a column; None without any."""
        when = f"CAST({quote(column)} AS TIMESTAMP)"
        row = self._query(f"SELECT min({when}), max({when}) FROM {self.source}").fetchone()
        if row is None or row[0] is None:
            return None
        return row[0].isoformat(timespec="seconds"), row[1].isoformat(timespec="seconds")

    def repeated_rows(self, column: str) -> int:
        """How many rows have a value of `column` that another row has too."""
        row = self._query(
            f"SELECT coalesce(sum(n), 0) FROM (SELECT count(*) AS n FROM {self.source} GROUP BY {quote(column)})"
            " WHERE n > 1"
        ).fetchone()
        return int(row[0]) if row else 0

    def export(self, path: Path, *, select: str = "*", where: str = "true") -> None:
        """Write rows to `path`, in the format of its suffix; `select` and the rest are SQL made by the caller."""
        options = _COPY[SUFFIXES[path.suffix.lower()]]
        self._query(
            f"COPY (SELECT {select} FROM {self.source} WHERE {where}) TO {_literal(str(path))} ({options})"
        )

    def export_joined(self, path: Path, other: "Table", *, on: str, take: Iterable[str]) -> None:
        """Write this table's rows with columns `take` of `other` in the place of its own, joined by `on`."""
        taken = list(take)
        own = [name for name in self.schema if name not in taken]
        selected = [f"a.{quote(name)}" for name in own] + [f"b.{quote(name)}" for name in taken]
        joined = (
            f"(SELECT {', '.join(selected)}, a.r AS {quote(_ORDER)}"
            f" FROM (SELECT *, row_number() OVER () AS r FROM {self.source}) a"
            f" JOIN {other.source} b ON CAST(a.{quote(on)} AS VARCHAR) = CAST(b.{quote(on)} AS VARCHAR))"
        )
        options = _COPY[SUFFIXES[path.suffix.lower()]]
        self._query(
            f"COPY (SELECT * EXCLUDE ({quote(_ORDER)}) FROM {joined} ORDER BY {quote(_ORDER)})"
            f" TO {_literal(str(path))} ({options})"
        )

    def scalar(self, expression: str) -> Any:
        """One value computed over the table; `expression` is SQL made by the caller."""
        row = self._query(f"SELECT {expression} FROM {self.source}").fetchone()
        return row[0] if row else None


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
    located = (sources or {}).get(spec, spec)
    path = base / located
    if path.is_dir():
        files = sorted(file for file in path.rglob("*.parquet") if file.is_file())
        if not files:
            raise DataError(f"{spec} is a folder without .parquet files")
    elif path.is_file():
        files = [path]
    elif re.search(r"[*?\[]", located):
        pattern = Path(located)
        root = Path(pattern.anchor) if pattern.anchor else base
        files = sorted(file for file in root.glob(str(pattern.relative_to(pattern.anchor))) if file.is_file())
        if not files:
            raise DataError(f"no file matches {spec}")
    else:
        names = did_you_mean(spec, sources) if sources else ""
        raise DataError(
            f"{spec} does not exist: give a .parquet, .csv or .jsonl file, a glob, or a folder.{names}"
        )
    formats = {SUFFIXES.get(file.suffix.lower()) for file in files}
    if len(formats) != 1 or None in formats:
        raise DataError(f"{spec}: the suffix must be one of {', '.join(SUFFIXES)}, the same for all files")
    if all(file.stat().st_size == 0 for file in files):
        raise DataError(f"{spec} is empty (0 bytes): it needs a header and at least one row")
    return Table(shown or spec, files, str(formats.pop()))


def _kind(base: str) -> Kind:
    if base in _INTEGERS | _FLOATS:
        return "number"
    return "time" if base.startswith(("TIMESTAMP", "DATE")) else "category"


def _paths(files: list[Path]) -> str:
    return "[" + ", ".join(_literal(_no_glob(file)) for file in files) + "]"


def _no_glob(file: Path) -> str:
    """DuckDB expands globs in every path it is given; a file that has such characters in its name means itself."""
    return re.sub(r"([*?\[])", r"[\1]", str(file))


def _read_csv(files: list[Path], header: list[str]) -> str:
    # A given list of columns turns the sniffer off: left alone, it drops a first line that does not fit.
    columns = "{" + ", ".join(f"{_literal(name)}: 'VARCHAR'" for name in header) + "}"
    return (
        f"read_csv({_paths(files)}, columns={columns}, auto_detect=false, header=true, delim=',', quote='\"',"
        " escape='\"', strict_mode=true, null_padding=false, ignore_errors=false, encoding='utf-8')"
    )


def _csv_header(file: Path, shown: str) -> list[str]:
    with file.open(encoding="utf-8-sig", newline="") as stream:
        try:
            header = next(csv.reader(stream, strict=True), None)
        except UnicodeDecodeError:
            raise DataError(f"{shown} is not UTF-8: save it as UTF-8") from None
        except csv.Error as error:
            raise DataError(f"{shown}: the header line cannot be read: {error}") from None
    if not header or not any(header):
        raise DataError(f"{shown}: the first line must name the columns, separated by commas")
    other = next((mark for mark in (";", "\t", "|") if len(header) == 1 and mark in header[0]), None)
    if other is not None:
        raise DataError(f"{shown}: columns look separated by {other!r}: save the file with commas")
    # SQL names do not tell upper from lower case.
    counts = Counter(name.lower() for name in header)
    repeated = next((name for name in header if counts[name.lower()] > 1), None)
    if repeated is not None or "" in header:
        what = f"names {repeated!r} twice (case aside)" if repeated else "has a column without a name"
        raise DataError(f"{shown}: the header {what}: give each column a name of its own")
    return header


def _file_sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _first_lines(error: Exception) -> str:
    """DuckDB's message without its advice, which names options that the user does not have."""
    lines: list[str] = []
    for line in str(error).splitlines():
        if not line.strip() or line.startswith(("Possible", "LINE", "The search space")):
            break
        lines.append(line.strip())
    kind, _, rest = (lines or [""])[0].partition(": ")
    if rest and kind.endswith("Error"):
        lines[0] = rest
    # What follows names options of DuckDB, which the user does not have.
    return " ".join(lines).split(" Try setting ")[0][:400]
