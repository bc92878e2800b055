"""The SQL that reads the files of a table, whatever their format; CSV strictly."""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tidegate.errors import DataError
from tidegate.tables.faults import disguise
from tidegate.tables.sql import literal

if TYPE_CHECKING:
    from _csv import Reader

SUFFIXES = {".parquet": "parquet", ".pq": "parquet", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}


@dataclass(frozen=True, slots=True)
class Scan:
    """How the files of a table are read.

    Attributes:
        sql: what stands for the table in a query.
        copies: where files that had to be rewritten are kept for as long as the scan lives.
    """

    sql: str
    copies: TemporaryDirectory[str] | None = None


def scan(files: Sequence[Path], file_format: str, shown: str) -> Scan:
    """The scan of files that are of one format.

    Raises:
        DataError: the header of a CSV file is not one, or its first row does not fit; messages call the table `shown`.
    """
    if file_format == "parquet":
        return Scan(f"read_parquet({_paths(files)}, union_by_name=true)")
    if file_format == "jsonl":
        return Scan(
            f"read_json({_paths(files)}, format='newline_delimited', sample_size=-1, union_by_name=true)"
        )
    headers = [_csv_header(file, shown_as(shown, file, files)) for file in files]
    read, copies = list(files), None
    for i, header in enumerate(headers):
        if set("".join(header)) & set("\r\n"):
            copies = copies or TemporaryDirectory(prefix="tidegate-")
            read[i] = Path(copies.name) / f"{i}.csv"
            _copy_on_one_line(files[i], read[i])
    if all(header == headers[0] for header in headers):
        return Scan(_read_csv(read, headers[0]), copies)
    # With columns given, DuckDB goes by their position: files in another order must not meet in one call.
    each = [f"SELECT * FROM {_read_csv([file], header)}" for file, header in zip(read, headers, strict=True)]
    return Scan(f"({' UNION ALL BY NAME '.join(each)})", copies)


def shown_as(shown: str, file: Path, files: Sequence[Path]) -> str:
    """What messages call one of the files of a table."""
    return shown if len(files) == 1 else f"{shown} ({file.name})"


def _copy_on_one_line(file: Path, copy: Path) -> None:
    """Copy with a header that has no line break: DuckDB 2.0 finds no rows at all where one meets CRLF lines."""
    with file.open(encoding="utf-8-sig", newline="") as source:
        header = next(csv.reader(source, strict=True))
        first = source.readline()
        ending = "\r\n" if first.endswith("\r\n") else "\n"
        with copy.open("w", encoding="utf-8", newline="") as target:
            target.write(",".join(f"c{i}" for i in range(len(header))) + ending + first)
            target.writelines(source)


def _paths(files: Sequence[Path]) -> str:
    return "[" + ", ".join(literal(_no_glob(file)) for file in files) + "]"


def _no_glob(file: Path) -> str:
    """DuckDB expands globs in every path it is given; a file that has such characters in its name means itself."""
    return re.sub(r"([*?\[])", r"[\1]", str(file))


def _read_csv(files: Sequence[Path], header: Sequence[str]) -> str:
    # A given list of columns turns the sniffer off: left alone, it drops a first line that does not fit.
    columns = "{" + ", ".join(f"{literal(name)}: 'VARCHAR'" for name in header) + "}"
    return (
        f"read_csv({_paths(files)}, columns={columns}, auto_detect=false, header=true, delim=',', quote='\"',"
        " escape='\"', strict_mode=true, null_padding=false, ignore_errors=false, encoding='utf-8')"
    )


def _csv_header(file: Path, shown: str) -> list[str]:
    other = disguise(file, "csv")
    if other is not None:
        raise DataError(f"{shown}{other}")
    with file.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.reader(stream, strict=True)
        try:
            header = next(reader, None)
            if not header or not any(header):
                raise DataError(f"{shown}: the first line must name the columns, separated by commas")
            _require_separators(header, shown)
            _require_fit(header, reader, shown)
        except UnicodeDecodeError:
            raise DataError(f"{shown} is not UTF-8: save it as UTF-8") from None
        except csv.Error as error:
            raise DataError(f"{shown}: the header line cannot be read: {error}") from None
    # SQL names do not tell upper from lower case.
    counts = Counter(name.lower() for name in header)
    repeated = next((name for name in header if counts[name.lower()] > 1), None)
    if repeated is not None or "" in header:
        what = f"names {repeated!r} twice (case aside)" if repeated else "has a column without a name"
        raise DataError(f"{shown}: the header {what}: give each column a name of its own")
    return header


def _require_separators(header: Sequence[str], shown: str) -> None:
    other = next((mark for mark in (";", "\t", "|") if len(header) == 1 and mark in header[0]), None)
    if other is not None:
        raise DataError(f"{shown}: columns look separated by {other!r}: save the file with commas")


def _require_fit(header: Sequence[str], reader: "Reader", shown: str) -> None:
    """Check the first row against the header: a comment, or too few names, would be told as a missing column."""
    before = reader.line_num
    with suppress(csv.Error):  # DuckDB tells what is wrong with a row.
        for row in reader:
            # A comma at the end of a line is for DuckDB to judge: it lets some pass.
            if row and (len(row) < len(header) or any(row[len(header) :])):
                values = "1 value" if len(row) == 1 else f"{len(row):,} values"
                raise DataError(
                    f"{shown} cannot be read as csv: line {before + 1} has {values} and the header {len(header):,}:"
                    " the first line must name all columns, and each line give as many values as the header"
                )
            if row:
                return
            before = reader.line_num
