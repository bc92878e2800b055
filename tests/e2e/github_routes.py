"""How the stand-in's operations are registered, called and answered."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .github_resources import Resource, Resources
from .tokens import Identity

if TYPE_CHECKING:
    from .github_operations import Operations

DOCUMENTATION = "https://docs.github.com/rest"


class ApiError(Exception):
    """An answer other than success."""

    def __init__(self, status: int, message: str, errors: list[Resource] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body: Resource = {"message": message, "documentation_url": DOCUMENTATION, "status": str(status)}
        if errors:
            self.body["errors"] = errors


def invalid(resource: str, fieldname: str, code: str = "invalid", message: str | None = None) -> ApiError:
    """The 422 that GitHub gives for a field."""
    error = {"resource": resource, "field": fieldname, "code": code}
    return ApiError(422, "Validation Failed", [error | ({"message": message} if message else {})])


@dataclass(frozen=True, slots=True)
class Call:
    """One request, already authenticated."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Any
    identity: Identity
    resources: Resources


@dataclass(frozen=True, slots=True)
class Reply:
    """A successful answer. A list is cut into pages by the server, and linked."""

    status: int
    body: Any = None


@dataclass(frozen=True, slots=True)
class Route:
    """An operation, and the permission it takes (alternatives separated by ";")."""

    method: str
    path: str
    permission: str
    perform: Callable[["Operations", Call], Reply]

    def match(self, method: str, path: str) -> dict[str, str] | None:
        """The path parameters, or None when the request is for another operation."""
        # Refs and branch names contain slashes, other parameters do not.
        slashes = r"\{(ref|branch)\}"
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", re.sub(slashes, r"(?P<\1>.+)", self.path))
        found = re.fullmatch(pattern, path) if method == self.method else None
        return found.groupdict() if found else None


ROUTES: list[Route] = []
Perform = Callable[["Operations", Call], Reply]


def route(method: str, path: str, permission: str) -> Callable[[Perform], Perform]:
    """Register an operation. The first route that matches wins."""

    def register(perform: Perform) -> Perform:
        ROUTES.append(Route(method, path, permission, perform))
        return perform

    return register
