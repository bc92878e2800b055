"""Does the golden set still look like production? Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tidegate.drift.univariate import compare_columns
from tidegate.errors import DataError
from tidegate.stats.multiplicity import holm
from tidegate.tables import Column
from tidegate.wording import first_few, number, plural


@dataclass(frozen=True, slots=True)
class DriftedColumn:
    """A column in which the golden set differs from the reference, beyond chance and by a size that counts."""

    column: str
    test: str
    p_value: float
    adjusted_p_value: float
    effect: float
    detail: str


@dataclass(frozen=True, slots=True)
class GoldenDrift:
    """Whether the golden set looks like the reference.

    Attributes:
        reference_rows, rows: of the reference and of the golden set.
        drifted: largest effect first.
        tested: number of columns that both have.
        differs: whether any column drifted.
        sentence: the conclusion.
        detail: which columns could not be compared, and why; empty when all could.
    """

    reference_rows: int
    rows: int
    drifted: list[DriftedColumn]
    tested: int
    differs: bool
    sentence: str
    detail: str


def look(
    golden: Mapping[str, Column],
    reference: Mapping[str, Column],
    *,
    golden_rows: int,
    reference_rows: int,
    false_alarm_rate: float,
    min_effect: float,
) -> GoldenDrift:
    """Test every column that both tables have, as drift does; the columns share the rate (Holm, 1979).

    Args:
        golden: features of the golden set, by name.
        reference: features of rows as production sees them.
        golden_rows: at least one.
        reference_rows: at least one.
        false_alarm_rate: chance to say that a golden set drawn like the reference differs.
        min_effect: size below which a difference does not count, in the units of drift effects.

    Raises:
        DataError: when a table has no rows.
    """
    _demand_rows(golden_rows, reference_rows)
    shared = sorted(golden.keys() & reference.keys())
    tests = [compare_columns(reference[name], golden[name], min_effect=min_effect) for name in shared]
    drifted = [
        DriftedColumn(test.name, test.test, test.p_value, float(p), test.effect, test.detail)
        for test, p in zip(tests, holm([test.p_value for test in tests]), strict=True)
        if p <= false_alarm_rate and test.effect >= min_effect
    ]
    drifted.sort(key=lambda each: (-each.effect, each.column))
    return GoldenDrift(
        reference_rows=reference_rows,
        rows=golden_rows,
        drifted=drifted,
        tested=len(shared),
        differs=bool(drifted),
        sentence=_conclusion(drifted, len(shared)),
        detail="; ".join(_not_shared(golden, reference)),
    )


def _demand_rows(golden_rows: int, reference_rows: int) -> None:
    for rows, what, key in (
        (golden_rows, "golden set", "golden"),
        (reference_rows, "reference", "compare.reference"),
    ):
        if not rows:
            raise DataError(
                f"the {what} has no rows to compare with; point `{key}:` to a table that has some"
            )


def _conclusion(drifted: Sequence[DriftedColumn], tested: int) -> str:
    if not tested:
        return "the golden set and the reference share no column, so whether it looks like production is not known"
    if not drifted:
        every = "its only column" if tested == 1 else f"all {tested:,} columns"
        return f"the golden set looks like production in {every} compared"
    named = first_few([f"{each.column} (effect {number(each.effect)})" for each in drifted])
    return (
        f"the golden set no longer looks like production: {len(drifted):,} of {plural(tested, 'column')}"
        f" {'differs' if len(drifted) == 1 else 'differ'}: {named}"
    )


def _not_shared(golden: Mapping[str, Column], reference: Mapping[str, Column]) -> list[str]:
    return [
        f"only the {what} has {first_few(sorted(own.keys() - other.keys()))}"
        for own, other, what in ((golden, reference, "golden set"), (reference, golden, "reference"))
        if own.keys() - other.keys()
    ]
