"""What the parts of the configuration are built from: a strict section, lengths of time, names that are safe."""

import re
from datetime import date, datetime, timedelta
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
)

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d|w|y)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}


def parse_duration(value: object) -> timedelta:
    """Read ``90m``, ``7d`` or ``0`` as a length of time.

    Raises:
        ValueError: anything else.
    """
    if isinstance(value, timedelta):
        return value
    text = str(value).strip()
    if text == "0":
        return timedelta(0)
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(
            f"{text!r} is no length of time: write a number and one of s, m, h, d, w, y, such as 7d"
        )
    return timedelta(seconds=float(match[1]) * _SECONDS[match[2]])


def parse_day(value: object) -> date:
    """Read ``2026-12-31`` as a day.

    Raises:
        ValueError: anything else; a number or a time of day is no day.
    """
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", str(value)):
            return date.fromisoformat(str(value))
    except ValueError:
        pass
    raise ValueError(f"{value!r} is no day: write year, month and day, such as 2026-12-31")


def path_and_branch_safe(name: str) -> str:
    """A model name that can be part of a path and of a branch name, or ValueError."""
    if (
        not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name)
        or ".." in name
        or name.endswith((".", ".lock"))
    ):
        raise ValueError(
            f"model name {name!r} becomes part of branch and folder names:"
            " use letters, digits, '-', '_' and '.', at most 64"
        )
    return name


def placeholders(*required: str) -> AfterValidator:
    """A check that a command contains these placeholders."""

    def check(command: str) -> str:
        for name in required:
            if f"{{{name}}}" not in command:
                raise ValueError(f"the command must contain {{{name}}}, which Tidegate replaces by a path")
        return command

    return AfterValidator(check)


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    WithJsonSchema({"type": ["string", "integer"], "examples": ["7d", "12h", "90m", 0]}),
]
Day = Annotated[date, BeforeValidator(parse_day), WithJsonSchema({"type": "string", "format": "date"})]
ModelName = Annotated[str, AfterValidator(path_and_branch_safe)]
Confidence = Annotated[float, Field(gt=0.5, lt=1)]
Scalar = str | int | float | bool


Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class Section(BaseModel):
    """A mapping of the configuration: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
