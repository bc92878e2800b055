"""A stateful stand-in for GitHub's REST API on loopback.

It answers as GitHub does for one repository whose branches live in a real bare repository, checks every
request and every response against GitHub's own OpenAPI description, and misbehaves on demand.
"""

import json
import re
import socket
import struct
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from .github_operations import Operations, now
from .github_resources import Resource, Resources
from .github_routes import ROUTES, ApiError, Call, Reply, Route
from .openapi import Operation, operations
from .tokens import Identity, Tokens

Misbehaviour = int | Literal["reset", "slow", "truncated"]
# GitHub Enterprise Server has its API below this path, and GraphQL beside it.
ENTERPRISE = "/api/v3"
GRAPHQL = ("/graphql", "/api/graphql")


@dataclass(frozen=True, slots=True)
class Request:
    """One line of the request log. The token never appears, only its holder."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Any
    login: str | None
    status: int | None
    fault: Misbehaviour | None


@dataclass(slots=True)
class Fault:
    """A misbehaviour that waits for its request."""

    method: str
    path: re.Pattern[str]
    kind: Misbehaviour
    times: int
    headers: Mapping[str, str]
    effective: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class Answer:
    """A response before it becomes bytes."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request after it was understood."""

    route: Route
    operation: Operation
    parameters: Mapping[str, str]
    query: Mapping[str, str]
    body: Any
    errors: tuple[str, ...]


@dataclass
class GitHubApi:
    """The server, as a context manager.

    `violations` stays empty while clients and server keep to the description.
    """

    state: Operations
    tokens: Tokens
    owner: str
    name: str
    web: str
    private: bool = True
    violations: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._created_at = now()
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> "GitHubApi":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """The base URL, for GITHUB_API_URL."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def enterprise_url(self) -> str:
        """The base URL as GitHub Enterprise Server has it."""
        return self.url + ENTERPRISE

    def resources(self, prefix: str = "") -> Resources:
        """The builder of resources, for clients of the base URL with this prefix."""
        return Resources(self.url + prefix, self.web, self.owner, self.name, self.private, self._created_at)

    def fault(
        self,
        method: str,
        path: str,
        kind: Misbehaviour,
        *,
        times: int = 1,
        headers: Mapping[str, str] | None = None,
        effective: bool = False,
        seconds: float = 3.0,
    ) -> None:
        """Misbehave on the next `times` requests whose path contains the regular expression `path`.

        `kind` is a status, "reset" (the connection breaks), "slow" (the true answer, after `seconds`) or
        "truncated" (half of the true answer). With `effective`, a status or reset hides that the request
        did take effect.
        A 429 carries `Retry-After: 1` unless `headers` says otherwise.
        """
        given = {"Retry-After": "1"} if kind == 429 and headers is None else dict(headers or {})
        effective = effective or kind in ("slow", "truncated")
        self._faults.append(Fault(method, re.compile(path), kind, times, given, effective, seconds))

    def sent(self, method: str, path: str = "") -> list[Request]:
        """The logged requests of a method whose path contains the regular expression."""
        return [seen for seen in self.requests if seen.method == method and re.search(path, seen.path)]

    def wait(self, seconds: float) -> None:
        """Sleep, but not beyond the end of the server."""
        self._stopping.wait(seconds)

    def answer(
        self, method: str, target: str, body: bytes, authorization: str | None
    ) -> tuple[Answer, Fault | None]:
        """Answer a request, log it, and say how the answer is to be spoiled."""
        url = urlsplit(target)
        prefix = ENTERPRISE if url.path.startswith(ENTERPRISE + "/") else ""
        path, query = url.path.removeprefix(prefix), dict(parse_qsl(url.query, keep_blank_values=True))
        identity = self.tokens.holder(authorization)
        with self._lock:
            fault = self._fault(method, path)
            content = None
            try:
                content = json.loads(body) if body else None
                if path in GRAPHQL:
                    answer = self._graphql(content, identity)
                else:
                    asked = self._understand(method, path, query, content)
                    unknown = authorization is not None and identity is None
                    skipped = fault is not None and not fault.effective
                    answer = Answer(500) if skipped else self._rest(asked, identity, prefix, unknown=unknown)
            except ApiError as error:
                answer = Answer(error.status, error.body)
            except json.JSONDecodeError:
                self.violations.append(f"{method} {path}: the body is not JSON")
                answer = Answer(400, ApiError(400, "Problems parsing JSON").body)
            except Exception as error:
                # A bug of the stand-in must fail the test, not look like an outage that a client may retry.
                self.violations.append(f"{method} {path}: the stand-in failed with {error!r}")
                answer = Answer(500, ApiError(500, "Server Error").body)
            if fault and isinstance(fault.kind, int):
                answer = Answer(fault.kind, _fault_body(fault), fault.headers)
            status = None if fault and fault.kind == "reset" else answer.status
            login = identity.login if identity else None
            seen = Request(method, path, query, content, login, status, fault.kind if fault else None)
            self.requests.append(seen)
        return answer, fault

    def _fault(self, method: str, path: str) -> Fault | None:
        for fault in self._faults:
            if fault.times > 0 and fault.method == method and fault.path.search(path):
                fault.times -= 1
                return fault
        return None

    def _graphql(self, body: Any, identity: Identity | None) -> Answer:
        if identity is None:
            return Answer(401, ApiError(401, "Requires authentication").body)
        query = re.sub(r"\s+", "", (body or {}).get("query", ""))
        if re.fullmatch(r"(query)?\{viewer\{login\}\}", query):
            return Answer(200, {"data": {"viewer": {"login": identity.login}}})
        self.violations.append(f"GraphQL beyond `viewer {{ login }}`: {query}")
        return Answer(200, {"errors": [{"message": "this query is not known here"}]})

    def _understand(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Asked:
        """Find the operation that a request asks for, and hold the request against its description."""
        for route in ROUTES:
            if (found := route.match(method, path)) is not None:
                parameters = {name: unquote(value) for name, value in found.items()}
                operation = operations()[method, route.path]
                errors = tuple(operation.request_errors(parameters, query, body))
                self._report(operation, errors)
                return Asked(route, operation, parameters, query, body, errors)
        self.violations.append(f"{method} {path}: not one of the operations that the stand-in knows")
        raise ApiError(404, "Not Found")

    def _rest(self, asked: Asked, identity: Identity | None, prefix: str, *, unknown: bool) -> Answer:
        try:
            if unknown:
                raise ApiError(401, "Bad credentials")
            answer = self._perform(asked, self._admitted(asked, identity), prefix)
        except ApiError as error:
            accepted = (
                {"X-Accepted-GitHub-Permissions": asked.route.permission} if error.status == 403 else {}
            )
            answer = Answer(error.status, error.body, accepted)
        self._report(asked.operation, asked.operation.response_errors(answer.status, answer.body))
        return answer

    def _admitted(self, asked: Asked, identity: Identity | None) -> Identity:
        """Refuse what the caller may not do, in the order in which GitHub looks at it."""
        owner, repo = asked.parameters.get("owner", self.owner), asked.parameters.get("repo", self.name)
        if identity is None or (owner, repo) != (self.owner, self.name):
            # What a caller may not see does not exist for it.
            raise ApiError(404, "Not Found") if asked.parameters else ApiError(401, "Requires authentication")
        if not identity.may(asked.route.permission):
            raise ApiError(403, "Resource not accessible by integration")
        if asked.errors:
            raise ApiError(422, "Invalid request.\n\n" + "\n".join(asked.errors))
        return identity

    def _perform(self, asked: Asked, identity: Identity, prefix: str) -> Answer:
        call = Call(asked.parameters, asked.query, asked.body, identity, self.resources(prefix))
        reply = asked.route.perform(self.state, call)
        if isinstance(reply.body, list) and ("query", "per_page") in asked.operation.parameters:
            return _page(reply, asked.query, self.url + prefix + asked.route.path.format(**asked.parameters))
        return Answer(reply.status, reply.body)

    def _report(self, operation: Operation, errors: Iterable[str]) -> None:
        self.violations.extend(f"{operation.id}: {error}" for error in errors)


def _page(reply: Reply, query: Mapping[str, str], url: str) -> Answer:
    """Cut a list into pages and link them."""
    size, page = min(int(query.get("per_page", 30)), 100), int(query.get("page", 1))
    last = max(1, -(-len(reply.body) // size))
    targets: dict[str, int] = {}
    if page > 1:
        targets |= {"prev": page - 1, "first": 1}
    if page < last:
        targets |= {"next": page + 1, "last": last}
    links = (f'<{url}?{urlencode({**query, "page": to})}>; rel="{name}"' for name, to in targets.items())
    headers = {"Link": ", ".join(links)} if targets else {}
    return Answer(reply.status, reply.body[(page - 1) * size : page * size], headers)


def _fault_body(fault: Fault) -> Resource | str:
    """The body of a wrong status: JSON from the API itself, HTML from the balancers in front of it."""
    status = int(fault.kind)
    if status in (502, 503, 504):
        return f"<html><body><h1>{status}</h1>Unicorn!</body></html>"
    if status == 429 or "Retry-After" in fault.headers:
        return ApiError(status, "You have exceeded a secondary rate limit. Please wait a few minutes.").body
    return ApiError(status, "Server Error" if status >= 500 else "Refused").body


def _handler(api: GitHubApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Without this, each small answer waits 40 ms for the client's delayed acknowledgement.
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            answer, fault = api.answer(self.command, self.path, body, self.headers.get("Authorization"))
            if fault and fault.kind == "reset":
                self._reset()
                return
            if fault and fault.kind == "slow":
                api.wait(fault.seconds)
            self._send(answer, truncated=bool(fault and fault.kind == "truncated"))

        do_POST = do_PATCH = do_PUT = do_DELETE = do_GET

        def _send(self, answer: Answer, *, truncated: bool) -> None:
            text = isinstance(answer.body, str)
            content = answer.body.encode() if text else json.dumps(answer.body).encode()
            content = b"" if answer.body is None else content
            self.send_response(answer.status)
            kind = "text/html" if text else "application/json"
            headers = {
                "Content-Type": f"{kind}; charset=utf-8",
                "Content-Length": str(len(content)),
                "X-GitHub-Media-Type": "github.v3; format=json",
                "X-RateLimit-Limit": "5000",
                "X-RateLimit-Remaining": "4999",
            }
            for name, value in (headers | dict(answer.headers)).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if truncated else content)
            self.close_connection = self.close_connection or truncated

        def _reset(self) -> None:
            # A zero linger time makes closing send RST; detaching keeps the server from a FIN before it.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            socket.close(self.connection.detach())
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Keep quiet: `requests` is the log."""

    return Handler
