"""The surroundings themselves: a stand-in that is wrong, or that notices nothing, would prove nothing."""

import http.client
import json
import runpy
from contextlib import closing
from pathlib import Path
from typing import Any

import github as pygithub
import pytest
from github.GithubRetry import GithubRetry

from .conftest import GitHub
from .git_repository import Clone, GitError
from .runner import STAND_INS, Act, declared_permissions
from .runner_log import Run
from .tokens import BOT, basic

PULL_REQUESTS = {"pull_requests": "write", "contents": "read"}


def client(github: GitHub, token: str, *, url: str | None = None, retry: Any = None) -> pygithub.Github:
    return pygithub.Github(
        auth=pygithub.Auth.Token(token),
        base_url=url or github.api.url,
        retry=retry,
        seconds_between_requests=0,
        seconds_between_writes=0,
        timeout=5,
    )


def repository(github: GitHub, token: str) -> Any:
    return client(github, token).get_repo(github.full_name)


def send(
    github: GitHub, token: str | None, method: str, path: str, body: Any = None, timeout: float = 5
) -> tuple[int, dict[str, str], Any]:
    """A request below any client library: status, headers and body."""
    connection = http.client.HTTPConnection(github.api.url.removeprefix("http://"), timeout=timeout)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with closing(connection):
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        response = connection.getresponse()
        return response.status, dict(response.headers), json.loads(response.read() or b"null")


@pytest.fixture
def branch(user_repo: Clone) -> str:
    user_repo.pull_request("retrain/flight-delay", {"model.json": "{}"}, "Retrain")
    return "retrain/flight-delay"


@pytest.fixture
def pull(github: GitHub, branch: str) -> Any:
    """A pull request that the bot opened, as PyGithub sees it."""
    bot = repository(github, github.token(PULL_REQUESTS))
    return bot.create_pull(base="main", head=branch, title="Retrain", body="Because")


class TestPyGithub:
    def test_a_pull_request_is_opened_found_updated_and_closed(
        self, github: GitHub, pull: Any, branch: str, user_repo: Clone
    ) -> None:
        assert (pull.number, pull.user.login, pull.head.ref) == (1, BOT, branch)
        assert pull.head.sha == user_repo.git("rev-parse", "HEAD") == github.git.branch(branch)
        assert (pull.mergeable, pull.commits, pull.changed_files, pull.additions) == (True, 1, 1, 1)
        repo = repository(github, github.token(PULL_REQUESTS))
        (found,) = repo.get_pulls(state="open", head=f"acme:{branch}", base="main")
        found.edit(title="Retrain again", body="Because of drift")
        assert repo.get_pull(1).body == "Because of drift"
        found.edit(state="closed")
        assert list(repo.get_pulls(state="open")) == []
        assert [found.title for found in repo.get_pulls(state="all")] == ["Retrain again"]

    def test_a_push_moves_the_head_of_an_open_pull_request(
        self, github: GitHub, pull: Any, user_repo: Clone
    ) -> None:
        user_repo.commit({"model.json": "[]"})
        moved = user_repo.push()
        assert repository(github, github.token(PULL_REQUESTS)).get_pull(1).head.sha == moved != pull.head.sha

    def test_a_second_pull_request_for_a_branch_is_refused(
        self, github: GitHub, pull: Any, branch: str
    ) -> None:
        repo = repository(github, github.token(PULL_REQUESTS))
        with pytest.raises(
            pygithub.GithubException, match="A pull request already exists for acme:"
        ) as caught:
            repo.create_pull(base="main", head=branch, title="Again", body="")
        assert caught.value.status == 422

    def test_a_branch_that_brings_nothing_gets_no_pull_request(
        self, github: GitHub, user_repo: Clone
    ) -> None:
        user_repo.push("origin", "HEAD:refs/heads/same")
        repo = repository(github, github.token(PULL_REQUESTS))
        with pytest.raises(pygithub.GithubException, match="No commits between main and same"):
            repo.create_pull(base="main", head="same", title="Nothing", body="")

    def test_comments_are_paged_and_belong_to_the_holder_of_the_token(
        self, github: GitHub, pull: Any
    ) -> None:
        for number in range(64):
            github.state.add_comment(1, f"comment {number}", "octocat")
        mine = pull.create_issue_comment("from the bot")
        mine.edit("from the bot, again")
        comments = list(pull.get_issue_comments())
        assert [comment.body for comment in comments[:64]] == [f"comment {number}" for number in range(64)]
        assert (comments[64].body, comments[64].user.login) == ("from the bot, again", BOT)
        assert [seen.query.get("page") for seen in github.api.sent("GET", "/comments$")] == [None, "2", "3"]

    def test_a_bot_may_not_edit_the_comment_of_a_person(self, github: GitHub, pull: Any) -> None:
        theirs = pull.get_issue_comment(github.state.add_comment(1, "mine", "octocat")["id"])
        with pytest.raises(pygithub.GithubException, match="not accessible by integration"):
            theirs.edit("yours")

    def test_labels_statuses_commits_refs_and_dispatches(
        self, github: GitHub, pull: Any, branch: str, user_repo: Clone
    ) -> None:
        workflow = {".github/workflows/retrain.yml": "name: Retrain\non: workflow_dispatch\njobs: {}\n"}
        user_repo.git("switch", "--quiet", "main")
        user_repo.commit(workflow)
        user_repo.push()
        repo = repository(github, github.token(PULL_REQUESTS, statuses="write", actions="write"))
        repo.create_label("retrain", "0e8a16", "A new model")
        pull.add_to_labels("retrain", "made on the fly")
        assert [label.name for label in pull.get_labels()] == ["retrain", "made on the fly"]
        assert repo.get_label("retrain").description == "A new model"
        assert [label.name for label in repo.get_issue(1).labels] == ["retrain", "made on the fly"]
        commit = repo.get_commit(pull.head.sha)
        for state in ("pending", "success"):
            commit.create_status(state, description="floors hold", context="tidegate/gate")
        assert [status.state for status in commit.get_statuses()] == ["success", "pending"]
        assert (commit.get_combined_status().state, commit.get_combined_status().total_count) == (
            "success",
            1,
        )
        assert [found.number for found in commit.get_pulls()] == [1]
        assert (
            repo.get_branch(branch).commit.sha == repo.get_git_ref(f"heads/{branch}").object.sha == commit.sha
        )
        assert [ref.ref for ref in repo.get_git_matching_refs("heads/retrain/")] == [f"refs/heads/{branch}"]
        assert repo.get_workflow("retrain.yml").create_dispatch("main", {"reason": "new data"})
        (dispatch,) = github.state.dispatches
        assert (dispatch.inputs, dispatch.login) == ({"reason": "new data"}, BOT)

    @pytest.mark.parametrize("method", ["merge", "squash"])
    def test_a_merge_is_a_real_merge(self, github: GitHub, pull: Any, method: str) -> None:
        repo = repository(github, github.token(PULL_REQUESTS, contents="write"))
        head = pull.head.sha
        merged = repo.get_pull(1).merge(merge_method=method, sha=head)
        assert merged.merged
        assert merged.sha == github.git.branch("main")
        assert github.git.paths("main") == ["README.md", "model.json"]
        assert github.git.contains("main", head) is (method == "merge")
        assert (repo.get_pull(1).merged, repo.get_pull(1).state) == (True, "closed")

    def test_a_merge_of_a_stale_head_or_with_conflicts_is_refused(
        self, github: GitHub, pull: Any, user_repo: Clone
    ) -> None:
        bot = repository(github, github.token(PULL_REQUESTS, contents="write")).get_pull(1)
        with pytest.raises(pygithub.GithubException, match="Head branch was modified"):
            bot.merge(sha="0" * 40)
        user_repo.git("switch", "--quiet", "main")
        user_repo.commit({"model.json": "something else"})
        before = user_repo.push()
        assert repository(github, github.token(PULL_REQUESTS)).get_pull(1).mergeable is False
        with pytest.raises(pygithub.GithubException, match="not mergeable"):
            bot.merge()
        assert github.git.branch("main") == before

    @pytest.mark.parametrize("enterprise", [False, True])
    def test_graphql_says_who_a_token_belongs_to(self, github: GitHub, enterprise: bool) -> None:
        url = github.api.enterprise_url if enterprise else github.api.url
        bot = client(github, github.token(), url=url)
        _, answer = bot.requester.graphql_query("query { viewer { login } }", {})
        assert answer["data"]["viewer"]["login"] == BOT
        assert bot.get_repo(github.full_name).url == f"{url}/repos/acme/flights"
        with pytest.raises(pygithub.GithubException, match="not accessible by integration"):
            assert bot.get_user().login
        assert client(github, github.tokens.user("mona"), url=url).get_user().login == "mona"


class TestPermissions:
    def test_a_missing_permission_is_named(self, github: GitHub, pull: Any) -> None:
        path = "/repos/acme/flights/issues/1/comments"
        status, headers, body = send(github, github.token(contents="write"), "POST", path, {"body": "hi"})
        assert (status, body["message"]) == (403, "Resource not accessible by integration")
        assert headers["X-Accepted-GitHub-Permissions"] == "issues=write; pull_requests=write"
        assert github.state.pulls[1].comments == []

    def test_strangers_see_nothing(self, github: GitHub) -> None:
        path = "/repos/acme/flights"
        assert send(github, "ghs_unknown", "GET", path)[0] == 401
        assert send(github, None, "GET", path)[0] == 404
        assert send(github, github.token(contents="read"), "GET", "/repos/acme/others")[0] == 404
        revoked = github.token(contents="read")
        assert send(github, revoked, "GET", path)[0] == 200
        github.tokens.revoke(revoked)
        assert send(github, revoked, "GET", path)[0] == 401


class TestContract:
    def test_a_wrong_response_is_a_violation(self, github: GitHub, pull: Any) -> None:
        comment = pull.create_issue_comment("fine")
        github.state.pulls[1].comments[0]["created_at"] = "yesterday"
        pull.get_issue_comment(comment.id)
        (violation,) = github.api.violations
        github.api.violations.clear()
        assert violation.startswith("issues/get-comment: response 200 at /created_at: ")

    @pytest.mark.parametrize(
        ("method", "path", "body", "violation"),
        [
            ("POST", "/pulls", {"title": "t", "head": "h"}, '"base" is a required property'),
            (
                "POST",
                "/pulls",
                {"title": "t", "head": "h", "base": "main", "labels": []},
                "property 'labels'",
            ),
            ("GET", "/pulls?state=opened", None, "query parameter state"),
            ("GET", "/pulls?label=retrain", None, "undocumented query parameter label"),
            ("GET", "/pulls/one", None, "path parameter pull_number"),
            ("DELETE", "/pulls/1", None, "not one of the operations"),
        ],
    )
    def test_a_wrong_request_is_a_violation(
        self, github: GitHub, method: str, path: str, body: Any, violation: str
    ) -> None:
        status, _, _ = send(github, github.token(PULL_REQUESTS), method, f"/repos/acme/flights{path}", body)
        (found,) = github.api.violations
        github.api.violations.clear()
        assert status in (404, 422)
        assert violation in found

    def test_graphql_beyond_the_viewer_is_a_violation(self, github: GitHub) -> None:
        send(github, github.token(), "POST", "/graphql", {"query": "{ rateLimit { cost } }"})
        assert len(github.api.violations) == 1
        github.api.violations.clear()


class TestFaults:
    PATH = "/repos/acme/flights"

    def test_a_status_comes_as_often_as_asked_and_has_no_effect(self, github: GitHub, pull: Any) -> None:
        github.api.fault("POST", "/comments$", 500, times=2)
        token, path = github.token(PULL_REQUESTS), f"{self.PATH}/issues/1/comments"
        answers = [send(github, token, "POST", path, {"body": "hi"})[0] for _ in range(3)]
        assert answers == [500, 500, 201]
        assert len(github.state.pulls[1].comments) == 1

    def test_a_hidden_success_has_its_effect(self, github: GitHub, pull: Any) -> None:
        github.api.fault("POST", "/comments$", "reset", effective=True)
        with pytest.raises(OSError, match=r"reset|closed"):
            send(
                github, github.token(PULL_REQUESTS), "POST", f"{self.PATH}/issues/1/comments", {"body": "hi"}
            )
        assert [comment["body"] for comment in github.state.pulls[1].comments] == ["hi"]

    def test_a_rate_limit_says_when_to_come_back_and_pygithub_obeys(self, github: GitHub) -> None:
        github.api.fault("GET", self.PATH, 403, headers={"Retry-After": "1"})
        patient = client(github, github.token(), retry=GithubRetry(total=2))
        assert patient.get_repo(github.full_name).full_name == github.full_name
        assert [seen.status for seen in github.api.requests] == [403, 200]
        github.api.fault("GET", self.PATH, 429)
        status, headers, body = send(github, github.token(), "GET", self.PATH)
        assert (status, headers["Retry-After"]) == (429, "1")
        assert "secondary rate limit" in body["message"]

    def test_an_answer_may_be_cut_or_late(self, github: GitHub) -> None:
        github.api.fault("GET", self.PATH, "truncated")
        with pytest.raises(http.client.IncompleteRead):
            send(github, github.token(), "GET", self.PATH)
        github.api.fault("GET", self.PATH, "slow", seconds=30)
        with pytest.raises(TimeoutError):
            send(github, github.token(), "GET", self.PATH, timeout=0.2)


class TestGitRemote:
    def push(self, clone: Clone, token: str, refspec: str) -> str:
        header = f"http.extraheader=Authorization: {basic(token)}"
        return clone.git("-c", header, "push", "--quiet", "origin", refspec)

    def test_a_token_that_may_write_pushes(self, github: GitHub, user_repo: Clone) -> None:
        # More than 1 MiB that does not compress: git then sends it in chunks.
        sha = user_repo.commit(
            {"model.bin": bytes((i * i * 2654435761 >> 13) & 255 for i in range(1_500_000))}
        )
        self.push(user_repo, github.token(contents="write"), "HEAD:refs/heads/candidate")
        assert github.git.branch("candidate") == sha

    def test_other_tokens_do_not(self, github: GitHub, user_repo: Clone) -> None:
        user_repo.commit({"model.json": "{}"})
        with pytest.raises(GitError, match=r"Permission to acme/flights\.git denied|403"):
            self.push(user_repo, github.token(contents="read"), "HEAD:refs/heads/candidate")
        with pytest.raises(GitError, match=r"Authentication failed|could not read Username"):
            self.push(user_repo, "ghs_wrong", "HEAD:refs/heads/candidate")
        with pytest.raises(GitError, match="could not read Username"):
            user_repo.git("push", "origin", "HEAD:refs/heads/candidate")
        with pytest.raises(GitError, match="could not read Username"):
            user_repo.git("fetch", "origin")
        assert github.git.branch("candidate") is None

    def test_a_protected_branch_takes_pushes_from_people_only(self, github: GitHub, user_repo: Clone) -> None:
        github.remote.protect("main")
        before = github.git.branch("main")
        sha = user_repo.commit({"model.json": "{}"})
        with pytest.raises(GitError, match=r"GH006: Protected branch update failed for refs/heads/main"):
            self.push(user_repo, github.token(contents="write"), "HEAD:refs/heads/main")
        assert github.git.branch("main") == before
        self.push(user_repo, github.token(contents="write"), "HEAD:refs/heads/other")
        user_repo.push("origin", "HEAD:refs/heads/main")
        assert github.git.branch("main") == sha
        repo = repository(github, github.token(contents="read"))
        assert (repo.get_branch("main").protected, repo.get_branch("other").protected) == (True, False)

    def test_the_bot_may_not_change_workflows(self, github: GitHub, user_repo: Clone) -> None:
        user_repo.commit({".github/workflows/gate.yml": "on: push\n"})
        with pytest.raises(GitError, match="without `workflows` permission"):
            self.push(user_repo, github.token(contents="write"), "HEAD:refs/heads/candidate")
        user_repo.push("origin", "HEAD:refs/heads/main")
        user_repo.commit({"model.json": "{}"})
        self.push(user_repo, github.token(contents="write"), "HEAD:refs/heads/candidate")
        assert github.git.branch("candidate") == user_repo.git("rev-parse", "HEAD")


WORKFLOW = """
name: Model gate
on: pull_request
permissions: {}
jobs:
  gate:
    runs-on: ubuntu-latest
    permissions:
      contents: read
      pull-requests: write # to comment
    steps:
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1
        with:
          persist-credentials: false
      - id: greet
        uses: tidegate/tidegate/actions/greet@v1
        with:
          who: flights
      - if: always()
        uses: actions/upload-artifact@bbbca2ddaa5d8feaa63e36b76fdaad77386f024f # v7.0.0
        with:
          name: report
          path: |
            out/
            missing.html
      - id: never
        if: failure()
        run: exit 9
      - id: stop
        run: |
          echo "::error title=Gate::100%25 red"
          exit "$CODE"
        env:
          CODE: ${{ vars.CODE }}
"""
ACTION = """
name: Greet
inputs:
  who:
    required: true
  token:
    default: ${{ github.token }}
outputs:
  decision:
    value: ${{ steps.run.outputs.decision }}
runs:
  using: composite
  steps:
    - id: run
      shell: bash
      env:
        WHO: ${{ inputs.who }}
        TOKEN: ${{ inputs.token }}
      run: |
        "$GITHUB_ACTION_PATH/../greet.sh"
"""
SCRIPT = r"""#!/bin/bash
set -euo pipefail
printf 'decision<<X\npass\nX\n' >> "$GITHUB_OUTPUT"
printf '## Hello, %s\n' "$WHO" >> "$GITHUB_STEP_SUMMARY"
mkdir -p out/.hidden && echo page > out/report.html && echo no > out/.hidden/file
api=$GITHUB_API_URL/repos/$GITHUB_REPOSITORY
number=$(python3 -c 'import json, os; print(json.load(open(os.environ["GITHUB_EVENT_PATH"]))["number"])')
curl --silent --show-error --fail --output /dev/null -H "Authorization: Bearer $TOKEN" \
  -d '{"body": "Hello"}' "$api/issues/$number/comments"
echo "the token is $TOKEN"
git log --format=%s -1
basic=$(printf 'x-access-token:%s' "$TOKEN" | base64 | tr -d '\n')
git -c "http.extraheader=Authorization: Basic $basic" ls-remote origin main
"""
ECHO = """
on:
  push:
  merge_group:
  schedule:
    - cron: "0 6 * * 1"
  workflow_dispatch:
    inputs:
      reason:
        type: string
jobs:
  only:
    runs-on: ubuntu-latest
    steps:
      - run: echo "$GITHUB_EVENT_NAME $GITHUB_REF [$REASON] $GITHUB_SHA"
        env:
          REASON: ${{ inputs.reason }}
"""


class TestRunner:
    @pytest.fixture
    def act(self, act: Act, tmp_path: Path) -> Act:
        """The runner with a small action in the place of ours."""
        release = tmp_path / "greeter"
        script = release / "actions" / "greet.sh"
        (release / "actions" / "greet").mkdir(parents=True)
        (release / "actions" / "greet" / "action.yml").write_text(ACTION, encoding="utf-8")
        script.write_text(SCRIPT, encoding="utf-8")
        script.chmod(0o755)
        return Act(
            act.root,
            {**act.actions, "tidegate/tidegate@v1": release},
            act.tokens,
            act.repository,
            act.api_url,
            act.server_url,
        )

    def run(self, act: Act, github: GitHub, user_repo: Clone, **options: Any) -> Run:
        user_repo.pull_request("candidate", {".github/workflows/gate.yml": WORKFLOW}, "Better model")
        repository(github, github.token(PULL_REQUESTS)).create_pull(
            base="main", head="candidate", title="Better model", body=""
        )
        user_repo.check_out_merge("candidate")
        return act.run(user_repo.path, "gate.yml", github.events.pull_request(1), **options)

    def test_a_green_run(self, act: Act, github: GitHub, user_repo: Clone) -> None:
        run = self.run(act, github, user_repo, variables={"CODE": "0"})
        assert (run.result, run.job("gate").result) == ("success", "success"), run.raw
        assert run.outputs("greet")["decision"] == "pass"
        assert run.summary == "## Hello, flights\n"
        assert "Merge candidate into main" in run.log
        assert [comment["login"] for comment in github.state.pulls[1].comments] == [BOT]
        # Its hidden neighbour stays behind, as with the real action.
        assert run.artifact("report") == ["out/report.html"]
        assert run.step("greet").result == "success"
        assert run.step("greet/run").seconds > 0
        assert not run.ran("never")
        assert run.seconds < 5
        assert "the token is ***" in run.log
        assert github.tokens.holder(f"Bearer {run.token}") is None

    def test_a_red_run(self, act: Act, github: GitHub, user_repo: Clone) -> None:
        run = self.run(act, github, user_repo, variables={"CODE": "3"})
        assert (run.result, run.job("gate").result) == ("failure", "failure")
        assert (run.step("stop").result, run.step("greet").result) == ("failure", "success")
        assert [(found.text, found.parameters) for found in run.annotations if found.command == "error"] == [
            ("100% red", {"title": "Gate"})
        ]

    def test_a_fork_may_only_read(self, act: Act, github: GitHub, user_repo: Clone) -> None:
        run = self.run(act, github, user_repo, variables={"CODE": "0"}, fork=True)
        assert run.step("greet").result == "failure"
        assert "403" in run.log
        assert github.state.pulls[1].comments == []

    def test_a_workflow_that_hangs_is_ended(self, act: Act, github: GitHub, user_repo: Clone) -> None:
        steps = "jobs: {wait: {runs-on: ubuntu-latest, steps: [{run: sleep 60}]}}\n"
        user_repo.commit({".github/workflows/wait.yml": "on: workflow_dispatch\n" + steps})
        with pytest.raises(TimeoutError, match="still running after 1 s"):
            act.run(user_repo.path, "wait.yml", github.events.workflow_dispatch(), timeout=1)

    def test_other_events(self, act: Act, github: GitHub, user_repo: Clone) -> None:
        sha = user_repo.commit({".github/workflows/echo.yml": ECHO})
        reason = github.events.workflow_dispatch({"reason": "new data"})
        logs = [
            act.run(user_repo.path, "echo.yml", event).log
            for event in (
                github.events.push(sha),
                github.events.schedule(),
                github.events.merge_group(1, sha),
                reason,
            )
        ]
        assert logs == [
            f"push refs/heads/main [] {sha}",
            f"schedule refs/heads/main [] {sha}",
            # act takes the ref of a merge group from the working tree, not from the event.
            f"merge_group refs/heads/main [] {sha}",
            f"workflow_dispatch refs/heads/main [new data] {sha}",
        ]

    def test_the_release_is_this_project_without_its_environment(self, release: Path) -> None:
        assert (release / "tests" / "e2e" / "runner.py").is_file()
        assert not list(release.glob(".venv")) + list(release.glob(".git"))


class TestUploadArtifact:
    """The stand-in lays files out as the real action does."""

    FILES = ("out/a.html", "out/b.json", "out/deep/c.html", "out/.cache/d.html", "model/card.md")

    def upload(self, folder: Path, patterns: str, **inputs: str) -> str | None:
        environment = {
            "NAME": "report",
            "PATTERNS": patterns,
            "IF_NO_FILES_FOUND": "warn",
            "OVERWRITE": "false",
            "INCLUDE_HIDDEN_FILES": "false",
            "STAND_IN_ARTIFACTS": str(folder / "artifacts"),
        }
        main = runpy.run_path(str(STAND_INS / "upload-artifact" / "upload.py"))["main"]
        message: str | None = main(environment | inputs)
        return message

    @pytest.fixture
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        for name in self.FILES:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(name, encoding="utf-8")
        monkeypatch.chdir(tmp_path)
        return tmp_path

    @pytest.mark.parametrize(
        ("patterns", "expected"),
        [
            ("out", ["a.html", "b.json", "deep/c.html"]),
            ("out/**/*.html", ["a.html", "deep/c.html"]),
            ("out/deep/c.html", ["c.html"]),
            ("out\n!out/**/*.html", ["b.json"]),
            ("out/*.json\nmodel/\n", ["model/card.md", "out/b.json"]),
        ],
    )
    def test_layout(self, folder: Path, patterns: str, expected: list[str]) -> None:
        assert self.upload(folder, patterns) is None
        root = folder / "artifacts" / "report"
        assert sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()) == expected

    def test_refusals(self, folder: Path) -> None:
        assert self.upload(folder, "missing") is None
        assert "No files were found" in str(self.upload(folder, "missing", IF_NO_FILES_FOUND="error"))
        assert self.upload(folder, "model") is None
        assert "already exists" in str(self.upload(folder, "out"))
        assert self.upload(folder, "out", OVERWRITE="true", INCLUDE_HIDDEN_FILES="true") is None
        assert (folder / "artifacts" / "report" / ".cache" / "d.html").exists()
        assert not (folder / "artifacts" / "report" / "card.md").exists()


def test_the_declared_permissions_are_those_of_the_token() -> None:
    assert declared_permissions(WORKFLOW) == {"contents": "read", "pull-requests": "write"}
    assert declared_permissions(WORKFLOW, fork=True) == {"contents": "read", "pull-requests": "read"}
    assert declared_permissions("jobs: {a: {}}") == {"contents": "read", "packages": "read"}
