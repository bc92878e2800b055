"""The monitor over all windows: what it is told of this one, and its state in the history."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import numpy as np

from tidegate.drift.column_test import ColumnTest
from tidegate.drift.evidence import Distance, Shift, WindowEvidence, shift_from_interval
from tidegate.drift.label_free import Estimated
from tidegate.drift.monitor import Monitor, from_state
from tidegate.drift.performance import Realised
from tidegate.drift.results import Columns
from tidegate.errors import DataError
from tidegate.history.drift import KeptWindow, PastReport
from tidegate.tables import Column

_KS = "Kolmogorov-Smirnov"
_KS_OF_A_SHIFT = 0.4
"""Distance of two normal laws that lie one standard deviation apart, per standard deviation, for small shifts."""


def last_monitor(past: Sequence[PastReport], run_length: int) -> tuple[Monitor, str]:
    """The monitor after the newest report that kept one, and why it begins anew where it does."""
    state = next((report.kept.monitor for report in reversed(past) if report.kept.monitor), None)
    if state is None:
        return Monitor.start(run_length), ""
    try:
        found = from_state(state)
    except DataError as error:
        return Monitor.start(run_length), str(error)
    if found.run_length != run_length:
        return Monitor.start(run_length), "the run length of the monitor was changed: it began anew"
    return found, ""


def evidence(
    columns: Columns,
    rows: tuple[int, int],
    *,
    realised: Realised | str | None,
    estimated: Estimated | str | None,
    window: KeptWindow,
    reference: str,
    times: Column | None,
    now: datetime,
    min_effect: float,
) -> WindowEvidence:
    """What one window says.

    Args:
        columns: tests of columns.
        rows: of the reference and of the current window.
        realised: performance on labels.
        estimated: performance without labels.
        window: the current one.
        reference: hash of what it is compared with, and by which model.
        times: of the rows of the current window.
        now: time of the report.
        min_effect: size of a change of a column that counts; smaller ones are allowed for ever.
    """
    start, end = _period(times, now)
    streams: list[Shift | Distance] = []
    if isinstance(realised, Realised):
        shift = shift_from_interval(
            "performance",
            realised.drop,
            realised.ci,
            realised.confidence,
            realised.rows_reference,
            realised.rows_current,
            allowance=realised.min_drop / 2,
        )
        streams += [shift] if shift else []
    if isinstance(estimated, Estimated):
        shift = shift_from_interval(
            "estimated performance",
            estimated.drop,
            estimated.ci,
            estimated.confidence,
            estimated.rows_reference,
            estimated.rows_current,
            allowance=estimated.min_drop / 2,
            weight=0.5,
        )
        streams += [shift] if shift else []
    share = 1 / max(len(columns.features), 1)
    streams += _distances([(test, test.name, share) for test in columns.features], rows, min_effect)
    streams += _distances([(test, name, 0.5) for name, test in columns.outcomes.items()], rows, min_effect)
    return WindowEvidence(window.sha256, reference, end, start, streams)


def _distances(
    tests: Sequence[tuple[ColumnTest, str, float]], rows: tuple[int, int], min_effect: float
) -> Iterator[Distance]:
    """Each column's distance, of those whose chance is that of rows."""
    for test, name, weight in tests:
        if test.baseline != "rows":
            continue
        filled = (rows[0] * (1 - test.missing.reference), rows[1] * (1 - test.missing.current))
        if test.test.startswith(_KS):
            yield Distance(
                name, test.statistic, *filled, allowance=_KS_OF_A_SHIFT * min_effect, weight=weight
            )
        elif test.distribution is not None and min(filled) > 0:
            counts = [
                np.array(shares) * size
                for shares, size in zip(
                    (test.distribution.reference, test.distribution.current), filled, strict=True
                )
            ]
            statistic, df = _chi_squared(*counts)
            yield Distance(name, statistic, *filled, df=df, allowance=2 * min_effect, weight=weight)


def _chi_squared(a: np.ndarray, b: np.ndarray) -> tuple[float, int]:
    """Of the levels shown, those of few rows together."""
    both = a + b
    few = both * min(a.sum(), b.sum()) / both.sum() < 5
    table = np.array([np.append(each[~few], each[few].sum()) for each in (a, b)])
    table = table[:, table.sum(axis=0) > 0]
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    return float(((table - expected) ** 2 / expected).sum()), table.shape[1] - 1


def _period(times: Column | None, now: datetime) -> tuple[datetime | None, datetime]:
    if times is None:
        return None, now
    known = times.values[~times.missing].astype("datetime64[us]")
    first, last = (
        datetime.fromtimestamp(0, UTC) + (each - np.datetime64(0, "us")).astype(object)
        for each in (known.min(), known.max())
    )
    # Times of the future would keep all later windows waiting.
    return first, min(last, now)
