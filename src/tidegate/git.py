"""Git, by its own command: reading commits, building one without touching the working tree, pushing it."""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from tidegate.errors import PermissionDenied, RepositoryError, ServiceError

AUTHOR = "Tidegate"
EMAIL = "tidegate@users.noreply.github.com"
_TIMEOUT = 300


class PushRejected(RepositoryError):
    """The remote has moved on, or protects the branch."""

    @property
    def protected(self) -> bool:
        """Whether a rule of the branch says no, which no second try changes."""
        signs = ("GH006", "GH013", "pre-receive hook", "protected branch", "rule violations")
        return any(sign in str(self) for sign in signs)


class RepositoryBusy(RepositoryError):
    """Another process holds a lock in the repository, here or on the remote; a second try may succeed."""


@dataclass(frozen=True)
class Repository:
    """A git working tree.

    Attributes:
        root: the top folder.
        remote: name of the remote that is pushed to.
        credentials: git configuration that authenticates to the remote; kept out of arguments and of ``repr``.
    """

    root: Path
    remote: str = "origin"
    credentials: Sequence[tuple[str, str]] = field(default=(), repr=False)

    @classmethod
    def at(cls, folder: Path, credentials: Sequence[tuple[str, str]] = ()) -> "Repository":
        """The repository that `folder` is in.

        Raises:
            RepositoryError: git is missing, or the folder is in no repository.
        """
        here = cls(folder, credentials=credentials)
        try:
            top = here.git("rev-parse", "--show-toplevel")
        except RepositoryError as error:
            if "not a git repository" in str(error):
                raise RepositoryError(
                    f"{folder} is in no git repository: run it in the model's repository"
                ) from None
            raise
        return cls(Path(top), credentials=credentials)

    def git(
        self, *arguments: str, data: bytes | None = None, environment: Mapping[str, str] | None = None
    ) -> str:
        """Run git and return its output without the last line end.

        Raises:
            RepositoryError: git says no; the message carries its words.
        """
        return (
            self.git_bytes(*arguments, data=data, environment=environment)
            .decode("utf-8", "replace")
            .rstrip("\n")
        )

    def git_bytes(
        self, *arguments: str, data: bytes | None = None, environment: Mapping[str, str] | None = None
    ) -> bytes:
        """As :meth:`git`, but the raw output."""
        try:
            result = subprocess.run(
                ["git", "-c", "core.quotepath=off", *arguments],
                cwd=self.root,
                input=data if data is not None else b"",
                capture_output=True,
                timeout=_TIMEOUT,
                env={
                    **os.environ,
                    "GIT_TERMINAL_PROMPT": "0",
                    "LC_ALL": "C",
                    **self._authentication(),
                    **(environment or {}),
                },
                check=False,
            )
        except FileNotFoundError:
            raise RepositoryError("git is not installed, or not on the PATH") from None
        except subprocess.TimeoutExpired:
            raise ServiceError(f"git {arguments[0]} did not end within {_TIMEOUT} seconds") from None
        if result.returncode != 0:
            raise _error(arguments[0], result.stderr.decode("utf-8", "replace"))
        return result.stdout

    def _authentication(self) -> dict[str, str]:
        # Environment rather than arguments: every user of the machine can list a process's arguments.
        if not self.credentials:
            return {}
        # The job may hand settings to git in the same way; they stay, and ours come after them.
        given = os.environ.get("GIT_CONFIG_COUNT", "")
        first = int(given) if given.isdigit() else 0
        pairs = {"GIT_CONFIG_COUNT": str(first + len(self.credentials))}
        for i, (key, value) in enumerate(self.credentials, first):
            pairs[f"GIT_CONFIG_KEY_{i}"], pairs[f"GIT_CONFIG_VALUE_{i}"] = key, value
        return pairs

    def head(self) -> str:
        """The commit that is checked out."""
        return self.git("rev-parse", "HEAD")

    def dirty(self) -> bool:
        """Whether tracked files differ from the commit that is checked out."""
        return bool(self.git("status", "--porcelain", "--untracked-files=no"))

    def branch(self) -> str | None:
        """The branch that is checked out; None when the head is detached."""
        name = self.git("rev-parse", "--abbrev-ref", "HEAD")
        return None if name == "HEAD" else name

    def remote_branch(self, branch: str) -> str | None:
        """The commit of a branch on the remote; None when it has no such branch."""
        listed = self.git("ls-remote", "--heads", self.remote, f"refs/heads/{branch}")
        return listed.split()[0] if listed else None

    def size(self, commit: str, path: str) -> int | None:
        """Bytes of a plain file at a commit; None when nothing is there.

        Raises:
            RepositoryError: something else than a plain file is there, or the commit is not.
        """
        listed = self.git("ls-tree", "--full-tree", "-l", "-z", commit, "--", path).rstrip("\0")
        if not listed:
            return None
        mode, _, _, size = listed.partition("\t")[0].split()
        if mode != "100644":
            raise RepositoryError(f"{path} at {commit[:12]} is no plain file (mode {mode})")
        return int(size)

    def read(self, commit: str, path: str) -> bytes | None:
        """A file at a commit; None when it is not there."""
        try:
            return self.git_bytes("cat-file", "blob", f"{commit}:{path}")
        except RepositoryError:
            return None

    def has_commit(self, commit: str) -> bool:
        """Whether the commit is here (a shallow clone leaves out the old ones)."""
        try:
            self.git("cat-file", "-e", f"{commit}^{{commit}}")
        except RepositoryError:
            return False
        return True

    def fetch_commit(self, commit: str) -> None:
        """Bring one commit from the remote into a shallow clone."""
        self.git("fetch", "--quiet", "--depth=1", self.remote, commit)

    def fetch_branch(self, branch: str) -> None:
        """Bring a branch's newest commit from the remote; checked-out files and local branches stay as they are."""
        # A depth would turn a full clone into a shallow one; a shallow one has no use for old commits.
        shallow = self.git("rev-parse", "--is-shallow-repository") == "true"
        depth = ["--depth=1"] if shallow else []
        self.git("fetch", "--quiet", "--no-tags", *depth, self.remote, f"refs/heads/{branch}")

    @contextmanager
    def checkout(self, commit: str, path: str) -> Iterator[Path]:
        """A folder of the repository as it is at a commit, in a temporary place.

        Raises:
            RepositoryError: the commit or the folder does not exist.
        """
        if not self.git_bytes("ls-tree", "-z", commit, "--", path):
            raise RepositoryError(f"commit {commit[:12]} has no {path}")
        with TemporaryDirectory(prefix="tidegate-") as folder, TemporaryDirectory(prefix="tidegate-") as work:
            index = {"GIT_INDEX_FILE": str(Path(work) / "index")}
            self.git("read-tree", commit, environment=index)
            listed = self.git_bytes("ls-files", "-z", "--", path, environment=index)
            settings = ("-c", "core.autocrlf=false", "-c", "core.eol=lf")
            inside = f"--prefix={folder}{os.sep}"
            self.git(*settings, "checkout-index", "-z", "--stdin", inside, data=listed, environment=index)
            yield Path(folder) / path

    def files(self, commit: str, folder: str) -> list[str]:
        """Paths of the files under a folder at a commit."""
        listed = self.git_bytes("ls-tree", "-r", "-z", "--name-only", commit, "--", folder)
        return [name for name in listed.decode("utf-8", "surrogateescape").split("\0") if name]

    def commit_tree(
        self,
        parent: str | None,
        message: str,
        files: Mapping[str, Path | bytes],
        remove: Sequence[str] = (),
        *,
        filters: bool = True,
    ) -> str:
        """Make a commit on top of `parent` without touching index, working tree or branches.

        Args:
            parent: a commit; None starts a history of its own.
            message: of the commit.
            files: path in the repository to its content.
            remove: paths of files that are dropped first.
            filters: whether the repository's own filters run on the contents, such as Git LFS.

        Returns:
            The new commit; the parent itself when nothing would change.
        """
        with TemporaryDirectory(prefix="tidegate-") as folder:
            index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
            self.git("read-tree", parent or "--empty", environment=index)
            dropped = "".join(f"{path}\0" for path in remove).encode("utf-8", "surrogateescape")
            self.git("update-index", "-z", "--force-remove", "--stdin", data=dropped, environment=index)
            entries = []
            for path, content in sorted(files.items()):
                filtered = f"--path={path}" if filters else "--no-filters"
                if isinstance(content, bytes):
                    blob = self.git("hash-object", "-w", "--stdin", filtered, data=content)
                else:
                    blob = self.git("hash-object", "-w", filtered, "--", str(content.resolve()))
                entries.append(f"100644 {blob}\t{path}\0")
            self.git("update-index", "-z", "--index-info", data="".join(entries).encode(), environment=index)
            tree = self.git("write-tree", environment=index)
        if parent is not None and tree == self.git("rev-parse", f"{parent}^{{tree}}"):
            return parent
        onto = ["-p", parent] if parent is not None else []
        return self.git("commit-tree", tree, *onto, "-F", "-", data=message.encode(), environment=identity())

    def delete_remote_branch(self, branch: str) -> None:
        """Take back a branch that was pushed."""
        self.git("push", "--quiet", self.remote, f":refs/heads/{branch}")

    def push(self, commit: str, branch: str, *, expected: str | None, hooks: bool = True) -> None:
        """Put `commit` on a remote branch, only if the branch still is at `expected` (None: does not exist yet).

        Args:
            commit: what is pushed.
            branch: its place on the remote.
            expected: the commit that is replaced.
            hooks: whether the repository's own hook before a push runs, such as that of Git LFS.

        Raises:
            PushRejected: the branch has moved, or is protected.
        """
        lease = f"--force-with-lease=refs/heads/{branch}:{expected or ''}"
        unhooked = [] if hooks else ["--no-verify"]
        self.git("push", "--quiet", *unhooked, lease, self.remote, f"{commit}:refs/heads/{branch}")


def identity() -> dict[str, str]:
    """Author and committer of Tidegate's own commits."""
    return {
        "GIT_AUTHOR_NAME": AUTHOR,
        "GIT_AUTHOR_EMAIL": EMAIL,
        "GIT_COMMITTER_NAME": AUTHOR,
        "GIT_COMMITTER_EMAIL": EMAIL,
    }


def _error(verb: str, words: str) -> RepositoryError | ServiceError | PermissionDenied:
    # The address of a remote may carry a password.
    said = re.sub(r"://[^/@\s]*@", "://***@", words)
    text = " ".join(line.strip() for line in said.strip().splitlines()[-6:])
    if any(
        sign in words
        for sign in ("[rejected]", "[remote rejected]", "stale info", "GH006", "pre-receive hook")
    ):
        return PushRejected(f"the remote refused the push: {text}")
    if any(
        sign in words
        for sign in ("Permission to", "error: 403", "Authentication failed", "could not read Username")
    ):
        return PermissionDenied(
            f"git {verb} was refused: {text}. The job needs `permissions: contents: write`, or a `token:` that may push"
        )
    if any(
        sign in words
        for sign in (
            "Could not resolve host",
            "Connection refused",
            "Failed to connect",
            "timed out",
            "error: 5",
        )
    ):
        return ServiceError(f"git {verb} could not reach the remote: {text}")
    if any(
        sign in words
        for sign in (
            ".lock'",
            "cannot lock ref",
            "unable to update local ref",
            "shallow file has changed",
        )
    ):
        return RepositoryBusy(f"git {verb} found the repository busy: {text}")
    return RepositoryError(f"git {verb} failed: {text}")
