"""All findings about two windows, the ones that chance could make among them held to one level."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from tidegate.drift.quality.facts import QualityFacts
from tidegate.drift.quality.findings import Finding, bounded
from tidegate.drift.quality.schema import check_duplicates, check_schema, check_values
from tidegate.drift.quality.shares import Suspect, suspects
from tidegate.drift.quality.times import check_times
from tidegate.drift.quality.volume import volume
from tidegate.stats.multiplicity import holm
from tidegate.wording import plural

_ORDER = {"error": 0, "warning": 1, "info": 2}


def check(
    reference: QualityFacts,
    current: QualityFacts,
    *,
    now: datetime,
    max_age: timedelta | None = None,
    min_rows: int = 1,
    level: float = 0.01,
    min_share: float = 0.01,
    min_volume_change: float = 0.2,
    design_effect: float = 1.0,
) -> list[Finding]:
    """What is wrong with the data of the current window.

    Rising shares of missing values, values outside the reference's range, new categories, columns that became constant
    and rows per day are tested; all those tests together find something without cause in at most `level` of reports
    (Holm, 1979). The promise is one for exchangeable rows, and for days whose seasons are those of the week. All other
    findings are facts.

    Args:
        reference: may come from a profile.
        current: gathered against the reference; else its ranges are not compared.
        now: the time of the check; without a time zone it is UTC.
        max_age: of the newest row.
        min_rows: that the current window is to have.
        level: see above.
        min_share: rise of a share that counts.
        min_volume_change: relative change of rows per day that counts.
        design_effect: rows that stand for one independent row, where rows of a cluster are alike (Kish, 1965).

    Returns:
        Errors first, then warnings, then what is worth knowing; of each check at most 20 and how many more there are.
    """
    facts = [*_sizes(reference, current, min_rows), *check_schema(reference, current)]
    facts += check_times(reference, current, now=now, max_age=max_age)
    facts += check_duplicates(reference, current)
    if reference.rows and current.rows:
        facts += check_values(reference, current)
        tests = list(suspects(reference, current, min_share=min_share, design_effect=max(design_effect, 1.0)))
        daily = volume(reference.clock, current.clock, min_change=min_volume_change)
        facts += _settled([*tests, *([daily] if daily is not None else [])], level)
        if daily is None and reference.clock is not None and current.clock is not None:
            detail = "rows per day are not compared: too few whole days, or of other weekdays than the reference has"
            facts.append(Finding("volume", current.clock.column, None, detail, "info"))
    return bounded(sorted(facts, key=lambda finding: _ORDER[finding.severity]))


def _sizes(reference: QualityFacts, current: QualityFacts, min_rows: int) -> Iterator[Finding]:
    if not reference.rows:
        yield Finding(
            "rows", None, 0.0, "the reference window has no rows: there is nothing to compare with", "error"
        )
    if not current.rows:
        yield Finding("rows", None, 0.0, "the current window has no rows", "error")
    elif current.rows < min_rows:
        detail = f"the current window has {plural(current.rows, 'row')}, fewer than min_rows {min_rows:,}"
        yield Finding("rows", None, float(current.rows), detail)
    elif current.rows == 1:
        yield Finding(
            "rows", None, 1.0, "the current window has a single row, of which no test can tell anything"
        )


def _settled(tests: list[Suspect], level: float) -> Iterator[Finding]:
    if not tests:
        return
    for test, p_value in zip(tests, holm([test.p_value for test in tests]).tolist(), strict=True):
        if p_value <= level and test.finding is not None:
            yield test.finding
        elif test.unless is not None:
            yield test.unless
