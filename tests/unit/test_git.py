import subprocess
from pathlib import Path

import pytest

from tidegate import git
from tidegate.commands.evaluation import checked_out
from tidegate.errors import PermissionDenied, RepositoryError, ServiceError
from tidegate.git import PushRejected, Repository, RepositoryBusy
from tidegate.registry import Version, artifact_files, artifacts_digest


def run_git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=u", "-c", "user.email=u@example.com")
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A clone with one commit on main, and its bare remote."""
    run_git(tmp_path, "init", "-q", "--bare", "-b", "main", "remote.git")
    root = tmp_path / "clone"
    root.mkdir()
    run_git(root, "init", "-q", "-b", "main")
    run_git(root, "remote", "add", "origin", "../remote.git")
    (root / "model").mkdir()
    (root / "model" / "old.bin").write_bytes(b"old")
    (root / "model" / "größe x.bin").write_bytes(b"kept")
    (root / "readme").write_text("r", encoding="utf-8")
    run_git(root, "add", ".")
    run_git(root, "commit", "-q", "-m", "first")
    run_git(root, "push", "-q", "-u", "origin", "main")
    return Repository.at(root)


def test_a_commit_leaves_index_tree_and_branches_alone(repository: Repository) -> None:
    root = repository.root
    (root / "readme").write_text("edited", encoding="utf-8")
    (root / "staged").write_text("s", encoding="utf-8")
    run_git(root, "add", "staged")
    before = (
        run_git(root, "status", "--porcelain"),
        run_git(root, "for-each-ref"),
        run_git(root, "ls-files", "-s"),
    )
    head = repository.head()

    commit = repository.commit_tree(
        head, "message", {"model/new ü.bin": b"new\x00\xff", "a\nb": b"1"}, ["model/old.bin"]
    )

    after = (
        run_git(root, "status", "--porcelain"),
        run_git(root, "for-each-ref"),
        run_git(root, "ls-files", "-s"),
    )
    assert after == before
    assert repository.files(commit, "model") == ["model/größe x.bin", "model/new ü.bin"]
    assert repository.read(commit, "model/new ü.bin") == b"new\x00\xff"
    assert repository.read(commit, "a\nb") == b"1"
    assert repository.read(commit, "readme") == b"r"
    assert repository.read(commit, "model/old.bin") is None
    assert repository.git("log", "-1", "--format=%P %an %ce %B", commit).split() == [
        *(head, "Tidegate", git.EMAIL, "message"),
    ]


def test_a_commit_that_changes_nothing_is_the_parent(repository: Repository) -> None:
    head = repository.head()

    assert repository.commit_tree(head, "m", {"readme": b"r"}) == head


def test_a_history_of_its_own_starts_without_a_parent(repository: Repository) -> None:
    commit = repository.commit_tree(None, "message", {"folder/a": b"1"})

    assert repository.git("log", "--format=%P|%s", commit) == "|message"
    assert repository.files(commit, ".") == ["folder/a"]


@pytest.mark.parametrize(("filters", "kept"), [(True, b"ABC"), (False, b"abc")])
def test_contents_pass_the_repositorys_filters_or_go_past_them(
    repository: Repository, tmp_path: Path, filters: bool, kept: bytes
) -> None:
    (repository.root / ".gitattributes").write_text("*.x filter=f\n", encoding="utf-8")
    run_git(repository.root, "config", "filter.f.clean", "tr a-z A-Z")
    (tmp_path / "file").write_bytes(b"abc")
    commit = repository.commit_tree(
        None, "m", {"bytes.x": b"abc", "file.x": tmp_path / "file"}, filters=filters
    )

    assert [repository.read(commit, name) for name in ("bytes.x", "file.x")] == [kept, kept]


def test_the_size_of_a_plain_file(repository: Repository) -> None:
    head = repository.head()

    assert (repository.size(head, "readme"), repository.size(head, "model/größe x.bin")) == (1, 4)
    assert repository.size(head, "none") is None
    with pytest.raises(RepositoryError, match=r"model at [0-9a-f]{12} is no plain file"):
        repository.size(head, "model")
    with pytest.raises(RepositoryError, match="ls-tree failed"):
        repository.size("0" * 40, "readme")


@pytest.mark.parametrize(("depth", "shallow", "count"), [([], "false", "3"), (["--depth=1"], "true", "1")])
def test_a_branch_is_fetched_as_deep_as_the_clone_is(
    repository: Repository, tmp_path: Path, depth: list[str], shallow: str, count: str
) -> None:
    url = (tmp_path / "remote.git").as_uri()
    run_git(tmp_path, "clone", "-q", "--single-branch", *depth, url, "other")
    tip = None
    for i in range(3):
        before, tip = tip, repository.commit_tree(tip, f"{i}", {"a": f"{i}".encode()})
        repository.push(tip, "x", expected=before)
    other = Repository.at(tmp_path / "other")
    assert not other.has_commit(tip)
    other.fetch_branch("x")

    assert other.git("rev-list", "--count", tip) == count
    assert other.git("rev-parse", "--is-shallow-repository") == shallow
    assert run_git(other.root, "for-each-ref", "refs/heads", "--format=%(refname)") == "refs/heads/main"


def test_a_hook_may_stop_a_push_that_wants_hooks(repository: Repository) -> None:
    hook = repository.root / ".git/hooks/pre-push"
    hook.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    hook.chmod(0o755)
    with pytest.raises(RepositoryError, match="push failed"):
        repository.push(repository.head(), "x", expected=None)
    repository.push(repository.head(), "x", expected=None, hooks=False)

    assert repository.remote_branch("x") == repository.head()


def test_a_push_makes_moves_and_respects_a_branch(repository: Repository) -> None:
    head = repository.head()
    ours = repository.commit_tree(head, "ours", {"a": b"1"})
    repository.push(ours, "x", expected=None)
    assert repository.remote_branch("x") == ours
    assert repository.remote_branch("y") is None

    theirs = repository.commit_tree(ours, "theirs", {"a": b"2"})
    repository.push(theirs, "x", expected=ours)
    for stale in (ours, None):
        with pytest.raises(PushRejected, match="refused the push"):
            repository.push(repository.commit_tree(head, "late", {"a": b"3"}), "x", expected=stale)
    assert repository.remote_branch("x") == theirs

    repository.delete_remote_branch("x")
    assert repository.remote_branch("x") is None


def test_a_protected_branch_is_a_refusal(repository: Repository, tmp_path: Path) -> None:
    hook = tmp_path / "remote.git" / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho 'GH006: Protected branch' >&2\nexit 1\n", encoding="utf-8")
    hook.chmod(0o755)

    with pytest.raises(PushRejected, match="GH006"):
        repository.push(
            repository.commit_tree(repository.head(), "m", {"a": b"1"}), "main", expected=repository.head()
        )


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("! [rejected] 403abc -> main (stale info)", PushRejected),
        ("fatal: unable to access 'https://h/': The requested URL returned error: 403", PermissionDenied),
        ("remote: Permission to a/b.git denied to bot", PermissionDenied),
        ("fatal: could not read Username for 'https://h': terminal prompts disabled", PermissionDenied),
        ("fatal: unable to access 'https://h/': The requested URL returned error: 502", ServiceError),
        ("fatal: unable to access 'https://h/': Could not resolve host: h", ServiceError),
        ("fatal: couldn't find remote ref 4030403040304030", RepositoryError),
        ("fatal: Unable to create '/r/.git/shallow.lock': File exists.", RepositoryBusy),
        ("fatal: shallow file has changed since we read it", RepositoryBusy),
        ("error: cannot lock ref 'refs/remotes/origin/x': is at a but expected b", RepositoryBusy),
        ("! [remote rejected] a -> x (cannot lock ref 'refs/heads/x')", PushRejected),
    ],
)
def test_what_git_says_becomes_what_a_person_can_mend(words: str, error: type[Exception]) -> None:
    assert type(git._error("push", words)) is error


@pytest.mark.parametrize(
    ("words", "protected"),
    [
        ("! [rejected] a -> x (stale info)", False),
        ("! [remote rejected] a -> x (failed to update ref)", False),
        ("remote: error: GH006: Protected branch update failed\n! [remote rejected] a -> x", True),
        ("! [remote rejected] a -> x (push declined due to repository rule violations)", True),
        ("! [remote rejected] a -> x (pre-receive hook declined)", True),
    ],
)
def test_a_rule_of_the_branch_is_told_from_a_race(words: str, protected: bool) -> None:
    error = git._error("push", words)

    assert isinstance(error, PushRejected)
    assert error.protected == protected


def test_a_password_in_an_address_is_not_repeated() -> None:
    words = "fatal: unable to access 'https://user:hunter2@h/a.git/': The requested URL returned error: 403"

    assert "https://***@h/a.git/" in str(git._error("push", words))
    assert "hunter2" not in str(git._error("push", words))


def test_no_repository(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match="in no git repository"):
        Repository.at(tmp_path)


def test_credentials_come_after_the_jobs_own_settings(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.abbrev")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "11")
    key = "http.https://example.com/.extraheader"
    authenticated = Repository(
        repository.root, credentials=((key, ""), (key, "AUTHORIZATION: basic c2VjcmV0"))
    )

    assert authenticated.git("config", "core.abbrev") == "11"
    assert authenticated.git("config", "--get-all", key).splitlines() == ["", "AUTHORIZATION: basic c2VjcmV0"]
    assert "c2VjcmV0" not in repr(authenticated)


def test_a_version_is_checked_out_only_as_it_was_promoted(repository: Repository) -> None:
    head = repository.head()
    digest = artifacts_digest(artifact_files(repository.root / "model").items())
    with checked_out(repository, Version(1, head, digest, "now"), "model") as folder:
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
            "old.bin": b"old",
            "größe x.bin": b"kept",
        }

    changed = repository.commit_tree(head, "m", {"model/old.bin": b"other"})
    with (
        pytest.raises(RepositoryError, match="version 1 is not what was promoted"),
        checked_out(repository, Version(1, changed, digest, "now"), "model"),
    ):
        pass


def test_a_shallow_clone_fetches_the_version(repository: Repository, tmp_path: Path) -> None:
    old = repository.head()
    run_git(repository.root, "commit", "-q", "--allow-empty", "-m", "second")
    run_git(repository.root, "push", "-q", "origin", "main")
    run_git(tmp_path / "remote.git", "config", "uploadpack.allowAnySHA1InWant", "true")
    run_git(tmp_path, "clone", "-q", "--depth=1", (tmp_path / "remote.git").as_uri(), "shallow")
    shallow = Repository.at(tmp_path / "shallow")
    assert not shallow.has_commit(old)
    digest = artifacts_digest(artifact_files(repository.root / "model").items())

    with checked_out(shallow, Version(1, old, digest, "now"), "model") as folder:
        assert (folder / "old.bin").exists()


def test_a_folder_of_a_commit_has_its_bytes_and_its_links(repository: Repository) -> None:
    root = repository.root
    (root / "model" / "lines.txt").write_bytes(b"a\nb\n")
    (root / "model" / "link").symlink_to("/etc/hostname")
    run_git(root, "config", "core.autocrlf", "true")
    run_git(root, "add", ".")
    run_git(root, "commit", "-q", "-m", "second")
    (root / "model" / "old.bin").write_bytes(b"changed since")

    with repository.checkout(repository.head(), "model") as folder:
        assert (folder / "old.bin").read_bytes() == b"old"
        assert (folder / "größe x.bin").read_bytes() == b"kept"
        assert (folder / "lines.txt").read_bytes() == b"a\nb\n"
        assert not (folder.parent / "readme").exists()
        with pytest.raises(RepositoryError, match="link"):
            artifact_files(folder)
    assert not folder.exists()
    with (
        pytest.raises(RepositoryError, match="has no elsewhere"),
        repository.checkout(repository.head(), "elsewhere"),
    ):
        pass
