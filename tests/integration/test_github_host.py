"""What is GitHub's own in the adapter: tokens and who they belong to, redirects, and the wire itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
import respx

from prreview_cli.core import errors
from prreview_cli.core.profile import Host
from prreview_cli.hosts.github import client
from prreview_cli.hosts.github.auth import TokenAccess
from prreview_cli.hosts.github.host import GitHubHost
from prreview_cli.secrecy import Secret
from support.clocks import FakeClock
from support.fakes import AtOnce, at_once
from support.github_world import API, OURS, PULL, REVIEW, TOKEN, GitHubWorld


@asynccontextmanager
async def github(world: GitHubWorld, login: str | None = None, token: str = TOKEN) -> AsyncIterator[GitHubHost]:
    with respx.mock(assert_all_called=False) as router:
        router.route(host="api.github.test").mock(side_effect=world)
        host = GitHubHost(
            Host(api_url=API + "/", login=login),
            TokenAccess(lambda: Secret(token)),
            "test",
            FakeClock(),
            lambda text: text.replace(TOKEN, "***"),
        )
        try:
            yield host
        finally:
            await host.close()


# -- tokens ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "scopes", ["repo", "public_repo", "read:org, repo", "workflow", "write:packages", "admin:org", "gist", "repo:status", "delete_repo"]
)
async def test_a_classic_token_that_can_write_is_refused(scopes: str) -> None:
    world = GitHubWorld(user_headers={"x-oauth-scopes": scopes})
    async with github(world) as host:
        with pytest.raises(errors.HostTokenTooWide) as caught:
            await host.identify()
    assert scopes.rsplit(", ", maxsplit=1)[-1] in str(caught.value)


@pytest.mark.parametrize("scopes", ["", " ", "read:org", "user:email, read:user"])
async def test_a_token_whose_scopes_write_nothing_is_not(scopes: str) -> None:
    async with github(GitHubWorld(user_headers={"x-oauth-scopes": scopes})) as host:
        assert await host.identify() == OURS


async def test_a_wide_token_is_refused_even_where_it_may_not_ask_who_it_is() -> None:
    async with github(GitHubWorld(user=403, user_headers={"x-oauth-scopes": "repo"})) as host:
        with pytest.raises(errors.HostTokenTooWide):
            await host.identify()


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize(("configured", "login"), [(None, "github-actions[bot]"), ("our-app[bot]", "our-app[bot]")])
async def test_a_token_that_may_not_ask_is_the_actions_bot_or_whom_the_profile_names(
    status: int, configured: str | None, login: str
) -> None:
    world = GitHubWorld(user=status)
    async with github(world, configured) as host:
        assert await host.identify() == login
    assert world.seen == [("GET", "/user"), ("GET", "/rate_limit")]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (httpx.Response(401), errors.HostTokenRejected),
        (httpx.Response(403, json={"message": "This installation has been suspended"}), errors.HostTokenRejected),
        (httpx.Response(500), errors.HostUnreachable),
        (httpx.Response(429), errors.HostRateLimited),
    ],
)
async def test_a_named_login_does_not_stand_in_for_a_live_token(answer: httpx.Response, expected: type[errors.Failure]) -> None:
    world = GitHubWorld(user=403)
    world.next_answer("GET", "/rate_limit", answer)
    async with github(world, "our-app[bot]") as host:
        with pytest.raises(errors.Failure) as caught:
            await host.identify()
    assert type(caught.value) is expected


async def test_an_enterprise_server_without_rate_limits_answers_for_the_token_too() -> None:
    world = GitHubWorld(user=403)
    world.next_answer("GET", "/rate_limit", httpx.Response(404, json={"message": "Rate limiting is not enabled."}))
    async with github(world) as host:
        assert await host.identify() == "github-actions[bot]"


async def test_a_rate_limit_is_not_taken_for_a_token_that_may_not_ask() -> None:
    world = GitHubWorld()
    world.next_answer("GET", "/user", httpx.Response(403, headers={"x-ratelimit-remaining": "0"}))
    async with github(world) as host:
        with pytest.raises(errors.HostRateLimited):
            await host.identify()


async def test_a_wrong_login_in_the_profile_is_found_before_it_hides_our_reviews() -> None:
    async with github(GitHubWorld(), "prreview-bott") as host:
        with pytest.raises(errors.HostTokenRejected, match="belongs to 'prreview-bot'") as caught:
            await host.identify()
    assert "host.login" in caught.value.remedy
    async with github(GitHubWorld(), "PRReview-Bot") as host:
        assert await host.identify() == OURS


async def test_a_guessed_login_that_hides_our_own_reviews_is_found_at_the_first_post() -> None:
    world = GitHubWorld(user=403)
    async with github(world) as host:
        await host.identify()
        with pytest.raises(errors.HostTokenRejected, match="'github-actions") as caught:
            await host.publish(PULL, REVIEW, at_once)
    assert f"host.login to '{OURS}'" in caught.value.remedy
    async with github(world, OURS) as host:
        await host.identify()
        assert [found.marker.identity.head_sha for found in await host.our_reviews(PULL)] == [PULL.head_sha], (
            "it is found, not paid for again"
        )
        await host.publish(PULL, REVIEW, at_once)


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "tab\t", "é", "nul\x00"])
async def test_a_token_that_no_header_can_hold_is_never_sent_nor_shown(token: str) -> None:
    world = GitHubWorld()
    async with github(world, token=token) as host:
        with pytest.raises(errors.HostTokenRejected) as caught:
            await host.identify()
    assert world.seen == []
    assert not token or token not in str(caught.value)


# -- redirects ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_never_followed_and_the_id_is_asked_instead(status: int) -> None:
    world = GitHubWorld(full_name="octo/renamed")
    world.next_answer(
        "GET", "/repos/octo/demo/pulls/3", httpx.Response(status, headers={"location": "https://evil.test/repositories/7/pulls/3"})
    )
    async with github(world) as host:
        assert (await host.pull_request(7, "octo/demo", 3)).repository == "octo/renamed"
    assert [path for _, path in world.seen] == ["/repos/octo/demo/pulls/3", "/repositories/7", "/repos/octo/renamed/pulls/3"]


async def test_a_repository_shown_under_another_id_is_not_the_one() -> None:
    world = GitHubWorld()
    world.next_answer("GET", "/repositories/9", httpx.Response(200, json={"id": 8, "full_name": "octo/demo"}))
    async with github(world) as host:
        with pytest.raises(errors.RepositoryReplaced):
            await host.pull_request(9, "octo/gone", 3)


# -- the wire ----------------------------------------------------------------------------------------------

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def wire(handler: Handler) -> AsyncIterator[tuple[GitHubHost, list[bytes]]]:
    """A host over a real socket; `handler` runs once a request's headers have come, which are recorded."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            heard.append(await reader.readuntil(b"\r\n\r\n"))
            await handler(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    host = GitHubHost(
        Host(api_url=f"http://127.0.0.1:{port}/api/v3"), TokenAccess(lambda: Secret(TOKEN)), "test", FakeClock(), lambda text: text
    )
    try:
        yield host, heard
    finally:
        await host.close()
        server.close()
        await server.wait_closed()


def answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def test_a_request_says_who_asks_and_how() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(b'{"login": "prreview-bot"}'))

    async with wire(handler) as (host, heard):
        assert await host.identify() == OURS
    lines = heard[0].decode().lower().split("\r\n")
    assert lines[0] == "get /api/v3/user http/1.1"
    assert f"authorization: bearer {TOKEN}" in lines
    assert "x-github-api-version: 2022-11-28" in lines
    assert "accept-encoding: identity" in lines
    assert not any(line.startswith("cookie") for line in lines)


async def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(b'{"login": "prreview-bot"}'))

    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with wire(handler) as (host, _):
        assert await host.identify() == OURS


async def test_an_endless_answer_is_dropped() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        while True:
            writer.write(chunk)
            await writer.drain()

    async with wire(handler) as (host, _), asyncio.timeout(30):
        with pytest.raises(errors.HostUnreachable):
            await host.identify()


async def test_a_dripping_answer_has_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    done = asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        await done.wait()

    monkeypatch.setattr(client, "EXCHANGE_S", 0.2)
    async with wire(handler) as (host, _), asyncio.timeout(30):
        with pytest.raises(errors.HostUnreachable, match="TimeoutError"):
            await host.identify()
        done.set()


async def test_nobody_at_the_address_is_unreachable_and_not_ambiguous() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None: ...

    async with wire(handler) as (host, _):
        pass
    with pytest.raises(errors.HostUnreachable):
        await host.identify()
    with pytest.raises(errors.HostUnreachable):
        await host.publish(PULL, REVIEW, at_once)
    await host.close()


async def test_the_last_look_comes_after_the_connection_and_before_the_first_byte_of_the_review() -> None:
    received, heard, closed = bytearray(), asyncio.Event(), asyncio.Event()

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while part := await reader.read(65536):
            received.extend(part)
            if b"\r\n\r\n" in received:
                heard.set()
        closed.set()
        writer.close()

    class TakenBack(AtOnce):
        async def begin(self) -> None:
            await heard.wait()
            raise errors.Stopped("A newer head was accepted.")

    server = await asyncio.start_server(peer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    host = GitHubHost(Host(api_url=url), TokenAccess(lambda: Secret(TOKEN)), "test", FakeClock(), lambda text: text)
    async with server, asyncio.timeout(30):
        with pytest.raises(errors.Stopped):
            await host.publish(PULL, REVIEW, TakenBack())
        await closed.wait()
        await host.close()
    headers, _, body = received.partition(b"\r\n\r\n")
    assert headers.startswith(b"POST /repos/octo/demo/pulls/3/reviews ")
    assert int(headers.lower().partition(b"content-length: ")[2].split()[0]) > 100
    assert body == b"", "a request without its body is none"


@pytest.mark.parametrize("cut", ["at once", "after the status", "within the body"])
async def test_a_connection_cut_after_the_post_is_ambiguous(cut: str) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        whole = answer(b'{"id": 5, "commit_id": null}')
        writer.write({"at once": b"", "after the status": whole[:17], "within the body": whole[:-5]}[cut])
        await writer.drain()

    async with wire(handler) as (host, heard), asyncio.timeout(30):
        with pytest.raises(errors.AmbiguousPost):
            await host.publish(PULL, REVIEW, at_once)
    assert len(heard) == 1
    assert heard[0].startswith(b"POST /api/v3/repos/octo/demo/pulls/3/reviews ")


async def test_no_log_of_an_exchange_holds_the_token(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(b'{"login": "prreview-bot"}'))

    caplog.set_level(logging.INFO)
    async with wire(handler) as (host, _):
        await host.identify()
    assert TOKEN not in caplog.text
