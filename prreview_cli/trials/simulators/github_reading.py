"""The routes that only read."""

from __future__ import annotations

import asyncio
from subprocess import CalledProcessError

from prreview_cli.trials.simulators.github_desk import Call, Desk, Json, error
from prreview_cli.trials.simulators.github_state import Hosted
from prreview_cli.trials.simulators.http import Response, json_response

_COARSE = {"maintain": "write", "triage": "read"}


async def user(desk: Desk, call: Call) -> Response:
    """Who the token acts for; a classic token's scopes are shown."""
    scopes = {} if desk.world.scopes is None else {"x-oauth-scopes": desk.world.scopes}
    return json_response(desk.shapes.own_user(call.login, desk.clock.now()), headers=scopes)


async def rate_limit(desk: Desk, _call: Call) -> Response:
    """Plenty."""
    limit = {"limit": 5000, "used": 1, "remaining": 4999, "reset": int(desk.clock.now().timestamp()) + 3600}
    return json_response({"resources": {"core": limit, "search": limit}, "rate": limit})


async def repository(desk: Desk, call: Call) -> Response:
    """A repository, by name or by id."""
    return json_response(desk.shapes.repository(call.hosted, alone=True))


async def repositories(desk: Desk, call: Call) -> Response:
    """The repositories that the token sees: all there are, by name."""
    known = sorted(desk.world.repositories.values(), key=lambda hosted: hosted.name)
    return desk.page(call, [desk.shapes.repository(hosted) for hosted in known])


async def pulls(desk: Desk, call: Call) -> Response:
    """Pull requests, newest first unless `direction` says otherwise; open ones unless `state` does."""
    wanted = call.request.query.get("state", "open")
    chosen = [pull for pull in call.hosted.pulls.values() if wanted in {"all", pull.state}]
    if call.request.query.get("direction", "desc") == "desc":
        chosen.reverse()
    return desk.page(call, [desk.shapes.pull_request(call.hosted, pull, alone=False) for pull in chosen])


async def pull(desk: Desk, call: Call) -> Response:
    """A pull request as it is now."""
    return json_response(desk.shapes.pull_request(call.hosted, call.pull))


async def permission(desk: Desk, call: Call) -> Response:
    """What a login may do on the repository."""
    role = call.hosted.roles.get(call.rest, "none" if call.hosted.private else "read")
    person = {**desk.shapes.user(call.rest), "role_name": role}
    return json_response({"permission": _COARSE.get(role, role), "role_name": role, "user": person})


async def compare(desk: Desk, call: Call) -> Response:
    """Two commits and their merge base."""
    base, _, head = call.rest.partition("...")
    try:
        return json_response(await asyncio.to_thread(_comparison, desk, call.hosted, base, head))
    except CalledProcessError:
        return error(404, "Not Found")


def _comparison(desk: Desk, hosted: Hosted, base: str, head: str) -> Json:
    git, shapes = hosted.git, desk.shapes
    merge_base, ahead, behind = git.merge_base(base, head), git.commits_between(base, head), git.commits_between(head, base)
    page = f"{shapes.web}/{hosted.name}/compare/{base}...{head}"
    return {
        "url": f"{shapes.api}/repos/{hosted.name}/compare/{base}...{head}",
        "html_url": page,
        "permalink_url": page,
        "diff_url": f"{page}.diff",
        "patch_url": f"{page}.patch",
        "base_commit": shapes.commit(hosted, base),
        "merge_base_commit": shapes.commit(hosted, merge_base),
        "status": "diverged" if ahead and behind else "ahead" if ahead else "behind" if behind else "identical",
        "ahead_by": len(ahead),
        "behind_by": len(behind),
        "total_commits": len(ahead),
        "commits": [shapes.commit(hosted, sha) for sha in ahead[:250]],
        "files": [],
    }
