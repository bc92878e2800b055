"""What all commands share: options in common, opening tables, and publishing a finished document."""

import os
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from tidegate import reports
from tidegate.config import Model, Retrain
from tidegate.documents import Document, to_json
from tidegate.errors import ConfigError, PermissionDenied, TidegateError, UsageError
from tidegate.forge import Actions, Comment, Forge, choose_forge
from tidegate.forge.actions import SUMMARY_LIMIT
from tidegate.git import Repository
from tidegate.loading import LoadedConfig, load_config
from tidegate.reports.escape import annotation, terminal_text
from tidegate.tables import Table, open_table

T = TypeVar("T")

GOES_ON = 0
STOPS = 1


@dataclass(frozen=True, slots=True)
class Common:
    """The options that the commands have in common."""

    config: Path
    model: str | None
    output_dir: Path
    forge: str
    comment: bool
    fail_on: str


class Invocation:
    """One run of one command."""

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
        """What intervals rest on that may not hold, as warnings."""
        if self.model.columns.cluster is None:
            return []
        return [
            f"rows are treated as independent, but `columns.cluster: {self.model.columns.cluster}` says that they are"
            " not: intervals may be too narrow, and verdicts too sure"
        ]

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

    def check_output_dir(self) -> None:
        """Refuse an output folder that cannot be written to, before anything is done that cannot be taken back.

        Raises:
            UsageError: it cannot be made, or not be written to.
        """
        folder = self.common.output_dir.absolute()
        existing = next(place for place in (folder, *folder.parents) if place.exists())
        if not existing.is_dir() or not os.access(existing, os.W_OK):
            raise UsageError(
                f"cannot write to --output-dir {self.common.output_dir}: {existing} does not allow it"
            )

    def write(self, document: Document) -> Mapping[str, str]:
        """Write the three forms of a document to the output folder, each whole, and return their paths."""
        folder = self.common.output_dir
        texts = {
            "json": to_json(document),
            "md": reports.markdown(document, limit=None),
            "html": reports.html(document),
        }
        paths = {kind: folder / f"{self.command}.{kind}" for kind in texts}
        parts = {kind: path.with_name(f".{path.name}.{os.getpid()}.part") for kind, path in paths.items()}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for kind, part in parts.items():
                part.write_text(texts[kind], encoding="utf-8")
            for kind, part in parts.items():
                part.replace(paths[kind])
        except OSError as error:
            for part in parts.values():
                with suppress(OSError):
                    part.unlink()
            raise UsageError(f"cannot write to --output-dir {folder}: {error.strerror}") from None
        return {"json": str(paths["json"]), "markdown": str(paths["md"]), "html": str(paths["html"])}

    def publish(self, document: Document, outputs: Mapping[str, str] | None = None) -> None:
        """Write a finished document, print its verdict, and hand it to the runner and the pull request."""
        # Where to publish is settled before anything is written: a wrong --forge leaves nothing behind.
        _ = self.forge
        paths = self.write(document)
        print(reports.terminal(document, color=use_color(sys.stdout)))
        print(f"report: {terminal_text(paths['html'], limit=None)}")
        self.actions.write_outputs({"decision": document["decision"], **paths, **(outputs or {})})
        if self.actions.summary is not None:
            self.actions.write_summary(reports.markdown(document, limit=SUMMARY_LIMIT))

    def exit_code(self, *, stops: bool) -> int:
        """0 when the decision lets work go on, or when the user asked never to fail on a decision."""
        return STOPS if stops and self.common.fail_on == "stop" else GOES_ON

    def comment_on_pull_request(self, document: Document) -> Comment | None:
        """Post the report where the pull request is; the verdict stands whether or not that works."""
        if self.forge is None or not self.common.comment:
            return None
        try:
            number = self.pull_request_number()
            if number is None:
                return None
            marker = sticky_marker(document, self.actions.workflow)
            done = self.forge.upsert_comment(number, marker, reports.markdown(document))
        except TidegateError as error:
            self.warn(f"the report could not be posted: {error}")
            return None
        print(f"comment {done.action}: {done.url}")
        return done

    def set_status(self, document: Document, *, stops: bool) -> None:
        """Attach the decision to the commit, where the forge lets us."""
        if self.forge is None or not self.common.comment:
            return
        try:
            self.forge.set_status(
                self.actions.head_sha or self.repository.head(),
                context=f"tidegate/{self.command}/{document['model']}",
                state="failure" if stops else "success",
                description=f"{document['decision']}: {next(iter(document['reasons']), '')}",
            )
        except PermissionDenied:
            # A status is a convenience beside the comment; `statuses: write` is not asked of anybody.
            return
        except TidegateError as error:
            self.warn(f"the commit status could not be set: {error}")

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
        if self.actions.inside:
            print(f"::warning title=Tidegate::{annotation(message)}")
        else:
            print(f"warning: {terminal_text(message, limit=None)}", file=sys.stderr)

    def progress(self, what: str) -> Callable[[str], None]:
        """A sink for the lines of a command that runs for long: shown as they come, unable to steer the runner."""

        def show(line: str) -> None:
            # A bar in front keeps `::` commands from the start of a line; the old form counts anywhere.
            print(
                f"{what} | {terminal_text(line, limit=2_000).replace('##[', '## [')}",
                file=sys.stderr,
                flush=True,
            )

        return show


def sticky_marker(document: Document, workflow: str) -> str:
    """What a comment is found by: command, model and workflow, in characters that cannot end an HTML comment."""
    parts = [str(document["schema"]).split("/")[1], str(document.get("model")), workflow]
    return ":".join(re.sub(r"[^\w.]+", "-", part) for part in parts if part)


def use_color(stream: object) -> bool:
    """Colour on a terminal only, and not when NO_COLOR is set."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR")


def is_terminal(stream: object) -> bool:
    """Whether a person watches; some runners give every step a terminal that nobody sees."""
    watched = bool(getattr(stream, "isatty", lambda: False)())
    return watched and not (os.environ.get("CI") or os.environ.get("GITHUB_ACTIONS"))
