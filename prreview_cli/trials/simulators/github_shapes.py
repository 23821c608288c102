"""The JSON that GitHub's REST API and webhooks show of these things (docs.github.com, "REST API", version 2022-11-28)."""

from __future__ import annotations

import zlib
from datetime import datetime
from typing import Any

from prreview_cli.trials.simulators.github_state import Hosted, Pull, StoredReview

Json = dict[str, Any]

_USER_URLS = {
    "followers_url": "/followers",
    "following_url": "/following{/other_user}",
    "gists_url": "/gists{/gist_id}",
    "starred_url": "/starred{/owner}{/repo}",
    "subscriptions_url": "/subscriptions",
    "organizations_url": "/orgs",
    "repos_url": "/repos",
    "events_url": "/events{/privacy}",
    "received_events_url": "/received_events",
}
_REPOSITORY_URLS = {
    "archive_url": "/{archive_format}{/ref}",
    "assignees_url": "/assignees{/user}",
    "blobs_url": "/git/blobs{/sha}",
    "branches_url": "/branches{/branch}",
    "collaborators_url": "/collaborators{/collaborator}",
    "comments_url": "/comments{/number}",
    "commits_url": "/commits{/sha}",
    "compare_url": "/compare/{base}...{head}",
    "contents_url": "/contents/{+path}",
    "contributors_url": "/contributors",
    "deployments_url": "/deployments",
    "downloads_url": "/downloads",
    "events_url": "/events",
    "forks_url": "/forks",
    "git_commits_url": "/git/commits{/sha}",
    "git_refs_url": "/git/refs{/sha}",
    "git_tags_url": "/git/tags{/sha}",
    "hooks_url": "/hooks",
    "issue_comment_url": "/issues/comments{/number}",
    "issue_events_url": "/issues/events{/number}",
    "issues_url": "/issues{/number}",
    "keys_url": "/keys{/key_id}",
    "labels_url": "/labels{/name}",
    "languages_url": "/languages",
    "merges_url": "/merges",
    "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}",
    "pulls_url": "/pulls{/number}",
    "releases_url": "/releases{/id}",
    "stargazers_url": "/stargazers",
    "statuses_url": "/statuses/{sha}",
    "subscribers_url": "/subscribers",
    "subscription_url": "/subscription",
    "tags_url": "/tags",
    "teams_url": "/teams",
    "trees_url": "/git/trees{/sha}",
}


def when(moment: datetime) -> str:
    """RFC 3339, to the second, as GitHub writes times."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def node_id(kind: str, number: int) -> str:
    """An opaque id in GitHub's manner."""
    return f"{kind}_{number:012x}"


class Shapes:
    """`api` and `web` are the addresses that links begin with."""

    def __init__(self, api: str, web: str) -> None:
        self.api, self.web = api, web

    def user(self, login: str) -> Json:
        """A simple user."""
        number, url = zlib.crc32(login.encode()), f"{self.api}/users/{login}"
        return {
            "login": login,
            "id": number,
            "node_id": node_id("U", number),
            "avatar_url": f"{self.web}/avatars/{number}",
            "gravatar_id": "",
            "url": url,
            "html_url": f"{self.web}/{login}",
            **{key: url + suffix for key, suffix in _USER_URLS.items()},
            "type": "Bot" if login.endswith("[bot]") else "User",
            "user_view_type": "public",
            "site_admin": False,
        }

    def own_user(self, login: str, since: datetime) -> Json:
        """`GET /user`: the public part, as a fine-grained token sees it."""
        blank = dict.fromkeys(("bio", "blog", "company", "email", "hireable", "location", "name"))
        counts = dict.fromkeys(("followers", "following", "public_gists", "public_repos"), 0)
        return {**self.user(login), **blank, **counts, "created_at": when(since), "updated_at": when(since)}

    def repository(self, hosted: Hosted, *, alone: bool = False) -> Json:
        """A repository; `alone` as its own route shows it, else as a part of something."""
        url, page, at = f"{self.api}/repos/{hosted.name}", f"{self.web}/{hosted.name}", when(hosted.created_at)
        shape: Json = {
            "id": hosted.id,
            "node_id": node_id("R", hosted.id),
            "name": hosted.name.partition("/")[2],
            "full_name": hosted.name,
            "private": hosted.private,
            "owner": self.user(hosted.owner),
            "html_url": page,
            "description": None,
            "fork": False,
            "url": url,
            **{key: url + suffix for key, suffix in _REPOSITORY_URLS.items()},
            "git_url": f"git:{page}.git",
            "ssh_url": f"git@{hosted.name}.git",
            "clone_url": f"{page}.git",
            "svn_url": page,
            "mirror_url": None,
            **dict.fromkeys(("created_at", "updated_at", "pushed_at"), at),
            **dict.fromkeys(("homepage", "language", "license"), None),
            **dict.fromkeys(("has_issues", "has_projects", "has_downloads", "has_wiki"), True),
            **dict.fromkeys(("has_pages", "has_discussions", "archived", "disabled", "is_template", "web_commit_signoff_required"), False),
            **dict.fromkeys(
                ("size", "stargazers_count", "watchers_count", "forks_count", "open_issues_count", "forks", "open_issues", "watchers"), 0
            ),
            "allow_forking": True,
            "topics": [],
            "custom_properties": {},
            "visibility": "private" if hosted.private else "public",
            "default_branch": "main",
        }
        return {**shape, "network_count": 0, "subscribers_count": 1} if alone else shape

    def pull_request(self, hosted: Hosted, pull: Pull, *, alone: bool = True) -> Json:
        """A pull request; `alone` with what the list of them leaves out."""
        api, page = f"{self.api}/repos/{hosted.name}", f"{self.web}/{hosted.name}/pull/{pull.number}"
        url, issue, identity = f"{api}/pulls/{pull.number}", f"{api}/issues/{pull.number}", hosted.id * 1000 + pull.number
        links = {
            "self": url,
            "html": page,
            "issue": issue,
            "comments": f"{issue}/comments",
            "review_comments": f"{url}/comments",
            "review_comment": f"{api}/pulls/comments{{/number}}",
            "commits": f"{url}/commits",
            "statuses": f"{api}/statuses/{pull.head_sha}",
        }
        ended = None if pull.state == "open" else when(pull.updated_at)
        shape = {
            "url": url,
            "id": identity,
            "node_id": node_id("PR", identity),
            "html_url": page,
            "diff_url": f"{page}.diff",
            "patch_url": f"{page}.patch",
            "issue_url": issue,
            "number": pull.number,
            "state": pull.state,
            "locked": False,
            "title": pull.title,
            "user": self.user(pull.author),
            "body": pull.body or None,
            "created_at": when(pull.created_at),
            "updated_at": when(pull.updated_at),
            "closed_at": ended,
            **dict.fromkeys(("merged_at", "merge_commit_sha", "assignee", "milestone", "active_lock_reason", "auto_merge")),
            **{key: [] for key in ("assignees", "requested_reviewers", "requested_teams")},
            "labels": [self.label(hosted, name) for name in pull.labels],
            "draft": pull.draft,
            "commits_url": links["commits"],
            "review_comments_url": links["review_comments"],
            "review_comment_url": links["review_comment"],
            "comments_url": links["comments"],
            "statuses_url": links["statuses"],
            "head": self._end(hosted, pull.head_ref, pull.head_sha),
            "base": self._end(hosted, pull.base_ref, pull.base_sha),
            "_links": {name: {"href": link} for name, link in links.items()},
            "author_association": pull.association,
        }
        return {**shape, **_ALONE} if alone else shape

    def label(self, hosted: Hosted, name: str) -> Json:
        """A label."""
        number, url = zlib.crc32(name.encode()), f"{self.api}/repos/{hosted.name}/labels/{name}"
        return {
            "id": number,
            "node_id": node_id("LA", number),
            "url": url,
            "name": name,
            "color": "ededed",
            "default": False,
            "description": None,
        }

    def review(self, hosted: Hosted, review: StoredReview) -> Json:
        """A review without its comments."""
        page, api = f"{self.web}/{hosted.name}/pull/{review.number}", f"{self.api}/repos/{hosted.name}/pulls/{review.number}"
        html = f"{page}#pullrequestreview-{review.id}"
        shape = {
            "id": review.id,
            "node_id": node_id("PRR", review.id),
            "user": self.user(review.login),
            "body": review.body,
            "state": review.state,
            "html_url": html,
            "pull_request_url": api,
            "author_association": "COLLABORATOR",
            "_links": {"html": {"href": html}, "pull_request": {"href": api}},
            "commit_id": review.commit_id,
        }
        return shape if review.state == "PENDING" else {**shape, "submitted_at": when(review.submitted_at)}

    def commit(self, hosted: Hosted, sha: str) -> Json:
        """A commit, whoever made it; its parents are not told."""
        url, at = f"{self.api}/repos/{hosted.name}/commits/{sha}", when(hosted.created_at)
        person = {"name": "Ada Example", "email": "ada@example.org", "date": at}
        inner = {"author": person, "committer": person, "message": "…", "tree": {"sha": sha, "url": url}, "url": url, "comment_count": 0}
        page = f"{self.web}/{hosted.name}/commit/{sha}"
        outer = {
            "url": url,
            "sha": sha,
            "node_id": node_id("C", zlib.crc32(sha.encode())),
            "html_url": page,
            "comments_url": f"{url}/comments",
        }
        return {**outer, "commit": inner, "author": self.user("ada"), "committer": self.user("ada"), "parents": []}

    def _end(self, hosted: Hosted, ref: str, sha: str) -> Json:
        return {"label": f"{hosted.owner}:{ref}", "ref": ref, "sha": sha, "user": self.user(hosted.owner), "repo": self.repository(hosted)}


_ALONE: Json = {
    "merged": False,
    "mergeable": True,
    "rebaseable": True,
    "mergeable_state": "clean",
    "merged_by": None,
    "maintainer_can_modify": False,
    "comments": 0,
    "review_comments": 0,
    "commits": 1,
    "additions": 1,
    "deletions": 1,
    "changed_files": 2,
}
