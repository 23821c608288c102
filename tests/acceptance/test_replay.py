"""`replay-webhook` as an operator meets it: over HTTP to the running server, past a dead one, and never any further than asked."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

from support.stage import Stage


async def replayed(stage: Stage, *words: str, code: int = 0) -> tuple[list[dict[str, Any]], str]:
    """What each became, and what was said beside it."""
    ended, out, err = await stage.run("replay-webhook", *words, "--json")
    assert ended == code, err
    told = json.loads(out)
    assert told["schema_version"] == 1
    results: list[dict[str, Any]] = told["results"]
    return results, err


async def test_a_stored_delivery_and_a_file_are_delivered_again_to_the_running_server(tmp_path: Path) -> None:
    with Stage(tmp_path, pulls=2) as stage:
        async with stage.serving() as served:
            first = stage.delivery(1)
            (answer,) = await stage.send(served, [first])
            await stage.posted(1)

            results, said = await replayed(stage, first.id, "--times", "20", "--concurrent")
            assert f"Delivering to {served.webhook}." in said
            assert len(results) == 20
            assert {(each["delivery"], each["status"], each["outcome"], each["job"]) for each in results} == {
                (first.id, 200, "duplicate", answer["job"])
            }

            body = tmp_path / "body.json"
            body.write_bytes(stage.delivery(2).body)
            ((result,), _) = await replayed(stage, str(body))
            assert (result["status"], result["outcome"]) == (200, "queued")
            await stage.posted(2)
            assert stage.reviewed() == [1, 2]

            ((ping,), _) = await replayed(stage, str(body), "--event", "ping")
            assert ping["outcome"] == "ignored"
            body.write_text("{")
            ((malformed,), said) = await replayed(stage, str(body), code=2)
            assert (malformed["status"], malformed["outcome"]) == (400, "malformed")
            assert "mend the file" in said

            (tmp_path / "secrets" / "webhook_secret").write_text("another-webhook-secret-" + "z" * 20)
            ((forged,), said) = await replayed(stage, first.id, code=4)
            assert (forged["status"], forged["outcome"], forged["job"]) == (401, "forged", None)
            assert "restarted" in said
            assert await served.terminate() == 0
        assert not list((tmp_path / "state").glob("serve.json*")), "a server that ends takes its address with it"


async def test_past_a_killed_server_it_goes_through_the_same_intake_and_is_reviewed_later(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        async with stage.serving("--workers", "0") as served:
            await served.kill_everything()
        assert (tmp_path / "state" / "serve.json").exists()
        body = tmp_path / "body.json"
        body.write_bytes(stage.delivery().body)
        results, said = await replayed(stage, str(body), "--times", "3", "--concurrent")
        assert "the same intake in this process" in said
        assert "ended without saying so" in said
        assert sorted(each["outcome"] for each in results) == ["duplicate", "duplicate", "queued"]
        again, _ = await replayed(stage, results[0]["delivery"])
        assert again[0]["outcome"] == "duplicate"
        async with stage.working() as worker:
            await stage.posted(1)
            assert await worker.terminate() == 0
        assert stage.reviewed() == [1]


async def test_a_redirect_is_not_followed_and_no_proxy_is_asked(tmp_path: Path) -> None:
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.write(b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /elsewhere\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with Stage(tmp_path) as stage:
            body = tmp_path / "body.json"
            body.write_bytes(stage.delivery().body)
            ((result,), said) = await replayed(stage, str(body), "--url", address, code=2)
            assert (result["status"], result["outcome"], result["job"]) == (307, "unknown", None)
            assert f"Delivering to {address}/webhook/pr." in said
            assert asked == [b"POST /webhook/pr HTTP/1.1\r\n"]

            server.close()
            ((nobody,), said) = await replayed(stage, str(body), "--url", address, code=3)
            assert (nobody["status"], nobody["outcome"]) == (None, "unreachable")
            assert "try again" in said


async def test_what_cannot_be_replayed_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        large = tmp_path / "large.json"
        with large.open("wb") as file:
            os.truncate(file.fileno(), (5 << 20) + 1)
        refusals = [
            (["--missed"], "not in this version yet"),
            ([], "Nothing is named"),
            (["./missing.json"], "cannot be read"),
            ([str(large)], "larger than 5 MiB"),
            (["no-such-delivery"], "database"),
            (["d-1", "--event", "ping"], "goes with a file"),
            (["d-1", "--url", "http://name:hunter2@127.0.0.1/"], "cannot be delivered to"),
        ]
        ended = await asyncio.gather(*(stage.run("replay-webhook", *words) for words, _ in refusals))
        for (words, sentence), (code, out, err) in zip(refusals, ended, strict=True):
            assert (code, out) == (2, ""), (words, err)
            assert sentence in err
            assert "hunter2" not in err
