"""The way in under attack: threats 1 to 13. The critical ones take their control away as well, and the attack then succeeds."""

from __future__ import annotations

import asyncio
import hmac
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from prreview_cli.core import errors
from prreview_cli.core.job import AttemptCost, Posted
from prreview_cli.core.ports.host import Signer
from prreview_cli.core.ports.store import Capacity
from prreview_cli.core.profile import Host
from prreview_cli.hosts.github import requests
from prreview_cli.hosts.github.auth import TokenAccess
from prreview_cli.hosts.github.client import GitHubClient
from prreview_cli.hosts.github.host import GitHubHost
from prreview_cli.hosts.github.webhook import GitHubWebhook
from prreview_cli.secrecy import Secret
from prreview_cli.settings import values
from prreview_cli.store.memory import MemoryStore
from prreview_cli.telemetry.metrics import Metrics
from prreview_cli.trials.simulators.webhooks import signed
from prreview_cli.web.listener import Listener
from prreview_cli.web.ops import Ops
from support.clocks import FakeClock
from support.http_clients import StillClock, connected, delivery, post, request, signature
from support.ingress import body, ingress, server, sha1
from support.stage import Stage, get

NOTHING = {"delivery": 0, "job": 0}
TOKEN = "github_pat_canary_0123456789abcdefghijklmnopqrstuv"
MIB = 1 << 20


# -- 1: forged --------------------------------------------------------------------------------------


def forgeries() -> Iterator[tuple[str, bytes, dict[str, str]]]:
    good = body()
    yield "unsigned", good, {"x_hub_signature_256": ""}
    yield "forged", good, {"x_hub_signature_256": "sha256=" + "0" * 64}
    yield "SHA-1 alone", good, {"x_hub_signature_256": "", "x_hub_signature": sha1(good)}
    yield "SHA-1 in the place of SHA-256", good, {"x_hub_signature_256": sha1(good)}
    yield "another secret", good, {"x_hub_signature_256": signature(good, b"an empty or another secret").decode()}
    yield "no secret", good, {"x_hub_signature_256": signature(good, b"").decode()}
    yield "another body", good + b" ", {"x_hub_signature_256": signature(good).decode()}
    yield "a bomb", b"[" * 100_000, {"x_hub_signature_256": "sha256=" + "0" * 64}


@pytest.mark.without("the signature")
async def test_threat_01_what_is_not_signed_is_401_before_anything_is_parsed_and_leaves_no_row(tmp_path, monkeypatch):
    async with ingress(tmp_path) as door:
        for name, data, headers in forgeries():
            answered = await door.post(data, **headers)
            assert (answered.status, answered.json["status"]) == (401, "forged"), name
        assert door.webhook.parsed == 0
        assert door.rows() == NOTHING

        monkeypatch.setattr(type(door.webhook), "authentic", lambda *_: Signer.CURRENT)
        assert (await door.post(body(), x_hub_signature_256="")).status == 200
        assert door.rows() == {"delivery": 1, "job": 1}


# -- 2: a secret that anybody guesses ---------------------------------------------------------------

GUESSED = "correct horse battery staple"
CREDULOUS = """
from prreview_cli.settings import values
values.MIN_WEBHOOK_BYTES = 1
from prreview_cli.__main__ import main
main()
"""


@pytest.mark.without("the least length of a secret")
async def test_threat_02_a_webhook_secret_under_32_bytes_or_none_keeps_the_server_from_starting(tmp_path):
    with Stage(tmp_path) as stage:
        secret = tmp_path / "secrets" / "webhook_secret"
        for short in ("", "hunter2", GUESSED):
            secret.write_text(short)
            code, out, said = await stage.run("serve", "--port", "0", "--ops-port", "0", "--workers", "0")
            assert (code, out) == (2, ""), said
            assert "webhook_secret" in said
            assert not short or short not in said

        stage.program = (sys.executable, "-I", "-c", CREDULOUS)
        async with stage.serving("--workers", "0") as served:
            guessed = stage.host.delivery(stage.hosted, 1, GUESSED, "opened")
            assert [answer["status"] for answer in await stage.send(served, [guessed])] == ["queued"]

    assert not GitHubWebhook(lambda: [Secret("")]).authentic(b"{}", {b"x-hub-signature-256": signature(b"{}", b"")})
    assert values.MIN_WEBHOOK_BYTES == 32


# -- 3: timing, and what is not ASCII ---------------------------------------------------------------


async def test_threat_03_signatures_are_bytes_compared_in_constant_time_and_those_above_ascii_are_401(tmp_path, monkeypatch):
    compared: list[tuple[object, object]] = []
    honest = hmac.compare_digest

    def compare(ours: Any, theirs: Any) -> bool:
        compared.append((ours, theirs))
        return honest(ours, theirs)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    odd = ["é".encode(), b"\xe9", b"sha256=\xff" + b"0" * 63, "sha256=ﬀ".encode(), b"\x80" * 71]
    async with ingress(tmp_path) as door:
        for value in odd:
            raw = delivery(body(), x_hub_signature_256="PLACE").replace(b"PLACE", value)
            assert (await post(door.url, raw)).status == 401, value
        assert door.rows() == NOTHING
    assert [theirs for _, theirs in compared] == odd
    assert {(type(ours), len(ours)) for ours, _ in compared} == {(bytes, 71)}


# -- 4: replay --------------------------------------------------------------------------------------


async def test_threat_04_one_body_under_fifty_delivery_ids_is_one_job_that_is_taken_once(tmp_path):
    async with ingress(tmp_path) as door:
        answers = await asyncio.gather(*(door.post(body(), x_github_delivery=f"replayed-{number}") for number in range(50)))
        said = [answered.json["status"] for answered in answers]
        assert (said.count("queued"), said.count("duplicate")) == (1, 49)
        assert len({answered.json["job"] for answered in answers}) == 1
        assert door.rows() == {"delivery": 50, "job": 1}


async def test_threat_04_replayed_after_its_review_it_is_not_reviewed_again(tmp_path):
    async with ingress(tmp_path) as door:
        await door.post(body())
        jobs, now = door.store.jobs, FakeClock().now()
        lease = await jobs.claim("w1", Capacity(4), 30.0, now)
        assert lease is not None
        assert await jobs.settle(lease, Posted("r-1"), AttemptCost(), now)
        said = {(await door.post(body(), x_github_delivery=f"replayed-{number}")).json["status"] for number in range(20)}
        assert said == {"duplicate"}
        assert await jobs.claim("w1", Capacity(4), 30.0, now) is None


# -- 5: one event under another's name --------------------------------------------------------------


async def test_threat_05_an_event_under_another_ones_name_makes_no_job(tmp_path):
    push = json.dumps({"ref": "refs/heads/main", "after": "a" * 40, "repository": {"id": 7, "full_name": "octo/demo"}}).encode()
    comment = json.dumps({"action": "created", "issue": {"number": 3}, "repository": {"id": 7, "full_name": "octo/demo"}}).encode()
    async with ingress(tmp_path) as door:
        for data, name in ((push, "pull_request"), (comment, "pull_request"), (body(), "push"), (body(), "issue_comment"), (body(), "")):
            answered = await door.post(data, x_github_event=name)
            assert (answered.status, answered.json["status"], answered.json["job"]) == (200, "ignored", None), name
        assert door.rows() == {"delivery": 5, "job": 0}
        assert (await door.post(body())).json["status"] == "queued"


# -- 6: stored, or not acknowledged -----------------------------------------------------------------

DIES = """
import os, signal
from prreview_cli.store.sqlite.jobs import SqliteJobs
honest = SqliteJobs.accept
async def accept(*given):
    await honest(*given)
    os.kill(os.getpid(), signal.SIGKILL)
SqliteJobs.accept = accept
from prreview_cli.__main__ import main
main()
"""
"""`prreview`, killed after a delivery was stored and before it is answered."""


def test_threat_06_killed_at_any_statement_a_delivery_is_stored_with_its_job_or_not_at_all(tmp_path):
    tests = Path(__file__).parents[1]
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(tests)}
    driver = [sys.executable, tests / "support" / "crash" / "accepting.py", tmp_path]
    done = subprocess.run(driver, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    died = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(died) >= 5, "its transaction has that many statements"
    for death in died:
        deliveries, jobs = death["left"]
        assert deliveries == jobs <= 1
        assert death["again"] == [deliveries + 1, 1]


async def test_threat_06_killed_before_its_answer_the_server_keeps_what_it_stored_and_a_redelivery_finds_it(tmp_path):
    with Stage(tmp_path, program=(sys.executable, "-I", "-c", DIES)) as stage:
        first = stage.delivery()
        async with stage.serving("--workers", "0") as doomed:
            with pytest.raises(httpx.TransportError):
                await stage.send(doomed, [first])
            assert await doomed.process.wait() == -signal.SIGKILL
        stage.program = Stage.program
        async with stage.serving("--workers", "0") as served:
            assert [answer["status"] for answer in await stage.send(served, [first])] == ["duplicate"]
        assert len((await stage.told("jobs", "list"))["jobs"]) == 1


# -- 7: form-encoded --------------------------------------------------------------------------------


SENDS_A_FORM = """
import asyncio, sys
from pathlib import Path
from support.ingress import ingress
async def main(folder):
    folder.mkdir()
    async with ingress(folder) as door:
        print((await door.post(b"payload=%7B%7D", content_type="application/x-www-form-urlencoded")).status)
asyncio.run(main(Path(sys.argv[1])))
print([name for name in sys.modules if "multipart" in name or name == "cgi"])
"""


async def test_threat_07_a_form_is_415_with_the_setting_to_change_and_nothing_can_parse_it(tmp_path):
    async with ingress(tmp_path) as door:
        answered = await door.post(b"payload=" + b"%7B%7D" * 1000, content_type="application/x-www-form-urlencoded; charset=utf-8")
        assert answered.status == 415
        assert "set the webhook's content type to application/json" in str(answered.json["reason"])
        assert door.webhook.parsed == 0
        assert door.rows() == NOTHING

    tests = Path(__file__).parents[1]
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(tests)}
    child = [sys.executable, "-c", SENDS_A_FORM, tmp_path / "another"]
    said = (await asyncio.to_thread(subprocess.run, child, env=environment, capture_output=True, text=True, timeout=60, check=True)).stdout
    assert said.split() == ["415", "[]"]


# -- 8: too much ------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_threat_08_what_never_ends_is_refused_and_memory_grows_by_less_than_twenty_mebibytes(tmp_path):
    chunked = request("POST", "/webhook/pr", {"host": "x", "transfer-encoding": "chunked"})
    chunk = b"10000\r\n" + b"a" * 0x10000 + b"\r\n"
    async with server(tmp_path) as door, AsyncExitStack() as crowd:
        before = door.peak()
        half_sent = request("POST", "/webhook/pr", {"host": "x", "content-length": str(5 * MIB)}) + b"a" * (4 * MIB)
        async with connected(door.url) as sender:
            await sender.send(chunked)
            assert (await sender.pour_until_answered(chunk)).status == 413
        for _ in range(20):
            sender = await crowd.enter_async_context(connected(door.url))
            await sender.send(half_sent)
        async with connected(door.url) as sender:
            await sender.send(chunked)
            assert (await sender.pour_until_answered(chunk)).status in {413, 503}  # 503 if it was the slowest of the crowd
        async with connected(door.url) as sender:
            await sender.send(b"POST /webhook/pr HTTP/1.1\r\nx: ")
            assert (await sender.pour_until_answered(b"a" * 4000)).status == 431
        assert (await post(door.url, delivery())).status == 200
        assert door.peak() - before < 20 * MIB


# -- 9: bombs ---------------------------------------------------------------------------------------


async def test_threat_09_bombs_and_ambiguous_json_are_400_and_the_next_delivery_works(tmp_path):
    bombs = {
        "nesting": b"[" * 1_000_000,
        "nesting in what is skipped": body(pull={"x": 0}).replace(b'"x": 0', b'"x": ' + b"[" * 50_000 + b"]" * 50_000),
        "a long number": body(pull={"x": 0}).replace(b'"x": 0', b'"x": ' + b"9" * 5000),
        "NaN": body(pull={"x": 0}).replace(b'"x": 0', b'"x": NaN'),
        "half a surrogate pair": body(pull={"base": {"ref": "main\ud800"}}),
        "a key twice": body().replace(b'"number": 3', b'"number": 3, "number": 4'),
        "no UTF-8": body().replace(b"A title", b"A \xfftitle"),
        "nothing": b"",
    }
    async with ingress(tmp_path) as door, connected(door.url) as sender:
        for name, bomb in bombs.items():
            assert (await sender.ask(delivery(bomb))).status == 400, name
        assert door.rows() == NOTHING
        assert (await sender.ask(delivery(body()))).status == 200


# -- 10: slowly -------------------------------------------------------------------------------------


async def test_threat_10_two_hundred_sockets_that_drip_do_not_delay_a_good_delivery_by_a_second(tmp_path):
    async with ingress(tmp_path) as door, AsyncExitStack() as crowd:
        starts = [
            b"P",
            b"POST /webhook/pr HTTP/1.1\r\nhost",
            delivery(body())[:-1],
            request("POST", "/webhook/pr", {"content-length": "9"}),
        ]
        drips = [await crowd.enter_async_context(connected(door.url)) for _ in range(200)]
        slowest = 0.0
        for turn in range(4):
            for number, sender in enumerate(drips):
                await sender.send(starts[number % 4] if turn == 0 else b"a")
            started = time.monotonic()
            assert (await door.post(body())).status == 200
            slowest = max(slowest, time.monotonic() - started)
        assert slowest < 1


# -- 11: somebody else's URLs -----------------------------------------------------------------------


@contextmanager
def trap(location: str = "") -> Iterator[tuple[str, list[bytes]]]:
    """A server that must not be asked: its address, and what came in. With a location it sends everybody on."""
    heard: list[bytes] = []
    answer = b"HTTP/1.1 302 Found\r\nlocation: %s\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % location.encode()

    def listen() -> None:
        with suppress(OSError):
            while True:
                came, _ = listening.accept()
                with came:
                    came.settimeout(5)
                    heard.append(came.recv(65_536))
                    came.sendall(answer if location else b"HTTP/1.1 404 No\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")

    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", heard
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(10)


def pointed_at(place: str, content: Any) -> Any:
    """The same payload, every URL of which leads to the trap."""
    match content:
        case dict():
            return {key: pointed_at(place, inner) for key, inner in content.items()}
        case list():
            return [pointed_at(place, inner) for inner in content]
        case str() if "://" in content or content.startswith("git@"):
            return place + urlsplit(content).path
    return content


async def test_threat_11_urls_in_the_payload_lead_nowhere_and_the_review_is_posted_where_the_profile_says(tmp_path):
    with trap() as (place, heard), Stage(tmp_path, workers=1) as stage:
        hostile = pointed_at(place, json.loads(stage.delivery().body))
        assert json.dumps(hostile).count(place) > 50
        async with stage.serving() as served:
            await stage.send(served, [signed(hostile, stage.keys.webhook_secret)])
            await stage.posted(1)
            assert await served.terminate() == 0
        assert heard == []

        # A client that believes the payload walks into the trap, and brings the token along.
        believed = hostile["repository"]["url"].partition("/repos/")[0]
        host = GitHubHost(Host(api_url=believed), TokenAccess(lambda: Secret(TOKEN)), "test", FakeClock(), str)
        with pytest.raises(errors.Failure):
            await host.pull_request(None, "octo/demo", 3)
        await host.close()
        assert TOKEN.encode() in b"".join(heard)


@pytest.mark.without("the refusal of redirects")
async def test_threat_11_a_redirect_is_not_followed_with_or_without_the_token(monkeypatch):
    async def ask(address: str) -> None:
        client = GitHubClient(address)
        with suppress(Exception):
            assert (await client.send(requests.user(), Secret(TOKEN))).status == 302
        await client.close()

    with trap() as (place, heard), trap(place) as (sends_on, asked):
        await ask(sends_on)
        assert (len(asked), heard) == (1, [])

        honest = httpx.AsyncClient.__init__
        monkeypatch.setattr(httpx.AsyncClient, "__init__", lambda self, **how: honest(self, **{**how, "follow_redirects": True}))
        await ask(sends_on)
        assert len(heard) == 1


# -- 12: what the public port shows -----------------------------------------------------------------


async def test_threat_12_the_public_port_has_two_routes_and_its_faults_say_nothing_of_themselves(tmp_path, monkeypatch):
    async with ingress(tmp_path) as door:
        for path in ("/", "/metrics", "/readyz", "/docs", "/redoc", "/openapi.json", "/debug", "/webhook", "/.env", "/healthz/../metrics"):
            for method in ("GET", "POST"):
                assert (await post(door.url, request(method, path, {"host": "x", "content-length": "0"}))).status == 404, path
        assert (await post(door.url, request("GET", "/healthz", {"host": "x"}))).status == 200

        async def broken(*_: object) -> None:
            raise RuntimeError("canary: a detail of ours")

        monkeypatch.setattr(door.store.jobs, "accept", broken)
        answered = await door.post(body())
        assert answered.status == 500
        assert b"canary" not in answered.body
        assert b"Traceback" not in answered.body


# -- 13: the operator's pages -----------------------------------------------------------------------


async def test_threat_13_the_operators_pages_are_for_this_machines_names_change_nothing_and_are_not_public(tmp_path):
    clock = StillClock()
    async with Listener(Ops(MemoryStore(clock), clock, Metrics(), "prod"), "127.0.0.1", 0, setting="server.ops_port") as inside:
        for path in ("/", "/readyz", "/metrics"):
            for host in ("evil", "evil.example:9090", "127.0.0.1.evil.example", "localhost.evil", "2130706433"):
                assert (await post(inside.url, request("GET", path, {"host": host}))).status == 403, host
            for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
                asked = request(method, path, {"host": "localhost", "content-length": "0"})
                assert (await post(inside.url, asked)).status == 405, method
            answered = await post(inside.url, request("GET", path, {"host": "localhost"}))
            assert "access-control-allow-origin" not in answered.headers
            assert answered.headers["x-content-type-options"] == "nosniff"

    # Wherever the webhook listens, the operator's pages listen on loopback, and none of theirs is on the public port.
    with Stage(tmp_path, changes={"server": {"host": "0.0.0.0"}}) as stage:
        async with stage.serving("--workers", "0") as served:
            public, ops = urlsplit(served.webhook).port, urlsplit(served.ops).port
            assert (await get(f"http://127.0.0.2:{public}/healthz")).status_code == 200
            with pytest.raises(httpx.ConnectError):
                await get(f"http://127.0.0.2:{ops}/readyz")
            assert (await get(f"{served.ops}/metrics")).status_code == 200
            for path in ("/", "/readyz", "/metrics"):
                assert (await get(f"http://127.0.0.1:{public}{path}")).status_code == 404
