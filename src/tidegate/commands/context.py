"""What a command runs with: its options, the configuration, the repository, the forge and the user's tables."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, TypeVar

from tidegate.config import Check, Model, Retrain
from tidegate.errors import ConfigError, UsageError
from tidegate.forge import Actions, Forge, choose_forge
from tidegate.git import Repository
from tidegate.loading import LoadedConfig, load_config
from tidegate.reports.escape import annotation, terminal_text
from tidegate.tables import Table, open_table

T = TypeVar("T")
History = Literal["auto", "on", "off"]


@dataclass(frozen=True, slots=True)
class Common:
    """The options that the commands have in common."""

    config: Path
    model: str | None
    output_dir: Path
    forge: str
    comment: bool
    fail_on: str
    history: History = "off"


class Context:
    """One run of one command, before anything is decided."""

    def __init__(self, command: str, common: Common) -> None:
        self.command = command
        self.common = common
        self.actions = Actions.from_environ(os.environ)

    @cached_property
    def loaded(self) -> LoadedConfig:
        """The configuration, read when first needed."""
        return load_config(self.common.config)

    @property
    def model_name(self) -> str:
        """Name of the model under decision."""
        return self.loaded.model(self.common.model)[0]

    @property
    def model(self) -> Model:
        """The model under decision."""
        return self.loaded.model(self.common.model)[1]

    @property
    def retrain(self) -> Retrain:
        """How the model is trained again."""
        return self.need("retrain", self.model.retrain)

    @cached_property
    def forge(self) -> Forge | None:
        """Where pull requests live; None when nothing is published."""
        return choose_forge(self.common.forge, self.actions)

    @cached_property
    def repository(self) -> Repository:
        """The repository that the command runs in; paths of models and of the config start at its top.

        Raises:
            RepositoryError: no repository is here.
            UsageError: the command was started in a folder inside of it.
        """
        found = Repository.at(Path.cwd(), self.forge.credentials if self.forge else ())
        if not found.root.samefile(Path.cwd()):
            raise UsageError(f"{self.command} must be run from the top of the repository, {found.root}")
        return found

    @cached_property
    def base_commit(self) -> str:
        """The commit that a pull request is made against; elsewhere the one that is checked out.

        Raises:
            RepositoryError: a pull request's base is not here and cannot be fetched.
        """
        base = self.actions.base_sha
        if base is None:
            return "HEAD"
        if not self.repository.has_commit(base):
            self.repository.fetch_commit(base)
        return base

    @cached_property
    def scratch(self) -> Path:
        """Where predictions are kept for later steps of the same job, and otherwise as long as the command runs.

        Outside the working tree, so that no commit can plant a table there.
        """
        temporary = os.environ.get("RUNNER_TEMP")
        if self.actions.inside and temporary:
            return Path(temporary) / "tidegate-tables"
        self._place = TemporaryDirectory(prefix="tidegate-")
        return Path(self._place.name)

    def open(self, spec: str) -> Table:
        """A table by path or by name of a source."""
        sources = {name: source.path for name, source in self.loaded.config.sources.items()}
        return open_table(spec, sources=sources)

    def cannot_vouch(self) -> list[str]:
        """What treats all rows as independent and alike although the config says that they are not, as warnings."""
        names = self.model.columns
        said = [
            f"`columns.{part}: {name}`"
            for part, name in (("cluster", names.cluster), ("weight", names.weight))
            if name is not None
        ]
        if not said:
            return []
        known = " and ".join(said)
        if self.command == "drift-report":
            if names.weight is None:
                return []
            return [
                f"`columns.weight: {names.weight}` counts for performance alone: tests of columns take rows alike"
            ]
        if self.command == "evaluate-gate" and any(
            isinstance(e, Check) and e.discover for e in self.model.gate
        ):
            return [
                f"{known} count for checks, not for `discover:`, which takes rows as independent and alike"
            ]
        return []

    def need(self, name: str, value: T | None) -> T:
        """A key of the model's configuration, which the command cannot do without.

        Raises:
            ConfigError: it is missing.
        """
        if value is None or value == []:
            raise ConfigError(
                f"{self.common.config}: model {self.model_name!r} has no `{name}`, which {self.command} needs"
            )
        return value

    def pull_request_number(self) -> int | None:
        """The pull request of this run: the one that triggered it, or the open one of the branch."""
        if self.actions.inside:
            if self.actions.pull_request is not None or self.actions.event.get("pull_request") is not None:
                return self.actions.pull_request
            branch: str | None = self.actions.ref_name
        else:
            branch = self.repository.branch()
        if self.forge is None or not branch or branch == self.forge.default_branch():
            return None
        found = self.forge.find_pull_request(branch)
        return found.number if found is not None and found.open else None

    def warn(self, message: str) -> None:
        """Say something that does not change the decision."""
        self._say("warning", message)

    def notice(self, message: str) -> None:
        """Say something that may well be meant to be so."""
        self._say("notice", message)

    def _say(self, kind: str, message: str) -> None:
        if self.actions.inside:
            print(f"::{kind} title=Tidegate::{annotation(message)}")
        else:
            print(f"{kind}: {terminal_text(message, limit=None)}", file=sys.stderr)

    def progress(self, what: str) -> Callable[[str], None]:
        """A sink for the lines of a command that runs for long: shown as they come, unable to steer the runner."""

        def show(line: str) -> None:
            # A bar in front keeps `::` commands from the start of a line; the old form counts anywhere.
            print(
                f"{terminal_text(what)} | {terminal_text(line, limit=2_000).replace('##[', '## [')}",
                file=sys.stderr,
                flush=True,
            )

        return show
