"""One run of one command: how a finished document is written, published and recorded."""

import os
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from tidegate import audit, history, reports
from tidegate.commands.context import Common, Context
from tidegate.documents import Document, to_json
from tidegate.errors import PermissionDenied, TidegateError, UsageError
from tidegate.forge import Comment
from tidegate.forge.actions import SUMMARY_LIMIT
from tidegate.git import Repository
from tidegate.reports.escape import terminal_text

__all__ = ["Common", "Invocation", "is_terminal", "sticky_marker"]

GOES_ON = 0
STOPS = 1
_ANNOTATIONS = 10


@dataclass(frozen=True, slots=True)
class _Signed:
    """The audit document of what was written, and the hash that signs it."""

    audit: Mapping[str, Any]
    sha256: str


class Invocation(Context):
    """One run of one command.

    Args:
        command: its name.
        common: its options.
        summarise: whether the report goes to the summary of the job; of many models there is no room for all.
    """

    def __init__(self, command: str, common: Common, *, summarise: bool = True) -> None:
        super().__init__(command, common)
        self._summarise = summarise
        self._signed: _Signed | None = None

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
        """Write a document in its three forms and the audit document of it to the output folder, each whole.

        Returns:
            Their paths, and the hash of the audit document, by the names of the action's outputs.
        """
        # Bytes, so that hashes are the same on systems that end lines in another way.
        contents = {
            "json": to_json(document).encode(),
            "md": reports.markdown(document, limit=None).encode(),
            "html": reports.html(document).encode(),
        }
        audited = audit.audit_document(
            document,
            document_sha256=sha256(contents["json"]).hexdigest(),
            config=self.loaded,
            model=self.model,
            surroundings=audit.Surroundings.of(Path.cwd(), self.model, self.actions),
            actions=self.actions,
        )
        contents["audit.json"] = audit.to_bytes(audited)
        self._signed = _Signed(audited, sha256(contents["audit.json"]).hexdigest())
        paths = {kind: self.common.output_dir / f"{self.command}.{kind}" for kind in contents}
        _write_whole(self.common.output_dir, {paths[kind]: content for kind, content in contents.items()})
        return {
            "json": str(paths["json"]),
            "markdown": str(paths["md"]),
            "html": str(paths["html"]),
            "audit": str(paths["audit.json"]),
            "audit-sha256": self._signed.sha256,
        }

    def publish(self, document: Document, outputs: Mapping[str, str] | None = None) -> None:
        """Write a finished document, print its verdict, and hand it to the runner and the pull request."""
        # Where to publish is settled before anything is written: a wrong --forge leaves nothing behind.
        _ = self.forge
        paths = self.write(document)
        print(reports.terminal(document, color=use_color(sys.stdout)))
        print(f"report: {terminal_text(paths['html'], limit=None)}")
        if self.actions.inside:
            self._annotate(document["warnings"])
        self.actions.write_outputs({"decision": document["decision"], **paths, **(outputs or {})})
        if self._summarise and self.actions.summary is not None:
            self.actions.write_summary(reports.markdown(document, limit=SUMMARY_LIMIT))

    def _annotate(self, warnings: Sequence[str]) -> None:
        """Put warnings on the page of the run, which shows the first ten of a step and hides the rest."""
        named = warnings if len(warnings) <= _ANNOTATIONS else warnings[: _ANNOTATIONS - 1]
        for warning in named:
            self.warn(warning)
        if len(named) < len(warnings):
            self.warn(f"{len(warnings) - len(named):,} more warnings are in the report")

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

    def record(self, document: Document) -> history.Appended | None:
        """Append a published document to the history, where this run may; its verdict stands if that does not work.

        Raises:
            ValueError: the document is not as it was published.
        """
        published = sha256(to_json(document).encode()).hexdigest()
        if self._signed is None or self._signed.audit["document_sha256"] != published:
            raise ValueError("a document is recorded as it was published")
        return self._append(self._signed)

    def record_failure(self, document: Document) -> history.Appended | None:
        """Append that a run came to no decision; nothing of it is written, as its reports would be of nothing."""
        content = to_json(document).encode()
        audited = audit.audit_document(
            document,
            document_sha256=sha256(content).hexdigest(),
            config=self.loaded,
            model=self.model,
            surroundings=audit.Surroundings.of(Path.cwd(), self.model, self.actions),
            actions=self.actions,
        )
        return self._append(_Signed(audited, sha256(audit.to_bytes(audited)).hexdigest()))

    def _append(self, signed: _Signed) -> history.Appended | None:
        try:
            if not self._records():
                return None
            credentials = self.forge.credentials if self.forge else ()
            repository = Repository.at(Path.cwd(), credentials)
            done = history.append(repository, signed.audit, signed.sha256)
        except PermissionDenied as error:
            self.notice(
                "the decision is not in the history, for which the job needs `permissions: contents: write`;"
                f" `history: off` keeps none ({error})"
            )
            return None
        except TidegateError as error:
            self.warn(f"the decision is not in the history: {error}")
            return None
        print(f"history: record {done.records:,} of {done.path} on {history.BRANCH}")
        return done

    def _records(self) -> bool:
        """Whether the decision belongs into the history: what is merged was judged, by the branch's own workflow."""
        setting, actions = self.common.history, self.actions
        if setting == "on":
            if actions.for_pull_request:
                self.notice(
                    "the history holds no decisions about pull requests; this one is in the output folder"
                )
            return not actions.for_pull_request
        if setting == "off" or not (actions.inside and actions.of_the_repository):
            return False
        if self.common.forge not in ("auto", "github") or self.forge is None:
            return False
        return actions.ref == f"refs/heads/{actions.default_branch or self.forge.default_branch()}"


def _write_whole(folder: Path, contents: Mapping[Path, bytes]) -> None:
    """Write files into a folder: all of them aside, then each in its place, so that none is ever half there.

    Raises:
        UsageError: the folder cannot be written to.
    """
    parts = {path: path.with_name(f".{path.name}.{os.getpid()}.part") for path in contents}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, part in parts.items():
            part.write_bytes(contents[path])
        for path, part in parts.items():
            part.replace(path)
    except OSError as error:
        for part in parts.values():
            with suppress(OSError):
                part.unlink()
        raise UsageError(f"cannot write to --output-dir {folder}: {error.strerror}") from None


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
