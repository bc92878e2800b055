import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tidegate.documents import make_document, to_json


@dataclass(frozen=True)
class Part:
    value: float


def published(body: dict[str, Any]) -> dict[str, Any]:
    document = make_document(
        "evaluate-gate", model="m", decision="pass", reasons=["r"], config=None, data={}, body=body
    )
    read: dict[str, Any] = json.loads(to_json(document))
    return read


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (math.nan, None),
        (-math.inf, None),
        (np.float64("inf"), None),
        (1 / 3, 0.333333333333),
        (1e-300, 1e-300),
        (123456789.1234567, 123456789.123),
        (np.float32(0.5), 0.5),
        (np.int64(7), 7),
        (2**70, 2**70),
        (np.bool_(True), True),
        (True, True),
        (Path("a"), "a"),
        ((1, {"k": [math.nan]}), [1, {"k": [None]}]),
        (Part(0.1 + 0.2), {"value": 0.3}),
        ("größe\n\u202e", "größe\n\u202e"),
        (os.fsdecode(b"\xff"), "\\udcff"),
        (None, None),
    ],
)
def test_what_is_published(value: object, expected: object) -> None:
    found = published({"it": value})["it"]

    assert found == expected
    assert type(found) is type(expected)


def test_a_document_says_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_SHA", "c0ffee")
    document = published({})

    assert list(document)[:5] == ["schema", "model", "decision", "reasons", "warnings"]
    assert document["provenance"] | {"tidegate_version": ""} == {
        "tidegate_version": "",
        "git_sha": "c0ffee",
        "config_sha256": None,
        "data": [],
        "rows": 0,
    }
    assert document["created_at"].endswith("Z")


def test_without_git_there_is_no_commit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GITHUB_SHA", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert published({})["provenance"]["git_sha"] is None


def test_what_json_cannot_say_is_a_mistake_of_ours() -> None:
    with pytest.raises(TypeError):
        published({"it": object()})
