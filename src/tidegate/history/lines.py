"""What all lines of the history are made of: short texts, digests, counts, times; and how a line is written."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field

TEXT_LIMIT = 120
"""Characters of a name or value that are kept."""

# A newer version may say more; what this one does not know is covered by the hashes all the same.
STRICT = ConfigDict(extra="ignore", frozen=True, strict=True, allow_inf_nan=False)


def moment(at: str) -> datetime:
    """The time of a line, in UTC.

    Raises:
        ValueError: it is none.
    """
    return datetime.strptime(at, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def _on_the_calendar(at: str) -> str:
    moment(at)
    return at


Text = Annotated[str, Field(max_length=TEXT_LIMIT)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Scalar = Text | bool | int | float | None
Count = Annotated[int, Field(ge=0, lt=2**53)]
At = Annotated[
    str,
    Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"),
    AfterValidator(_on_the_calendar),
]


def encoded(value: Mapping[str, Any]) -> bytes:
    """The line that is kept of a record or summary."""
    # ASCII: no line of the file can hide or reorder what it says.
    return json.dumps(value, allow_nan=False).encode("ascii")
