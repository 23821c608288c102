"""`prreview replay-webhook`: a stored delivery or a file, delivered once more, or many times."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from prreview_cli.cli.frame import new_app
from prreview_cli.cli.options import JsonOption, ProfileOption
from prreview_cli.cli.output import print_json, print_table, say
from prreview_cli.cli.running import house_of
from prreview_cli.cli.whereabouts import whereabouts
from prreview_cli.core.errors import ExitCode, NotYetKept, UsageError
from prreview_cli.services.replay import AT_ONCE, Parcel, Post, Result, replay, stored, through
from prreview_cli.wiring import House, webhook_dialect

app = new_app()

LARGEST = 5 << 20
"""Bytes of a body: the door takes no larger one."""
PATIENCE_S = 30.0
REMEDIES = {
    ExitCode.USAGE: "The delivery itself was refused: mend the file, or --url, as the reason says.",
    ExitCode.FORBIDDEN: "The server there has another webhook secret; a `serve` started before it changed must be restarted.",
    ExitCode.TRANSIENT: "Nothing was accepted: see that a server listens there and can store, then try again.",
}
"""What to do where an answer was not 200, the gravest first."""
SHOWN = 20
"""Results that are listed one by one; of more, each kind is counted."""


@app.command(epilog="Example: prreview replay-webhook DELIVERY -p prod --times 10 --concurrent")
def replay_webhook(
    what: Annotated[
        str | None, typer.Argument(metavar="DELIVERY|FILE", help="A stored delivery's id, or a file with a body.", show_default=False)
    ] = None,
    profile: ProfileOption = None,
    event: Annotated[str | None, typer.Option(help="The event of a FILE; default: pull_request.", show_default=False)] = None,
    times: Annotated[int, typer.Option(min=1, max=10_000, help="Deliver it so often.")] = 1,
    concurrent: Annotated[bool, typer.Option("--concurrent", help=f"Up to {AT_ONCE} at a time, not one after the other.")] = False,
    url: Annotated[str | None, typer.Option(help="Deliver it there; default: the profile's running `serve`.", show_default=False)] = None,
    missed: Annotated[bool, typer.Option("--missed", hidden=True)] = False,
    as_json: JsonOption = False,
) -> None:
    """Deliver a webhook again, signed afresh with the current secret, and tell what each became.

    Any answer but 200 sets the exit code: 4 if the signature was refused, 3 if it may succeed later, 2 for the rest.
    """
    if missed:
        raise NotYetKept("`--missed` is not in this version yet.", remedy="Run `prreview sweep`: it finds what lost webhooks left behind.")
    if what is None:
        raise UsageError("Nothing is named to deliver.", remedy="Name a stored delivery by its id, or a file with the body of one.")
    house = house_of(profile)
    target = None if url is None else _address(url)
    with house.log("replay", quiet=True):
        results = asyncio.run(_replay(house, _file(what, event) or what, target, times, concurrent))
    if as_json:
        print_json({"results": [_json(result) for result in results]})
    else:
        _print(results)
    codes = {result.exit_code for result in results}
    for code, remedy in REMEDIES.items():
        if code in codes:
            say(remedy)
            raise typer.Exit(int(code))


async def _replay(house: House, what: Parcel | str, url: str | None, times: int, concurrent: bool) -> list[Result]:
    dialect = webhook_dialect(house)
    if isinstance(what, Parcel):
        parcel = what
    else:
        async with house.store(must_exist=True) as store:
            parcel = await stored(store, what)
    async with _way(house, url) as post:
        return await replay(parcel, times, dialect, post, concurrent=concurrent)


def _file(what: str, event: str | None) -> Parcel | None:
    """The body in a file, named by a path with a slash or one that is there; None: it must be a stored delivery."""
    path = Path(what)
    if "/" in what or path.is_file():
        return Parcel(str(uuid.uuid4()), event or "pull_request", _read(path))
    if event is not None:
        raise UsageError("--event goes with a file; a stored delivery has its own.", remedy="Leave --event out.")
    return None


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            body = file.read(LARGEST + 1)
    except OSError as error:
        raise UsageError(f"The file {path} cannot be read: {error.strerror}.", remedy="Name a file that you may read.") from None
    if len(body) > LARGEST:
        raise UsageError(f"The file {path} is larger than 5 MiB, which no webhook is.", remedy="Name a file with the body of one delivery.")
    return body


@asynccontextmanager
async def _way(house: House, url: str | None) -> AsyncIterator[Post]:
    """How it is delivered, which is said: to that address, to the running server, or to the intake in this process."""
    place = whereabouts(house.state)
    target = url or place.webhook
    if target is not None:
        say(f"Delivering to {target}.")
        async with _over_http(target) as post:
            yield post
        return
    left = " (the last one ended without saying so)" if place.stale else ""
    say(f"No `serve` of this profile runs here{left}: it goes through the same intake in this process.")
    async with house.store(accepting=True) as store:
        yield through(house.intake(store))


@asynccontextmanager
async def _over_http(url: str) -> AsyncIterator[Post]:
    import httpx  # noqa: PLC0415 - heavy

    # No redirect is followed and no proxy is asked: a signed body goes where the operator said, and nowhere else.
    limits = httpx.Limits(max_connections=AT_ONCE)
    async with httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=PATIENCE_S, limits=limits) as client:

        async def post(body: bytes, headers: Mapping[bytes, bytes]) -> tuple[int | None, bytes]:
            try:
                answer = await client.post(url, content=body, headers=list(headers.items()))
            except httpx.HTTPError as error:
                return None, f"No answer came from {urlsplit(url).netloc} ({type(error).__name__}).".encode()
            return answer.status_code, answer.content

        yield post


def _address(url: str) -> str:
    """The address to deliver to, with the webhook's path where none is named."""
    from prreview_cli.web.endpoint import WEBHOOK_PATH  # noqa: PLC0415 - heavy

    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or parts.username is not None:
        raise UsageError(
            "That --url cannot be delivered to.", remedy="Write http://HOST:PORT/webhook/pr, without a name or password in it."
        )
    return parts._replace(path=parts.path if parts.path.strip("/") else WEBHOOK_PATH, fragment="").geturl()


def _json(result: Result) -> dict[str, Any]:
    return {
        "delivery": result.delivery,
        "status": result.status,
        "outcome": result.outcome,
        "reason": result.reason,
        "job": result.job,
    }


def _print(results: Sequence[Result]) -> None:
    """Each result, or, of many, a line for each kind with its count."""
    if len(results) <= SHOWN:
        rows = [(each.delivery, each.status or "-", each.outcome, each.job or "-", each.reason) for each in results]
        print_table(["DELIVERY", "STATUS", "OUTCOME", "JOB", "REASON"], rows)
        return
    kinds: dict[tuple[object, ...], int] = {}
    for each in results:
        kind = (each.status or "-", each.outcome, each.job or "-", each.reason)
        kinds[kind] = kinds.get(kind, 0) + 1
    print_table(["COUNT", "STATUS", "OUTCOME", "JOB", "REASON"], [(count, *kind) for kind, count in kinds.items()])
