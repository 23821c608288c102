"""A GitHub App as the host knows it: what its key signed, where it is installed, and the tokens minted for it.

docs.github.com, "Generating a JSON Web Token for a GitHub App" and "Generating an installation access token".
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from prreview_cli.trials.simulators.github_desk import Call, Desk, Json, error
from prreview_cli.trials.simulators.github_shapes import node_id, when
from prreview_cli.trials.simulators.github_state import Hosted, World
from prreview_cli.trials.simulators.http import Request, Response, json_response

INSTALLATION = 99
"""The one installation, on the account of all repositories."""
LIFETIME = timedelta(hours=1)
JWT_AT_MOST_S = 600
AS_APP = frozenset({"GET /app", "GET /repos/O/R/installation", "GET /app/installations/ID", "POST /app/installations/ID/access_tokens"})
"""The routes that take what the App's key signed; all others take a token of an installation."""

_LEVELS = ("read", "write")


@dataclass(frozen=True, slots=True)
class Minted:
    """A token of the installation: which repositories it opens (None: all), for what, and how long."""

    repositories: frozenset[int] | None
    permissions: Mapping[str, str]
    until: datetime


@dataclass(slots=True)
class GitHubApp:
    """Changed in place. `public_key` is a PEM; `without` are the repositories that it was taken off."""

    app_id: int
    slug: str
    public_key: str
    granted: dict[str, str] = field(default_factory=lambda: {"pull_requests": "write", "contents": "read", "metadata": "read"})
    suspended: bool = False
    without: set[int] = field(default_factory=set)
    minted: dict[str, Minted] = field(default_factory=dict)
    mintings: list[Json] = field(default_factory=list)

    @property
    def login(self) -> str:
        """Who its reviews are by."""
        return f"{self.slug}[bot]"

    def refusal(self, token: str, now: datetime) -> Response | None:
        """The host's answer to a JWT that is not good; None for a good one."""
        import jwt  # noqa: PLC0415 - it loads cryptography; only a trial with an App needs it

        try:  # the times are checked below, against the trial's clock
            claims = jwt.decode(
                token,
                self.public_key,
                algorithms=["RS256"],
                options={"verify_exp": False, "verify_iat": False, "require": ["iat", "exp", "iss"]},
            )
        except jwt.PyJWTError:
            return error(401, "A JSON web token could not be decoded")
        at = now.timestamp()
        if claims["exp"] <= at:
            return error(
                401, "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires"
            )
        if claims["exp"] > at + JWT_AT_MOST_S:
            return error(401, "'Expiration time' claim ('exp') is too far in the future")
        if claims["iat"] > at:
            return error(401, "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued")
        return None if claims["iss"] == str(self.app_id) else error(404, "Integration not found")

    def living(self, token: str, now: datetime) -> Minted | None:
        """What a token of the installation is good for; None if it is none, or none any more."""
        minted = self.minted.get(token)
        return minted if minted is not None and now < minted.until and not self.suspended else None

    def opens(self, token: str, hosted: Hosted, now: datetime, permission: str = "metadata", level: str = "read") -> bool:
        """Whether a token may do this in a repository."""
        minted = self.living(token, now)
        if minted is None or hosted.id in self.without or (minted.repositories is not None and hosted.id not in minted.repositories):
            return False
        return _at_least(minted.permissions.get(permission, ""), level)


def bearer(world: World, request: Request, route: str, hosted: Hosted | None, now: datetime) -> str | Response:
    """On whose behalf an API request about this repository (None: about none) comes, or the answer that refuses it."""
    token, ours = request.headers.get("authorization", "").partition(" ")[2], world.app
    if token in world.tokens and route not in AS_APP:
        return world.tokens[token]
    if ours is None:
        return error(401, "Bad credentials")
    if route in AS_APP:
        return ours.refusal(token, now) or ours.login
    if ours.suspended and token in ours.minted:
        return error(403, "This installation has been suspended")
    if ours.living(token, now) is None:
        return error(401, "Bad credentials")
    if hosted is not None and not ours.opens(token, hosted, now):
        return error(404, "Not Found")
    may_write = hosted is not None and ours.opens(token, hosted, now, "pull_requests", "write")
    if route == "GET /user" or (request.method != "GET" and not may_write):
        return error(403, "Resource not accessible by integration")
    return ours.login


# -- its routes ------------------------------------------------------------------------------------


async def app(desk: Desk, _call: Call) -> Response:
    """The App itself, and what it may be granted at most."""
    ours = _app(desk)
    page = f"{desk.shapes.web}/apps/{ours.slug}"
    shape: Json = {
        "id": ours.app_id,
        "slug": ours.slug,
        "node_id": node_id("A", ours.app_id),
        "client_id": f"Iv23{ours.app_id:016d}",
        "owner": desk.shapes.user("octo"),
        "name": ours.slug,
        "description": None,
        "external_url": page,
        "html_url": page,
        "created_at": when(desk.clock.now()),
        "updated_at": when(desk.clock.now()),
        "permissions": ours.granted,
        "events": ["pull_request"],
        "installations_count": 1,
    }
    return json_response(shape)


async def of_repository(desk: Desk, call: Call) -> Response:
    """The installation on a repository."""
    if call.hosted.id in _app(desk).without:
        return error(404, "Not Found")
    return json_response(_installation(desk))


async def of_id(desk: Desk, call: Call) -> Response:
    """The installation with this id."""
    return json_response(_installation(desk)) if call.rest == str(INSTALLATION) else error(404, "Not Found")


async def mint(desk: Desk, call: Call) -> Response:
    """A new token, for what was asked for of what is there."""
    ours, wanted = _app(desk), call.json() or {}
    if call.rest != str(INSTALLATION):
        return error(404, "Not Found")
    if ours.suspended:
        return error(403, "This installation has been suspended")
    permissions = dict(wanted.get("permissions", ours.granted))
    if any(not _at_least(ours.granted.get(name, ""), level) for name, level in permissions.items()):
        return error(422, "The permissions requested are not granted to this installation.")
    there = {hosted.id: hosted for hosted in desk.world.repositories.values() if hosted.id not in ours.without}
    by_name = {hosted.name.partition("/")[2].lower(): hosted.id for hosted in there.values()}
    named = [*wanted.get("repository_ids", ()), *(by_name.get(name.lower(), 0) for name in wanted.get("repositories", ()))]
    if not set(named) <= there.keys():
        return error(422, "There is at least one repository that does not exist or is not accessible to the parent installation.")
    permissions.setdefault("metadata", "read")
    token, until = f"ghs_{ours.app_id}_{secrets.token_urlsafe(40)}", desk.clock.now() + LIFETIME
    ours.minted[token] = Minted(frozenset(named) or None, permissions, until)
    ours.mintings.append(wanted)
    shape: Json = {"token": token, "expires_at": when(until), "permissions": permissions, "repository_selection": "selected"}
    return json_response({**shape, "repositories": [desk.shapes.repository(there[id_]) for id_ in named]} if named else shape, 201)


async def repositories(desk: Desk, call: Call) -> Response:
    """The repositories that a token of the installation opens."""
    token = call.request.headers.get("authorization", "").partition(" ")[2]
    ours, now = _app(desk), desk.clock.now()
    open_ = sorted((one for one in desk.world.repositories.values() if ours.opens(token, one, now)), key=lambda one: one.name)
    shapes = [desk.shapes.repository(hosted) for hosted in open_]
    return json_response({"total_count": len(shapes), "repository_selection": "selected", "repositories": shapes})


def _app(desk: Desk) -> GitHubApp:
    if desk.world.app is None:
        raise LookupError("the App")
    return desk.world.app


def _installation(desk: Desk) -> Json:
    ours, api = _app(desk), desk.shapes.api
    account, at = desk.shapes.user("octo"), when(desk.clock.now())
    return {
        "id": INSTALLATION,
        "account": account,
        "repository_selection": "selected",
        "access_tokens_url": f"{api}/app/installations/{INSTALLATION}/access_tokens",
        "repositories_url": f"{api}/installation/repositories",
        "html_url": f"{desk.shapes.web}/settings/installations/{INSTALLATION}",
        "app_id": ours.app_id,
        "app_slug": ours.slug,
        "target_id": account["id"],
        "target_type": "Organization",
        "permissions": ours.granted,
        "events": ["pull_request"],
        "created_at": at,
        "updated_at": at,
        "single_file_name": None,
        "suspended_at": at if ours.suspended else None,
        "suspended_by": account if ours.suspended else None,
    }


def _at_least(granted: str, level: str) -> bool:
    return granted in _LEVELS[_LEVELS.index(level) :] if level in _LEVELS else False
