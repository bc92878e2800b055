import json
import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tidegate.drift.quality import MOST, Finding, QualityFacts, bounded, chance, check, gather, overlap
from tidegate.errors import DataError
from tidegate.tables import Table, open_table

NOW = datetime(2026, 6, 1, tzinfo=UTC)
START = datetime(2026, 1, 1)
FORMATS = ["csv", "jsonl", "parquet"]
Columns = dict[str, Any]


def window(folder: Path, columns: Columns, name: str = "t", kind: str = "parquet") -> Table:
    frame = pd.DataFrame(columns)
    path = folder / f"{name}.{kind}"
    # The engine writes each format, so that all of them hold the same values.
    options = {"csv": "FORMAT csv, HEADER", "jsonl": "FORMAT json", "parquet": "FORMAT parquet"}[kind]
    quoted = str(path).replace("'", "''")
    connection = duckdb.connect()
    connection.register("frame", frame)
    connection.execute(f"COPY frame TO '{quoted}' ({options})")
    return open_table(str(path))


def written(folder: Path, name: str, text: str) -> Table:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return open_table(str(path))


def found(
    folder: Path,
    then: Columns,
    now: Columns,
    *,
    kind: str = "parquet",
    timestamp: str | None = None,
    id: str | None = None,
    at: datetime = NOW,
    **options: Any,
) -> list[Finding]:
    reference = gather(window(folder, then, "then", kind), now=at, timestamp=timestamp, id=id)
    # Through JSON, as from a profile.
    reference = QualityFacts.from_json(json.loads(json.dumps(reference.to_json(), allow_nan=False)))
    current = gather(window(folder, now, "now", kind), now=at, timestamp=timestamp, id=id, against=reference)
    findings = check(reference, current, now=at, **options)
    json.dumps([[f.value, f.detail] for f in findings], allow_nan=False)
    return findings


def of(findings: list[Finding], name: str) -> list[Finding]:
    return [finding for finding in findings if finding.check == name]


def one(findings: list[Finding], name: str) -> Finding:
    (finding,) = of(findings, name)
    return finding


def minutes(count: int, start: datetime = START, step: float = 1.0) -> list[datetime]:
    return [start + timedelta(minutes=step * i) for i in range(count)]


def normal(rows: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=rows)


def gaps(values: np.ndarray, share: float, seed: int = 1) -> np.ndarray:
    return np.where(np.random.default_rng(seed).random(len(values)) < share, np.nan, values)


@pytest.mark.parametrize("kind", FORMATS)
def test_windows_alike_have_no_findings(tmp_path: Path, kind: str) -> None:
    def made(seed: int) -> Columns:
        rng = np.random.default_rng(seed)
        start = START + timedelta(days=10 * seed)
        return {
            "id": np.arange(2_000) + 10_000 * seed,
            "x": gaps(rng.normal(size=2_000), 0.1, seed),
            "c": rng.choice(["a", "b", "c"], 2_000),
            "b": rng.random(2_000) < 0.5,
            "t": minutes(2_000, start, 7),
        }

    assert found(tmp_path, made(0), made(1), kind=kind, timestamp="t", id="id") == []


@pytest.mark.parametrize("kind", FORMATS)
def test_missing_and_new_columns(tmp_path: Path, kind: str) -> None:
    findings = found(tmp_path, {"a": [1, 2], "gone": [1, 2]}, {"a": [1, 2], "fresh": [1, 2]}, kind=kind)

    assert [(f.column, f.severity) for f in of(findings, "schema")] == [("gone", "error"), ("fresh", "info")]


@pytest.mark.parametrize("kind", FORMATS)
def test_a_type_that_changes_is_named(tmp_path: Path, kind: str) -> None:
    finding = one(found(tmp_path, {"a": [1, 2, 3]}, {"a": ["1", "two", "3"]}, kind=kind), "type")

    assert (finding.column, finding.severity) == ("a", "error")
    assert finding.detail == "the type changed: was number, is text"


@pytest.mark.parametrize(
    ("then", "now", "severity"),
    [
        ([1, 2, 3], [1.5, 2.0, 3.0], None),  # whole numbers are numbers
        ([1, 2, 3], [None, None, None], None),  # nothing has no type
        ([True, False, True], [1, 0, 1], "error"),
        ([START, START, START], [1.0, 2.0, 3.0], "error"),
        ([[1], [2], [3]], ["a", "b", "c"], "error"),
    ],
)
def test_which_types_differ(tmp_path: Path, then: list[Any], now: list[Any], severity: str | None) -> None:
    findings = of(found(tmp_path, {"a": then}, {"a": now}), "type")

    assert [f.severity for f in findings] == ([severity] if severity else [])


def test_text_and_a_file_without_types_are_not_called_a_change(tmp_path: Path) -> None:
    typed = gather(window(tmp_path, {"a": ["1", "2"]}), now=NOW)
    untyped = gather(written(tmp_path, "u.csv", "a\n1\n2\n"), now=NOW)

    assert [f.severity for f in of(check(typed, untyped, now=NOW), "type")] == ["info"]
    assert [f.severity for f in of(check(untyped, typed, now=NOW), "type")] == ["info"]
    assert of(check(untyped, gather(window(tmp_path, {"a": [1, 2]}), now=NOW), now=NOW), "type") == []


@pytest.mark.parametrize("kind", FORMATS)
def test_missing_values_that_rise(tmp_path: Path, kind: str) -> None:
    x = normal(1_000)
    then = {"burst": gaps(x, 0.02), "calm": gaps(x, 0.02)}
    now = {"burst": gaps(x, 0.2, 2), "calm": gaps(x, 0.02, 3)}
    finding = one(found(tmp_path, then, now, kind=kind), "missing")

    assert finding.column == "burst"
    assert finding.value == pytest.approx(np.isnan(now["burst"]).mean())
    assert finding.detail.startswith("missing values rose from ")


def test_missing_values_that_fall_or_hardly_rise_are_no_news(tmp_path: Path) -> None:
    x = normal(100_000)
    full = np.where(np.arange(100_000) < 500, np.nan, x)

    assert of(found(tmp_path, {"a": gaps(x, 0.5)}, {"a": x}), "missing") == []
    assert of(found(tmp_path, {"a": x}, {"a": full}), "missing") == []
    assert of(found(tmp_path, {"a": x}, {"a": full}, min_share=0.001), "missing") != []


def test_a_column_that_goes_missing_altogether(tmp_path: Path) -> None:
    nothing = [None] * 500
    findings = found(tmp_path, {"a": normal(500), "b": nothing}, {"a": nothing, "b": nothing})

    assert [(f.column, f.severity) for f in of(findings, "all_missing")] == [("a", "error"), ("b", "info")]
    assert of(findings, "missing") == []
    few = found(tmp_path, {"a": gaps(normal(500), 0.6)}, {"a": [None, None]})
    assert one(few, "all_missing").severity == "info"


@pytest.mark.parametrize("kind", FORMATS)
def test_values_outside_the_range(tmp_path: Path, kind: str) -> None:
    x = np.linspace(0, 1, 1_000)
    now = np.where(np.arange(1_000) % 20 == 0, -999.0, x)
    finding = one(found(tmp_path, {"a": x}, {"a": now}, kind=kind), "range")

    assert finding.value == 0.05
    assert finding.detail == "5% of the values are below the reference's smallest, 0 (down to -999)"


def test_numbers_of_any_size_have_a_range(tmp_path: Path) -> None:
    huge = np.full(400, 1e308)
    findings = found(tmp_path, {"a": normal(400)}, {"a": np.where(np.arange(400) % 2, huge, -huge)})

    assert [f.value for f in of(findings, "range")] == [0.5, 0.5]


@pytest.mark.parametrize("kind", FORMATS)
def test_new_categories(tmp_path: Path, kind: str) -> None:
    then, now = ["a", "b"] * 300, ["a", "b", "z"] * 200
    finding = one(found(tmp_path, {"a": then}, {"a": now}, kind=kind), "new_categories")

    assert finding.value == pytest.approx(1 / 3)
    assert finding.detail == "33.33% of the rows hold values that the reference does not have: 'z'"


def test_ids_that_are_always_new_are_no_new_categories(tmp_path: Path) -> None:
    then, now = ([f"{start + i}" + "x" for i in range(900)] for start in (0, 10_000))

    assert found(tmp_path, {"a": then}, {"a": now}) == []
    few = ["a", "b", "c"] * 300
    assert of(found(tmp_path, {"a": few}, {"a": now}), "new_categories") != []


def test_a_hundred_thousand_categories(tmp_path: Path) -> None:
    many = [f"level {i}" for i in range(100_000)]
    findings = found(tmp_path, {"a": ["a", "b"] * 50_000}, {"a": many})
    assert one(findings, "new_categories").detail == (
        "has at least 99,998 values that the reference does not have, of 100,000"
    )
    info = one(found(tmp_path, {"a": many}, {"a": many[::-1]}), "new_categories")
    assert (info.severity, "100,000 different values" in info.detail) == ("info", True)


@pytest.mark.parametrize("kind", FORMATS)
def test_columns_that_became_constant(tmp_path: Path, kind: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=300)
    then = {"n": x, "c": ["a", "b"] * 150, "same": [7] * 300, "moved": [1] * 300}
    now = {"n": [0.5] * 300, "c": ["a"] * 300, "same": [7] * 300, "moved": [2] * 300}
    findings = of(found(tmp_path, then, now, kind=kind), "constant")

    assert [(f.column, f.severity) for f in findings] == [
        *(("n", "warning"), ("c", "warning"), ("moved", "warning"), ("same", "info")),
    ]
    assert findings[0].detail == "holds '0.5' in every row that has a value; the reference varies"


def test_a_rare_flag_that_did_not_occur_is_no_constant_column(tmp_path: Path) -> None:
    flag = np.where(np.arange(2_000) < 10, 1.0, 0.0)
    middle = np.where(np.arange(2_000) < 10, np.arange(2_000) - 5.0, 0.0)
    then = {"flag": flag, "middle": middle, "text": np.where(flag > 0, "yes", "no")}
    now = {"flag": np.zeros(100), "middle": np.zeros(100), "text": ["no"] * 100}

    assert found(tmp_path, then, now) == []


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_infinite_values(tmp_path: Path, kind: str) -> None:
    x = normal(300)
    odd = np.where(np.arange(300) == 5, math.inf, x)
    finding = one(found(tmp_path, {"a": x}, {"a": odd}, kind=kind), "infinite")

    assert finding.severity == "warning"
    assert finding.detail == "1 infinite value, of which the reference has none; taken as missing"
    assert one(found(tmp_path, {"a": odd}, {"a": odd}, kind=kind), "infinite").severity == "info"
    everything = found(tmp_path, {"a": x}, {"a": np.full(300, -math.inf)}, kind=kind)
    assert one(everything, "infinite").value == 1.0


@pytest.mark.parametrize("kind", FORMATS)
def test_repeated_ids(tmp_path: Path, kind: str) -> None:
    then = {"id": list("abcdef"), "x": range(6)}
    now = {"id": ["g", "g", "g", "h", None, "h"], "x": range(6, 12)}
    findings = found(tmp_path, then, now, kind=kind, id="id")

    assert one(findings, "duplicate_ids").detail == (
        "3 of 6 rows repeat the id of another: 'g' (3 rows), 'h' (2 rows)"
    )
    assert one(findings, "missing_ids").value == pytest.approx(1 / 6)


def test_long_integers_are_ids_of_their_own(tmp_path: Path) -> None:
    table = window(tmp_path, {"id": [2**60 + i for i in range(50)], "x": normal(50)})
    other = window(tmp_path, {"id": [2**60 + i for i in range(50, 100)], "x": normal(50, 2)}, "u")

    ids = gather(table, now=NOW, id="id").ids
    assert ids is not None
    assert ids.repeated == 0
    assert overlap(table, other, id="id") == []


@pytest.mark.parametrize("kind", FORMATS)
def test_repeated_rows(tmp_path: Path, kind: str) -> None:
    x = normal(500)
    twice = np.concatenate([normal(400, 2), normal(400, 2)[:100]])
    findings = found(tmp_path, {"a": x, "b": x}, {"a": twice, "b": twice}, kind=kind)

    assert one(findings, "duplicate_rows").detail == "100 of 500 rows repeat another in all columns"
    usual = found(tmp_path, {"a": twice, "b": twice}, {"a": twice, "b": twice}, kind=kind)
    assert one(usual, "duplicate_rows").severity == "info"
    coarse = np.arange(500) % 3
    assert found(tmp_path, {"a": coarse}, {"a": coarse}, kind=kind) == []


@pytest.mark.parametrize("kind", FORMATS)
def test_rows_in_both_windows(tmp_path: Path, kind: str) -> None:
    x, y = normal(5_000), normal(5_000, 7)
    ids = np.arange(5_000)
    reference = window(tmp_path, {"id": ids, "x": x, "y": -x}, "r", kind)
    mixed = {
        "id": np.where(ids < 1_200, ids, ids + 5_000),
        "x": np.where(ids < 1_200, x, y),
        "y": np.where(ids < 1_200, -x, y),
    }
    by_id, by_content = overlap(reference, window(tmp_path, mixed, "c", kind), id="id")

    assert by_id.detail == "1,200 of 5,000 current rows are also in the reference, by their id"
    assert by_content.detail == (
        "1,200 of 5,000 current rows are also in the reference, alike in all 2 columns compared"
    )
    assert by_id.value == by_content.value == 0.24


def test_rows_are_found_in_a_window_of_another_format(tmp_path: Path) -> None:
    columns = {
        "id": [f"r{i}" for i in range(300)],
        "x": normal(300),
        "c": ["a", "b"] * 150,
        "t": minutes(300),
    }
    tables = [window(tmp_path, columns, "w", kind) for kind in FORMATS]

    for other in tables[1:]:
        assert [finding.value for finding in overlap(tables[0], other, id="id")] == [1.0, 1.0]


def test_ids_given_anew_are_told_from_copies(tmp_path: Path) -> None:
    first, second = (window(tmp_path, {"id": range(200), "x": normal(200, i)}, f"w{i}") for i in (0, 1))
    (finding,) = overlap(first, second, id="id")

    assert finding.detail.endswith("what the rows hold differs: are ids given anew in each window?")


def test_coarse_rows_that_are_alike_anyway_are_no_copies(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    first, second = (window(tmp_path, {"x": rng.integers(0, 4, 3_000)}, f"w{i}") for i in (0, 1))

    assert overlap(first, second) == []
    assert overlap(first, first) == []  # nothing can tell them from rows drawn alike


def test_without_the_reference_table_it_says_what_is_not_known(tmp_path: Path) -> None:
    (finding,) = overlap(None, window(tmp_path, {"x": [1.0, 2.0]}))

    assert (finding.severity, "profile" in finding.detail) == ("info", True)


def times_of(text: list[str], kind: str, folder: Path, name: str = "t") -> Table:
    return window(folder, {"t": text, "x": range(len(text))}, name, kind)


@pytest.mark.parametrize("kind", FORMATS)
def test_times_that_cannot_be_read(tmp_path: Path, kind: str) -> None:
    table = times_of(["2026-01-01 10:00:00", "soon", "2026-01-02", "31/12/2025"], kind, tmp_path)
    facts = gather(table, now=NOW, timestamp="t")
    finding = one(check(facts, facts, now=NOW), "timestamps")

    assert finding.detail == "2 of 4 rows hold no time, such as '31/12/2025'"
    assert facts.clock is not None
    assert facts.clock.unread == 2


@pytest.mark.parametrize("kind", FORMATS)
def test_a_timestamp_of_numbers_is_no_time(tmp_path: Path, kind: str) -> None:
    facts = gather(
        window(tmp_path, {"t": [1_767_225_600, 1_767_225_601], "x": [1, 2]}, "t", kind),
        now=NOW,
        timestamp="t",
    )
    finding = one(check(facts, facts, now=NOW), "timestamps")

    assert (finding.severity, finding.value) == ("error", 1.0)
    assert "such as '1767225600'" in finding.detail


@pytest.mark.parametrize("kind", FORMATS)
def test_offsets_are_obeyed(tmp_path: Path, kind: str) -> None:
    table = times_of(["2026-01-01T00:30:00+02:00", "2026-01-01T05:00:00+02:00"], kind, tmp_path)
    facts = gather(table, now=NOW, timestamp="t")

    assert facts.clock is not None
    assert [day for day, *_ in facts.clock.days] == [20_453, 20_454]  # the first is in 2025
    assert of(check(facts, facts, now=NOW), "time_zones") == []


@pytest.mark.parametrize("kind", FORMATS)
def test_naive_and_aware_times_mixed(tmp_path: Path, kind: str) -> None:
    table = times_of(["2026-01-01T00:00:00+02:00", "2026-01-01T05:00:00", "2026-01-02"], kind, tmp_path)
    facts = gather(table, now=NOW, timestamp="t")

    assert one(check(facts, facts, now=NOW), "time_zones").detail == (
        "2 times without a time zone and 1 with one (+02:00): those without are read as UTC"
    )


def test_several_zones_are_told(tmp_path: Path) -> None:
    text = [
        "2026-01-01T00:00:00Z",
        "2026-01-01 05:00:00+0100",
        "2026-01-01 06:00:00+00",
        "2026-01-01 07:00:00 Europe/Paris",
    ]
    facts = gather(times_of(text, "csv", tmp_path), now=NOW, timestamp="t")
    finding = one(check(facts, facts, now=NOW), "time_zones")

    assert finding.severity == "info"
    assert "3 time zones: +00:00, +01:00, 'Europe/Paris'" in finding.detail


def test_windows_that_differ_in_having_a_zone(tmp_path: Path) -> None:
    naive, aware = (
        gather(times_of([text], "csv", tmp_path, name), now=NOW, timestamp="t")
        for text, name in (("2026-01-01 00:00:00", "n"), ("2026-01-01 00:00:00Z", "a"))
    )

    assert (
        "times of the current window have no time zone"
        in one(check(aware, naive, now=NOW), "time_zones").detail
    )
    assert (
        "times of the reference have no time zone" in one(check(naive, aware, now=NOW), "time_zones").detail
    )


@pytest.mark.parametrize("kind", FORMATS)
def test_times_in_the_future_do_not_make_data_fresh(tmp_path: Path, kind: str) -> None:
    times = ["2026-05-20 00:00:00Z", "2026-05-23 00:00:00Z", "2031-01-01 00:00:00Z", "2026-06-01 00:04:00Z"]
    facts = gather(times_of(times[:3], kind, tmp_path), now=NOW, timestamp="t")
    findings = check(facts, facts, now=NOW, max_age=timedelta(days=7))

    assert one(findings, "future").detail == "1 row in the future, up to 2031-01-01 00:00:00 UTC"
    assert one(findings, "freshness").detail == (
        "the newest row is 9 days old (2026-05-23 00:00:00 UTC), more than max_age 7 days"
    )
    assert one(findings, "freshness").value == 9.0
    skewed = gather(times_of(times[3:], kind, tmp_path, "s"), now=NOW, timestamp="t")
    assert of(check(skewed, skewed, now=NOW, max_age=timedelta(days=7)), "future") == []


def test_a_time_without_zone_may_be_a_local_one(tmp_path: Path) -> None:
    now = datetime(2026, 6, 1)
    ahead = [
        gather(times_of([f"2026-06-01 {hour}:00:00"], "csv", tmp_path, hour), now=now, timestamp="t")
        for hour in ("09", "15")
    ]

    assert [facts.clock.future for facts in ahead if facts.clock] == [0, 1]


@pytest.mark.parametrize("text", ["infinity", "10000-01-01", "290000-01-01 00:00:00"])
def test_times_beyond_the_calendar_are_unread(tmp_path: Path, text: str) -> None:
    facts = gather(times_of(["2026-01-01", text], "csv", tmp_path), now=NOW, timestamp="t")

    assert facts.clock is not None
    assert (facts.clock.unread, facts.clock.example) == (1, text)


@pytest.mark.parametrize("sql_type", ["DATE", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMPTZ"])
def test_every_type_of_time_is_read(tmp_path: Path, sql_type: str) -> None:
    path = tmp_path / "t.parquet"
    duckdb.connect().execute(
        f"SET TimeZone='UTC'; COPY (SELECT CAST('2026-01-02' AS {sql_type}) AS t) TO '{path}'"
    )
    facts = gather(open_table(str(path)), now=NOW, timestamp="t")

    assert facts.clock is not None
    assert facts.clock.days == [(20_455, 1, 0, 0)]


def test_freshness_without_a_clock_is_said(tmp_path: Path) -> None:
    facts = gather(window(tmp_path, {"x": [1, 2]}), now=NOW)
    assert (
        "without a timestamp"
        in one(check(facts, facts, now=NOW, max_age=timedelta(days=1)), "freshness").detail
    )
    named = gather(window(tmp_path, {"x": [1, 2]}), now=NOW, timestamp="t", id="key")
    findings = check(named, named, now=NOW)
    assert (one(findings, "timestamps").column, one(findings, "duplicate_ids").column) == ("t", "key")


def at(days: int, rows: int = 300) -> Columns:
    return {"t": minutes(rows, START + timedelta(days=days), 30), "x": normal(rows, days)}


def test_windows_in_the_wrong_order(tmp_path: Path) -> None:
    finding = one(found(tmp_path, at(30), at(0), timestamp="t"), "periods")

    assert finding.severity == "error"
    assert "is older than the reference" in finding.detail


@pytest.mark.parametrize("kind", FORMATS)
def test_periods_that_overlap(tmp_path: Path, kind: str) -> None:
    finding = one(found(tmp_path, at(0), at(5), kind=kind, timestamp="t"), "periods")

    assert finding.detail.startswith("59 of 300 current rows are from before the reference ends")
    assert finding.value == pytest.approx(59 / 300)


def test_a_gap_between_the_periods_is_worth_knowing(tmp_path: Path) -> None:
    finding = one(found(tmp_path, at(0), at(60), timestamp="t"), "periods")

    assert (finding.severity, finding.detail) == (
        "info",
        "54 days lie between the end of the reference and the current window",
    )


def test_rows_per_day_that_collapse(tmp_path: Path) -> None:
    then = {"t": minutes(28 * 96, START, 15), "x": normal(28 * 96)}
    now = {"t": minutes(7 * 12, START + timedelta(days=28), 120), "x": normal(84, 2)}
    # The last row of a day comes two hours earlier than usual: the last day looks cut off.
    finding = one(found(tmp_path, then, now, timestamp="t"), "volume")

    assert finding.severity == "warning"
    assert finding.value == pytest.approx(12.5 / 96.5)
    assert (
        "(from 96 to 12 on average; 6 whole days against 28, days of the week allowed for)" in finding.detail
    )


def test_a_weekend_is_compared_with_weekends(tmp_path: Path) -> None:
    def days(first: int, count: int, weekend: int = 5) -> Columns:
        rng, times = np.random.default_rng(first), []
        for day in range(first, first + count):
            start = START + timedelta(days=day)
            rows = int(rng.poisson(weekend if start.weekday() >= 5 else 200))
            times += [start + timedelta(seconds=86_399 * i / max(rows - 1, 1)) for i in range(rows)]
        return {"t": times, "x": normal(len(times), first)}

    # 2026-01-31 is a Saturday.
    assert found(tmp_path, days(0, 30), days(30, 2), timestamp="t") == []
    value = one(found(tmp_path, days(0, 30), days(30, 2, weekend=100), timestamp="t"), "volume").value
    assert value is not None
    assert value > 5


def test_too_few_days_for_volume_is_said(tmp_path: Path) -> None:
    assert one(found(tmp_path, at(0, 100), at(10, 100), timestamp="t"), "volume").severity == "info"


def test_few_rows(tmp_path: Path) -> None:
    findings = found(tmp_path, {"a": [1, 2]}, {"a": [1, 2]}, min_rows=1_000)

    assert one(findings, "rows").detail == "the current window has 2 rows, fewer than min_rows 1,000"


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_window_without_rows(tmp_path: Path, kind: str) -> None:
    full = {"t": minutes(50), "x": normal(50), "c": ["a", "b"] * 25}
    reference = gather(window(tmp_path, full, "full", kind), now=NOW, timestamp="t")
    table = window(tmp_path, {name: values[:0] for name, values in full.items()}, "none", kind)
    current = gather(table, now=NOW, timestamp="t", against=reference)

    assert one(check(reference, current, now=NOW, max_age=timedelta(days=1)), "rows").severity == "error"
    assert one(check(current, reference, now=NOW), "rows").severity == "error"
    assert overlap(table, table) == []


@pytest.mark.parametrize("kind", FORMATS)
def test_a_window_of_one_row(tmp_path: Path, kind: str) -> None:
    full = {"id": range(50), "t": minutes(50), "x": normal(50), "c": ["a", "b"] * 25}
    row = {"id": [99], "t": [START + timedelta(days=1)], "x": [None], "c": ["z"]}
    findings = found(tmp_path, full, row, kind=kind, timestamp="t", id="id")

    assert "single row" in one(findings, "rows").detail
    assert {f.severity for f in findings if f.check != "rows"} == {"info"}


HOSTILE = [
    'x"; DROP TABLE loaded; --',
    "a'b",
    "<script>",
    "two\nlines",
    "c0",
    "loaded",
    "v",
    "n",
    "t",
    "::warning::",
    "%",
    "ü\u202e",
]


@pytest.mark.parametrize("kind", FORMATS)
def test_hostile_names_and_values(tmp_path: Path, kind: str) -> None:
    then: Columns = {name: [f"{name} {i % 3}" for i in range(200)] for name in HOSTILE}
    now: Columns = {name: [f"{name} {i % 7}"[::-1] for i in range(200)] for name in HOSTILE}
    # SQL names do not tell upper from lower case, nor does this list.
    findings = found(tmp_path, then, now, kind=kind, timestamp=HOSTILE[0], id=HOSTILE[3])

    assert len(of(findings, "new_categories")) == len(HOSTILE) - 2
    # (The names themselves are columns; details quote what they show.)
    assert not any(set(finding.detail) & set("\n\r\u202e") for finding in findings)


def test_long_values_are_cut_short_and_stay_apart(tmp_path: Path) -> None:
    long = ["a" * 5_000 + str(i % 2) for i in range(100)]
    facts = gather(window(tmp_path, {"x": long}), now=NOW)

    assert facts.columns["x"].level_count == 2
    assert max(map(len, facts.columns["x"].levels or {})) <= 60


@pytest.mark.parametrize("kind", FORMATS)
def test_the_order_of_rows_does_not_matter(tmp_path: Path, kind: str) -> None:
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(
        {
            "id": rng.integers(0, 900, 1_000),
            "x": gaps(rng.normal(size=1_000).round(1), 0.1),
            "c": rng.choice(["a", "b", "c"], 1_000),
            "t": minutes(1_000),
        }
    )
    mixed = frame.iloc[rng.permutation(1_000)]
    facts = [
        gather(window(tmp_path, each, name, kind), now=NOW, timestamp="t", id="id")
        for each, name in ((frame, "a"), (mixed, "b"))
    ]

    assert facts[0] == facts[1]


def test_findings_are_bounded_in_number() -> None:
    many = [Finding("range", f"c{i}", 0.5, "out", "warning") for i in range(100)]
    kept = bounded([*many, Finding("schema", "x", None, "gone", "error")])

    assert len(kept) == MOST + 2
    assert kept[-1] == Finding(
        "range", None, 80.0, "80 more findings of the kind 'range' not listed", "warning"
    )


def test_errors_come_first(tmp_path: Path) -> None:
    findings = found(
        tmp_path, {"a": normal(500), "gone": normal(500)}, {"a": normal(500) + 50, "new": normal(500)}
    )

    assert [finding.severity for finding in findings] == ["error", "warning", "info"]


def test_columns_named_but_not_there_are_missed(tmp_path: Path) -> None:
    table = window(tmp_path, {"a": [1, 2], "b": [1, 2]})
    facts = gather(table, ["a", "nowhere"], now=NOW)

    assert list(facts.columns) == ["a"]


def test_facts_gathered_alone_leave_ranges_out(tmp_path: Path) -> None:
    then, now = (
        gather(window(tmp_path, {"a": normal(300) + shift}, f"w{shift}"), now=NOW) for shift in (0, 50)
    )

    assert of(check(then, now, now=NOW), "range") == []


def documents() -> Iterator[dict[str, Any]]:
    column = {"kind": "number", "typed": True, "filled": 2}
    yield {}
    yield {"rows": -1, "columns": {}}
    yield {"rows": 1e400, "columns": {}}
    yield {"rows": 1, "columns": {"a": column}}
    yield {"rows": 3, "columns": {"a": {**column, "minimum": math.nan, "maximum": 1.0}}}
    yield {"rows": 3, "columns": {"a": {**column, "minimum": 2.0, "maximum": 1.0}}}
    yield {"rows": 3, "columns": {"a": {**column, "minimum": 2.0}}}
    yield {"rows": 3, "columns": {"a": {**column, "levels": {"x": 5}}}}
    yield {"rows": 3, "columns": {"a": {**column, "levels": {str(i): 0 for i in range(1_001)}}}}
    yield {"rows": 3, "columns": {"a": {**column, "kind": "x" * 300}}}
    yield {"rows": 3, "columns": {"a": {**column, "surprise": 1}}}
    yield {"rows": 3, "columns": {"a": {**column, "commonest_rows": 3}}}
    yield {"rows": 3, "columns": {}, "clock": {"column": "t", "kind": "time", "filled": 4}}
    yield {"rows": 3, "columns": {}, "clock": {"column": "t", "kind": "time", "filled": 3, "last": 10**30}}
    yield {
        "rows": 3,
        "columns": {},
        "clock": {"column": "t", "kind": "time", "filled": 3, "first": 5, "last": 4},
    }
    yield {"rows": 3, "columns": {}, "clock": {"column": "t", "kind": "time", "filled": 3, "first": 5}}
    for days in ([[2, 1, 0, 0], [1, 1, 0, 0]], [[1, 9, 0, 0]], [[1, 1, 0, 86_400]], [[10**12, 1, 0, 0]]):
        yield {"rows": 3, "columns": {}, "clock": {"column": "t", "kind": "time", "filled": 3, "days": days}}
    yield {"rows": 3, "columns": {}, "ids": {"column": "i", "missing": 2, "repeated": 2}}
    yield {"rows": 3, "columns": {}, "repeated_rows": 4}


@pytest.mark.parametrize("document", [*documents(), None, [], "facts", 3])
def test_hostile_facts_are_refused(document: object) -> None:
    with pytest.raises(DataError, match="make the profile again"):
        QualityFacts.from_json(document)


def test_days_a_thousand_years_apart_take_no_memory(tmp_path: Path) -> None:
    old = [datetime(1, 1, 1) + timedelta(days=i) for i in range(3)]
    recent = minutes(28 * 24, START, 60)
    columns = {"t": [*map(str, old), *map(str, recent)], "x": normal(len(old) + len(recent))}
    now = {"t": minutes(24 * 7, START + timedelta(days=28), 60), "x": normal(24 * 7, 3)}
    reference = gather(window(tmp_path, columns, "r", "csv"), now=NOW, timestamp="t")

    assert reference.clock is not None
    assert reference.clock.days[0][0] == -719_162
    check(reference, gather(window(tmp_path, now, "c"), now=NOW, timestamp="t"), now=NOW)


def test_the_top_rows_drawn_by_lot() -> None:
    # The same as drawing the current window without replacement and hitting all of them.
    assert chance.all_drawn(3, 10, 20) == pytest.approx(stats.hypergeom.pmf(3, 30, 3, 10))
    assert chance.all_drawn(0, 10, 20) == 1.0
    assert chance.all_drawn(11, 10, 20) == 0.0
    assert chance.constant(12, 5, 20) == pytest.approx(stats.hypergeom.pmf(4, 24, 11, 4))


def test_the_bound_on_new_levels_is_one() -> None:
    rng = np.random.default_rng(0)
    counts = np.array([1.0] * 30 + [2.0] * 20 + [5.0] * 5 + [100.0])
    labels = np.repeat(np.arange(len(counts)), counts.astype(int))
    m, n = 120, len(labels) - 120
    drawn = []
    for _ in range(2_000):
        order = rng.permutation(labels)
        seen = np.bincount(order[:m], minlength=len(counts))
        drawn.append(float(counts[seen == 0].sum()))
    values = np.array(drawn)

    assert values.mean() == pytest.approx(chance.expected_new(counts, counts, n, m), rel=0.02)
    for quantile in (0.9, 0.99):
        observed = float(np.quantile(values, quantile))
        share = float((values >= observed).mean())
        assert share <= chance.new_rows(counts, counts, observed, n, m) + 0.01
    assert chance.new_rows(counts, counts, 2 * float(values.max()), n, m) < 0.01


def test_pairs_are_split_as_often_as_lots_fall() -> None:
    assert chance.pairs_across(0, 0, 10, 10) == 1.0
    assert chance.pairs_across(10, 10, 50, 50) == pytest.approx((2 * 50 * 50 / (100 * 99)) ** 10)
    assert chance.pairs_across(3, 10, 50, 50) > 0.9


def test_dependent_rows_count_for_less(tmp_path: Path) -> None:
    x = normal(500)
    then, now = {"a": gaps(x, 0.05)}, {"a": gaps(x, 0.13)}

    assert of(found(tmp_path, then, now), "missing") != []
    assert of(found(tmp_path, then, now, design_effect=20.0), "missing") == []


def test_facts_are_unchanged_by_json(tmp_path: Path) -> None:
    columns = {"id": ["a", "a"], "x": [0.1, 1e308], "c": ["k", None], "t": minutes(2)}
    facts = gather(window(tmp_path, columns), now=NOW, timestamp="t", id="id")

    assert QualityFacts.from_json(json.loads(json.dumps(facts.to_json()))) == facts
    assert facts != replace(facts, rows=3)


def test_lines_of_json_that_do_not_agree_on_a_type(tmp_path: Path) -> None:
    lines = [
        '{"a": 1, "t": "2026-01-01", "m": {"k": 1}}',
        '{"a": "x", "t": 5, "m": {"k": 2}}',
        '{"a": [1], "t": null, "m": null}',
    ]
    facts = gather(written(tmp_path, "t.jsonl", "\n".join(lines)), now=NOW, timestamp="t")
    numbers = gather(written(tmp_path, "u.jsonl", '{"a": 1, "m": 5}\n{"a": 2, "m": 6}\n'), now=NOW)

    assert facts.clock is not None
    assert (facts.clock.filled, facts.clock.unread) == (2, 1)
    assert [finding.column for finding in of(check(numbers, facts, now=NOW), "type")] == ["a", "m"]


@pytest.mark.parametrize(
    "value",
    ["MAP {'a': 1}", "{'a': 1}", "'x'::BLOB", "INTERVAL 1 DAY", "TIME '10:00'", "1.50::DECIMAL(5, 2)"],
)
def test_columns_of_any_type_are_surveyed(tmp_path: Path, value: str) -> None:
    path = tmp_path / "t.parquet"
    duckdb.connect().execute(
        f"COPY (SELECT {value} AS a, {value} AS t, i AS x FROM range(9) r(i)) TO '{path}'"
    )
    facts = gather(open_table(str(path)), now=NOW, timestamp="t")

    assert facts.columns["a"].filled == 9
    assert facts.columns["a"].constant is not None
    assert facts.clock is not None
    assert facts.clock.unread == 9
    assert overlap(open_table(str(path)), open_table(str(path))) != []


def test_no_column_to_watch(tmp_path: Path) -> None:
    for kind in FORMATS:
        facts = gather(window(tmp_path, {"a": [1, 1]}, "t", kind), [], now=NOW)
        assert (facts.rows, facts.columns, facts.repeated_rows) == (2, {}, 0)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_very_wide_tables(tmp_path: Path, kind: str) -> None:
    columns = {f"c{i}": [i, i + 1, None] for i in range(400)}
    findings = found(tmp_path, columns, {name: values[:1] * 3 for name, values in columns.items()}, kind=kind)

    assert len(findings) <= 3 * (MOST + 1)


@pytest.mark.parametrize("size", [5_000, 500_000])
def test_a_rare_new_category_beside_large_ones_is_no_chance(size: int) -> None:
    """The old levels are far larger than the new one, which no bound that is scaled to them would see."""
    rows = np.array([0.45, 0.3, 0.15, 0.08, 0.02]) * 2 * size
    rows[-1] /= 2
    assert chance.new_rows(rows, rows, 0.02 * size, size, size) < 1e-20
