"""What GitHub does with each request: the state of one repository and the operations on it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any

from .git_repository import BareRepository, GitError, Person
from .github_resources import Resource, numeric_id
from .github_routes import ApiError, Call, Reply, invalid, route

BODY_LIMIT = 65_536
REPO = "/repos/{owner}/{repo}"
ISSUE = REPO + "/issues/{issue_number}"
CONVERSATION_READ = "issues=read; pull_requests=read"
CONVERSATION_WRITE = "issues=write; pull_requests=write"


def now() -> str:
    """The current time as GitHub writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(slots=True)
class Pull:
    """A pull request."""

    number: int
    login: str
    title: str
    body: str | None
    head: str
    base: str
    draft: bool
    created_at: str
    updated_at: str
    state: str = "open"
    closed_at: str | None = None
    merged_at: str | None = None
    merged_by: str | None = None
    merge_commit: str | None = None
    # Where the branches stood when the pull request was closed; None while it is open and follows them.
    final_shas: tuple[str, str] | None = None
    labels: list[str] = field(default_factory=list)
    comments: list[Resource] = field(default_factory=list)

    def stored(self, *names: str) -> Resource:
        """Some of the fields, as GitHub calls them too."""
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True)
class Dispatch:
    """A workflow that somebody asked to run."""

    workflow: str
    ref: str
    inputs: Mapping[str, Any]
    login: str


@dataclass
class Operations:
    """The state of one repository on GitHub."""

    git: BareRepository
    protected: Callable[[str], bool]
    pulls: dict[int, Pull] = field(default_factory=dict)
    labels: dict[str, Resource] = field(default_factory=dict)
    statuses: dict[str, list[Resource]] = field(default_factory=dict)
    dispatches: list[Dispatch] = field(default_factory=list)
    _ids: "count[int]" = field(default_factory=lambda: count(1001))

    def comment(self, comment_id: int) -> tuple[Pull, Resource]:
        """A comment and the pull request it stands on."""
        for pull in self.pulls.values():
            for comment in pull.comments:
                if comment["id"] == comment_id:
                    return pull, comment
        raise ApiError(404, "Not Found")

    def pull(self, number: str) -> Pull:
        """The pull request of a path parameter."""
        try:
            return self.pulls[int(number)]
        except KeyError:
            raise ApiError(404, "Not Found") from None

    # -- accounts and the repository -------------------------------------------------------------------------

    @route("GET", "/user", "metadata=read")
    def get_user(self, call: Call) -> Reply:
        if call.identity.kind == "installation":
            raise ApiError(403, "Resource not accessible by integration")
        return Reply(200, call.resources.account(call.identity.login))

    @route("GET", REPO, "metadata=read")
    def get_repository(self, call: Call) -> Reply:
        open_pulls = sum(pull.state == "open" for pull in self.pulls.values())
        return Reply(200, call.resources.repository(open_issues=open_pulls))

    @route("GET", REPO + "/git/ref/{ref}", "contents=read")
    def get_ref(self, call: Call) -> Reply:
        ref = f"refs/{call.path['ref']}"
        if (found := self.git.refs(ref).get(ref)) is None:
            raise ApiError(404, "Not Found")
        return Reply(200, call.resources.git_ref(ref, *found))

    @route("GET", REPO + "/git/matching-refs/{ref}", "contents=read")
    def list_refs(self, call: Call) -> Reply:
        found = self.git.refs(f"refs/{call.path['ref']}")
        return Reply(200, [call.resources.git_ref(ref, *target) for ref, target in found.items()])

    @route("GET", REPO + "/branches/{branch}", "contents=read")
    def get_branch(self, call: Call) -> Reply:
        name = call.path["branch"]
        if (sha := self.git.branch(name)) is None:
            raise ApiError(404, "Branch not found")
        return Reply(200, call.resources.branch(name, self.git.commit(sha), protected=self.protected(name)))

    # -- commits and their statuses --------------------------------------------------------------------------

    def _commit(self, revision: str) -> str:
        if (sha := self.git.resolve(revision)) is None:
            raise ApiError(422, f"No commit found for SHA: {revision}")
        return sha

    @route("GET", REPO + "/commits/{commit_sha}/pulls", "pull_requests=read")
    def list_commit_pulls(self, call: Call) -> Reply:
        sha = self._commit(call.path["commit_sha"])
        pulls = [pull for pull in self.pulls.values() if self._brings(pull, sha)]
        return Reply(200, [self._simple_pull(call, pull) for pull in pulls])

    def _brings(self, pull: Pull, sha: str) -> bool:
        head, base = self._shas(pull)
        return sha == pull.merge_commit or sha in self.git.git("rev-list", f"{base}..{head}").splitlines()

    @route("GET", REPO + "/statuses/{ref}", "statuses=read")
    @route("GET", REPO + "/commits/{ref}/statuses", "statuses=read")
    def list_statuses(self, call: Call) -> Reply:
        sha = self._commit(call.path["ref"])
        return Reply(200, [call.resources.status(sha, status) for status in self.statuses.get(sha, ())])

    @route("GET", REPO + "/commits/{ref}/status", "statuses=read")
    def combined_status(self, call: Call) -> Reply:
        sha = self._commit(call.path["ref"])
        # Statuses are kept newest first; the newest of each context counts.
        latest = {status["context"]: status for status in reversed(self.statuses.get(sha, []))}
        states = {status["state"] for status in latest.values()}
        failed = bool(states & {"failure", "error"})
        shown = [call.resources.status(sha, status) for status in latest.values()]
        body = {
            "state": "failure" if failed else "success" if states == {"success"} else "pending",
            "sha": sha,
            "total_count": len(shown),
            "statuses": [
                {key: value for key, value in status.items() if key != "creator"} for status in shown
            ],
            "repository": call.resources.repository(full=False),
            "commit_url": f"{call.resources.url}/commits/{sha}",
            "url": f"{call.resources.url}/commits/{sha}/status",
        }
        return Reply(200, body)

    @route("GET", REPO + "/commits/{ref}", "contents=read")
    def get_commit(self, call: Call) -> Reply:
        return Reply(200, call.resources.commit(self.git.commit(self._commit(call.path["ref"]))))

    @route("POST", REPO + "/statuses/{sha}", "statuses=write")
    def create_status(self, call: Call) -> Reply:
        sha = self._commit(call.path["sha"])
        if len(call.body.get("description") or "") > 140:
            raise invalid(
                "Status", "description", "custom", "description is too long (maximum is 140 characters)"
            )
        time = now()
        status = {
            "id": next(self._ids),
            "state": call.body["state"],
            "description": call.body.get("description"),
            "target_url": call.body.get("target_url"),
            "context": call.body.get("context", "default"),
            "created_at": time,
            "updated_at": time,
            "login": call.identity.login,
        }
        self.statuses.setdefault(sha, []).insert(0, status)
        return Reply(201, call.resources.status(sha, status))

    # -- pull requests ---------------------------------------------------------------------------------------

    def _shas(self, pull: Pull) -> tuple[str, str]:
        """Where head and base of a pull request stand."""
        if pull.final_shas:
            return pull.final_shas
        head, base = self.git.branch(pull.head), self.git.branch(pull.base)
        if head is None or base is None:
            # GitHub closes a pull request whose branch is gone; the tests never need one reopened.
            raise ApiError(404, f"a branch of pull request {pull.number} was deleted")
        return head, base

    def _labels(self, call: Call, pull: Pull) -> list[Resource]:
        return [self._label(call, name) for name in pull.labels]

    def _label(self, call: Call, name: str) -> Resource:
        label = self.labels[name.casefold()]
        return call.resources.label(label["name"], label["color"], label["description"])

    def _simple_pull(self, call: Call, pull: Pull) -> Resource:
        head, base = self._shas(pull)
        times = ("created_at", "updated_at", "closed_at", "merged_at")
        return call.resources.pull(
            pull.number,
            pull.stored("number", "state", "title", "body", "draft", *times),
            login=pull.login,
            labels=self._labels(call, pull),
            head=(pull.head, head),
            base=(pull.base, base),
            merge_commit_sha=pull.merge_commit,
        )

    def full_pull(self, call: Call, pull: Pull) -> Resource:
        """A pull request as fetched on its own, and as events carry it."""
        head, base = self._shas(pull)
        mergeable = None if pull.state == "closed" else self.git.merged_tree(base, head) is not None
        return self._simple_pull(call, pull) | call.resources.pull_details(
            merged_by=pull.merged_by,
            mergeable=mergeable,
            changes=self.git.changes(base, head),
            comments=len(pull.comments),
        )

    @route("GET", REPO + "/pulls", "pull_requests=read")
    def list_pulls(self, call: Call) -> Reply:
        state, head, base = (
            call.query.get("state", "open"),
            call.query.get("head", ""),
            call.query.get("base"),
        )
        owner, colon, branch = head.partition(":")
        # GitHub ignores a head filter without an owner, and then lists everything.
        wanted = [
            pull
            for pull in self.pulls.values()
            if state in ("all", pull.state)
            and base in (None, pull.base)
            and (not colon or (owner, branch) == (call.resources.owner, pull.head))
        ]
        wanted.sort(key=lambda pull: pull.number, reverse=call.query.get("direction", "desc") == "desc")
        return Reply(200, [self._simple_pull(call, pull) for pull in wanted])

    @route("POST", REPO + "/pulls", "pull_requests=write")
    def create_pull(self, call: Call) -> Reply:
        body = call.body
        head = body["head"].removeprefix(f"{call.resources.owner}:")
        self._check_texts("PullRequest", body)
        for name, branch in (("head", head), ("base", body["base"])):
            if self.git.branch(branch) is None:
                raise invalid("PullRequest", name)
        if self.git.contains(body["base"], f"refs/heads/{head}"):
            raise self._custom(f"No commits between {body['base']} and {head}")
        if any(
            (pull.head, pull.base, pull.state) == (head, body["base"], "open") for pull in self.pulls.values()
        ):
            raise self._custom(f"A pull request already exists for {call.resources.owner}:{head}.")
        time, number = now(), max(self.pulls, default=0) + 1
        self.pulls[number] = Pull(
            number=number,
            login=call.identity.login,
            title=body["title"],
            body=body.get("body"),
            head=head,
            base=body["base"],
            draft=body.get("draft", False),
            created_at=time,
            updated_at=time,
        )
        return Reply(201, self.full_pull(call, self.pulls[number]))

    @staticmethod
    def _custom(message: str) -> ApiError:
        return ApiError(
            422, "Validation Failed", [{"resource": "PullRequest", "code": "custom", "message": message}]
        )

    @staticmethod
    def _check_texts(resource: str, body: Mapping[str, Any]) -> None:
        for name, limit in (("title", 256), ("body", BODY_LIMIT)):
            if len(body.get(name) or "") > limit:
                message = f"{name} is too long (maximum is {limit} characters)"
                raise invalid(resource, name, "custom", message)

    @route("GET", REPO + "/pulls/{pull_number}", "pull_requests=read")
    def get_pull(self, call: Call) -> Reply:
        return Reply(200, self.full_pull(call, self.pull(call.path["pull_number"])))

    @route("PATCH", REPO + "/pulls/{pull_number}", "pull_requests=write")
    def update_pull(self, call: Call) -> Reply:
        pull, body = self.pull(call.path["pull_number"]), call.body or {}
        self._check_texts("PullRequest", body)
        if "base" in body and self.git.branch(body["base"]) is None:
            raise invalid("PullRequest", "base")
        if body.get("state") == "open" and pull.merged_at:
            raise invalid(
                "PullRequest", "state", message="state cannot be changed. The pull request is merged."
            )
        for name in body.keys() & {"title", "body", "base"}:
            setattr(pull, name, body[name])
        if body.get("state", pull.state) != pull.state:
            self._set_state(pull, body["state"])
        pull.updated_at = now()
        return Reply(200, self.full_pull(call, pull))

    def _set_state(self, pull: Pull, state: str) -> None:
        pull.final_shas = self._shas(pull) if state == "closed" else None
        pull.state, pull.closed_at = state, now() if state == "closed" else None

    @route("PUT", REPO + "/pulls/{pull_number}/merge", "contents=write")
    def merge_pull(self, call: Call) -> Reply:
        pull, body = self.pull(call.path["pull_number"]), call.body or {}
        if pull.state != "open":
            raise ApiError(405, "Pull Request is not mergeable")
        head, base = self._shas(pull)
        if body.get("sha", head) != head:
            raise ApiError(409, "Head branch was modified. Review and try the merge again.")
        method = body.get("merge_method", "merge")
        if method == "rebase":
            raise ApiError(405, "Rebase merges are not allowed on this repository.")
        title = (
            body.get("commit_title")
            or f"Merge pull request #{pull.number} from {call.resources.owner}/{pull.head}"
        )
        message = f"{title}\n\n{body.get('commit_message') or pull.title}"
        login = call.identity.login
        author = Person(login, f"{login}@users.noreply.github.com", now())
        try:
            pull.merge_commit = self.git.merge(
                pull.base, head, message, squash=method == "squash", author=author
            )
        except GitError:
            raise ApiError(405, "Pull Request is not mergeable") from None
        self._set_state(pull, "closed")
        pull.final_shas = (head, base)
        pull.merged_at, pull.merged_by = pull.closed_at, login
        return Reply(
            200, {"sha": pull.merge_commit, "merged": True, "message": "Pull Request successfully merged"}
        )

    # -- comments and labels ---------------------------------------------------------------------------------

    @route("GET", REPO + "/issues/comments/{comment_id}", CONVERSATION_READ)
    def get_comment(self, call: Call) -> Reply:
        pull, comment = self.comment(int(call.path["comment_id"]))
        return Reply(200, call.resources.comment(pull.number, comment))

    @route("PATCH", REPO + "/issues/comments/{comment_id}", CONVERSATION_WRITE)
    def update_comment(self, call: Call) -> Reply:
        pull, comment = self.comment(int(call.path["comment_id"]))
        self._check_texts("IssueComment", call.body)
        if call.identity.kind == "installation" and comment["login"] != call.identity.login:
            raise ApiError(403, "Resource not accessible by integration")
        comment["body"], comment["updated_at"] = call.body["body"], now()
        return Reply(200, call.resources.comment(pull.number, comment))

    @route("GET", ISSUE, CONVERSATION_READ)
    def get_issue(self, call: Call) -> Reply:
        pull = self.pull(call.path["issue_number"])
        stored = pull.stored("number", "state", "title", "body", "created_at", "updated_at", "closed_at")
        labels, comments = self._labels(call, pull), len(pull.comments)
        return Reply(
            200, call.resources.issue(pull.number, stored, login=pull.login, labels=labels, comments=comments)
        )

    @route("GET", ISSUE + "/comments", CONVERSATION_READ)
    def list_comments(self, call: Call) -> Reply:
        pull = self.pull(call.path["issue_number"])
        since = call.query.get("since", "")
        recent = [comment for comment in pull.comments if comment["updated_at"] >= since]
        return Reply(200, [call.resources.comment(pull.number, comment) for comment in recent])

    @route("POST", ISSUE + "/comments", CONVERSATION_WRITE)
    def create_comment(self, call: Call) -> Reply:
        pull = self.pull(call.path["issue_number"])
        self._check_texts("IssueComment", call.body)
        if not call.body["body"].strip():
            raise invalid("IssueComment", "body", "missing_field", "body cannot be blank")
        comment = self.add_comment(pull.number, call.body["body"], call.identity.login)
        return Reply(201, call.resources.comment(pull.number, comment))

    def add_comment(self, number: int, body: str, login: str) -> Resource:
        """Let somebody comment, with no request."""
        time = now()
        comment = {
            "id": next(self._ids),
            "body": body,
            "login": login,
            "created_at": time,
            "updated_at": time,
        }
        self.pulls[number].comments.append(comment)
        return comment

    @route("GET", ISSUE + "/labels", CONVERSATION_READ)
    def list_labels(self, call: Call) -> Reply:
        return Reply(200, self._labels(call, self.pull(call.path["issue_number"])))

    @route("POST", ISSUE + "/labels", CONVERSATION_WRITE)
    def add_labels(self, call: Call) -> Reply:
        pull = self.pull(call.path["issue_number"])
        wanted = call.body if isinstance(call.body, list) else (call.body or {}).get("labels", [])
        for label in wanted:
            name = label if isinstance(label, str) else label["name"]
            # GitHub creates a label that the repository does not have yet.
            self.labels.setdefault(name.casefold(), {"name": name, "color": "ededed", "description": None})
            if name.casefold() not in map(str.casefold, pull.labels):
                pull.labels.append(name)
        return Reply(200, self._labels(call, pull))

    @route("GET", REPO + "/labels/{name}", CONVERSATION_READ)
    def get_label(self, call: Call) -> Reply:
        if call.path["name"].casefold() not in self.labels:
            raise ApiError(404, "Not Found")
        return Reply(200, self._label(call, call.path["name"]))

    @route("POST", REPO + "/labels", CONVERSATION_WRITE)
    def create_label(self, call: Call) -> Reply:
        name, color = call.body["name"], call.body.get("color", "ededed")
        if name.casefold() in self.labels:
            raise invalid("Label", "name", "already_exists")
        if not re.fullmatch(r"[0-9a-fA-F]{6}", color):
            raise invalid("Label", "color")
        description = call.body.get("description")
        self.labels[name.casefold()] = {"name": name, "color": color, "description": description}
        return Reply(201, self._label(call, name))

    # -- workflows -------------------------------------------------------------------------------------------

    def _workflow(self, key: str) -> str:
        """The path of a workflow that is named by its file or its number."""
        for path in self.git.paths(self.git.default_branch, ".github/workflows/"):
            if key in (path.rpartition("/")[2], str(numeric_id(path))):
                return path
        raise ApiError(404, "Not Found")

    @route("GET", REPO + "/actions/workflows/{workflow_id}", "actions=read")
    def get_workflow(self, call: Call) -> Reply:
        path = self._workflow(call.path["workflow_id"])
        named = re.search(r"^name:\s*(.+?)\s*$", self.git.file(self.git.default_branch, path), re.MULTILINE)
        return Reply(200, call.resources.workflow(path, named[1] if named else path))

    @route("POST", REPO + "/actions/workflows/{workflow_id}/dispatches", "actions=write")
    def dispatch_workflow(self, call: Call) -> Reply:
        path, ref = self._workflow(call.path["workflow_id"]), call.body["ref"]
        commit = self.git.resolve(ref)
        if commit is None:
            raise ApiError(422, f"No ref found for: {ref}")
        if "workflow_dispatch" not in self.git.file(commit, path):
            raise ApiError(422, "Workflow does not have 'workflow_dispatch' trigger")
        self.dispatches.append(Dispatch(path, ref, call.body.get("inputs", {}), call.identity.login))
        return Reply(204)
