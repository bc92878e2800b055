"""What a model was made from, as far as decisions rest on it."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tidegate.errors import RepositoryError


@dataclass(frozen=True, slots=True)
class Lineage:
    """What a lineage says of a model's training.

    Attributes:
        digest: of the artifacts that it is the lineage of.
        trained_until: time of the newest row that was trained on, in UTC; None where it has no times.
        fingerprint_sha256: of the fingerprint of the training rows; None where there is none.
    """

    digest: str | None
    trained_until: datetime | None
    fingerprint_sha256: str | None


def parse_lineage(raw: bytes, model: str) -> Lineage:
    """Read a lineage.

    Raises:
        RepositoryError: it is none.
    """
    try:
        document: dict[str, Any] = json.loads(raw)
        digest, named = document.get("digest"), document.get("training_fingerprint")
        end = (document.get("training") or {}).get("end")
        return Lineage(
            None if digest is None else str(digest),
            None if end is None else _in_utc(datetime.fromisoformat(end)),
            None if named is None else str(named["sha256"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        raise RepositoryError(f"{model}/lineage.json is no lineage: restore it from git history") from None


def _in_utc(at: datetime) -> datetime:
    return at if at.tzinfo is None else at.astimezone(UTC).replace(tzinfo=None)
