"""A GitHub App: its key signs who it is, and each repository gets a token of its own, narrowed at minting.

docs.github.com, "Authenticating as a GitHub App" and "Generating an installation access token": the JWT is RS256 and
lives ten minutes at most; a token lives an hour, and the answer that mints it lists what it opens.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from prreview_cli.core import errors
from prreview_cli.core.ports.clock import Clock
from prreview_cli.core.profile import Host
from prreview_cli.hosts.github import answers, fields, requests
from prreview_cli.hosts.github.auth import Lent, Place
from prreview_cli.hosts.github.client import Answer, GitHubClient, NoAnswer
from prreview_cli.hosts.github.failures import failure, is_rate_limit, reason
from prreview_cli.hosts.github.requests import NewToken, Request
from prreview_cli.secrecy import Secret

T = TypeVar("T")

BACKDATED = timedelta(seconds=60)
"""A JWT is signed for a little before now, so that the host's clock may be behind ours."""
SIGNED_FOR = timedelta(minutes=9)
SPARE = timedelta(minutes=10)
"""A token is not used any more this long before it expires, so that a fetch that begins with it also ends with it."""

_NOT_THERE = frozenset({301, 302, 307, 308, 404})
_LEVELS = ("read", "write", "admin")
_IMPLIED = {"metadata": "read"}
"""Every token may read a repository's name."""
_NO_REPOSITORY = Place(None, "")
_NOT_AS_ASKED = "Nothing in the profile leads to that: see that host.api_url is the code host's own, then run `prreview resume`."


@dataclass(frozen=True, slots=True)
class _Kept:
    lent: Lent
    until: datetime


class AppAccess:
    """`Access` by an App. `learn` is told each token, by a name for it, before it is used: it must be redacted too.

    The key is read when something has to be signed. Nothing is opened before the first request.
    """

    who = requests.app()

    def __init__(
        self, config: Host, key: Callable[[], Secret], clock: Clock, redact: Callable[[str], str], learn: Callable[[str, Secret], None]
    ) -> None:
        self._config, self._key, self._clock, self._redact, self._learn = config, key, clock, redact, learn
        self._client = GitHubClient(config.api_url)
        self._installations: dict[str, int] = {}
        self._owners: dict[str, int] = {}
        self._tokens: dict[int | str, _Kept] = {}
        self._locks: defaultdict[int | str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def own(self) -> Lent:
        return Lent(self._signed())

    async def to(self, place: Place) -> Lent:
        key = _key(place)
        async with self._locks[key]:
            kept = self._tokens.get(key)
            if kept is not None and kept.until > self._clock.now() and _same(kept.lent, place.name):
                return kept.lent
            kept = await self._narrowed(place)
            self._tokens = {other: one for other, one in self._tokens.items() if one.until > self._clock.now()} | {key: kept}
            return kept.lent

    async def another(self, place: Place, refused: Secret) -> Lent | None:
        kept = self._tokens.get(_key(place))
        if kept is not None and kept.lent.secret is refused:
            del self._tokens[_key(place)]
        return await self.to(place)

    async def present(self, place: Place) -> Place:
        return (await self.to(place)).of or place

    async def listings(self) -> list[Lent]:
        """An App's installations are not listed: those are looked through that a repository named in the profile leads to.

        One that is closed to us does not keep the others from being listed; it is told when it is asked about by its name.
        """
        closed: errors.Failure | None = None
        for name in filter(_is_name, self._config.repositories):
            try:
                await self._installation(Place(None, name))
            except errors.Failure as refused:
                if not isinstance(refused, errors.NoAccess):
                    raise
                closed = refused
        found = sorted({*self._installations.values(), *self._owners.values()})
        if not found:
            raise closed or errors.RepositoryForbidden(
                "A GitHub App is not told where it is installed.",
                remedy="Name one repository of each account, without wildcards, in host.repositories.",
            )
        return [await self._listing(installation) for installation in found]

    async def close(self) -> None:
        await self._client.close()

    # -- minting -----------------------------------------------------------------------------------

    async def _narrowed(self, place: Place) -> _Kept:
        """A new token for this repository and what the profile declares, seen to be no wider."""
        by_name = NewToken(self._config.permissions, repository=place.name.partition("/")[2])
        asked = by_name if place.id is None else NewToken(self._config.permissions, repository_id=place.id)
        installation = await self._installation(place)
        try:
            minted = await self._minted(installation, asked, place.name)
        except errors.AppNotInstalled:
            # Perhaps it was installed anew since we looked, or the name belongs to another repository now.
            self._forget(installation)
            asked = by_name
            minted = await self._minted(await self._installation(place), asked, place.name)
        opens = [Place(found.id, found.full_name) for found in minted.repositories or ()]
        if len(opens) != 1 or asked.repository_id not in {None, opens[0].id}:
            told = f"The code host minted a token that is not for {place.name} alone, so it was not used."
            raise errors.HostTokenTooWide(told, remedy=_NOT_AS_ASKED)
        await self._see_that_it_is(opens[0], place)
        return self._kept(minted, opens[0], f"app token of {opens[0].id}")

    async def _see_that_it_is(self, opened: Place, place: Place) -> None:
        """RepositoryReplaced where the name leads to another repository than the id; a renamed one is none."""
        if place.id not in {None, opened.id}:
            raise errors.RepositoryReplaced(
                f"{place.name} now names the repository {opened.id}; the job is about {place.id}, so nothing was done."
            )
        if opened.name.lower() != place.name.lower():
            request = requests.installation(place.name)
            answer = await self._ask(request)
            if answer.status in _NOT_THERE:
                return
            self._read(answers.installation, request, answer, "an installation")
            raise errors.RepositoryReplaced(f"The repository {place.id} is {opened.name}, and {place.name} is another; nothing was done.")

    async def _listing(self, installation: int) -> Lent:
        minted = await self._minted(installation, NewToken(_IMPLIED), f"installation {installation}")
        return self._kept(minted, _NO_REPOSITORY, f"app token of installation {installation}").lent

    def _kept(self, minted: answers.Minted, of: Place, name: str) -> _Kept:
        secret = Secret(minted.token)
        self._learn(name, secret)
        return _Kept(Lent(secret, of), fields.instant(minted.expires_at) - SPARE)

    async def _minted(self, installation: int, wanted: NewToken, name: str) -> answers.Minted:
        """The host's answer, with no more permissions than asked for and no fewer."""
        request = requests.mint(installation, wanted)
        answer = await self._ask(request)
        if answer.status in {404, 422}:
            said = reason(answer, self._redact)
            if answer.status == 422 and "permission" in said.lower():
                told = f"The App's installation on {name} does not grant what host.permissions declares{said}."
                raise errors.AppPermissionMissing(told)
            raise _not_installed(name, said)
        minted = self._read(answers.minted, request, answer, "a token")
        if wide := _beyond(minted.permissions, wanted.permissions):
            told = f"The code host minted a token for {name} that may do more than was asked for: {wide}."
            raise errors.HostTokenTooWide(told, remedy=_NOT_AS_ASKED)
        if lacking := _beyond(wanted.permissions, minted.permissions):
            raise errors.AppPermissionMissing(f"The App's installation on {name} does not grant {lacking}.")
        return minted

    # -- where it is installed ---------------------------------------------------------------------

    async def _installation(self, place: Place) -> int:
        name = place.name.lower()
        if name in self._installations:
            return self._installations[name]
        request = requests.installation(place.name)
        answer = await self._ask(request)
        owner = name.partition("/")[0]
        if answer.status in _NOT_THERE:
            # Renamed, perhaps: an account has one installation, and the id decides which repository is meant.
            if place.id is not None and owner in self._owners:
                return self._owners[owner]
            if answer.status != 404:
                raise errors.RepositoryForbidden(f"{place.name} has another name now.", remedy="Give the repository's present name.")
            raise _not_installed(place.name, " (404)")
        found = self._read(answers.installation, request, answer, "an installation")
        if found.suspended_at is not None:
            raise errors.AppSuspended(f"The App's installation on {place.name} is suspended.")
        self._installations[name] = self._owners[owner] = found.id
        return found.id

    def _forget(self, installation: int) -> None:
        for known in (self._installations, self._owners):
            for name in [name for name, id_ in known.items() if id_ == installation]:
                del known[name]

    # -- asking as the App -------------------------------------------------------------------------

    async def _ask(self, request: Request) -> Answer:
        """The answer, whatever its status; but what says that the key or the installation is not accepted is raised."""
        try:
            answer = await self._client.send(request, self._signed())
        except NoAnswer as lost:
            raise errors.HostUnreachable(f"No whole answer came from the code host ({lost}).") from None
        said = reason(answer, self._redact)
        if answer.status == 401 or (answer.status == 404 and "integration not found" in said.lower()):
            raise errors.AppKeyRejected(f"The code host does not accept what the App's key signed ({answer.status}){said}.")
        if answer.status == 403 and "suspended" in said.lower() and not is_rate_limit(answer):
            raise errors.AppSuspended(f"The code host answered 403 to {request.route.method} {request.target}{said}.")
        return answer

    def _read(self, reader: Callable[[bytes], T], request: Request, answer: Answer, what: str) -> T:
        if not 200 <= answer.status < 300:
            raise failure(request, answer, self._clock.now(), self._redact)
        try:
            return reader(answer.body)
        except ValueError:
            raise errors.HostUnreachable(f"The code host's answer could not be read as {what}.") from None

    def _signed(self) -> Secret:
        import jwt  # noqa: PLC0415 - it loads cryptography; only an App needs it

        now = self._clock.now()
        claims = {"iat": int((now - BACKDATED).timestamp()), "exp": int((now + SIGNED_FOR).timestamp()), "iss": str(self._config.app_id)}
        try:
            return Secret(jwt.encode(claims, self._key().reveal(), algorithm="RS256"))
        except (ValueError, TypeError, jwt.PyJWTError):  # their messages may hold the key
            raise errors.AppKeyRejected("The secret app_private_key is not an RSA private key.") from None


def _key(place: Place) -> int | str:
    return place.name.lower() if place.id is None else place.id


def _same(lent: Lent, name: str) -> bool:
    return lent.of is not None and lent.of.name.lower() == name.lower()


def _is_name(text: str) -> bool:
    try:
        fields.full_name(text)
    except ValueError:
        return False
    return True


def _beyond(granted: Mapping[str, str], wanted: Mapping[str, str]) -> str:
    """Which of these permissions go beyond those wanted, in words; "" if none does. A level we do not know goes beyond."""
    bounds = _IMPLIED | dict(wanted)
    more = [name for name, level in granted.items() if _rank(level) > _rank(bounds.get(name, ""))]
    return ", ".join(f"{name}: {granted[name]}" for name in sorted(more))[:200]


def _rank(level: str) -> int:
    return _LEVELS.index(level) if level in _LEVELS else len(_LEVELS) if level else -1


def _not_installed(name: str, said: str = "") -> errors.AppNotInstalled:
    return errors.AppNotInstalled(f"The App is not installed on {name}{said}.")
