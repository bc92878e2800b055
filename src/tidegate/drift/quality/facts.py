"""What is kept of a window to judge its data quality: small, and plain enough for a profile file."""

from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from tidegate.errors import DataError

Count = Annotated[int, Field(ge=0, le=2**53)]
Text = Annotated[str, Field(max_length=200)]
Name = Annotated[str, Field(max_length=10_000)]
Microseconds = Annotated[int, Field(ge=-62_135_596_800_000_000, le=253_402_300_799_999_999)]
_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """One column of a window.

    Attributes:
        kind: ``number``, ``text``, ``boolean``, ``time``, ``empty`` (no value) or the engine's name of another type.
        typed: False where the file says nothing of types (CSV) and the values decide.
        filled: rows with a value; the others, NaN among them, are missing.
        infinite: rows with an infinite number.
        minimum, maximum: of the finite numbers.
        constant: the value that all filled rows hold, of two or more.
        commonest, commonest_rows: the value of at least half of the filled rows, where there is one.
        levels: rows of each text or boolean; None where there are more than 1,000.
        level_count: how many different ones there are.
        below, above: rows outside the range of the facts that these were gathered against.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    kind: Text
    typed: bool
    filled: Count
    infinite: Count = 0
    minimum: float | None = None
    maximum: float | None = None
    constant: Text | None = None
    commonest: Text | None = None
    commonest_rows: Count = 0
    levels: Annotated[dict[Text, Count], Field(max_length=1_000)] | None = None
    level_count: Count | None = None
    below: Count | None = None
    above: Count | None = None


@dataclass(frozen=True, slots=True)
class ClockFacts:
    """The times of a window, in microseconds since 1970 UTC; those without an offset are read as UTC.

    Attributes:
        column: the timestamp.
        kind: of that column.
        filled: rows with a value, of which `unread` are no time, such as `example`.
        offsets: rows by the offset that they are written with, "" for none.
        first, last: of the times that are not in the future.
        future: rows later than the time of the survey, `latest` of them.
        days: (days since 1970, rows, first and last second of the day), ascending, the newest 400 that have rows.
        earlier: rows before the last of the facts that these were gathered against.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    column: Name
    kind: Text
    filled: Count
    unread: Count = 0
    example: Text | None = None
    offsets: Annotated[dict[Text, Count], Field(max_length=50)] = field(default_factory=dict)
    first: Microseconds | None = None
    last: Microseconds | None = None
    future: Count = 0
    latest: Microseconds | None = None
    days: Annotated[
        list[
            tuple[
                Annotated[int, Field(ge=-719_162, le=2_932_896)],
                Annotated[int, Field(ge=1, le=2**53)],
                Annotated[int, Field(ge=0, lt=86_400)],
                Annotated[int, Field(ge=0, lt=86_400)],
            ]
        ],
        Field(max_length=400),
    ] = field(default_factory=list)
    earlier: Count | None = None


@dataclass(frozen=True, slots=True)
class IdFacts:
    """The ids of a window.

    Attributes:
        missing: rows without one.
        repeated: rows whose id an earlier row has.
        examples: ids that stand in most rows, and in how many.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    column: Name
    missing: Count = 0
    repeated: Count = 0
    examples: Annotated[list[tuple[Text, Count]], Field(max_length=5)] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class QualityFacts:
    """All that is judged of a window.

    Attributes:
        rows: in the window.
        columns: by name; none where there are no rows to tell their kind.
        clock: None without a timestamp; `no_clock` names one that the window was to have.
        ids: None without an id; `no_id` names one that the window was to have.
        repeated_rows: rows that repeat an earlier one in all columns, by more than chance; None where not looked for.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    rows: Count
    columns: Annotated[dict[Name, ColumnFacts], Field(max_length=5_000)]
    clock: ClockFacts | None = None
    no_clock: Name | None = None
    ids: IdFacts | None = None
    no_id: Name | None = None
    repeated_rows: Count | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values, for a profile."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: object) -> "QualityFacts":
        """Read what :meth:`to_json` made.

        Raises:
            DataError: it did not make this; the message names the first place that does not fit.
        """
        try:
            facts: QualityFacts = _ADAPTER.validate_python(document)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part)[:40] for part in first["loc"]) or "the whole"
            raise DataError(
                f"the data quality of the profile cannot be read: {place}: {first['msg']}: make the profile again"
            ) from None
        wrong = _contradiction(facts)
        if wrong:
            raise DataError(
                f"the data quality of the profile contradicts itself: {wrong}: make the profile again"
            )
        return facts


_ADAPTER = TypeAdapter(QualityFacts)


def _contradiction(facts: QualityFacts) -> str | None:
    """The first count that cannot be."""
    for name, column in facts.columns.items():
        inside = column.filled <= facts.rows and column.infinite + column.commonest_rows <= 2 * column.filled
        known = column.levels is None or sum(column.levels.values()) == column.filled
        ordered = (column.minimum is None) == (column.maximum is None) and (
            column.minimum is None or column.maximum is None or column.minimum <= column.maximum
        )
        if not (inside and known and ordered and column.commonest_rows <= column.filled):
            return f"column {name[:40]!r}"
    clock, ids = facts.clock, facts.ids
    if clock is not None:
        days = [day for day, *_ in clock.days]
        read = clock.filled - clock.unread
        counted = sum(rows for _, rows, *_ in clock.days)
        if clock.filled > facts.rows or clock.future > read or counted > read or days != sorted(set(days)):
            return "the times"
        if (clock.first is None) != (clock.last is None) or (clock.first or 0) > (clock.last or 0):
            return "the times"
    if ids is not None and ids.missing + ids.repeated > facts.rows:
        return "the ids"
    return "the repeated rows" if (facts.repeated_rows or 0) > facts.rows else None


def instant(microseconds: int) -> datetime:
    """A time as it is kept, with its time zone."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
