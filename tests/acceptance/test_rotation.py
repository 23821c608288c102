"""`secret rotate` beside a running server: no delivery is refused at any moment, and a command that is killed leaves none behind."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from prreview_cli.trials.simulators.behaviours import held, reviewer
from prreview_cli.trials.simulators.loopback import Gate
from support.said_keyring import install
from support.stage import WAIT_S, Served, Stage

FIRST, SECOND, THIRD, FOURTH = (f"{name}-webhook-secret-0123456789abcdefghij" for name in ("first", "second", "third", "fourth"))
STAGING = "the-webhook-secret-of-staging-0123456789abc"


@contextmanager
def staged(folder: Path) -> Iterator[tuple[Stage, Path]]:
    """A stage whose webhook secret and model key are in a keyring, and that keyring's folder."""
    kept = folder / "keyring"
    program = (sys.executable, "-P", "-m", "prreview_cli")
    with Stage(folder, program=program, variables=install(kept)) as stage:
        stage.change_profile({"secrets": {name: f"keyring:{name}" for name in ("webhook_secret", "model_api_key")}})
        values = {"webhook_secret": FIRST, "model_api_key": stage.keys.model_api_key}
        (kept / "kept.json").write_text(json.dumps({f"prreview/load-test {name}": value for name, value in values.items()}))
        yield stage, kept


async def begun(stage: Stage, name: str, *options: str, value: str = "") -> asyncio.subprocess.Process:
    """`secret rotate NAME` with a value on stdin."""
    process = await asyncio.create_subprocess_exec(
        *(*stage.program, "secret", "rotate", name, *options, "--profile", str(stage.profile)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=stage.environment,
        cwd=stage.folder,
    )
    assert process.stdin is not None
    process.stdin.write(value.encode())
    process.stdin.close()
    return process


async def rotate(stage: Stage, name: str, *options: str, value: str = "") -> tuple[int | None, str]:
    """Its exit code and what it said."""
    process = await begun(stage, name, *options, value=value)
    out, err = await asyncio.wait_for(process.communicate(), WAIT_S)
    return process.returncode, (out + err).decode()


async def verified(stage: Stage, served: Served, *secrets: str) -> list[int]:
    """The statuses of deliveries that these secrets signed."""
    signed = [stage.host.delivery(stage.hosted, 1, secret) for secret in secrets]
    async with httpx.AsyncClient(trust_env=False, timeout=WAIT_S) as client:
        return [(await client.post(served.webhook, content=each.body, headers=each.headers)).status_code for each in signed]


async def test_a_running_server_takes_up_each_rotation_at_once_however_it_ended(tmp_path: Path) -> None:
    with staged(tmp_path) as (stage, kept):
        async with stage.serving("--workers", "0") as served:
            assert await verified(stage, served, FIRST, SECOND, STAGING) == [200, 401, 401]

            assert (await rotate(stage, "webhook_secret", value=SECOND))[0] == 0
            assert await verified(stage, served, FIRST, SECOND, STAGING) == [200, 200, 401]
            told = await stage.told("secret", "rotate", "webhook_secret", "--status")
            assert (told["rotations"], told["previous_valid"]) == (1, True)
            assert told["current_last_verified"] > told["previous_last_verified"]

            assert (await rotate(stage, "webhook_secret", "--retire"))[0] == 0
            assert await verified(stage, served, FIRST, SECOND) == [401, 200]

            # Killed when the keyring has the new secret, and before anything says so.
            (kept / "kill").write_text("after webhook_secret")
            assert (await rotate(stage, "webhook_secret", value=THIRD))[0] == -signal.SIGKILL
            assert await verified(stage, served, THIRD, SECOND) == [200, 200]
            told = await stage.told("secret", "rotate", "webhook_secret", "--status")
            assert (told["rotations"], told["previous_valid"], told["current_last_verified"] is None) == (2, True, False)
            assert (await rotate(stage, "webhook_secret", "--retire", "--anyhow"))[0] == 0
            assert await verified(stage, served, SECOND, THIRD) == [401, 200]

            # Killed before the keyring has it: the old one stays, under its own number, and the next try goes through.
            (kept / "kill").write_text("before webhook_secret")
            assert (await rotate(stage, "webhook_secret", value=FOURTH))[0] == -signal.SIGKILL
            assert await verified(stage, served, THIRD, FOURTH) == [200, 401]
            told = await stage.told("secret", "rotate", "webhook_secret", "--status")
            assert (told["rotations"], told["previous_valid"]) == (2, False)
            assert (await rotate(stage, "webhook_secret", value=FOURTH))[0] == 0
            assert await verified(stage, served, FOURTH, THIRD) == [200, 200]
            assert await served.terminate() == 0


async def test_a_model_key_is_replaced_only_once_the_new_one_lives_and_ctrl_c_leaves_the_old_one(tmp_path: Path) -> None:
    def key_in(folder: Path) -> str:
        value: str = json.loads((folder / "kept.json").read_text())["prreview/load-test model_api_key"]
        return value

    dead, new, gate = f"sk-ant-dead-{'d' * 40}", f"sk-ant-new-{'n' * 40}", Gate()
    with staged(tmp_path) as (stage, kept):
        code, said = await rotate(stage, "model_api_key", value=dead)
        assert (code, key_in(kept)) == (4, stage.keys.model_api_key), said

        stage.model.keys.add(new)
        stage.model.script = held(gate, reviewer())
        process = await begun(stage, "model_api_key", value=new)
        await stage.model.watch.until(lambda: [asked.key for asked in stage.model.requests] == [dead, new], WAIT_S)
        process.send_signal(signal.SIGINT)
        _, err = await asyncio.wait_for(process.communicate(), WAIT_S)
        assert (process.returncode, key_in(kept)) == (130, stage.keys.model_api_key), err

        gate.open()
        code, said = await rotate(stage, "model_api_key", value=new)
        assert (code, key_in(kept)) == (0, new), said
        assert {asked.conversation.request["max_tokens"] for asked in stage.model.requests} == {1}
        assert 0 < (await stage.told("status"))["usd_today"] < 0.01, "each try is on the bill"
        for value in (dead, new, stage.keys.model_api_key):
            assert value not in said + err.decode()


async def test_secrets_in_files_are_only_read_and_both_verify(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        code, said = await rotate(stage, "webhook_secret", value=SECOND)
        assert code == 2
        assert "into that file" in said
        previous = tmp_path / "secrets/webhook_secret_previous"
        previous.touch(mode=0o600)
        previous.write_text(FIRST)
        stage.change_profile({"secrets": {"webhook_secret_previous": f"file:{previous}"}})
        async with stage.serving("--workers", "0") as served:
            assert await verified(stage, served, stage.keys.webhook_secret, FIRST, STAGING) == [200, 200, 401]
