"""What is kept of a column's natural variation: the law of a new chunk."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tidegate.drift.chunk_ruler import Ruler
from tidegate.errors import DataError
from tidegate.stats.prediction import LEAST_CHUNKS, Prediction
from tidegate.stats.results import FloatArray
from tidegate.wording import significant

MOST_CHUNKS = 5_000
_SCHEMA = "tidegate/chunks/1"


@dataclass(frozen=True, slots=True)
class ChunkBaseline:
    """What chunks of the reference were like; :meth:`to_json` goes into the profile.

    Attributes:
        chunks: number of chunks that had rows.
        ruler: how values are measured; None when the reference has none that can be.
        shares, mean: of all chunks together.
        natural, natural_missing: distance of a chunk from all of them, and of its missing share, on average.
        values, missing: law of a new chunk's summaries; None with fewer than three chunks.
        missing_share: of all chunks together.
    """

    kind: str
    chunks: int
    ruler: Ruler | None
    shares: FloatArray
    mean: float
    natural: float
    natural_missing: float
    missing_share: float
    values: Prediction | None
    missing: Prediction | None

    def to_json(self) -> dict[str, Any]:
        """As plain JSON, a few kilobytes however many chunks there are."""
        ruler = self.ruler
        return {
            "schema": _SCHEMA,
            "kind": self.kind,
            "chunks": self.chunks,
            "ruler": ruler
            and {
                "levels": list(ruler.levels),
                "cuts": list(ruler.cuts),
                "middle": ruler.middle,
                "width": ruler.width,
                "bound": ruler.bound,
                "unit": significant(ruler.unit),
            },
            "shares": _plain(self.shares),
            "mean": significant(self.mean),
            "natural": significant(self.natural),
            "natural_missing": significant(self.natural_missing),
            "missing_share": significant(self.missing_share),
            "values": _law(self.values),
            "missing": _law(self.missing),
        }


def _plain(values: FloatArray) -> list[float]:
    return [significant(value) for value in values.tolist()]


def _law(law: Prediction | None) -> dict[str, Any] | None:
    if law is None:
        return None
    arrays = {name: _plain(getattr(law, name)) for name in _ARRAYS}
    return {**arrays, "rows": significant(law.rows)}


_ARRAYS = ("centre", "centre_variance", "between", "per_row", "df")
_MOST_BINS = 16
_STRICT = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)
_Number = Annotated[float, Field(ge=-1e301, le=1e301)]
_Positive = Annotated[float, Field(gt=0, le=1e301)]
_Share = Annotated[float, Field(ge=0, le=1)]
_Size = Annotated[float, Field(ge=0, le=1e15)]


class _KeptRuler(BaseModel):
    model_config = _STRICT

    levels: Annotated[list[str], Field(max_length=_MOST_BINS)]
    cuts: Annotated[list[_Number], Field(max_length=_MOST_BINS)]
    middle: _Number
    width: _Positive
    bound: Annotated[float, Field(gt=0, le=1e6)]
    unit: Annotated[float, Field(gt=1e-12, le=1e6)]

    @model_validator(mode="after")
    def _ascending(self) -> "_KeptRuler":
        if any(a >= b for a, b in pairwise(self.cuts)):
            raise ValueError("cuts must ascend")
        return self


class _KeptLaw(BaseModel):
    model_config = _STRICT

    centre: Annotated[list[Annotated[float, Field(ge=-1e9, le=1e9)]], Field(max_length=_MOST_BINS + 3)]
    centre_variance: list[_Size]
    between: list[_Size]
    per_row: list[Annotated[float, Field(gt=0, le=1e15)]]
    df: list[Annotated[float, Field(ge=1, le=1e9)]]
    rows: Annotated[float, Field(gt=0, le=1e15)]

    def law(self, summaries: int) -> Prediction:
        arrays = [np.array(getattr(self, name), dtype=np.float64) for name in _ARRAYS]
        if any(len(each) != summaries for each in arrays):
            raise ValueError(f"a law needs {summaries} summaries")
        centre, centre_variance, between, per_row, df = arrays
        return Prediction(centre, centre_variance, between, per_row, self.rows, df)


class _Kept(BaseModel):
    model_config = _STRICT

    form: Literal["tidegate/chunks/1"] = Field(alias="schema")
    kind: Literal["number", "category", "time"]
    chunks: Annotated[int, Field(ge=0, le=MOST_CHUNKS)]
    ruler: _KeptRuler | None
    shares: Annotated[list[_Share], Field(max_length=_MOST_BINS + 1)]
    mean: Annotated[float, Field(ge=-1e6, le=1e6)]
    natural: _Size
    natural_missing: _Share
    missing_share: _Share
    values: _KeptLaw | None
    missing: _KeptLaw | None


def from_json(kept: object) -> ChunkBaseline:
    """The baseline that :meth:`ChunkBaseline.to_json` was kept of.

    Raises:
        DataError: it is no such thing.
    """
    try:
        return _restored(_Kept.model_validate(kept))
    except ValidationError as error:
        first = error.errors()[0]
        where, why = ".".join(str(part)[:40] for part in first["loc"]) or "its top", first["msg"]
    except ValueError as error:
        where, why = "its laws", str(error)
    raise DataError(
        f"the chunks of the reference profile are damaged at {where}: {why}; make the profile anew"
    )


def _restored(kept: _Kept) -> ChunkBaseline:
    ruler = None
    if kept.ruler is not None:
        r = kept.ruler
        ruler = Ruler(kept.kind, tuple(r.levels), tuple(r.cuts), r.middle, r.width, r.bound, r.unit)
    bins = (ruler or Ruler("none")).bins
    if len(kept.shares) != bins or (ruler is not None and kept.kind == "number" and not ruler.cuts):
        raise ValueError(f"{bins} shares are needed, one for each bin")
    if kept.chunks >= LEAST_CHUNKS and kept.missing is None:
        raise ValueError("the law of the missing share is needed")
    return ChunkBaseline(
        kind=kept.kind,
        chunks=kept.chunks,
        ruler=ruler,
        shares=np.array(kept.shares, dtype=np.float64),
        mean=kept.mean,
        natural=kept.natural,
        natural_missing=kept.natural_missing,
        missing_share=kept.missing_share,
        values=kept.values.law(bins + (kept.kind == "number")) if kept.values and ruler else None,
        missing=kept.missing.law(1) if kept.missing else None,
    )
