import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from workspace import CONFIG, environment

from tidegate.commands.base import Common, Invocation
from tidegate.documents import Document, make_document
from tidegate.errors import RepositoryError, ServiceError, UsageError
from tidegate.git import EMAIL, PushRejected, Repository
from tidegate.history import BRANCH, History, append, branch, chain, parse, read, records

MODEL, COMMAND = "m", "evaluate-gate"
PATH = "m/evaluate-gate.jsonl"
TOKEN = "ghs_0123456789abcdefghijklmnopqrstuvwxyz"


def check(metric: str, verdict: str, value: float = 0.5, **more: Any) -> dict[str, Any]:
    return {"kind": "check", "metric": metric, "value": value, "verdict": verdict, **more}


def audit(number: int, verdicts: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {
        "command": COMMAND,
        "model": MODEL,
        "decision": "fail" if number % 3 == 0 else "pass",
        "at": f"2026-01-{1 + number // 1440:02d}T{number // 60 % 24:02d}:{number % 60:02d}:00Z",
        "document_sha256": signature(-number),
        "run": {"url": f"https://github.com/a/b/actions/runs/{number}"},
        "code": {"git_sha": f"{number:040x}"},
        "verdicts": [check("recall", "pass")] if verdicts is None else verdicts,
    }


def signature(number: int) -> str:
    return sha256(str(number).encode()).hexdigest()


def grown(count: int) -> bytes:
    """A file after so many decisions."""
    raw = b""
    for i in range(count):
        lines = chain.extended(parse(raw, PATH, MODEL, COMMAND), audit(i), signature(i))
        raw = b"".join(line + b"\n" for line in lines)
    return raw


def run_git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=u", "-c", "user.email=u@example.com")
    done = subprocess.run(
        ["git", *identity, *arguments],
        cwd=folder,
        env=environment(),
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A clone with two commits on main, and its bare remote."""
    run_git(tmp_path, "init", "-q", "--bare", "-b", "main", "remote.git")
    root = tmp_path / "clone"
    root.mkdir()
    run_git(root, "init", "-q", "-b", "main")
    run_git(root, "remote", "add", "origin", (tmp_path / "remote.git").as_uri())
    for content in ("first", "second"):
        (root / "readme").write_text(content, encoding="utf-8")
        run_git(root, "add", ".")
        run_git(root, "commit", "-q", "-m", content)
    run_git(root, "push", "-q", "-u", "origin", "main")
    return Repository.at(root)


def clone(repository: Repository, name: str, *options: str) -> Repository:
    parent = repository.root.parent
    run_git(parent, "clone", "-q", *options, (parent / "remote.git").as_uri(), name)
    return Repository.at(parent / name)


def tamper(repository: Repository, content: bytes) -> None:
    """What somebody who may push can do to a file of the history."""
    tip = repository.remote_branch(BRANCH)
    repository.push(repository.commit_tree(tip, "t", {PATH: content}), BRANCH, expected=tip)


# --- the chain


def test_lines_form_a_chain() -> None:
    raw = grown(5)
    found = parse(raw, PATH, MODEL, COMMAND)
    lines = raw.splitlines()

    assert [record.previous for record in found.records] == [
        None,
        *(sha256(line).hexdigest() for line in lines[:-1]),
    ]
    assert [record.audit_sha256 for record in found.records] == [signature(i) for i in range(5)]
    first = found.records[0]
    assert (first.decision, first.git_sha, first.run) == ("fail", "0" * 40, audit(0)["run"]["url"])
    assert first.verdicts[0].model_dump(exclude_unset=True) == {
        "kind": "check",
        "metric": "recall",
        "verdict": "pass",
        "value": 0.5,
    }


@given(st.integers(0, 3), st.integers(0, 10**6), st.integers(1, 255))
@settings(max_examples=200, deadline=None)
def test_a_changed_byte_in_any_line_but_the_newest_is_found(line: int, place: int, change: int) -> None:
    lines = FIVE.splitlines()
    position = place % len(lines[line])
    before = lines[line]
    lines[line] = before[:position] + bytes([before[position] ^ change]) + before[position + 1 :]
    raw = b"".join(each + b"\n" for each in lines)
    with pytest.raises(RepositoryError) as broken:
        parse(raw, PATH, MODEL, COMMAND)
    number = int(re.search(r"line (\d+) of m/evaluate-gate.jsonl", str(broken.value))[1])
    # The line itself when it no longer reads or follows, else the one that names it.
    assert number in (line + 1, line + 2)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda lines: lines[:1] + lines[2:], "line 2 of .* does not follow line 1"),
        (lambda lines: lines[1:], "line 1 of .* names a line before it"),
        (lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], "line 2 of .* does not follow"),
        (lambda lines: [lines[0], *lines], "line 2 of .* does not follow line 1"),
        (lambda lines: [*lines, b""], "line 6 of .* is malformed"),
        (lambda lines: [*lines, b"[" * 10_000], "line 6 of .* is malformed"),
        (lambda lines: [*lines, b'{"a": NaN}'], "line 6 of .* is malformed"),
        (lambda lines: [*lines, b"\xff\xfe"], "line 6 of .* is malformed"),
        (lambda lines: [*lines, b" " * 40_000], "line 6 of .* has 40,000 bytes"),
        (lambda lines: [lines[0].replace(b'"m"', b'"n"'), *lines[1:]], "line 1 of .* about another model"),
        (
            lambda lines: [*lines[:4], lines[4].replace(b"pass", b"x" * 200)],
            r"line 5 of .* malformed \(decision",
        ),
        (
            lambda lines: [*lines[:4], lines[4].replace(b'"value": 0.5', b'"value": 1e999')],
            "line 5 of .* malformed",
        ),
        (lambda lines: [*lines[:4], lines[4].replace(b"https:", b"javas:")], r"line 5 .* malformed \(run"),
    ],
)
def test_the_first_broken_line_is_named(change: Any, told: str) -> None:
    raw = b"".join(line + b"\n" for line in change(FIVE.splitlines()))

    with pytest.raises(RepositoryError, match=told):
        parse(raw, PATH, MODEL, COMMAND)


def test_a_file_that_is_cut_off_is_broken() -> None:
    with pytest.raises(RepositoryError, match=r"line 5 of .* is cut off"):
        parse(FIVE[:-1], PATH, MODEL, COMMAND)


def test_what_a_newer_version_adds_is_read_over_and_still_chained() -> None:
    lines = FIVE.splitlines()
    last = json.loads(lines[4])
    lines[4] = json.dumps({**last, "new": {"key": 1}}).encode()

    assert len(parse(b"\n".join([*lines, b""]), PATH, MODEL, COMMAND).records) == 5


# --- what a line holds


def test_a_line_stays_small_and_says_what_it_left_out() -> None:
    hostile = "\U0001f600\u202e\n::error::" * 100
    verdicts = [
        check("recall", "pass", slice={hostile: hostile + str(i)}, options={"k": i}) for i in range(3000)
    ]
    verdicts[1500] = check("recall", "fail", slice={"city": "Oslo"})
    verdicts[2999] = check("roc_auc", "pass", slice=None)
    (line,) = chain.extended(History(), audit(1, verdicts), signature(1))
    (record,) = parse(line + b"\n", PATH, MODEL, COMMAND).records

    assert len(line) < records.MAX_LINE_BYTES
    assert line.isascii()
    assert b"\n" not in line
    assert [each.metric for each in record.verdicts[:2]] == ["roc_auc", "recall"]
    assert record.verdicts[1].slice == {"city": "Oslo"}
    assert record.left_out == 3000 - len(record.verdicts) > 0
    assert all(len(key) <= records.TEXT_LIMIT for each in record.verdicts for key in each.slice or {})


def test_values_of_all_kinds_are_kept() -> None:
    verdicts = [
        check(
            "a", "pass", slice={"x": None, "y": True, "z": 1.5}, by=["p", "q"], options={"class": "b", "k": 3}
        ),
        {"kind": "trigger", "condition": "drift", "value": True, "verdict": "fired"},
        {"kind": "finding", "finding": "leakage", "value": None, "verdict": "found"},
        {"kind": "check", "metric": "w", "verdict": "fail", "waiver": {"owner": "o"}, "worst_of": 4},
    ]
    (line,) = chain.extended(History(), audit(1, verdicts), signature(1))
    (record,) = parse(line + b"\n", PATH, MODEL, COMMAND).records
    by_kind = {each.kind: each for each in record.verdicts if not each.waived}
    (waived,) = (each for each in record.verdicts if each.waived)

    assert (waived.metric, waived.verdict, waived.worst_of) == ("w", "fail", 4)
    assert by_kind["check"].slice == {"x": None, "y": True, "z": 1.5}
    assert (by_kind["check"].by, by_kind["check"].options) == (["p", "q"], {"class": "b", "k": 3})
    assert (by_kind["trigger"].condition, by_kind["trigger"].value) == ("drift", True)
    assert by_kind["finding"].finding == "leakage"


def test_candidates_are_kept_in_full_once_each() -> None:
    digests = [signature(i) for i in range(records.DIGESTS_OF_ONE)]
    many = [check("recall", "pass", slice={"city": "x" * 100 + str(i)}) for i in range(500)]
    judged = {"set": "golden", "sha256": signature(-1), "candidates": [*digests, *digests]}
    (line,) = chain.extended(History(), {**audit(1, many), "test_sets": [judged]}, signature(1))
    found = parse(line + b"\n", PATH, MODEL, COMMAND)
    (kept,) = found.test_sets

    assert len(line) < records.MAX_LINE_BYTES
    assert (kept.golden_sha256, kept.candidates) == (signature(-1), sorted(digests))
    judged["candidates"] = [*digests, signature(-2)]
    with pytest.raises(UsageError, match=f"room for {len(digests)} candidates, not for {len(digests) + 1}"):
        chain.extended(History(), {**audit(1), "test_sets": [judged]}, signature(1))


def test_lines_without_candidates_are_as_they_were() -> None:
    (line,) = chain.extended(History(), {**audit(1), "test_sets": []}, signature(1))

    assert line == chain.extended(History(), audit(1), signature(1))[0]
    assert b"test_sets" not in line
    assert list(parse(line + b"\n", PATH, MODEL, COMMAND).test_sets) == []


def test_a_candidate_without_a_digest_is_no_record() -> None:
    judged = {"set": "golden", "sha256": signature(-1), "candidates": ["newest"]}
    (line,) = chain.extended(History(), {**audit(1), "test_sets": [judged]}, signature(1))

    with pytest.raises(RepositoryError, match=r"line 1 of .* malformed \(test_sets"):
        parse(line + b"\n", PATH, MODEL, COMMAND)


# --- compaction


def used(sets: list[records.SetUse]) -> dict[str, int]:
    return {each.golden_sha256: len(each.candidates) for each in sets}


def test_a_summary_keeps_every_candidate_of_every_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "MAX_LINES", 6)
    found = History()
    for i in range(40):
        judged = [
            {
                "set": "golden",
                "sha256": signature(-1 - i // 30),
                "candidates": [signature(i // 2), signature(100)],
            }
        ]
        lines = chain.extended(found, {**audit(i), "test_sets": judged if i % 3 else []}, signature(i))
        found = parse(b"".join(line + b"\n" for line in lines), PATH, MODEL, COMMAND)
    assert found.summary is not None
    kept = found.summary.compacted.test_sets

    # The set used last stands at the end; each holds what its replaced records held, once.
    assert [each.golden_sha256 for each in kept] == [signature(-1), signature(-2)]
    judged_first = {signature(i // 2) for i in range(30) if i % 3} | {signature(100)}
    assert set(kept[0].candidates) == judged_first
    assert len(kept[0].candidates) == len(judged_first)
    assert {each.golden_sha256 for each in found.test_sets} == {signature(-1), signature(-2)}


def test_the_sets_used_longest_ago_are_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MOST_DIGESTS", 12)
    uses = [
        records.SetUse(golden_sha256=signature(name), candidates=[signature(i) for i in range(count)])
        for name, count in ((-1, 5), (-2, 4), (-3, 4), (-1, 2))
    ]
    kept = [records.SetUse.model_validate(each) for each in records.merged(uses)]

    assert used(kept) == {signature(-1): 5}
    monkeypatch.setattr(records, "MOST_DIGESTS", 13)
    kept = [records.SetUse.model_validate(each) for each in records.merged(uses)]
    assert list(used(kept).items()) == [(signature(-3), 4), (signature(-1), 5)]


def test_the_fullest_summary_is_read_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "MAX_LINES", 4)
    # One candidate to a set takes the most room.
    fullest = [
        {"golden_sha256": signature(i), "candidates": [signature(-i)]}
        for i in range(records.MOST_DIGESTS // 3)
    ]
    monkeypatch.setattr(chain, "merged", lambda uses: fullest)
    raw = grown(5)

    assert records.MAX_LINE_BYTES < len(raw.splitlines()[0]) <= records.MAX_SUMMARY_BYTES
    assert len(list(parse(raw, PATH, MODEL, COMMAND).test_sets)) == len(fullest)
    assert len(raw) < branch.MAX_FILE_BYTES


def test_a_longer_summary_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = b'{"compacted": ' + b" " * records.MAX_SUMMARY_BYTES + b"}\n"

    with pytest.raises(RepositoryError, match=r"line 1 of .* at most 2,097,152 are read"):
        parse(raw, PATH, MODEL, COMMAND)


def test_the_older_half_becomes_a_summary_and_the_chain_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "MAX_LINES", 6)
    raw, replaced = b"", b""
    for i in range(40):
        before = parse(raw, PATH, MODEL, COMMAND)
        lines = chain.extended(before, audit(i), signature(i))
        if len(lines) <= len(before.lines):
            replaced = b"".join(line + b"\n" for line in before.lines if line not in lines)
        raw = b"".join(line + b"\n" for line in lines)
        found = parse(raw, PATH, MODEL, COMMAND)
        assert len(lines) <= 6
        assert found.total == i + 1
        assert found.records[-1].audit_sha256 == signature(i)
    assert found.summary is not None
    summary = found.summary.compacted

    assert summary.sha256 == sha256(replaced).hexdigest()
    assert summary.tip == found.records[0].previous
    assert (summary.first, summary.last) == (audit(0)["at"], audit(summary.records - 1)["at"])
    assert sum(summary.decisions.values()) == summary.records
    assert summary.decisions["fail"] == len([i for i in range(summary.records) if i % 3 == 0])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda first: {**first, "compacted": {**first["compacted"], "records": 1}},
            "line 1 of .* begins with",
        ),
        (
            lambda first: {**first, "compacted": {**first["compacted"], "tip": "0" * 64}},
            "line 2 of .* not follow",
        ),
        (
            lambda first: {**first, "compacted": {**first["compacted"], "records": -1}},
            "line 1 of .* is malformed",
        ),
    ],
)
def test_a_forged_summary_is_found(monkeypatch: pytest.MonkeyPatch, change: Any, told: str) -> None:
    monkeypatch.setattr(chain, "MAX_LINES", 6)
    first, *others = grown(10).splitlines()
    assert b'"compacted": ' in first
    forged = json.dumps(change(json.loads(first))).encode()

    with pytest.raises(RepositoryError, match=told):
        parse(b"".join(line + b"\n" for line in [forged, *others]), PATH, MODEL, COMMAND)


@pytest.mark.parametrize("kept", [slice(0, 1), slice(1, None)])
def test_neither_summary_nor_records_can_go_missing(monkeypatch: pytest.MonkeyPatch, kept: slice) -> None:
    monkeypatch.setattr(chain, "MAX_LINES", 6)
    lines = grown(10).splitlines()[kept]

    with pytest.raises(RepositoryError, match="line 1 of"):
        parse(b"".join(line + b"\n" for line in lines), PATH, MODEL, COMMAND)


def test_what_was_replaced_is_still_in_the_branch(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "MAX_LINES", 4)
    for i in range(5):
        append(repository, audit(i), signature(i))
    found = read(repository, MODEL, COMMAND)
    assert found.summary is not None
    older = repository.git_bytes("cat-file", "blob", f"{repository.remote_branch(BRANCH)}^:{PATH}")

    assert sha256(b"".join(older.splitlines(keepends=True)[:2])).hexdigest() == found.summary.compacted.sha256


# --- the branch


def test_the_first_record_makes_a_branch_of_its_own_and_leaves_the_tree_alone(repository: Repository) -> None:
    root = repository.root
    (root / "readme").write_text("edited", encoding="utf-8")
    (root / "staged").write_text("s", encoding="utf-8")
    run_git(root, "add", "staged")

    def state() -> tuple[str, ...]:
        return (
            run_git(root, "status", "--porcelain"),
            run_git(root, "for-each-ref", "refs/heads"),
            run_git(root, "ls-files", "-s"),
            run_git(root, "rev-parse", "--is-shallow-repository"),
        )

    before = state()
    done = append(repository, audit(1), signature(1))

    assert state() == before
    assert (done.path, done.records) == (PATH, 1)
    assert repository.remote_branch(BRANCH) == done.commit
    assert repository.git("log", "-1", "--format=%P|%an|%ce|%s", done.commit) == (
        f"|Tidegate|{EMAIL}|Record evaluate-gate of m: pass"
    )
    assert repository.files(done.commit, ".") == ["README.md", PATH]


def test_records_are_read_back_and_others_files_stay(repository: Repository) -> None:
    assert read(repository, MODEL, COMMAND).records == ()
    for i in range(3):
        append(repository, audit(i), signature(i))
    append(repository, {**audit(7), "model": "n"}, signature(7))

    assert [record.audit_sha256 for record in read(repository, MODEL, COMMAND).records] == [
        signature(i) for i in range(3)
    ]
    assert [record.at for record in read(repository, "n", COMMAND).records] == [audit(7)["at"]]
    assert read(repository, MODEL, "promote").records == ()


def test_candidates_are_read_back_from_the_branch(repository: Repository) -> None:
    judged = [{"set": "golden", "sha256": signature(-1), "candidates": [signature(1)]}]
    append(repository, {**audit(0), "test_sets": judged}, signature(0))
    append(repository, audit(1), signature(1))

    found = list(read(repository, MODEL, COMMAND).test_sets)
    assert found == [records.SetUse(golden_sha256=signature(-1), candidates=[signature(1)])]


def test_a_shallow_clone_appends_and_stays_as_it_is(repository: Repository) -> None:
    for i in range(3):
        append(repository, audit(i), signature(i))
    shallow = clone(repository, "shallow", "--depth=1")
    tips = (shallow.root / ".git/shallow").read_text(encoding="utf-8").split()
    append(shallow, audit(3), signature(3))
    append(repository, audit(4), signature(4))
    append(shallow, audit(5), signature(5))

    assert len(read(shallow, MODEL, COMMAND).records) == 6
    assert set(tips) <= set((shallow.root / ".git/shallow").read_text(encoding="utf-8").split())
    assert run_git(shallow.root, "rev-list", "--count", "HEAD") == "1"
    assert run_git(shallow.root, "status", "--porcelain") == ""
    assert run_git(repository.root.parent / "remote.git", "rev-list", "--count", BRANCH) == "6"


def test_a_full_clone_stays_full(repository: Repository) -> None:
    full = clone(repository, "full")
    append(repository, audit(0), signature(0))
    append(full, audit(1), signature(1))

    assert run_git(full.root, "rev-parse", "--is-shallow-repository") == "false"
    assert len(read(full, MODEL, COMMAND).records) == 2


def test_neither_filters_nor_hooks_of_the_repository_touch_the_history(repository: Repository) -> None:
    (repository.root / ".gitattributes").write_text("*.jsonl filter=f text eol=crlf\n", encoding="utf-8")
    run_git(repository.root, "config", "filter.f.clean", "tr a-z A-Z")
    hook = repository.root / ".git/hooks/pre-push"
    hook.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    hook.chmod(0o755)
    append(repository, audit(0), signature(0))
    append(repository, audit(1), signature(1))

    assert len(read(repository, MODEL, COMMAND).records) == 2


APPENDS = """
import json, sys
from pathlib import Path
from tidegate.git import Repository
from tidegate.history import append
append(Repository.at(Path(sys.argv[1])), json.loads(sys.argv[2]), sys.argv[3])
"""


@pytest.mark.slow
def test_records_of_parallel_processes_all_arrive(repository: Repository) -> None:
    places = [clone(repository, f"c{i}", *(["--depth=1"] if i % 2 else [])) for i in range(4)]
    # Two processes to a clone: they meet at its locks as well as at the remote.
    runs = [
        subprocess.Popen(
            [
                *(sys.executable, "-c", APPENDS),
                *(str(places[i // 2].root), json.dumps(audit(i)), signature(i)),
            ],
            env=environment(),
            stderr=subprocess.PIPE,
            text=True,
        )
        for i in range(8)
    ]
    for run in runs:
        _, said = run.communicate(timeout=240)
        assert run.returncode == 0, said
    found = read(repository, MODEL, COMMAND)

    assert sorted(record.audit_sha256 for record in found.records) == sorted(signature(i) for i in range(8))
    assert run_git(repository.root.parent / "remote.git", "rev-list", "--count", BRANCH) == "8"


# --- what goes wrong


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(branch, "_FIRST_PAUSE", 0.0)


@pytest.mark.usefixtures("no_pause")
def test_a_rejected_push_is_tried_again_on_top_of_the_other(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = clone(repository, "other")
    push, lost = Repository.push, [1, 2, 3]

    def late(self: Repository, *arguments: Any, **options: Any) -> None:
        if self.root == repository.root and lost:
            append(other, audit(lost[0]), signature(lost.pop(0)))
        push(self, *arguments, **options)

    monkeypatch.setattr(Repository, "push", late)
    done = append(repository, audit(9), signature(9))

    assert done.records == 4
    assert [record.audit_sha256 for record in read(repository, MODEL, COMMAND).records] == [
        signature(i) for i in (1, 2, 3, 9)
    ]


@pytest.mark.usefixtures("no_pause")
def test_a_record_whose_answer_got_lost_is_not_written_twice(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    push, calls = Repository.push, []

    def lossy(self: Repository, *arguments: Any, **options: Any) -> None:
        push(self, *arguments, **options)
        calls.append(1)
        if len(calls) == 1:
            raise ServiceError("git push did not end within 300 seconds")

    monkeypatch.setattr(Repository, "push", lossy)
    done = append(repository, audit(1), signature(1))

    assert (done.records, len(calls)) == (1, 1)
    assert len(read(repository, MODEL, COMMAND).records) == 1


@pytest.mark.usefixtures("no_pause")
def test_tries_come_to_an_end(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def always(self: Repository, *arguments: Any, **options: Any) -> None:
        calls.append(1)
        raise PushRejected("the remote refused the push: stale info")

    monkeypatch.setattr(Repository, "push", always)
    with pytest.raises(PushRejected, match="stale info"):
        append(repository, audit(1), signature(1))
    assert len(calls) == branch._ATTEMPTS


def test_a_protected_branch_is_asked_once(repository: Repository, tmp_path: Path) -> None:
    hook = tmp_path / "remote.git/hooks/pre-receive"
    hook.write_text(
        f"#!/bin/sh\necho x >> {tmp_path}/asked\necho 'GH013: rules' >&2\nexit 1\n", encoding="utf-8"
    )
    hook.chmod(0o755)

    with pytest.raises(PushRejected, match="GH013"):
        append(repository, audit(1), signature(1))
    assert (tmp_path / "asked").read_text(encoding="utf-8") == "x\n"


def test_nothing_is_appended_to_a_broken_chain(repository: Repository) -> None:
    for i in range(3):
        append(repository, audit(i), signature(i))
    lines = grown(3).splitlines(keepends=True)
    tamper(repository, lines[0] + lines[1].replace(b'"value": 0.5', b'"value": 0.9') + lines[2])
    tip = repository.remote_branch(BRANCH)

    with pytest.raises(
        RepositoryError, match=r"tidegate-history: line 3 of m/evaluate-gate\.jsonl does not follow"
    ):
        append(repository, audit(4), signature(4))
    assert repository.remote_branch(BRANCH) == tip


def test_a_file_too_large_to_read_is_refused_unread(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(repository, audit(0), signature(0))
    monkeypatch.setattr(branch, "MAX_FILE_BYTES", 100)

    with pytest.raises(RepositoryError, match="at most 100 are read"):
        read(repository, MODEL, COMMAND)


def test_a_link_in_the_branch_is_not_followed(repository: Repository) -> None:
    append(repository, audit(0), signature(0))
    tip = repository.remote_branch(BRANCH)
    blob = repository.git("hash-object", "-w", "--stdin", data=b"/etc/passwd")
    folder = repository.git("mktree", data=f"120000 blob {blob}\tevaluate-gate.jsonl\n".encode())
    tree = repository.git("mktree", data=f"040000 tree {folder}\tm\n".encode())
    link = run_git(repository.root, "commit-tree", tree, "-p", str(tip), "-m", "link")
    repository.push(link, BRANCH, expected=tip)

    with pytest.raises(RepositoryError, match="no plain file"):
        read(repository, MODEL, COMMAND)


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".git", "x\n", "a..b", "-x", "é"])
def test_names_that_are_no_names_reach_no_path(repository: Repository, name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a file of the history"):
        read(repository, name, COMMAND)
    with pytest.raises(UsageError, match="cannot name a file of the history"):
        append(repository, {**audit(1), "model": name}, signature(1))


def test_a_record_that_could_not_be_read_back_is_not_written(repository: Repository) -> None:
    with pytest.raises(RepositoryError, match=r"is malformed \(at"):
        append(repository, {**audit(1), "at": "yesterday"}, signature(1))
    assert repository.remote_branch(BRANCH) is None


# --- which runs write


PUSH = {"repository": {"default_branch": "main"}}


@pytest.fixture
def at(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """The clone as the place where commands run, with no variables of a runner."""
    for name in set(os.environ) - set(environment()):
        monkeypatch.delenv(name)
    monkeypatch.chdir(repository.root)
    (repository.root / ".github").mkdir()
    (repository.root / ".github/tidegate.yml").write_text(CONFIG, encoding="utf-8")
    return repository


def published(setting: str, forge: str = "auto") -> tuple[Invocation, Document]:
    common = Common(Path(".github/tidegate.yml"), None, Path("out"), forge, False, "stop", setting)
    invocation = Invocation("promote", common)
    body = {"version": 3, "alias": "production", "commit": "0" * 40, "digest": "1" * 64}
    document = make_document(
        "promote", model="m", decision="promoted", reasons=["r"], config=invocation.loaded, data={}, body=body
    )
    invocation.publish(document)
    return invocation, document


def runner(
    monkeypatch: pytest.MonkeyPatch, folder: Path, name: str, ref: str, event: Mapping[str, Any]
) -> None:
    path = folder / "event.json"
    path.write_text(json.dumps(event), encoding="utf-8")
    for key, value in {
        "GITHUB_ACTIONS": "true",
        "GITHUB_REPOSITORY": "a/b",
        "GITHUB_RUN_ID": "5",
        "GITHUB_SHA": "a" * 40,
        "GITHUB_EVENT_NAME": name,
        "GITHUB_EVENT_PATH": str(path),
        "GITHUB_REF": ref,
        "TIDEGATE_TOKEN": TOKEN,
    }.items():
        monkeypatch.setenv(key, value)


@pytest.mark.parametrize(
    ("setting", "forge", "name", "ref", "event", "written"),
    [
        ("auto", "auto", "push", "refs/heads/main", PUSH, True),
        ("auto", "github", "schedule", "refs/heads/main", PUSH, True),
        ("auto", "auto", "workflow_dispatch", "refs/heads/main", PUSH, True),
        ("auto", "auto", "repository_dispatch", "refs/heads/main", PUSH, True),
        ("auto", "auto", "workflow_run", "refs/heads/main", PUSH, True),
        ("auto", "auto", "workflow_dispatch", "refs/heads/feature", PUSH, False),
        ("auto", "auto", "push", "refs/tags/main", PUSH, False),
        ("auto", "auto", "release", "refs/heads/main", PUSH, False),
        ("auto", "none", "push", "refs/heads/main", PUSH, False),
        ("auto", "local:../forge", "push", "refs/heads/main", PUSH, False),
        ("off", "auto", "push", "refs/heads/main", PUSH, False),
        ("on", "none", "workflow_dispatch", "refs/heads/feature", PUSH, True),
        ("auto", "auto", "pull_request", "refs/pull/1/merge", {**PUSH, "pull_request": {"number": 1}}, False),
        ("on", "auto", "pull_request", "refs/pull/1/merge", {**PUSH, "pull_request": {"number": 1}}, False),
        (
            "on",
            "auto",
            "pull_request_target",
            "refs/heads/main",
            {**PUSH, "pull_request": {"number": 1}},
            False,
        ),
        (
            "on",
            "auto",
            "merge_group",
            "refs/heads/gh-readonly-queue/main/pr-1",
            {**PUSH, "merge_group": {}},
            False,
        ),
        ("on", "auto", "issue_comment", "refs/heads/main", {**PUSH, "issue": {"pull_request": {}}}, False),
        ("on", "auto", "push", "refs/pull/1/head", PUSH, False),
    ],
)
def test_only_runs_on_what_is_merged_write(
    at: Repository,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    setting: str,
    forge: str,
    name: str,
    ref: str,
    event: dict[str, Any],
    written: bool,
) -> None:
    runner(monkeypatch, tmp_path, name, ref, event)
    invocation, document = published(setting, forge)

    assert (invocation.record(document) is not None) == written
    assert (at.remote_branch(BRANCH) is not None) == written


def test_outside_a_runner_only_on_writes(at: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    for setting in ("auto", "off"):
        invocation, document = published(setting)
        assert invocation.record(document) is None
    assert at.remote_branch(BRANCH) is None
    invocation, document = published("on")
    capsys.readouterr()
    invocation.record(document)
    said = capsys.readouterr()
    (record,) = read(at, "m", "promote").records

    assert (said.out, said.err) == ("history: record 1 of m/promote.jsonl on tidegate-history\n", "")
    out = Path("out")
    assert record.audit_sha256 == sha256((out / "promote.audit.json").read_bytes()).hexdigest()
    assert record.document_sha256 == sha256((out / "promote.json").read_bytes()).hexdigest()
    assert (record.decision, record.verdicts[0].kind, record.verdicts[0].value) == ("promoted", "version", 3)
    assert record.run is None


class _Refuses(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.asked.append(self.headers.get("Authorization"))
        self.send_response(403)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def refusing() -> Iterator[HTTPServer]:
    """A host that answers every request of git with 403."""
    server = HTTPServer(("127.0.0.1", 0), _Refuses)
    server.asked = []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_missing_permission_is_a_notice_that_names_it(
    at: Repository,
    refusing: HTTPServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    host = f"http://127.0.0.1:{refusing.server_port}"
    run_git(at.root, "remote", "set-url", "origin", f"{host.replace('//', '//user:hunter2@')}/a/b.git")
    monkeypatch.setenv("GITHUB_SERVER_URL", host)
    runner(monkeypatch, tmp_path, "push", "refs/heads/main", PUSH)
    invocation, document = published("auto")
    capsys.readouterr()

    assert invocation.record(document) is None
    said = capsys.readouterr()
    (line,) = said.out.splitlines()
    assert line.startswith("::notice title=Tidegate::the decision is not in the history")
    assert "`permissions: contents: write`" in line
    assert refusing.asked
    for secret in (TOKEN, "hunter2", "basic"):
        assert secret not in said.out + said.err


@pytest.mark.parametrize("inside", [True, False])
def test_a_history_that_cannot_be_reached_is_a_warning(
    at: Repository,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    inside: bool,
) -> None:
    run_git(at.root, "remote", "set-url", "origin", str(tmp_path / "nowhere.git"))
    if inside:
        runner(monkeypatch, tmp_path, "push", "refs/heads/main", PUSH)
    invocation, document = published("on")
    capsys.readouterr()

    assert invocation.record(document) is None
    said = capsys.readouterr()
    start = "::warning title=Tidegate::" if inside else "warning: "
    assert (said.out if inside else said.err).startswith(
        f"{start}the decision is not in the history: git ls-remote"
    )


def test_outside_a_repository_on_is_a_warning(
    at: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare/.github").mkdir()
    (tmp_path / "bare/.github/tidegate.yml").write_text(CONFIG, encoding="utf-8")
    monkeypatch.chdir(tmp_path / "bare")
    invocation, document = published("on")

    assert invocation.record(document) is None
    assert "is in no git repository" in capsys.readouterr().err


def test_only_what_was_published_is_recorded(at: Repository) -> None:
    invocation, document = published("on")
    with pytest.raises(ValueError, match="as it was published"):
        invocation.record({**document, "decision": "unchanged"})
    with pytest.raises(ValueError, match="as it was published"):
        Invocation("promote", replace(invocation.common)).record(document)


FIVE = grown(5)
