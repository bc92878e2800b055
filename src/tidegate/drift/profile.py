"""The reference profile: a small file, fit for git, that stands in for the table of the reference window."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, ValidationError

from tidegate.drift.column_summary import (
    CategorySummary,
    DateSummary,
    NumericSummary,
    Summary,
    TextSummary,
)
from tidegate.drift.profile_columns import CategoryPart, Count, DatePart, Name, NumericPart, Part, TextPart
from tidegate.errors import DataError
from tidegate.wording import plural, significant

SCHEMA = "tidegate/profile/1"
SLOTS = ("performance", "calibration", "label_free", "chunks", "over_time", "quality")
MOST_BYTES = 64_000_000
_MOST_COLUMNS = 10_000


@dataclass(frozen=True, slots=True)
class Profile:
    """A reference window in brief.

    Attributes:
        created_at: ISO 8601, UTC.
        rows: of the table.
        period: its first and last time, ISO 8601; None where no timestamp is configured.
        source_sha256: of the table.
        columns: a reduced summary per column.
        performance, calibration, label_free, chunks, over_time, quality: what others keep, as plain JSON.
    """

    model: str
    created_at: str
    rows: int
    period: tuple[str, str] | None
    source_sha256: str
    columns: Mapping[str, Summary]
    performance: dict[str, Any] | None = None
    calibration: dict[str, Any] | None = None
    label_free: dict[str, Any] | None = None
    chunks: dict[str, Any] | None = None
    over_time: dict[str, Any] | None = None
    quality: dict[str, Any] | None = None
    schema: str = field(default=SCHEMA, init=False)


def profile_bytes(profile: Profile) -> bytes:
    """UTF-8 JSON, the same for the same profile, with one column a line so that a change reads as one.

    Summaries are reduced first where they are not.
    """
    head = {name: getattr(profile, name) for name in ("schema", "model", "created_at", "rows", "period")}
    head["source_sha256"] = profile.source_sha256
    lines = [f"{_json(key)}: {_json(value)}" for key, value in head.items()]
    columns = [
        f"{_json(name)}: {_json(_plain(summary.reduced()))}" for name, summary in profile.columns.items()
    ]
    lines.append('"columns": {\n' + ",\n".join(columns) + "\n}")
    lines += [f"{_json(slot)}: {_json(getattr(profile, slot))}" for slot in SLOTS]
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode("utf-8", "backslashreplace")


def read_profile(path: str | Path) -> Profile:
    """Read a profile that somebody may have tampered with.

    Raises:
        DataError: the file cannot be read, is no profile, or contradicts itself; the message says where.
    """
    again = "make it again with `tidegate profile`"
    try:
        with open(path, "rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise DataError(f"the profile {path} cannot be read: {error.strerror}; {again}") from None
    if len(content) > MOST_BYTES:
        raise DataError(f"the profile {path} has more than {plural(MOST_BYTES, 'byte')}; {again}")
    try:
        data = json.loads(content.decode("utf-8"), parse_constant=_refuse)
        return _File.model_validate(data).profile()
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])[:200]
        raise DataError(
            f"the profile {path} does not hold what a profile does, at {where or 'the top'}:"
            f" {first['msg']}; {again}"
        ) from None
    except (ValueError, RecursionError, MemoryError):
        raise DataError(f"the profile {path} is no JSON; {again}") from None


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no JSON")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _plain(summary: Summary) -> dict[str, Any]:
    common: dict[str, Any] = {"kind": summary.kind, "rows": summary.rows, "missing": summary.missing}
    if summary.clusters is not None:
        finite = bool(np.isfinite(summary.design_effect))
        common |= {
            "clusters": summary.clusters,
            "design_effect": significant(summary.design_effect) if finite else None,
        }
    match summary:
        case NumericSummary():
            own: dict[str, Any] = {
                "infinite": summary.infinite,
                "mean": significant(summary.mean),
                "spread": significant(summary.spread),
                "exact": summary.exact,
                "points": summary.points.tolist(),
                "upto": summary.upto.tolist(),
            }
        case CategorySummary():
            own = {"counts": dict(summary.counts)}
            if summary.buckets is not None:
                own |= {
                    "other_levels": summary.other_levels,
                    "cut": summary.cut,
                    "buckets": summary.buckets.tolist(),
                }
        case DateSummary():
            parts = {"weekday": summary.weekday, "hour": summary.hour, "age": summary.age}
            own = {"first": summary.first, "last": summary.last}
            own |= {name: _plain(part) for name, part in parts.items() if part is not None}
        case TextSummary():
            own = {
                "descriptors": {name: _plain(each) for name, each in summary.descriptors.items()},
                "vocabulary": list(summary.vocabulary),
            }
    return common | own


class _File(Part):
    format: Annotated[Literal["tidegate/profile/1"], Field(alias="schema")]
    model: Name
    created_at: Name
    rows: Count
    period: Annotated[list[Name], Field(min_length=2, max_length=2)] | None
    source_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    columns: Annotated[
        dict[Name, Annotated[NumericPart | CategoryPart | DatePart | TextPart, Field(discriminator="kind")]],
        Field(max_length=_MOST_COLUMNS),
    ]
    performance: dict[str, Any] | None = None
    calibration: dict[str, Any] | None = None
    label_free: dict[str, Any] | None = None
    chunks: dict[str, Any] | None = None
    over_time: dict[str, Any] | None = None
    quality: dict[str, Any] | None = None

    def profile(self) -> Profile:
        """The profile that was written."""
        return Profile(
            model=self.model,
            created_at=self.created_at,
            rows=self.rows,
            period=(self.period[0], self.period[1]) if self.period else None,
            source_sha256=self.source_sha256,
            columns={name: column.summary(name) for name, column in self.columns.items()},
            **{slot: getattr(self, slot) for slot in SLOTS},
        )
