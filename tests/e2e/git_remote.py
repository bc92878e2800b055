"""A git remote over HTTP as GitHub has it: tokens, permissions, protected branches."""

import os
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from .git_repository import ISOLATED, BareRepository
from .tokens import Identity, Tokens

# Runs inside the push, before any ref moves. What it writes reaches the client as "remote: ...".
PRE_RECEIVE = """\
#!/bin/sh
[ "$PUSHER_KIND" = installation ] || exit 0
while read -r old new ref; do
  if grep -qxF "${ref#refs/heads/}" protected-branches 2>/dev/null; then
    echo "error: GH006: Protected branch update failed for $ref." >&2
    echo "error: Changes must be made through a pull request." >&2
    exit 1
  fi
  case $new in *[!0]*) ;; *) continue ;; esac
  changed=$(git log --not --all --not "$new" --name-only --format= -- .github/workflows | head -n 1)
  if [ -n "$changed" ]; then
    echo "error: refusing to allow a GitHub App to create or update workflow" \\
      "\\`$changed\\` without \\`workflows\\` permission" >&2
    exit 1
  fi
done
"""


@dataclass
class GitRemote:
    """`git http-backend` behind a loopback server. Use it as a context manager."""

    repository: BareRepository
    tokens: Tokens
    full_name: str
    public: bool = False

    def __post_init__(self) -> None:
        hook = self.repository.path / "hooks" / "pre-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(PRE_RECEIVE, encoding="utf-8", newline="\n")
        hook.chmod(0o755)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> "GitRemote":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def server_url(self) -> str:
        """The base URL, for GITHUB_SERVER_URL."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        """The URL of the repository."""
        return f"{self.server_url}/{self.full_name}"

    def protect(self, branch: str) -> None:
        """Let nobody's token but a person's push to a branch."""
        with (self.repository.path / "protected-branches").open("a", encoding="utf-8", newline="\n") as names:
            names.write(branch + "\n")

    def protects(self, branch: str) -> bool:
        """Whether a branch is protected."""
        names = self.repository.path / "protected-branches"
        return names.exists() and branch in names.read_text(encoding="utf-8").splitlines()

    def refusal(self, identity: Identity | None, *, write: bool) -> tuple[int, str] | None:
        """Status and text when somebody may not fetch or push, else None."""
        if identity is None:
            return None if self.public and not write else (401, "Invalid username or token.")
        if not identity.may(f"contents={'write' if write else 'read'}"):
            return 403, f"Permission to {self.full_name}.git denied to {identity.login}."
        return None


def _handler(remote: GitRemote) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            # The body is read even when refused: else its bytes would be taken for the next request.
            body, url = b"".join(self._body()), urlsplit(self.path)
            name, separator, rest = url.path.strip("/").removeprefix(remote.full_name).partition("/")
            if name not in ("", ".git") or not separator or not url.path.startswith(f"/{remote.full_name}"):
                self._answer(404, {}, b"Repository not found.")
                return
            identity = remote.tokens.holder(self.headers.get("Authorization"))
            refusal = remote.refusal(identity, write="git-receive-pack" in self.path)
            if refusal:
                headers = {"WWW-Authenticate": 'Basic realm="GitHub"'} if refusal[0] == 401 else {}
                self._answer(refusal[0], headers, refusal[1].encode())
                return
            self._backend(rest, url.query, body, identity)

        do_POST = do_GET

        def _body(self) -> Iterator[bytes]:
            # git sends packs above 1 MiB in chunks.
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                yield self.rfile.read(int(self.headers.get("Content-Length", 0)))
                return
            while size := int(self.rfile.readline().partition(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()

        def _backend(self, path: str, query: str, body: bytes, identity: Identity | None) -> None:
            variables = {
                "GIT_PROJECT_ROOT": str(remote.repository.path.parent),
                "GIT_HTTP_EXPORT_ALL": "1",
                "PATH_INFO": f"/{remote.repository.path.name}/{path}",
                "QUERY_STRING": query,
                "REQUEST_METHOD": self.command,
                "REMOTE_ADDR": "127.0.0.1",
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(len(body)),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "HTTP_GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                # receive-pack is enabled for an authenticated user only.
                **({"REMOTE_USER": identity.login, "PUSHER_KIND": identity.kind} if identity else {}),
            }
            done = subprocess.run(
                ["git", "http-backend"],
                env={**os.environ, **ISOLATED, **variables},
                input=body,
                capture_output=True,
                timeout=60,
            )
            head, _, content = done.stdout.partition(b"\r\n\r\n")
            headers = dict(line.split(": ", 1) for line in head.decode().splitlines() if ": " in line)
            status = int(headers.pop("Status", "200" if head else "500").split()[0])
            self._answer(status, headers, content)

        def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
            self.send_response(status)
            for name, value in (headers | {"Content-Length": str(len(content))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Keep quiet: a push that fails tells its client why."""

    return Handler
