"""`doctor` as an operator meets it: what is wrong is found, with its remedy, and nothing else is called wrong."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

from support.stage import Stage

FREE = {"server": {"port": 0, "ops_port": 0}}


async def examined(stage: Stage, *words: str) -> tuple[int, dict[str, dict[str, Any]]]:
    code, out, err = await stage.run("doctor", "--json", *words)
    assert err == ""
    told = json.loads(out)
    assert told["schema_version"] == 1
    for check in told["checks"]:
        assert set(check) == {"name", "ok", "detail", "remedy"}
        assert check["ok"] in {True, False, None}
        assert check["detail"]
        assert check["remedy"] or check["ok"] is not False
    return code, {check["name"]: check for check in told["checks"]}


async def test_a_profile_in_order_is_called_so_and_the_model_is_asked_for_one_token_on_the_bill(tmp_path: Path) -> None:
    with Stage(tmp_path, changes=FREE) as stage:
        code, checks = await examined(stage)

        assert {name: check["detail"] for name, check in checks.items() if check["ok"] is False} == {}
        assert code == 0
        assert {"profile", "secrets.model_api_key", "keyring", "reboot", "state", "database", "cell.files", "cli", "git"} <= set(checks)
        assert (checks["host.token"]["ok"], checks["host.scopes"]["ok"], checks["model"]["ok"]) == (True, None, True)
        assert "/webhook/pr" in checks["webhook"]["detail"]
        assert len(stage.model.requests) == 1
        assert 0 < (await stage.told("status"))["usd_today"] < 0.01
        assert stage.reviews() == []


async def test_what_is_dead_is_found_and_no_value_is_shown(tmp_path: Path) -> None:
    with Stage(tmp_path, changes=FREE) as stage:
        stage.model.revoke_key()
        stage.host.revoke_token()
        code, out, err = await stage.run("doctor")

        assert code == 1
        failed = [line.split()[1] for line in out.splitlines() if line.startswith("FAILED")]
        assert failed == ["host.token", "model"]
        assert "prreview secret set model_api_key" in out
        for value in (stage.keys.model_api_key, stage.keys.host_token, stage.keys.webhook_secret):
            assert value not in out + err
        assert (await stage.told("status"))["paused"] is None


async def test_without_a_token_or_a_key_nothing_is_sent(tmp_path: Path) -> None:
    with Stage(tmp_path, changes=FREE) as stage:
        (tmp_path / "secrets" / "host_token").unlink()
        (tmp_path / "secrets" / "model_api_key").unlink()
        (tmp_path / "secrets" / "webhook_secret").write_text("too short")
        code, checks = await examined(stage)

        assert code == 1
        assert [name for name, check in checks.items() if check["ok"] is False] == [
            "secrets.model_api_key", "secrets.host_token", "secrets.webhook_secret",
        ]  # fmt: skip
        assert "32 bytes" in checks["secrets.webhook_secret"]["detail"]
        assert (checks["host"]["ok"], checks["model"]["ok"]) == (None, None)
        assert stage.model.requests == []


async def test_offline_asks_nobody(tmp_path: Path) -> None:
    with Stage(tmp_path, changes=FREE) as stage:
        stage.model.revoke_key()
        code, checks = await examined(stage, "--offline")

        assert code == 0
        assert not {"host", "host.token", "model"} & set(checks)
        assert stage.model.requests == []


async def test_a_taken_port_and_a_state_folder_open_to_others_are_found(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with Stage(tmp_path, changes={"server": {"port": port, "ops_port": 0}}) as stage:
            (tmp_path / "state").chmod(0o755)
            code, checks = await examined(stage, "--offline")

    assert code == 1
    assert "taken by another program" in checks["server.port"]["detail"]
    assert checks["state"]["remedy"] == f"Run `chmod 700 {tmp_path / 'state'}`."
    assert checks["database"]["ok"] is None


async def test_the_ports_of_a_running_serve_are_no_fault(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        async with stage.serving() as served:
            ports = [int(url.rpartition(":")[2]) for url in (served.root, served.ops)]
            stage.change_profile({"server": {"port": ports[0], "ops_port": ports[1]}})
            code, checks = await examined(stage, "--offline")
            assert await served.terminate() == 0

    assert code == 0
    assert "held by a running `prreview`" in checks["server.port"]["detail"]
    assert "held by a running `prreview`" in checks["server.ops_port"]["detail"]


async def test_a_profile_that_cannot_be_read_is_a_usage_error(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        stage.profile.write_text("environment = 3\n")
        code, out, err = await stage.run("doctor", "--json")

    assert (code, out) == (2, "")
    assert "error:" in err


async def test_a_host_that_cannot_be_reached_is_told_as_that(tmp_path: Path) -> None:
    with Stage(tmp_path, changes=FREE) as stage:
        stage.host.__exit__(None, None, None)
        code, checks = await examined(stage)
        stage.host.__enter__()

    assert code == 1
    assert [name for name, check in checks.items() if check["ok"] is False] == ["host"]
    assert checks["host.token"]["ok"] is None
