"""What a model was trained on, small enough to keep in git: a sample of its rows by hash, to find golden rows in it."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tidegate.errors import RepositoryError
from tidegate.registry import FINGERPRINT, SCHEMA_FINGERPRINT
from tidegate.registry.lineage import Lineage, parse_lineage
from tidegate.stats.intervals import clopper_pearson
from tidegate.stats.results import Interval
from tidegate.tables import Keys, Table
from tidegate.wording import number, plural

SIZE = 4_096
CONFIDENCE = 0.95
POWER = 0.8
COINCIDENCE = 0.01
_LARGE = 100_000
_MAX_BYTES = 20_000_000
_TOP = 2**64 - 1


@dataclass(frozen=True, slots=True, eq=False)
class Sketch:
    """The smallest hashes of a set of keys, a uniform sample of them (bottom-k; Cohen & Kaplan, 2007).

    Two tables agree on which keys have small hashes, so that keys in common are found in sketches of a few thousand.

    Attributes:
        columns: that make a key.
        keys: of the rows; of its hashes the smallest, or all.
    """

    columns: tuple[str, ...]
    keys: Keys

    @property
    def threshold(self) -> int:
        """The largest hash about which the sketch knows whether it is in the table."""
        return _TOP if len(self.keys.hashes) == self.keys.distinct else int(self.keys.hashes[-1])

    def to_document(self) -> dict[str, Any]:
        """As it is kept in git."""
        return {
            "columns": list(self.columns),
            "rows": self.keys.rows,
            "distinct": self.keys.distinct,
            "single": self.keys.single,
            "hashes": self.keys.hashes.astype(">u8").tobytes().hex(),
        }

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> "Sketch":
        """Read what :meth:`to_document` made.

        Raises:
            ValueError, KeyError, TypeError: it did not make this.
        """
        hashes = np.frombuffer(bytes.fromhex(document["hashes"]), dtype=">u8").astype(np.uint64)
        keys = Keys(int(document["rows"]), int(document["distinct"]), int(document["single"]), hashes)
        if not 0 <= keys.single <= keys.distinct <= keys.rows or len(hashes) > keys.distinct:
            raise ValueError("counts")
        if (len(hashes) == 0 and keys.distinct > 0) or (hashes[1:] <= hashes[:-1]).any():
            raise ValueError("hashes")
        return cls(tuple(map(str, document["columns"])), keys)


@dataclass(frozen=True, slots=True, eq=False)
class Fingerprint:
    """A training table by its ids, where it has some, and by what its rows hold.

    The hashes of ids are not salted: who has a list of ids can tell which of the few thousand kept are on it.
    """

    by_id: Sketch | None
    by_content: Sketch | None

    def to_bytes(self) -> bytes:
        """As it is kept in git: in one line, so that no checkout changes its line ends."""
        document = {
            "schema": SCHEMA_FINGERPRINT,
            "by_id": self.by_id.to_document() if self.by_id else None,
            "by_content": self.by_content.to_document() if self.by_content else None,
        }
        return json.dumps(document, separators=(",", ":")).encode()

    @property
    def sha256(self) -> str:
        """Of what is kept in git."""
        return hashlib.sha256(self.to_bytes()).hexdigest()


@dataclass(frozen=True, slots=True)
class Overlap:
    """How many keys of a golden set are in a training table.

    Attributes:
        column: the id, or None where rows were compared by what they hold.
        keys: different ones of the golden set.
        examined: of them those that the sketch knows about.
        matched: of those the ones that are in the training table.
        chance: share that would match by chance, since rows of this table are alike anyway.
    """

    column: str | None
    keys: int
    examined: int
    matched: int
    chance: float

    @property
    def exact(self) -> bool:
        """Whether all keys were looked up, rather than a sample of them."""
        return self.examined == self.keys

    @property
    def share(self) -> float | None:
        """Of the golden keys that are in the training table; None when none could be looked up."""
        return self.matched / self.examined if self.examined else None

    @property
    def interval(self) -> Interval:
        """Of the share, at 95% (Clopper & Pearson, 1934); a single point when it is exact."""
        if self.exact and self.share is not None:
            return Interval(self.share, self.share)
        return clopper_pearson(float(self.matched), float(self.examined), confidence=CONFIDENCE)

    @property
    def found(self) -> bool:
        """Whether golden rows were trained on: one id shows it, rows that look alike must be more than chance makes.

        Times of one row a minute never repeat within a table, and do between tables: that much is no proof either.
        """
        if self.column is not None:
            return self.matched > 0
        return self.interval.low > max(self.chance, COINCIDENCE)

    @property
    def detectable(self) -> float:
        """The smallest share that would have shown at least one match with 80% probability; 1 is none."""
        if self.exact:
            return 1 / self.keys if self.keys else 1.0
        return float(1 - (1 - POWER) ** (1 / self.examined)) if self.examined else 1.0

    def sentence(self) -> str:
        """What was compared and found."""
        by = f"by {self.column!r}" if self.column is not None else "by what the rows hold"
        if self.exact:
            return f"{self.matched:,} of {plural(self.keys, 'golden row')} are in the training data ({by})"
        low, high = (number(100 * bound) for bound in (self.interval.low, self.interval.high))
        return (
            f"{self.matched:,} of {plural(self.examined, 'golden row')} that the fingerprint of the training data can"
            f" tell are in it ({by}): {low}% to {high}% of all {self.keys:,} at 95% confidence; from"
            f" {number(100 * self.detectable)}% an overlap shows with 80% probability"
        )


def fingerprint_of(
    table: Table, identifier: str | None, content: Iterable[str], *, size: int | None = SIZE
) -> Fingerprint:
    """Take the fingerprint of a training table.

    Args:
        table: the rows that are trained on.
        identifier: the id column; left out where the table has none.
        content: features and label; those that the table does not have are left out.
        size: how many hashes are kept; None keeps all, for a comparison that is exact.
    """
    by_id = by_content = None
    if identifier is not None and identifier in table.schema:
        by_id = Sketch((identifier,), table.id_keys(identifier, limit=size))
    columns = tuple(sorted(name for name in set(content) if name in table.schema))
    if columns:
        by_content = Sketch(columns, table.content_keys(columns, limit=size))
    return Fingerprint(by_id, by_content)


def overlap(golden: Table, training: Fingerprint, identifier: str | None) -> Iterator[Overlap]:
    """Look golden rows up in a fingerprint: by id, then by what they hold, as far as both sides have the columns.

    What a large table holds takes seconds to hash; it is compared only where ids cannot be.
    """
    known = training.by_id
    named = known is not None and identifier is not None and identifier in golden.schema
    if known is not None and identifier is not None and named:
        keys = golden.id_keys(identifier, at_most=known.threshold)
        yield _matched(identifier, keys, known, chance=0.0)
    known = training.by_content
    if named and golden.rows > _LARGE:
        return
    if known is not None and all(name in golden.schema for name in known.columns):
        keys = golden.content_keys(known.columns, at_most=known.threshold)
        # The chance that a fresh row has been seen before (Good, 1953).
        chance = 1 - known.keys.single / known.keys.rows if known.keys.rows else 0.0
        yield _matched(None, keys, known, chance)


def _matched(column: str | None, keys: Keys, known: Sketch, chance: float) -> Overlap:
    matched = int(np.isin(keys.hashes, known.keys.hashes, assume_unique=True).sum())
    return Overlap(column, keys.distinct, len(keys.hashes), matched, chance)


def parse_fingerprint(raw: bytes) -> Fingerprint:
    """Read a fingerprint.

    Raises:
        RepositoryError: it is none.
    """
    try:
        document = json.loads(raw)
        if document["schema"] != SCHEMA_FINGERPRINT:
            raise ValueError(document["schema"])
        made = [
            None if document[part] is None else Sketch.from_document(document[part])
            for part in ("by_id", "by_content")
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        raise RepositoryError(
            f"{FINGERPRINT} is no fingerprint that this version reads: restore it from git history"
        ) from None
    return Fingerprint(*made)


def read_fingerprint(folder: Path, digest: str | None = None) -> Fingerprint | None:
    """The fingerprint that belongs to the lineage in a model's folder.

    Args:
        folder: `models/<name>` in the working tree.
        digest: of the artifacts at hand; a lineage of other artifacts has no say about them.

    Returns:
        None where there is no lineage, where it names no fingerprint, or where it is of other artifacts.

    Raises:
        RepositoryError: the lineage or the fingerprint is malformed, or one is not of the other.
    """
    raw = _read(folder / "lineage.json")
    lineage = None if raw is None else parse_lineage(raw, folder.name)
    if lineage is None or (digest is not None and lineage.digest != digest):
        return None
    return named_fingerprint(lineage, lambda: _read(folder / FINGERPRINT), folder.name)


def named_fingerprint(lineage: Lineage, read: Callable[[], bytes | None], model: str) -> Fingerprint | None:
    """The fingerprint that a lineage names; None where it names none.

    Args:
        lineage: names it.
        read: gives what lies beside the lineage as its fingerprint.
        model: for messages.

    Raises:
        RepositoryError: what lies there is not what is named.
    """
    if lineage.fingerprint_sha256 is None:
        return None
    raw = read()
    fingerprint = None if raw is None else parse_fingerprint(raw)
    if fingerprint is None or fingerprint.sha256 != lineage.fingerprint_sha256:
        raise RepositoryError(
            f"{model}/{FINGERPRINT} is not the one that lineage.json names: restore both from git history"
        )
    return fingerprint


def _read(path: Path) -> bytes | None:
    if not path.is_file():
        return None
    if path.stat().st_size > _MAX_BYTES:
        raise RepositoryError(f"{path} has over {_MAX_BYTES:,} bytes: restore it from git history")
    return path.read_bytes()
