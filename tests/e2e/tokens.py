"""Access tokens as GitHub hands them out: who holds one, and what it may do."""

import base64
import binascii
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

BOT = "github-actions[bot]"
LEVELS = ("none", "read", "write", "admin")


@dataclass(frozen=True, slots=True)
class Identity:
    """The holder of a token and the permissions that the token carries."""

    login: str
    kind: Literal["installation", "user"]
    permissions: Mapping[str, str]

    def may(self, requirement: str) -> bool:
        """Whether one of some alternatives ("issues=write; pull_requests=write") is granted."""
        return any(self._grants(*alternative.strip().split("=")) for alternative in requirement.split(";"))

    def _grants(self, scope: str, level: str) -> bool:
        # Every token may read metadata: GitHub grants it with any other permission.
        granted = "read" if scope == "metadata" else self.permissions.get(scope, "none")
        return LEVELS.index(granted) >= LEVELS.index(level)


class _Everything(dict[str, str]):
    def get(self, scope: str, default: str | None = None) -> str:  # type: ignore[override]  # any scope has a level, so none is None
        return "admin"


@dataclass(slots=True)
class Tokens:
    """The tokens that the API and the git remote accept."""

    _holders: dict[str, Identity] = field(default_factory=dict)

    def installation(self, permissions: Mapping[str, str], login: str = BOT) -> str:
        """A new token like the runner's GITHUB_TOKEN, with exactly these permissions."""
        granted = MappingProxyType({scope.replace("-", "_"): level for scope, level in permissions.items()})
        return self._issue("ghs_", Identity(login, "installation", granted))

    def user(self, login: str = "octocat") -> str:
        """A new personal token of somebody who may do everything in the repository."""
        return self._issue("ghp_", Identity(login, "user", _Everything()))

    def holder(self, authorization: str | None) -> Identity | None:
        """The identity behind a `Bearer`, `token` or `Basic` Authorization header, or None."""
        scheme, _, credential = (authorization or "").partition(" ")
        if scheme.lower() == "basic":
            try:
                credential = base64.b64decode(credential, validate=True).decode().partition(":")[2]
            except (binascii.Error, UnicodeDecodeError):
                return None
        elif scheme.lower() not in ("bearer", "token"):
            return None
        return self._holders.get(credential.strip())

    def revoke(self, token: str) -> None:
        """Make a token worthless, as GitHub does when the job ends."""
        del self._holders[token]

    def _issue(self, prefix: str, identity: Identity) -> str:
        token = prefix + secrets.token_hex(18)
        self._holders[token] = identity
        return token


def basic(token: str) -> str:
    """The value of the Authorization header that git sends for a token."""
    return "Basic " + base64.b64encode(f"x-access-token:{token}".encode()).decode()
