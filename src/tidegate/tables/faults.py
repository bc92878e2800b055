"""What is wrong with a file that cannot be read, where the engine's own message would mislead."""

import json
from functools import partial
from pathlib import Path

# Thrift's compact protocol starts the first structure of every Parquet file with 0x15; text could say PAR1 too.
_MAGIC = {
    b"PAR1\x15": " is a Parquet file: name it .parquet",
    b"\x1f\x8b": " is packed with gzip: unpack it",
    b"PK\x03\x04": " is a zip archive: unpack it",
}
_ONE_PER_LINE = "write one JSON object per line, all with the same keys"
# No longer object fits DuckDB's buffer; also a bound on the memory that a file without line breaks can ask for.
_LONGEST = 2**25


def disguise(file: Path, file_format: str) -> str | None:
    """What the first bytes of a file give it away as, if that is not its format, and how to mend it."""
    with file.open("rb") as stream:
        start = stream.read(max(map(len, _MAGIC)))
    told = next((told for magic, told in _MAGIC.items() if start.startswith(magic)), None)
    return None if file_format == "parquet" and start.startswith(b"PAR1") else told


def json_fault(file: Path) -> str | None:
    """Why a file is no JSON Lines, with the first line that is no object; None where all lines are objects."""
    seen = keys = False
    with file.open("rb") as stream:
        for number, line in enumerate(iter(partial(stream.readline, _LONGEST), b""), start=1):
            filled = line.removeprefix(b"\xef\xbb\xbf").strip() if number == 1 else line.strip()
            if not filled:
                continue
            if not seen and filled.startswith(b"["):
                return f" is a JSON array: {_ONE_PER_LINE}, without brackets and commas around them"
            seen = True
            if len(line) == _LONGEST:
                return f": line {number} is longer than {_LONGEST // 2**20} MiB: {_ONE_PER_LINE}"
            try:
                keys = bool(_object(filled)) or keys
            except UnicodeDecodeError:
                return f": line {number} is not UTF-8: save the file as UTF-8"
            except ValueError as error:
                return f": line {number} is no JSON object ({error}): {_ONE_PER_LINE}"
    return None if keys else " has no rows: it needs at least one JSON object with keys, on a line of its own"


def _object(line: bytes) -> dict[str, object]:
    """The object that a line holds.

    Raises:
        ValueError: it holds none; says why.
    """
    text = line.decode("utf-8")
    try:
        # An integer of thousands of digits is JSON; Python refuses to read it as one.
        value = json.loads(text, parse_int=float)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except json.JSONDecodeError as error:
        raise ValueError(f"character {error.pos + 1}: {error.msg}") from None
    except UnicodeEncodeError:
        raise ValueError("half of a surrogate pair") from None
    except RecursionError:
        raise ValueError("nested too deep") from None
    if not isinstance(value, dict):
        raise ValueError(f"it holds {text[:60]!r}")
    return value
