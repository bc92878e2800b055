import json
from pathlib import Path

import numpy as np
import pytest

from tidegate.drift.profile import Profile, profile_bytes, read_profile
from tidegate.drift.summaries import summarise
from tidegate.drift.univariate import compare_summaries
from tidegate.errors import DataError
from tidegate.tables import Column

RNG = np.random.default_rng(3)


def columns(rows: int = 5_000) -> dict[str, Column]:
    times = np.datetime64("2024-01-01", "us") + np.arange(rows) * np.timedelta64(17, "m")
    lines = tuple(sorted(f"row {i} says {i * 7 % 13} words" for i in range(rows)))
    return {
        "x": Column("x", "number", RNG.normal(size=rows)),
        "gaps": Column(
            "gaps", "number", np.where(RNG.random(rows) < 0.1, np.nan, RNG.integers(9, size=rows))
        ),
        "none": Column("none", "number", np.full(rows, np.nan)),
        "carrier": Column(
            "carrier", "category", RNG.integers(-1, 3, rows).astype(np.int32), ("AA", "B6", "é")
        ),
        "tail": Column(
            "tail",
            "category",
            RNG.integers(0, 1_500, rows).astype(np.int32),
            tuple(f"N{i}" for i in range(1_500)),
        ),
        "flag": Column("flag", "category", RNG.integers(0, 2, rows).astype(np.int32), (False, True)),
        "when": Column("when", "time", times),
        "note": Column("note", "category", np.arange(rows, dtype=np.int32), lines),
    }


def made(rows: int = 5_000, **options) -> Profile:
    cluster = np.arange(rows) // 10
    stamp = np.full(rows, np.datetime64("2024-04-01", "us"))
    summaries = {
        name: summarise(column, cluster=cluster if name == "gaps" else None, timestamp=stamp)
        for name, column in columns(rows).items()
    }
    return Profile("flights", "2026-01-01T00:00:00Z", rows, None, "0" * 64, summaries, **options)


@pytest.fixture(scope="module")
def profile() -> Profile:
    return made(quality={"ranges": {"x": [0, 1]}}, chunks={"count": 12})


def written(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "reference.json"
    path.write_bytes(content)
    return path


def test_what_is_written_is_read_again(profile, tmp_path):
    content = profile_bytes(profile)
    again = read_profile(written(tmp_path, content))
    assert profile_bytes(again) == content
    assert (again.quality, again.chunks, again.performance) == (
        {"ranges": {"x": [0, 1]}},
        {"count": 12},
        None,
    )
    current = columns()
    for name, summary in profile.columns.items():
        now = summarise(current[name], like=summary)
        then, read = (
            compare_summaries(each, now, min_effect=0.05, level=0.01)
            for each in (summary.reduced(), again.columns[name])
        )
        assert read.p_value == pytest.approx(then.p_value, rel=1e-9)
        assert read.effect == pytest.approx(then.effect, rel=1e-9)
        assert (read.kind, read.test, read.baseline) == (then.kind, then.test, then.baseline)


def test_a_column_is_a_line(profile):
    text = profile_bytes(profile).decode()
    for name in profile.columns:
        assert sum(line.startswith(f'"{name}": {{"kind"') for line in text.splitlines()) == 1
    assert json.loads(text)["schema"] == "tidegate/profile/1"


def test_fifty_columns_of_a_million_rows_are_under_a_megabyte():
    summary = summarise(Column("x", "number", RNG.normal(size=1_000_000) * np.pi)).reduced()
    many = Profile("m", "2026-01-01T00:00:00Z", 10**6, None, "0" * 64, {f"c{i}": summary for i in range(50)})
    assert len(profile_bytes(many)) < 1_000_000


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff\xfe", b'{"rows": NaN}', b"[" * 100_000, b"1" * 9_999]
)
def test_what_is_no_profile_is_refused(content, tmp_path):
    with pytest.raises(DataError, match="profile"):
        read_profile(written(tmp_path, content))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_profile(tmp_path / "gone.json")
    with pytest.raises(DataError, match="cannot be read"):
        read_profile(tmp_path)


def test_a_file_too_large_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr("tidegate.drift.profile.MOST_BYTES", 100)
    with pytest.raises(DataError, match="more than 100 bytes"):
        read_profile(written(tmp_path, b" " * 101))


TAMPERED = {
    "schema": ("schema", "tidegate/profile/9"),
    "an unknown key": ("extra", 1),
    "rows below zero": ("rows", -1),
    "no hash": ("source_sha256", "../../etc"),
    "too many rows": ("columns.x.rows", 10**30),
    "counts that do not add up": ("columns.x.missing", 3),
    "points that fall": ("columns.x.points.5", -99.0),
    "equal counts": ("columns.x.upto.0", 0),
    "lengths that differ": ("columns.x.upto", [5_000]),
    "no spread": ("columns.x.spread", -1.0),
    "a kind of its own": ("columns.x.kind", "tensor"),
    "a negative level": ("columns.carrier.counts.AA", -5),
    "text for a count": ("columns.carrier.counts.AA", "5"),
    "buckets": ("columns.tail.buckets", [1]),
    "a part that does not add up": ("columns.when.hour.rows", 3),
    "words without end": ("columns.note.vocabulary", ["a"] * 6_000),
    "a design effect below one": ("columns.gaps.design_effect", 0.1),
    "too many points": ("columns.x.points", [0.5] * 5_000),
}


@pytest.mark.parametrize(("where", "value"), TAMPERED.values(), ids=TAMPERED)
def test_a_profile_that_contradicts_itself_is_refused(profile, tmp_path, where, value):
    data = json.loads(profile_bytes(profile))
    *path, last = where.split(".")
    at = data
    for key in path:
        at = at[int(key) if isinstance(at, list) else key]
    at[int(last) if isinstance(at, list) else last] = value
    with pytest.raises(DataError, match="does not hold what a profile does, at ") as caught:
        read_profile(written(tmp_path, json.dumps(data).encode()))
    assert "\n" not in str(caught.value)
