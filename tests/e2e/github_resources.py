"""The JSON objects of GitHub's REST API, built from plain values. Nothing here has state."""

import hashlib
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from .git_repository import Changes, Commit
from .tokens import BOT

Resource = dict[str, Any]

# `<name>_url` of a repository -> what follows the repository's own URL.
REPOSITORY_URLS = {
    "archive": "/{archive_format}{/ref}",
    "assignees": "/assignees{/user}",
    "blobs": "/git/blobs{/sha}",
    "branches": "/branches{/branch}",
    "collaborators": "/collaborators{/collaborator}",
    "comments": "/comments{/number}",
    "commits": "/commits{/sha}",
    "compare": "/compare/{base}...{head}",
    "contents": "/contents/{+path}",
    "contributors": "/contributors",
    "deployments": "/deployments",
    "downloads": "/downloads",
    "events": "/events",
    "forks": "/forks",
    "git_commits": "/git/commits{/sha}",
    "git_refs": "/git/refs{/sha}",
    "git_tags": "/git/tags{/sha}",
    "hooks": "/hooks",
    "issue_comment": "/issues/comments{/number}",
    "issue_events": "/issues/events{/number}",
    "issues": "/issues{/number}",
    "keys": "/keys{/key_id}",
    "labels": "/labels{/name}",
    "languages": "/languages",
    "merges": "/merges",
    "milestones": "/milestones{/number}",
    "notifications": "/notifications{?since,all,participating}",
    "pulls": "/pulls{/number}",
    "releases": "/releases{/id}",
    "stargazers": "/stargazers",
    "statuses": "/statuses/{sha}",
    "subscribers": "/subscribers",
    "subscription": "/subscription",
    "tags": "/tags",
    "teams": "/teams",
    "trees": "/git/trees{/sha}",
}
USER_URLS = {
    "events": "/events{/privacy}",
    "followers": "/followers",
    "following": "/following{/other_user}",
    "gists": "/gists{/gist_id}",
    "organizations": "/orgs",
    "received_events": "/received_events",
    "repos": "/repos",
    "starred": "/starred{/owner}{/repo}",
    "subscriptions": "/subscriptions",
}
UNVERIFIED = {
    "verified": False,
    "reason": "unsigned",
    "signature": None,
    "payload": None,
    "verified_at": None,
}


def node_id(kind: str, key: object) -> str:
    """An opaque global id."""
    return f"{kind}_{hashlib.sha256(str(key).encode()).hexdigest()[:16]}"


def numeric_id(key: str) -> int:
    """A stable number for something that only has a name."""
    return int(hashlib.sha256(key.encode()).hexdigest()[:7], 16)


@dataclass(frozen=True, slots=True)
class Resources:
    """Builds the resources of one repository for the base URLs that a client uses."""

    api: str
    web: str
    owner: str
    name: str
    private: bool
    created_at: str

    @property
    def full_name(self) -> str:
        """Owner and name."""
        return f"{self.owner}/{self.name}"

    @property
    def url(self) -> str:
        """The repository's API URL."""
        return f"{self.api}/repos/{self.full_name}"

    @property
    def html(self) -> str:
        """The repository's web URL."""
        return f"{self.web}/{self.full_name}"

    def avatar(self, login: str) -> str:
        """The picture of a user. The bot's login has brackets, which no URL takes as they are."""
        return f"{self.web}/{quote(login)}.png"

    def user(self, login: str) -> Resource:
        """A simple user."""
        url = f"{self.api}/users/{quote(login)}"
        return {
            "login": login,
            "id": numeric_id(login),
            "node_id": node_id("U", login),
            "avatar_url": self.avatar(login),
            "gravatar_id": "",
            "url": url,
            "html_url": f"{self.web}/{quote(login)}",
            "type": "Bot" if login == BOT else "Organization" if login == self.owner else "User",
            "site_admin": False,
        } | {f"{key}_url": url + rest for key, rest in USER_URLS.items()}

    def account(self, login: str) -> Resource:
        """The user that a token belongs to, as its owner sees it."""
        empty = dict.fromkeys(("name", "company", "location", "email", "hireable", "bio"))
        counts = dict.fromkeys(("public_repos", "public_gists", "followers", "following"), 0)
        times = {"created_at": self.created_at, "updated_at": self.created_at}
        return self.user(login) | empty | counts | times | {"blog": ""}

    def repository(self, *, open_issues: int = 0, full: bool = True) -> Resource:
        """The repository: complete, or with the fields that other resources embed."""
        common: Resource = {
            "id": numeric_id(self.full_name),
            "node_id": node_id("R", self.full_name),
            "name": self.name,
            "full_name": self.full_name,
            "private": self.private,
            "owner": self.user(self.owner),
            "html_url": self.html,
            "description": None,
            "fork": False,
            "url": self.url,
        } | {f"{key}_url": self.url + rest for key, rest in REPOSITORY_URLS.items()}
        if not full:
            return common
        counts = ("forks", "forks_count", "stargazers_count", "watchers", "watchers_count", "network_count")
        features = ("has_issues", "has_projects", "has_downloads", "has_wiki", "has_pages", "has_discussions")
        return (
            common
            | dict.fromkeys(counts, 0)
            | dict.fromkeys(features, False)
            | dict.fromkeys(("homepage", "language", "mirror_url", "license"))
            | {
                "default_branch": "main",
                "visibility": "private" if self.private else "public",
                "clone_url": f"{self.html}.git",
                "git_url": f"git://github.invalid/{self.full_name}.git",
                "ssh_url": f"git@github.invalid:{self.full_name}.git",
                "svn_url": self.html,
                "archived": False,
                "disabled": False,
                "open_issues": open_issues,
                "open_issues_count": open_issues,
                "size": 1,
                "subscribers_count": 0,
                "allow_merge_commit": True,
                "allow_squash_merge": True,
                "allow_rebase_merge": False,
                "created_at": self.created_at,
                "updated_at": self.created_at,
                "pushed_at": self.created_at,
            }
        )

    def git_ref(self, ref: str, sha: str, kind: str) -> Resource:
        """A git reference."""
        target = {"type": kind, "sha": sha, "url": f"{self.url}/git/{kind}s/{sha}"}
        return {
            "ref": ref,
            "node_id": node_id("REF", ref),
            "url": f"{self.url}/git/{quote(ref)}",
            "object": target,
        }

    def commit(self, commit: Commit) -> Resource:
        """A commit. Its authors are no GitHub accounts, so those fields are null."""
        url = f"{self.url}/commits/{commit.sha}"
        people = {
            role: {"name": person.name, "email": person.email, "date": person.date}
            for role, person in (("author", commit.author), ("committer", commit.committer))
        }
        return {
            "sha": commit.sha,
            "node_id": node_id("C", commit.sha),
            "url": url,
            "html_url": f"{self.html}/commit/{commit.sha}",
            "comments_url": f"{url}/comments",
            "author": None,
            "committer": None,
            "parents": [
                {"sha": sha, "url": f"{self.url}/commits/{sha}", "html_url": f"{self.html}/commit/{sha}"}
                for sha in commit.parents
            ],
            "commit": people
            | {
                "message": commit.message,
                "tree": {"sha": commit.tree, "url": f"{self.url}/git/trees/{commit.tree}"},
                "url": f"{self.url}/git/commits/{commit.sha}",
                "comment_count": 0,
                "verification": UNVERIFIED,
            },
        }

    def branch(self, name: str, commit: Commit, *, protected: bool) -> Resource:
        """A branch with its head commit."""
        url = f"{self.url}/branches/{quote(name)}"
        return {
            "name": name,
            "commit": self.commit(commit),
            "_links": {"self": url, "html": f"{self.html}/tree/{quote(name)}"},
            "protected": protected,
            "protection": {"enabled": protected},
            "protection_url": f"{url}/protection",
        }

    def label(self, name: str, color: str, description: str | None) -> Resource:
        """A label of the repository."""
        return {
            "id": numeric_id(name),
            "node_id": node_id("LA", name),
            "url": f"{self.url}/labels/{quote(name)}",
            "name": name,
            "description": description,
            "color": color,
            "default": False,
        }

    def status(self, sha: str, status: Resource) -> Resource:
        """A commit status, from its stored fields (`login` instead of `creator`)."""
        rest = {key: value for key, value in status.items() if key != "login"}
        return rest | {
            "url": f"{self.url}/statuses/{sha}",
            "node_id": node_id("SC", status["id"]),
            "avatar_url": self.avatar(status["login"]),
            "creator": self.user(status["login"]),
        }

    def comment(self, number: int, comment: Resource) -> Resource:
        """A comment on a pull request or issue, from its stored fields (`login` instead of `user`)."""
        rest = {key: value for key, value in comment.items() if key != "login"}
        return rest | {
            "node_id": node_id("IC", comment["id"]),
            "url": f"{self.url}/issues/comments/{comment['id']}",
            "html_url": f"{self.html}/pull/{number}#issuecomment-{comment['id']}",
            "issue_url": f"{self.url}/issues/{number}",
            "user": self.user(comment["login"]),
            "author_association": "CONTRIBUTOR",
            "performed_via_github_app": None,
        }

    def _conversation(self, number: int, kind: str) -> Resource:
        """The fields that a pull request has in common with an issue, apart from the stored ones."""
        return {
            "id": 1_000_000 + number,
            "node_id": node_id("PR", number),
            "html_url": f"{self.html}/pull/{number}",
            "url": f"{self.url}/{kind}/{number}",
            "comments_url": f"{self.url}/issues/{number}/comments",
            "assignee": None,
            "assignees": [],
            "milestone": None,
            "locked": False,
            "author_association": "CONTRIBUTOR",
        }

    def issue(
        self, number: int, stored: Resource, *, login: str, labels: list[Resource], comments: int
    ) -> Resource:
        """A pull request seen as an issue."""
        pull = f"{self.html}/pull/{number}"
        return (
            self._conversation(number, "issues")
            | stored
            | {
                "repository_url": self.url,
                "labels_url": f"{self.url}/issues/{number}/labels{{/name}}",
                "events_url": f"{self.url}/issues/{number}/events",
                "user": self.user(login),
                "labels": labels,
                "comments": comments,
                "pull_request": {
                    "url": f"{self.url}/pulls/{number}",
                    "html_url": pull,
                    "diff_url": f"{pull}.diff",
                    "patch_url": f"{pull}.patch",
                },
            }
        )

    def pull(
        self,
        number: int,
        stored: Resource,
        *,
        login: str,
        labels: list[Resource],
        head: tuple[str, str],
        base: tuple[str, str],
        merge_commit_sha: str | None,
    ) -> Resource:
        """A pull request as lists show it. `head` and `base` are (branch, sha)."""
        url, html = f"{self.url}/pulls/{number}", f"{self.html}/pull/{number}"
        links = {
            "self": url,
            "html": html,
            "issue": f"{self.url}/issues/{number}",
            "comments": f"{self.url}/issues/{number}/comments",
            "review_comments": f"{url}/comments",
            "review_comment": f"{self.url}/pulls/comments{{/number}}",
            "commits": f"{url}/commits",
            "statuses": f"{self.url}/statuses/{head[1]}",
        }
        flat = ("issue", "review_comments", "review_comment", "commits", "statuses")
        return (
            self._conversation(number, "pulls")
            | stored
            | {f"{key}_url": links[key] for key in flat}
            | {
                "diff_url": f"{html}.diff",
                "patch_url": f"{html}.patch",
                "user": self.user(login),
                "labels": labels,
                "requested_reviewers": [],
                "requested_teams": [],
                "head": self._end(*head),
                "base": self._end(*base),
                "_links": {key: {"href": href} for key, href in links.items()},
                "auto_merge": None,
                "merge_commit_sha": merge_commit_sha,
            }
        )

    def pull_details(
        self, *, merged_by: str | None, mergeable: bool | None, changes: Changes, comments: int
    ) -> Resource:
        """What a pull request fetched on its own has in addition."""
        return {
            "merged": merged_by is not None,
            "merged_by": self.user(merged_by) if merged_by else None,
            "mergeable": mergeable,
            "rebaseable": False,
            "mergeable_state": {True: "clean", False: "dirty", None: "unknown"}[mergeable],
            "comments": comments,
            "review_comments": 0,
            "maintainer_can_modify": False,
            "commits": changes.commits,
            "additions": changes.additions,
            "deletions": changes.deletions,
            "changed_files": changes.files,
        }

    def _end(self, branch: str, sha: str) -> Resource:
        return {
            "label": f"{self.owner}:{branch}",
            "ref": branch,
            "sha": sha,
            "user": self.user(self.owner),
            "repo": self.repository(),
        }

    def workflow(self, path: str, name: str) -> Resource:
        """A workflow file."""
        number = numeric_id(path)
        return {
            "id": number,
            "node_id": node_id("W", path),
            "name": name,
            "path": path,
            "state": "active",
            "created_at": self.created_at,
            "updated_at": self.created_at,
            "url": f"{self.url}/actions/workflows/{number}",
            "html_url": f"{self.html}/blob/main/{quote(path)}",
            "badge_url": f"{self.html}/workflows/{quote(name)}/badge.svg",
        }
