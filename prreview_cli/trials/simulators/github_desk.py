"""What every route's answer is made with: the world, its shapes, the time, and the call itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prreview_cli.core.ports.clock import Clock
from prreview_cli.trials.simulators.github_shapes import Shapes
from prreview_cli.trials.simulators.github_state import Hosted, Pull, World
from prreview_cli.trials.simulators.http import Request, Response, json_response

Json = dict[str, Any]
MANUAL = "https://docs.github.com/rest"


@dataclass(frozen=True, slots=True)
class Call:
    """An authenticated request on a known route, with what its path names; `login` is whose token it bears."""

    request: Request
    login: str
    repository: Hosted | None
    pull_request: Pull | None
    rest: str

    @property
    def hosted(self) -> Hosted:
        """The repository, on a route that names one."""
        if self.repository is None:
            raise LookupError(self.request.path)
        return self.repository

    @property
    def pull(self) -> Pull:
        """The pull request, on a route that names one."""
        if self.pull_request is None:
            raise LookupError(self.request.path)
        return self.pull_request

    def json(self) -> Json | None:
        """The body, if it is a JSON object."""
        try:
            data = json.loads(self.request.body)
        except ValueError:
            return None
        return data if isinstance(data, dict) else None


@dataclass(frozen=True, slots=True)
class Desk:
    """Where calls are answered."""

    world: World
    shapes: Shapes
    clock: Clock

    def page(self, call: Call, items: Sequence[Json]) -> Response:
        """One page of a list, with GitHub's `link` header while there are more."""
        size, number = min(int(call.request.query.get("per_page", "30")), 100), int(call.request.query.get("page", "1"))
        last = max(1, -(-len(items) // size))
        at = f"{self.shapes.api}{call.request.path}?per_page={size}&page="
        link = {"link": f'<{at}{number + 1}>; rel="next", <{at}{last}>; rel="last"'} if number < last else {}
        return json_response(list(items[(number - 1) * size : number * size]), headers=link)


def error(status: int, message: str, *errors: str) -> Response:
    """GitHub's way to say no."""
    shape: Json = {"message": message, "documentation_url": MANUAL, "status": str(status)}
    return json_response({**shape, "errors": list(errors)} if errors else shape, status)
