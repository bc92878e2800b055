import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from workspace import environment

from tidegate.errors import RepositoryError
from tidegate.registry import Registry, artifact_files, artifacts_digest, parse_registry


def test_promoting_numbers_versions_and_moves_aliases() -> None:
    first = Registry("m").promoted("c1", "d1", "t1")
    second = first.promoted("c2", "d2", "t2")

    assert Registry("m").production() is None
    assert first.aliases == {"production": 1}
    assert second.aliases == {"production": 2, "previous": 1}
    serving = second.production()
    assert serving is not None
    assert (serving.version, serving.commit, serving.digest) == (2, "c2", "d2")
    assert parse_registry(second.to_json().encode(), "m") == second


def test_what_is_stored_with_a_version_is_named_only_where_it_is() -> None:
    plain = Registry("m").promoted("c1", "d1", "t1")
    both = plain.promoted("c2", "d2", "t2", ("golden", "predictions"))
    first, second = json.loads(both.to_json())["versions"]

    assert set(first) == {"version", "commit", "digest", "promoted_at"}
    assert (second["golden_sha256"], second["golden_predictions_sha256"]) == ("golden", "predictions")
    assert parse_registry(both.to_json().encode(), "m") == both


def test_nothing_there_is_an_empty_registry() -> None:
    assert parse_registry(None, "m") == Registry("m")


GOOD = json.loads(Registry("m").promoted("c", "d", "t").to_json())


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        json.dumps({**GOOD, "schema": "tidegate/registry/2"}).encode(),
        json.dumps({key: value for key, value in GOOD.items() if key != "versions"}).encode(),
        json.dumps({**GOOD, "versions": [{"version": 1}]}).encode(),
        json.dumps({**GOOD, "versions": [{**GOOD["versions"][0], "more": 1}]}).encode(),
        json.dumps({**GOOD, "aliases": {"production": "latest"}}).encode(),
        json.dumps({**GOOD, "aliases": []}).encode(),
        b"[" * 100_000,
    ],
)
def test_what_is_no_registry_is_refused(raw: bytes) -> None:
    with pytest.raises(RepositoryError, match=r"models/m/registry.json is no registry"):
        parse_registry(raw, "m")


def test_the_digest_is_of_names_and_contents_and_not_of_our_own_files(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a").write_bytes(b"1")
    (tmp_path / "b").write_bytes(b"2")
    digest = artifacts_digest(artifact_files(tmp_path).items())
    for name in (
        "registry.json",
        "lineage.json",
        "training-fingerprint.json",
        "golden-predictions.parquet",
        "MODEL_CARD.md",
    ):
        (tmp_path / name).write_bytes(b"x")

    assert list(artifact_files(tmp_path)) == ["b", "sub/a"]
    assert artifacts_digest(reversed(artifact_files(tmp_path).items())) == digest
    (tmp_path / "b").rename(tmp_path / "c")
    renamed = artifacts_digest(artifact_files(tmp_path).items())
    (tmp_path / "c").write_bytes(b"3")
    assert len({digest, renamed, artifacts_digest(artifact_files(tmp_path).items())}) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
@pytest.mark.parametrize("target", ["/etc/hostname", "real", ".", "nowhere"])
def test_a_link_in_a_model_is_refused(tmp_path: Path, target: str) -> None:
    (tmp_path / "real").write_bytes(b"1")
    (tmp_path / "link").symlink_to(target)

    with pytest.raises(RepositoryError, match="contains a link, link"):
        artifact_files(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names themselves")
@pytest.mark.parametrize("name", [b"a\nb", b"\xff\xfe", b"x\x1b[2J"])
def test_a_name_that_is_no_text_is_refused(tmp_path: Path, name: bytes) -> None:
    Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name))).write_bytes(b"1")

    with pytest.raises(RepositoryError, match="no plain text"):
        artifact_files(tmp_path)


def test_the_registry_runs_no_command() -> None:
    probe = "import sys, tidegate.registry.stored; print('tidegate.scoring' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", probe], env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
