"""How often the data quality of windows that did not change is found wrong by chance, and what is found of defects."""

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pytest
from simulation import assert_at_least, assert_at_most, repetitions

from tidegate.drift.quality import ClockFacts, ColumnFacts, QualityFacts, chance, check

pytestmark = pytest.mark.statistical
LEVEL = 0.05
NOW = datetime(2026, 6, 1, tzinfo=UTC)
SMALL = 1e-9
"""Size that counts, so that the tests alone decide; reports ask for more."""
Draw = Callable[[np.random.Generator, int], np.ndarray]

NUMBERS: list[Draw] = [
    lambda rng, n: rng.normal(size=n),
    lambda rng, n: np.where(rng.random(n) < 0.03, np.nan, rng.exponential(size=n)),
    lambda rng, n: np.where(rng.random(n) < 0.01, 1.0, 0.0),
    lambda rng, n: np.where(rng.random(n) < 0.9, np.nan, rng.standard_cauchy(n)),
    lambda rng, n: rng.poisson(0.02, n).astype(float),
]
TEXTS: list[Draw] = [
    lambda rng, n: rng.zipf(1.6, n),
    lambda rng, n: rng.integers(0, 300, n),
    lambda rng, n: np.where(rng.random(n) < 0.004, 1, 0),
    lambda rng, n: rng.integers(0, 10**9, n),
]


def numbers(values: np.ndarray, against: ColumnFacts | None) -> ColumnFacts:
    """The facts that a table of these values has, without the table."""
    known = values[~np.isnan(values)]
    if not len(known):
        return ColumnFacts("empty", True, 0)
    distinct, counts = np.unique(known, return_counts=True)
    most, rows = float(distinct[counts.argmax()]), int(counts.max())
    bounds = against if against is not None and against.minimum is not None else None
    return ColumnFacts(
        kind="number",
        typed=True,
        filled=len(known),
        minimum=float(known.min()),
        maximum=float(known.max()),
        constant=repr(most) if len(distinct) == 1 < len(known) else None,
        commonest=repr(most) if 2 * rows >= len(known) else None,
        commonest_rows=rows if 2 * rows >= len(known) else 0,
        below=None if bounds is None else int((known < bounds.minimum).sum()),
        above=None if bounds is None else int((known > bounds.maximum).sum()),
    )


def texts(values: np.ndarray) -> ColumnFacts:
    distinct, counts = np.unique(values, return_counts=True)
    names = [f"v{value}" for value in distinct]
    most, few = int(counts.argmax()), len(distinct) <= 1_000
    half = 2 * counts[most] >= len(values)
    return ColumnFacts(
        kind="text",
        typed=True,
        filled=len(values),
        constant=names[0] if len(distinct) == 1 < len(values) else None,
        commonest=names[most] if half else None,
        commonest_rows=int(counts[most]) if half else 0,
        levels=dict(zip(names, counts.tolist(), strict=True)) if few else None,
        level_count=len(distinct),
    )


def facts(rng: np.random.Generator, rows: int, against: QualityFacts | None = None) -> QualityFacts:
    columns = {}
    for i, draw in enumerate(NUMBERS):
        then = against.columns[f"n{i}"] if against is not None else None
        columns[f"n{i}"] = numbers(draw(rng, rows), then)
    for i, draw in enumerate(TEXTS):
        columns[f"t{i}"] = texts(draw(rng, rows))
    return QualityFacts(rows=rows, columns=columns)


@pytest.mark.parametrize(("m", "n"), [(500, 500), (5_000, 500), (500, 5_000), (300, 20), (5_000, 5_000)])
def test_reports_without_a_change_keep_their_level(m: int, n: int) -> None:
    rng = np.random.default_rng(m + n)
    runs = repetitions(120 if m + n < 10_000 else 60, 1_000)
    alarms = 0
    for _ in range(runs):
        then = facts(rng, m)
        found = check(then, facts(rng, n, then), now=NOW, level=LEVEL, min_share=SMALL)
        alarms += any(finding.severity != "info" for finding in found)

    assert_at_most(alarms, runs, LEVEL, f"{m} and {n} rows")


@pytest.mark.parametrize(("m", "n"), [(500, 500), (200, 4_000), (4_000, 200)])
def test_each_test_keeps_its_level_alone(m: int, n: int) -> None:
    """At the levels that a family of many columns asks for, without the shelter of its correction."""
    rng = np.random.default_rng(m * 7 + n)
    runs = repetitions(1_500, 15_000)
    laws: list[Draw] = [
        TEXTS[0],
        lambda rng, k: rng.integers(0, 3 * k, k),
        lambda rng, k: rng.integers(0, 40, k),
    ]
    for place, draw in enumerate(laws):
        levels = []
        for _ in range(runs // 3):
            both = draw(rng, m + n)
            distinct, codes = np.unique(both, return_inverse=True)
            total = np.bincount(codes).astype(float)
            new = np.bincount(codes[:m], minlength=len(distinct)) == 0
            levels.append(chance.new_rows(total, total, float(total[new].sum()), n, m))
        for level in (0.1, 0.01):
            hits = int((np.array(levels) <= level).sum())
            assert_at_most(hits, len(levels), level, f"new levels of law {place}")
    x, y = rng.normal(size=(runs, m)), rng.normal(size=(runs, n))
    beyond = (y > x.max(axis=1, keepdims=True)).sum(axis=1)
    p_values = np.array([chance.all_drawn(count, n, m) for count in beyond])
    for level in (0.1, 0.01, 0.001):
        assert_at_most(int((p_values <= level).sum()), runs, level, "beyond the range")
    # The law is exact but for its steps: it must not be needlessly mild either.
    step = max((p for p in np.unique(p_values) if p <= 0.1), default=0.0)
    assert_at_least(int((p_values <= 0.1).sum()), runs, 0.9 * step, "beyond the range")


@pytest.mark.parametrize(("share", "n"), [(0.9, 20), (0.5, 8), (0.99, 300)])
def test_a_constant_column_by_chance_keeps_its_level(share: float, n: int) -> None:
    rng = np.random.default_rng(n)
    runs, m = repetitions(4_000, 200_000), 200
    reference = rng.binomial(m, share, runs)
    current = rng.binomial(n, share, runs)
    p_values = np.ones(runs)
    for i in np.flatnonzero((current == n) | (current == 0)):
        alike = n + (reference[i] if current[i] else m - reference[i])
        p_values[i] = chance.constant(float(alike), n, m)
    for level in (0.1, 0.02):
        assert_at_most(int((p_values <= level).sum()), runs, level, f"constant, {n} rows")


def days(rng: np.random.Generator, first: int, count: int, law: str, scale: float = 1.0) -> ClockFacts:
    day = np.arange(first, first + count)
    mean = np.where((day + 3) % 7 >= 5, 20.0, 200.0) * scale
    if law == "noisy":
        mean = mean * rng.gamma(8, 1 / 8, count)
    elif law == "carried":
        walk = np.zeros(count)
        for i in range(1, count):
            walk[i] = 0.5 * walk[i - 1] + rng.normal(scale=0.2)
        mean = mean * np.exp(walk)
    elif law == "sparse":
        mean = np.full(count, 1.5 * scale)
    rows = rng.poisson(mean)
    return ClockFacts(
        column="t",
        kind="time",
        filled=int(rows.sum()),
        days=[(int(d), int(r), 0, 86_399) for d, r in zip(day, rows, strict=True) if r],
    )


def volume_found(rng: np.random.Generator, law: str, m: int, n: int, **options: float) -> bool:
    start = int(rng.integers(20_000, 20_007))
    scale = options.pop("scale", 1.0)
    then, now = days(rng, start, m, law), days(rng, start + m, n, law, scale)
    windows = [QualityFacts(max(clock.filled, 2), {}, clock) for clock in (then, now)]
    return any(f.check == "volume" and f.severity == "warning" for f in check(*windows, now=NOW, **options))


@pytest.mark.parametrize("law", ["weekly", "noisy", "sparse"])
@pytest.mark.parametrize(("m", "n"), [(28, 7), (60, 1), (28, 3), (9, 2)])
def test_rows_per_day_keep_their_level(law: str, m: int, n: int) -> None:
    rng = np.random.default_rng(m + n + len(law))
    runs = repetitions(150, 2_000)
    for level in (LEVEL, 0.01):
        alarms = sum(volume_found(rng, law, m, n, level=level, min_volume_change=SMALL) for _ in range(runs))
        assert_at_most(alarms, runs, level, f"{law}, {m} and {n} days")


def test_days_that_depend_on_each_other_keep_their_level() -> None:
    rng = np.random.default_rng(9)
    runs = repetitions(400, 4_000)
    alarms = sum(volume_found(rng, "carried", 56, 7, level=0.01) for _ in range(runs))

    assert_at_most(alarms, runs, 0.01, "days that depend on each other")


@pytest.mark.parametrize(("law", "scale"), [("weekly", 0.5), ("weekly", 2.0), ("noisy", 0.3)])
def test_a_change_of_volume_is_found(law: str, scale: float) -> None:
    rng = np.random.default_rng(int(10 * scale))
    runs = repetitions(100, 2_000)
    found = sum(volume_found(rng, law, 56, 7, level=0.01, scale=scale) for _ in range(runs))

    assert_at_least(found, runs, 0.8, f"{law} times {scale}")


def test_defects_of_five_percent_are_found() -> None:
    rng = np.random.default_rng(4)
    runs = repetitions(60, 1_000)
    hits = dict.fromkeys(("missing", "range", "new_categories"), 0)
    for _ in range(runs):
        then = facts(rng, 5_000)
        x, broken = rng.normal(size=2_000), rng.random((3, 2_000)) < 0.05
        now = facts(rng, 2_000, then)
        columns = {
            **now.columns,
            "n0": numbers(np.where(broken[0], -999.0, x), then.columns["n0"]),
            "n1": numbers(np.where(broken[1], np.nan, NUMBERS[1](rng, 2_000)), then.columns["n1"]),
            "t1": texts(np.where(broken[2], -7, TEXTS[1](rng, 2_000))),
        }
        found = {finding.check for finding in check(then, QualityFacts(2_000, columns), now=NOW)}
        for name in hits:
            hits[name] += name in found

    for name, count in hits.items():
        assert_at_least(count, runs, 0.95, name)
