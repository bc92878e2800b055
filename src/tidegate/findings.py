"""What is found of a table or a model without being asked for."""

from dataclasses import dataclass
from typing import Literal

Name = Literal[
    "trivial_model",
    "too_good",
    "leakage",
    "constant_column",
    "duplicate_rows",
    "training_overlap",
    "golden_changed",
]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a reader must know.

    Attributes:
        column: that it is about; None for the whole table.
        value: a share, or what `detail` says it is.
    """

    finding: Name
    column: str | None
    value: float | None
    detail: str
