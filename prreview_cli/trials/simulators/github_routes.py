"""The routes of GitHub's REST API that a reviewer may use (SPEC, section 9), by the names that stand there."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from prreview_cli.trials.simulators import github_app as app
from prreview_cli.trials.simulators import github_reading as reading
from prreview_cli.trials.simulators import github_reviews as reviews
from prreview_cli.trials.simulators.github_desk import MANUAL, Call, Desk, error
from prreview_cli.trials.simulators.github_state import Hosted, World
from prreview_cli.trials.simulators.http import Request, Response, json_response

PULL_READ = "GET /repos/O/R/pulls/N"
REVIEW_POSTED = "POST /repos/O/R/pulls/N/reviews"

_Answer = Callable[[Desk, Call], Awaitable[Response]]
_ROUTES: dict[str, _Answer] = {
    "GET /user": reading.user,
    "GET /user/repos": reading.repositories,
    "GET /rate_limit": reading.rate_limit,
    "GET /repositories/ID": reading.repository,
    "GET /repos/O/R": reading.repository,
    "GET /repos/O/R/pulls": reading.pulls,
    PULL_READ: reading.pull,
    "GET /repos/O/R/compare/BASE...HEAD": reading.compare,
    "GET /repos/O/R/collaborators/LOGIN/permission": reading.permission,
    "GET /repos/O/R/pulls/N/reviews": reviews.reviews,
    REVIEW_POSTED: reviews.post,
    "PUT /repos/O/R/pulls/N/reviews/ID": reviews.put,
    "DELETE /repos/O/R/pulls/N/reviews/ID": reviews.delete,
    "GET /app": app.app,
    "GET /repos/O/R/installation": app.of_repository,
    "GET /app/installations/ID": app.of_id,
    "POST /app/installations/ID/access_tokens": app.mint,
    "GET /installation/repositories": app.repositories,
}
_PLACEHOLDERS = {
    "O/R": r"(?P<name>[^/]+/[^/]+)",
    "N": r"(?P<number>\d+)",
    "ID": r"(?P<id>\d+)",
    "LOGIN": r"(?P<login>[^/]+)",
    "BASE...HEAD": r"(?P<range>[^/]+\.\.\.[^/]+)",
}


def _pattern(route: str) -> re.Pattern[str]:
    placeholders = "|".join(re.escape(name) for name in _PLACEHOLDERS)
    return re.compile(re.sub(rf"(?<=/)({placeholders})(?=/|$)", lambda found: _PLACEHOLDERS[found[1]], route))


_PATTERNS = {route: _pattern(route) for route in _ROUTES}


@dataclass(frozen=True, slots=True)
class Found:
    """A request's route, by name ("" if there is none), and what its path names."""

    route: str = ""
    repository: str | None = None
    number: int | None = None
    identity: int | None = None
    rest: str = ""


def find(request: Request) -> Found:
    """The route of a request."""
    line = f"{request.method} {request.path}"
    for route, pattern in _PATTERNS.items():
        if match := pattern.fullmatch(line):
            names = match.groupdict()
            number, identity = names.get("number"), names.get("id")
            rest = names.get("login") or names.get("range") or identity or ""
            return Found(route, names.get("name"), int(number) if number else None, int(identity) if identity else None, rest)
    return Found()


def repository_of(world: World, found: Found) -> Hosted | None:
    """The repository that a request is about."""
    return world.named(found.repository) if found.repository else world.repositories.get(found.identity or 0)


async def answer(desk: Desk, found: Found, request: Request, login: str) -> Response:
    """Answer an authenticated request; 404 for what there is not, 301 where a repository was renamed."""
    world = desk.world
    hosted = repository_of(world, found)
    if hosted is None and found.repository and found.repository.lower() in world.former_names:
        return _moved(desk, request, found.repository)
    pull = None if hosted is None or found.number is None else hosted.pulls.get(found.number)
    names_one = found.repository or (found.identity and found.route not in app.AS_APP)
    missing = (hosted is None and names_one) or (found.number is not None and pull is None)
    if missing or not found.route:
        return error(404, "Not Found")
    return await _ROUTES[found.route](desk, Call(request, login, hosted, pull, found.rest))


def _moved(desk: Desk, request: Request, name: str) -> Response:
    rest = request.path.removeprefix(f"/repos/{name}")
    target = f"{desk.shapes.api}/repositories/{desk.world.former_names[name.lower()]}{rest}"
    return json_response({"message": "Moved Permanently", "url": target, "documentation_url": MANUAL}, 301, {"location": target})
