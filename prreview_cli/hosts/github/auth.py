"""What a request to GitHub bears: the profile's one token, or an App's, which opens one repository alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from prreview_cli.core.errors import RepositoryReplaced
from prreview_cli.hosts.github import requests
from prreview_cli.hosts.github.requests import Request
from prreview_cli.secrecy import Secret


@dataclass(frozen=True, slots=True)
class Place:
    """A repository: its lasting id (None: not known yet) and its present OWNER/NAME."""

    id: int | None
    name: str


@dataclass(frozen=True, slots=True)
class Lent:
    """A credential for one request. `of`: the repository that it opens; None: whatever the profile's token may."""

    secret: Secret
    of: Place | None = None

    def expect(self, request: Request, place: Place | None) -> None:
        """RepositoryReplaced, before anything is sent, if this is not the credential for that request (THREATS 17)."""
        if self.of is None:
            return
        wrong_name = request.repository is not None and request.repository.lower() != self.of.name.lower()
        wrong_id = request.repository_id not in {None, self.of.id}
        if wrong_name or wrong_id or (place is not None and place.id not in {None, self.of.id}):
            told = f"The App's token is for {self.of.name} ({self.of.id}), and {request.target} is about another repository"
            raise RepositoryReplaced(f"{told}; nothing was sent.")


class Access(Protocol):
    """Where requests get their credentials from.

    Errors: SecretUnavailable where there is no secret, and of an App those of `CodeHost`: AppKeyRejected (profile),
    AppNotInstalled, AppSuspended, AppPermissionMissing (repository), HostTokenTooWide for a token wider than asked.
    """

    who: Request
    """The request, borne by `own`, that tells who we are."""

    async def own(self) -> Lent:
        """What shows who we are, and opens no repository of an App's."""

    async def to(self, place: Place) -> Lent:
        """What opens this repository."""

    async def another(self, place: Place, refused: Secret) -> Lent | None:
        """What opens it instead of a credential that the host has just refused (401); None if there is no other."""

    async def present(self, place: Place) -> Place:
        """The repository as far as is known without asking for it: by its present name, and with its id."""

    async def listings(self) -> list[Lent]:
        """What lists the repositories that we see; of an App one for each installation."""

    async def close(self) -> None:
        """Close the connections."""


class TokenAccess:
    """`Access` by one token, asked for each time, so that a rotated one is used at once."""

    who = requests.user()

    def __init__(self, token: Callable[[], Secret]) -> None:
        self._token = token

    async def own(self) -> Lent:
        return Lent(self._token())

    async def to(self, place: Place) -> Lent:  # noqa: ARG002 - one token opens them all
        return await self.own()

    async def another(self, place: Place, refused: Secret) -> Lent | None:  # noqa: ARG002
        return None

    async def present(self, place: Place) -> Place:
        return place

    async def listings(self) -> list[Lent]:
        return [await self.own()]

    async def close(self) -> None:
        """Nothing is open."""


async def git_token(access: Access, repository_id: int | None, repository: str, refused: Secret | None) -> Secret:
    """What git shows to fetch this repository; `refused` is the one that the host has just refused, if it did."""
    place = Place(repository_id, repository)
    lent = None if refused is None else await access.another(place, refused)
    return (lent or await access.to(place)).secret
