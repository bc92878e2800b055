import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_tables import parquet, put
from workspace import Workspace, workspace

from tidegate.data_quality import training_overlap
from tidegate.errors import RepositoryError
from tidegate.git import Repository
from tidegate.registry import FINGERPRINT, golden_changed_with_model
from tidegate.registry.fingerprint import (
    SIZE,
    Fingerprint,
    Overlap,
    fingerprint_of,
    overlap,
    parse_fingerprint,
    read_fingerprint,
)
from tidegate.tables import Table, open_table

__all__ = ["workspace"]


def ids(folder: Path, name: str, first: int, rows: int) -> Table:
    # A seventh has digits enough that no two rows hold the same.
    select = "range AS id, range / 7 AS x, 'v' || range % 5 AS c"
    return open_table(parquet(folder, name, f"SELECT {select} FROM range({first}, {first + rows})"))


def found(golden: Table, training: Fingerprint, identifier: str | None = "id") -> list[Overlap]:
    return list(overlap(golden, training, identifier))


def test_hashes_are_the_same_everywhere(tmp_path: Path) -> None:
    table = open_table(put(tmp_path, "t.csv", "id,x\nflight 1,1\n,2\n"))
    keys = table.id_keys("id")

    assert [int(value) for value in keys.hashes] == [int(hashlib.sha256(b"flight 1").hexdigest()[:16], 16)]
    assert (keys.rows, keys.distinct, keys.single) == (1, 1, 1)
    row = open_table(put(tmp_path, "r.csv", "b,a,c\n2.50,True,\n"))
    canonical = b"true\x1f2.5\x1fnan"
    assert int(row.content_keys("abc").hashes[0]) == int(hashlib.sha256(canonical).hexdigest()[:16], 16)


@pytest.mark.parametrize("limit", [1, 3, 100, None])
def test_the_smallest_hashes_are_kept(tmp_path: Path, limit: int | None) -> None:
    table = ids(tmp_path, "t.parquet", 0, 50)
    every = table.id_keys("id").hashes
    kept = table.id_keys("id", limit=limit).hashes

    assert (every[1:] > every[:-1]).all()
    np.testing.assert_array_equal(kept, every[:limit])
    np.testing.assert_array_equal(table.id_keys("id", at_most=int(every[9])).hashes, every[:10])


def test_rows_hash_alike_in_every_format(tmp_path: Path) -> None:
    select = (
        "SELECT 1.5 AS a, 7::BIGINT AS i, true AS b, TIMESTAMP '2026-01-02 03:04:05' AS t,"
        ' DATE \'2026-01-02\' AS d, \'x,"y\' AS "c""ell", NULL::INT AS gap, 1e22::DOUBLE AS big, -0.0::DOUBLE AS nil'
    )
    tables = [open_table(parquet(tmp_path, "t.parquet", select))]
    for suffix in (".csv", ".jsonl"):
        tables[0].export(tmp_path / f"t{suffix}")
        tables.append(open_table(str(tmp_path / f"t{suffix}")))
    columns = list(tables[0].schema)

    assert len({table.content_keys(columns).hashes.tobytes() for table in tables}) == 1
    assert len({table.content_keys(reversed(columns)).hashes.tobytes() for table in tables}) == 1


def test_a_missing_number_is_nan_and_values_do_not_run_together(tmp_path: Path) -> None:
    table = open_table(
        parquet(
            tmp_path,
            "t.parquet",
            "SELECT a, b, n::FLOAT AS n FROM (VALUES ('a', 'bc', '1.1'), ('ab', 'c', '1.1'),"
            " ('a' || chr(31) || 'b', 'c', '1.1'), ('a', 'bc', 'nan'), ('a', 'bc', NULL)) v(a, b, n)",
        )
    )
    csv = open_table(put(tmp_path, "t.csv", "a,b,n\na,bc,1.1\n"))

    assert (table.content_keys("ab").distinct, table.content_keys("abn").distinct) == (3, 4)
    assert table.content_keys("abn").single == 3
    assert np.isin(csv.content_keys("abn").hashes, table.content_keys("abn").hashes).all()


@pytest.mark.parametrize("rows", [0, 1, 100, SIZE])
def test_a_small_training_table_is_known_exactly(tmp_path: Path, rows: int) -> None:
    training = fingerprint_of(ids(tmp_path, "t.parquet", 0, rows), "id", ["x", "c"])
    by_id, by_content = found(ids(tmp_path, "g.parquet", rows - rows // 2, 100), training)

    expected = min(rows // 2, 100)
    assert (by_id.matched, by_content.matched) == (expected, expected)
    assert (by_id.exact, by_id.share, by_id.detectable) == (True, expected / 100, 0.01)
    assert by_id.interval.low == by_id.interval.high == expected / 100
    assert by_id.found is (expected > 0)
    assert by_content.found is (expected > 1)


def test_of_a_large_one_the_overlap_is_estimated(tmp_path: Path) -> None:
    training = fingerprint_of(ids(tmp_path, "t.parquet", 0, 40_000), "id", ["x", "c"])
    shared = ids(tmp_path, "g.parquet", 35_000, 20_000)
    for each in found(shared, training):
        assert each.interval.low <= 0.25 <= each.interval.high
        assert each.share == pytest.approx(0.25, abs=0.05)
        assert each.keys == 20_000
        assert each.examined == pytest.approx(20_000 * SIZE / 40_000, rel=0.1)
        assert "95% confidence" in each.sentence()
    for each in found(ids(tmp_path, "f.parquet", 40_000, 20_000), training):
        assert (each.matched, each.found) == (0, False)


def test_intervals_cover_and_what_is_said_to_be_detectable_is() -> None:
    """Clopper-Pearson covers whatever the share; 600 draws leave an error of 1.8 points (two standard errors)."""
    draw = np.random.default_rng(7)
    repeats, golden, size = 600, 500, 0.08
    for share in (0.02, 0.3):
        covered = 0
        for _ in range(repeats):
            known = draw.random(golden) < size
            matched = known & (draw.permutation(golden) < share * golden)
            each = Overlap("id", golden, int(known.sum()), int(matched.sum()), 0.0)
            covered += each.interval.low <= share <= each.interval.high
        assert covered / repeats >= 0.95 - 0.018
    each = Overlap("id", golden, 40, 0, 0.0)
    shown = (draw.random((20_000, 40)) < each.detectable).any(axis=1).mean()
    assert shown == pytest.approx(0.8, abs=0.01)


def test_rows_that_are_alike_anyway_are_no_overlap(tmp_path: Path) -> None:
    select = "SELECT (random() * 8)::INT AS a, (random() * 8)::INT AS b FROM range(3000)"
    training = fingerprint_of(open_table(parquet(tmp_path, "t.parquet", select)), None, "ab")
    (each,) = found(open_table(parquet(tmp_path, "g.parquet", select)), training)

    assert each.share == 1
    assert each.chance > 0.99
    assert not each.found


@pytest.mark.parametrize(
    ("columns", "identifier", "compared"),
    [
        ("range AS id, 1 AS x", "id", ["id"]),
        ("range AS other, range / 7 AS x, 'v' || range % 5 AS c", "id", [None]),
        ("range AS id, range / 7 AS x, 'v' || range % 5 AS c", None, [None]),
        ("range AS id, range / 7 AS x, 'v' || range % 5 AS c", "id", ["id", None]),
        ("range AS other", "id", []),
    ],
)
def test_what_both_sides_have_is_compared(
    tmp_path: Path, columns: str, identifier: str | None, compared: list[str | None]
) -> None:
    training = fingerprint_of(ids(tmp_path, "t.parquet", 0, 100), "id", ["x", "c", "not there"])
    golden = open_table(parquet(tmp_path, "g.parquet", f"SELECT {columns} FROM range(10)"))

    assert [each.column for each in found(golden, training, identifier)] == compared


@pytest.mark.parametrize("rows", [0, 3, 5000])
def test_a_fingerprint_reads_back(tmp_path: Path, rows: int) -> None:
    made = fingerprint_of(ids(tmp_path, "t.parquet", 0, rows), "id", ["x", "c"])
    read = parse_fingerprint(made.to_bytes())

    assert read.to_bytes() == made.to_bytes()
    assert read.sha256 == made.sha256
    assert b"\n" not in made.to_bytes()
    assert len(made.to_bytes()) < 150_000
    assert (
        parse_fingerprint(fingerprint_of(ids(tmp_path, "u.parquet", 0, 3), None, []).to_bytes()).by_id is None
    )


GOOD: dict[str, Any] = {
    "schema": "tidegate/training-fingerprint/1",
    "by_id": {
        "columns": ["id"],
        "rows": 2,
        "distinct": 2,
        "single": 2,
        "hashes": "0" * 15 + "1" + "0" * 15 + "2",
    },
    "by_content": None,
}


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "tidegate/training-fingerprint/2"},
        {"by_id": 1},
        {"by_id": {**GOOD["by_id"], "hashes": "0" * 15}},
        {"by_id": {**GOOD["by_id"], "hashes": "zz" * 8}},
        {"by_id": {**GOOD["by_id"], "hashes": "0" * 15 + "2" + "0" * 15 + "1"}},
        {"by_id": {**GOOD["by_id"], "hashes": ""}},
        {"by_id": {**GOOD["by_id"], "distinct": 1}},
        {"by_id": {**GOOD["by_id"], "rows": 1}},
        {"by_id": {**GOOD["by_id"], "single": -1}},
        {"by_id": {**GOOD["by_id"], "rows": 1e400}},
        {"by_id": {**GOOD["by_id"], "columns": None}},
    ],
)
def test_what_is_no_fingerprint_is_refused(change: dict[str, Any]) -> None:
    assert parse_fingerprint(json.dumps(GOOD).encode()).by_id is not None
    for raw in (json.dumps(GOOD | change).encode(), b"[]", b"\xff", b"[" * 100_000):
        with pytest.raises(RepositoryError, match="is no fingerprint"):
            parse_fingerprint(raw)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model's folder with a lineage and the fingerprint of ids 0 to 99."""
    folder = tmp_path / "models" / "m"
    folder.mkdir(parents=True)
    made = fingerprint_of(ids(tmp_path, "t.parquet", 0, 100), "id", ["x", "c"])
    (folder / FINGERPRINT).write_bytes(made.to_bytes())
    lineage = {"digest": "d", "training_fingerprint": {"sha256": made.sha256}}
    (folder / "lineage.json").write_text(json.dumps(lineage), encoding="utf-8")
    return folder


def test_golden_rows_that_were_trained_on_are_a_finding(tmp_path: Path, model: Path) -> None:
    golden = ids(tmp_path, "g.parquet", 95, 20)
    shown = training_overlap(golden, model, identifier="id", digest="d")
    assert shown is not None

    assert (shown.finding, shown.column, shown.value) == ("training_overlap", "id", 0.25)
    assert shown.detail == "5 of 20 golden rows are in the training data (by 'id')"
    renamed = open_table(
        parquet(
            tmp_path,
            "r.parquet",
            "SELECT range + 900 AS id, range / 7 AS x, 'v' || range % 5 AS c FROM range(20)",
        )
    )
    again = training_overlap(renamed, model, identifier="id")
    assert again is not None
    assert (again.column, again.value) == (None, 1.0)
    assert training_overlap(ids(tmp_path, "f.parquet", 100, 20), model, identifier="id") is None


def test_without_a_fingerprint_of_this_model_there_is_nothing_to_say(tmp_path: Path, model: Path) -> None:
    golden = ids(tmp_path, "g.parquet", 0, 20)

    assert training_overlap(golden, tmp_path, identifier="id") is None
    assert training_overlap(golden, model, identifier="id", digest="of another model") is None
    (model / "lineage.json").write_text('{"digest": "d"}', encoding="utf-8")
    assert training_overlap(golden, model, identifier="id", digest="d") is None


def test_a_fingerprint_that_the_lineage_does_not_name_is_refused(tmp_path: Path, model: Path) -> None:
    other = fingerprint_of(ids(tmp_path, "o.parquet", 500, 3), "id", [])
    (model / FINGERPRINT).write_bytes(other.to_bytes())
    with pytest.raises(RepositoryError, match=r"m/training-fingerprint.json is not the one"):
        read_fingerprint(model)
    (model / FINGERPRINT).unlink()
    with pytest.raises(RepositoryError, match="restore both from git history"):
        read_fingerprint(model)
    for text in ("{", "[]", "[" * 100_000, '{"training_fingerprint": 1}', '{"training_fingerprint": {}}'):
        (model / "lineage.json").write_text(text, encoding="utf-8")
        with pytest.raises(RepositoryError, match="is no lineage"):
            read_fingerprint(model)


@pytest.fixture
def repo(workspace: Workspace) -> Workspace:
    workspace.git("init", "-q", "-b", "main")
    for name in ("data/golden.csv", "data/parts/a.parquet", "data/parts/sub/b.parquet", "models/m/weights"):
        workspace.write(name, "old\n")
    workspace.write("models/m/lineage.json", "{}")
    workspace.write(".gitignore", "private/\n")
    workspace.write("private/golden.csv", "old\n")
    workspace.git("add", ".")
    workspace.git("commit", "-q", "-m", "first")
    return workspace


def changed(place: Workspace, golden: str = "data/golden.csv", artifacts: str = "models/m/") -> bool | None:
    return golden_changed_with_model(Repository.at(place.root), "HEAD", golden, artifacts)


@pytest.mark.parametrize(
    ("golden", "touched"),
    [
        ("data/golden.csv", "data/golden.csv"),
        ("./data/golden.csv", "data/golden.csv"),
        ("data/parts", "data/parts/sub/b.parquet"),
        ("data/parts/", "data/parts/new.parquet"),
        ("data/*/*.parquet", "data/parts/a.parquet"),
        ("data/**/*.parquet", "data/parts/sub/b.parquet"),
        ("data/g?lden.csv", "data/golden.csv"),
    ],
)
def test_a_golden_set_that_changes_with_the_model_is_told(repo: Workspace, golden: str, touched: str) -> None:
    assert changed(repo, golden) is False
    repo.write("models/m/weights", "new\n")
    repo.write("models/m/more", "new\n")
    repo.write("data/notes.md", "new\n")
    assert changed(repo, golden) is False
    repo.write(touched, "new\n")
    assert changed(repo, golden) is True
    repo.git("add", ".")
    repo.git("commit", "-q", "-m", "second")
    base = repo.git("rev-parse", "HEAD~1")
    assert golden_changed_with_model(Repository.at(repo.root), base, golden, "models/m") is True
    assert changed(repo, golden) is False


def test_neither_alone_counts(repo: Workspace) -> None:
    repo.write("data/golden.csv", "new\n")
    repo.write("models/m/lineage.json", "new\n")
    repo.write("models/m/registry.json", "new\n")
    repo.write("models/mm/weights", "new\n")
    assert changed(repo) is False
    repo.write("models/m/weights", "new\n")
    assert changed(repo) is True
    (repo.root / "data/golden.csv").unlink()
    assert changed(repo) is True


@pytest.mark.parametrize(
    "golden",
    ["private/golden.csv", "none.csv", "../outside.csv", "/outside.csv", "data/x*.csv", ":(top)data", "-x"],
)
def test_a_golden_set_that_git_does_not_keep_is_unknown(repo: Workspace, golden: str) -> None:
    repo.write("models/m/weights", "new\n")

    assert changed(repo, golden) is None


def test_names_with_characters_of_globs_mean_themselves(repo: Workspace) -> None:
    repo.write("data/[ab]/g.parquet", "old\n")
    repo.write("data/[x].csv", "old\n")
    repo.git("add", ".")
    repo.git("commit", "-q", "-m", "more")
    repo.write("models/m/weights", "new\n")
    repo.write("data/a/g.parquet", "new\n")
    repo.write("data/x.csv", "new\n")

    assert changed(repo, "data/[ab]") is False
    assert changed(repo, "data/[x].csv") is False
    repo.write("data/[ab]/g.parquet", "new\n")
    assert changed(repo, "data/[ab]") is True


def test_without_a_base_nothing_is_known(repo: Workspace) -> None:
    repository = Repository.at(repo.root)

    assert golden_changed_with_model(repository, None, "data/golden.csv", "models/m") is None
    assert golden_changed_with_model(repository, "0" * 40, "data/golden.csv", "models/m") is None


def test_pointers_of_large_files_are_compared_by_their_text(repo: Workspace) -> None:
    repo.git("config", "filter.lfs.clean", "sed s/content/pointer/")
    repo.git("config", "filter.lfs.smudge", "sed s/pointer/content/")
    repo.write(".gitattributes", "*.csv filter=lfs\n")
    repo.write("data/golden.csv", "content 1\n")
    repo.git("add", ".")
    repo.git("commit", "-q", "-m", "lfs")
    assert repo.git("show", "HEAD:data/golden.csv") == "pointer 1"
    repo.write("models/m/weights", "new\n")

    assert changed(repo) is False
    repo.write("data/golden.csv", "pointer 1\n")
    assert changed(repo) is False
    repo.write("data/golden.csv", "content 2\n")
    assert changed(repo) is True
