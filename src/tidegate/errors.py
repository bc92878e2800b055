"""Errors a person can mend, one class per kind of mending.

Each carries the exit code that the command line returns for it. A message says what is wrong, where, and how
to mend it; it is shown without a traceback.
"""


class TidegateError(Exception):
    """Base of every expected error."""

    exit_code = 2


class UsageError(TidegateError):
    """Options that do not go together, or one that is missing."""


class ConfigError(TidegateError):
    """The configuration file is missing, malformed or contradicts itself."""


class DataError(TidegateError):
    """A table cannot be read, lacks a column, or holds values that make no sense."""


class RepositoryError(TidegateError):
    """Git is missing, the folder is no repository, or its state does not allow the operation."""


class PermissionDenied(TidegateError):
    """The forge understood the request and refused it; the message names the permission to grant."""


class UserCommandError(TidegateError):
    """A command from the configuration (``train:`` or ``predict:``) failed, hung or produced nothing usable."""

    exit_code = 1

    def __init__(self, message: str, tail: list[str] | None = None) -> None:
        super().__init__(message)
        self.tail = tail or []


class ServiceError(TidegateError):
    """A service stayed out of reach after retries."""

    exit_code = 3
