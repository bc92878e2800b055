"""Git repositories of the tests: the bare one behind the API and the remote, and a person's clone of it."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# Nothing of the developer's own git configuration (signing, hooks, aliases) may decide a test.
ISOLATED = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}


class GitError(RuntimeError):
    """A git command failed; the message is what it wrote to standard error."""


def git(folder: Path, *arguments: str, env: Mapping[str, str] | None = None, stdin: bytes = b"") -> str:
    """Run git in a folder and return what it printed."""
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        env={**os.environ, **ISOLATED, **(env or {})},
        input=stdin,
        capture_output=True,
        timeout=60,
    )
    if done.returncode:
        raise GitError(f"git {' '.join(arguments)}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode().strip("\n")


@dataclass(frozen=True, slots=True)
class Person:
    """Name, email and time of an author or committer."""

    name: str
    email: str
    date: str

    def as_env(self, role: str) -> dict[str, str]:
        """The variables by which git takes them as `AUTHOR` or `COMMITTER`."""
        return {f"GIT_{role}_NAME": self.name, f"GIT_{role}_EMAIL": self.email}


@dataclass(frozen=True, slots=True)
class Commit:
    """What GitHub tells about a commit."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    author: Person
    committer: Person
    message: str


@dataclass(frozen=True, slots=True)
class Changes:
    """Size of the difference between a branch and the point where it left its base."""

    commits: int
    files: int
    additions: int
    deletions: int


@dataclass(frozen=True, slots=True)
class BareRepository:
    """A bare repository on disk, and the questions that GitHub's API answers about it."""

    path: Path
    default_branch: str = "main"

    @classmethod
    def create(cls, path: Path) -> "BareRepository":
        """Make an empty bare repository."""
        path.mkdir(parents=True)
        git(path, "init", "--quiet", "--bare", "--initial-branch=main")
        return cls(path)

    def git(self, *arguments: str, env: Mapping[str, str] | None = None) -> str:
        """Run git in the repository."""
        return git(self.path, *arguments, env=env)

    def commit_files(self, files: Mapping[str, str], message: str, branch: str = "main") -> str:
        """Start a branch with one commit, without a working tree, and return the commit."""

        def data(text: str) -> bytes:
            content = text.encode()
            return b"data %d\n%b\n" % (len(content), content)

        head = f"commit refs/heads/{branch}\ncommitter octocat <octocat@users.noreply.github.com> now\n"
        stream = head.encode() + data(message)
        for name, content in files.items():
            stream += f"M 100644 inline {name}\n".encode() + data(content)
        git(self.path, "fast-import", "--quiet", "--date-format=now", stdin=stream)
        return self.git("rev-parse", f"refs/heads/{branch}")

    def resolve(self, revision: str) -> str | None:
        """The commit that a branch, tag or (short) sha names, or None."""
        try:
            return self.git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        except GitError:
            return None

    def branch(self, name: str) -> str | None:
        """The head of a branch, or None."""
        return self.resolve(f"refs/heads/{name}")

    def refs(self, prefix: str = "refs/") -> dict[str, tuple[str, str]]:
        """Full ref name to (sha, object type), for refs whose name starts with `prefix`."""
        listing = self.git("for-each-ref", "--format=%(refname) %(objectname) %(objecttype)")
        rows = (line.split(" ") for line in listing.splitlines())
        return {name: (sha, kind) for name, sha, kind in rows if name.startswith(prefix)}

    def commit(self, sha: str) -> Commit:
        """Describe a commit."""
        fields = "%H%x00%T%x00%P%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%B"
        sha, tree, parents, *people, message = self.git("log", "-1", f"--format={fields}", sha).split("\0")
        return Commit(
            sha, tree, tuple(parents.split()), Person(*people[:3]), Person(*people[3:]), message.strip()
        )

    def changes(self, base: str, head: str) -> Changes:
        """What `head` would bring to `base`."""
        rows = [line.split("\t") for line in self.git("diff", "--numstat", f"{base}...{head}").splitlines()]
        added, deleted = (sum(int(row[i]) for row in rows if row[i] != "-") for i in (0, 1))
        return Changes(int(self.git("rev-list", "--count", f"{base}..{head}")), len(rows), added, deleted)

    def contains(self, branch: str, sha: str) -> bool:
        """Whether a branch already has a commit."""
        try:
            self.git("merge-base", "--is-ancestor", sha, f"refs/heads/{branch}")
        except GitError:
            return False
        return True

    def merged_tree(self, base: str, head: str) -> str | None:
        """The tree of a merge, or None when there are conflicts."""
        try:
            return self.git("merge-tree", "--write-tree", base, head).splitlines()[0]
        except GitError:
            return None

    def merge(self, branch: str, head: str, message: str, *, squash: bool, author: Person) -> str:
        """Merge a commit into a branch, for real, and return the new head of the branch."""
        base = self.branch(branch)
        tree = self.merged_tree(base, head) if base else None
        if base is None or tree is None:
            raise GitError(f"{head} cannot be merged into {branch}")
        parents = ["-p", base] if squash else ["-p", base, "-p", head]
        people = author.as_env("AUTHOR") | author.as_env("COMMITTER")
        merged = self.git("commit-tree", tree, *parents, "-m", message, env=people)
        self.git("update-ref", f"refs/heads/{branch}", merged, base)
        return merged

    def paths(self, revision: str, folder: str = ".") -> list[str]:
        """The files that a revision has under a folder."""
        return self.git("ls-tree", "-r", "--name-only", revision, "--", folder).splitlines()

    def file(self, revision: str, path: str) -> str:
        """The text of a file in a revision."""
        return self.git("show", f"{revision}:{path}")


@dataclass(frozen=True, slots=True)
class Clone:
    """A person's clone.

    Its configuration holds no credential, as after a checkout with `persist-credentials: false`.
    """

    path: Path
    _authorization: str

    @classmethod
    def create(cls, url: str, path: Path, *, authorization: str, login: str = "octocat") -> "Clone":
        """Clone a remote as a person whose Authorization header is given."""
        clone = cls(path, authorization)
        path.mkdir(parents=True)
        clone.git("-c", f"http.extraheader=Authorization: {authorization}", "clone", "--quiet", url, ".")
        clone.git("config", "user.name", login)
        clone.git("config", "user.email", f"{login}@users.noreply.github.com")
        return clone

    def git(self, *arguments: str) -> str:
        """Run git in the clone, without any credential."""
        return git(self.path, *arguments)

    def write(self, files: Mapping[str, str | bytes]) -> None:
        """Write files, making folders as needed."""
        for name, content in files.items():
            target = self.path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(self, files: Mapping[str, str | bytes], message: str = "Change") -> str:
        """Write files, commit everything that changed, and return the new commit."""
        self.write(files)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD")

    def push(self, *arguments: str) -> str:
        """Push (the current branch by default) as the person, and return the pushed commit."""
        self.authenticated("push", "--quiet", "--set-upstream", *(arguments or ("origin", "HEAD")))
        return self.git("rev-parse", "HEAD")

    def authenticated(self, *arguments: str) -> str:
        """Run git with the person's credential."""
        return self.git("-c", f"http.extraheader=Authorization: {self._authorization}", *arguments)

    def pull_request(self, branch: str, files: Mapping[str, str | bytes], message: str = "Change") -> str:
        """Start a branch from origin's main, commit, push, and return its head."""
        self.authenticated("fetch", "--quiet", "origin")
        self.git("switch", "--quiet", "--force-create", branch, "origin/main")
        self.commit(files, message)
        return self.push()

    def check_out_merge(self, head: str, base: str = "main") -> str:
        """Check out what a `pull_request` workflow sees: the merge of the head into its base, detached."""
        self.authenticated("fetch", "--quiet", "origin")
        self.git("checkout", "--quiet", "--detach", f"origin/{base}")
        self.git("merge", "--quiet", "--no-ff", "--message", f"Merge {head} into {base}", f"origin/{head}")
        return self.git("rev-parse", "HEAD")
