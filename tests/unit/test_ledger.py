import math
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import pytest

from tidegate.config import Reuse
from tidegate.history import History, chain, parse
from tidegate.ledger import Ledger, budget

MODEL, COMMAND = "m", "compare-to-prod"
PATH = "m/compare-to-prod.jsonl"
CONFIDENCE = 0.95


def digest(name: object) -> str:
    return sha256(str(name).encode()).hexdigest()


GOLDEN, OTHER = digest("golden"), digest("other")


def audit(test_sets: list[dict[str, Any]] | None) -> dict[str, Any]:
    found = {
        "command": COMMAND,
        "model": MODEL,
        "decision": "promote",
        "at": "2026-01-01T00:00:00Z",
        "document_sha256": digest("document"),
        "run": None,
        "code": {"git_sha": None},
        "verdicts": [],
    }
    return found if test_sets is None else {**found, "test_sets": test_sets}


def judged(sha: str, *names: object, name: str = "golden") -> dict[str, Any]:
    return {"set": name, "sha256": sha, "candidates": [digest(each) for each in names]}


def history(*decisions: list[dict[str, Any]] | None) -> History:
    found = History()
    for each in decisions:
        lines = chain.extended(found, audit(each), digest("audit"))
        found = parse(b"".join(line + b"\n" for line in lines), PATH, MODEL, COMMAND)
    return found


def ledger_of(*names: object) -> Ledger:
    return Ledger({GOLDEN: frozenset(digest(name) for name in names)})


def test_distinct_candidates_are_counted_by_set():
    found = Ledger.of(
        history(
            None,
            [judged(GOLDEN, "a")],
            [judged(GOLDEN, "a")],
            [],
            [judged(OTHER, "a", "b", name="recent"), judged(GOLDEN, "a", "b")],
        )
    )
    assert found.used(GOLDEN) == {digest("a"), digest("b")}
    assert found.used(OTHER) == {digest("a"), digest("b")}
    assert found.used(digest("new")) == frozenset()
    assert Ledger.of(History()).judged == {}


def test_the_summary_of_older_records_counts_on(monkeypatch):
    monkeypatch.setattr(chain, "MAX_LINES", 6)
    decisions = [[judged(GOLDEN, i % 25), judged(OTHER, i // 20)] for i in range(60)]
    found = history(*decisions)
    assert found.summary is not None
    assert found.total == 60
    ledger = Ledger.of(found)
    assert ledger.used(GOLDEN) == {digest(i) for i in range(25)}
    assert ledger.used(OTHER) == {digest(i) for i in range(3)}


@pytest.mark.parametrize(
    ("before", "asked", "used", "left", "known", "exhausted"),
    [
        ((), ("a",), 0, 3, False, False),
        (("a",), ("a",), 1, 2, True, False),
        (("a", "b"), ("c",), 2, 1, False, False),
        (("a", "b"), ("c", "d"), 2, 1, False, True),
        (("a", "b"), ("a", "c"), 2, 1, False, False),
        (("a", "b", "c"), ("d",), 3, 0, False, True),
        (("a", "b", "c"), ("a", "c"), 3, 0, True, False),
        (("a", "b", "c"), ("a", "d"), 3, 0, False, True),
        (("a", "b", "c", "d"), ("e",), 4, 0, False, True),
        # Without a name nobody knows whether it was there before.
        (("a",), (), 1, 2, False, False),
        (("a", "b", "c"), (), 3, 0, False, True),
    ],
)
def test_what_is_left(before, asked, used, left, known, exhausted):
    found = budget(
        ledger_of(*before), GOLDEN, [digest(name) for name in asked], Reuse(horizon=3), CONFIDENCE, "golden"
    )
    assert (found.used, found.left, found.known, found.exhausted) == (used, left, known, exhausted)
    assert (found.set, found.golden_sha256, found.horizon, found.ledger) == ("golden", GOLDEN, 3, "history")


@pytest.mark.parametrize(
    ("adaptivity", "horizon", "error"),
    [
        ("none", 1, 0.05),
        ("none", 32, 0.05 / 32),
        ("full", 1, 0.025),
        ("full", 32, 0.05 / 2**32),
        ("full", 40, 0.05 / 2**40),
    ],
)
def test_the_error_is_divided(adaptivity, horizon, error):
    found = budget(
        None, GOLDEN, [digest("a")], Reuse(horizon=horizon, adaptivity=adaptivity), CONFIDENCE, "golden"
    )
    assert found.error_per_decision == pytest.approx(error, rel=1e-12)
    assert found.error_per_decision > 0


def detail(before: Sequence[object], asked: Sequence[object], **reuse: Any) -> str:
    digests = [digest(name) for name in asked]
    return budget(ledger_of(*before), GOLDEN, digests, Reuse(**reuse), CONFIDENCE, "golden").detail


def test_sentences_say_what_is_left_and_what_it_costs():
    assert detail(range(7), ["a"]) == (
        "this golden set has judged 7 of 32 candidates; 25 are left; the error is divided by 32, and intervals are"
        " about 1.393 times as wide as for a single decision"
    )
    again = detail(range(7), [3])
    assert again.startswith(
        "this golden set has judged 7 of 32 candidates, this one among them, which costs nothing; "
    )
    assert "; 1 is left" in detail(range(31), ["a"])
    assert detail(range(32), ["a"]).startswith(
        "used up: this golden set has judged 32 of 32 candidates: refresh it with rows that are new"
    )
    assert detail(range(31), ["a", "b"]).startswith(
        "too little is left: this golden set has judged 31 of 32 candidates, and 2 more were to be judged"
    )
    assert detail((), ["a"], horizon=1) == "this golden set has judged 0 of 1 candidate; 1 is left"


def test_sentences_say_what_full_adaptivity_costs():
    said = detail((), ["a"], adaptivity="full")
    wider = math.sqrt(math.log(2 / (0.05 / 2**32)) / math.log(2 / 0.05))
    assert (
        f"divided by 2^32, and intervals are about {wider:.4g} times as wide as for a single decision" in said
    )


def test_without_a_history_nobody_counts():
    found = budget(None, GOLDEN, [digest("a")], Reuse(), CONFIDENCE, "golden")
    assert (found.used, found.left, found.known, found.exhausted, found.ledger) == (
        0,
        32,
        False,
        False,
        "none",
    )
    assert found.detail.startswith(
        "nobody counts the uses of this golden set, for which the history must be kept"
    )
