from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import shutil
import subprocess
from pathlib import Path

import pytest

from prreview_cli.trials.simulators.code_host import CodeHost
from support.installed import PROGRAM, prreview
from support.said_keyring import install
from support.simulators import MachineClock

VALUE = "sk-ant-api03-Zq7xW2mNb4Vc9Lk1Jh8Gf3Ds6Ap0Qw5Er7"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A profile `prod`, and a keyring that is said, in a file of the test's own."""
    environ = {
        "PRREVIEW_PROFILES_DIR": str(tmp_path / "profiles"),
        "PRREVIEW_PROFILE": "prod",
        **install(tmp_path / "backend"),
    }
    assert prreview(tmp_path, "profile", "create", "prod", environ=environ).returncode == 0
    return environ


def kept(tmp_path: Path) -> dict[str, str]:
    file = tmp_path / "backend" / "kept.json"
    return json.loads(file.read_text()) if file.exists() else {}


def test_a_secret_is_set_from_stdin_listed_and_removed_and_never_shown(tmp_path: Path, environ: dict[str, str]) -> None:
    put = prreview(tmp_path, "secret", "set", "model_api_key", environ=environ, stdin=f"{VALUE}\n")
    assert put.returncode == 0, put.stderr
    assert kept(tmp_path) == {"prreview/prod model_api_key": VALUE}

    listed = prreview(tmp_path, "secret", "list", "--json", environ=environ)
    data = json.loads(listed.stdout)
    assert data["environment"] == "prod"
    assert [(row["name"], row["present"]) for row in data["secrets"]] == [
        ("model_api_key", True),
        ("host_token", False),
        ("webhook_secret", False),
    ]
    table = prreview(tmp_path, "secret", "list", environ=environ)
    assert "keyring:model_api_key" in table.stdout

    removed = prreview(tmp_path, "secret", "remove", "model_api_key", environ=environ)
    assert removed.returncode == 0
    assert kept(tmp_path) == {}
    assert prreview(tmp_path, "secret", "remove", "model_api_key", environ=environ).returncode == 2
    for run in (put, listed, table, removed):
        assert VALUE[13:25] not in run.stdout + run.stderr


@pytest.mark.parametrize("value", ["", "short\n", "two\nlines-of-a-secret\n", "nul\0nul-nul-nul"])
def test_a_value_that_is_no_secret_is_refused(tmp_path: Path, environ: dict[str, str], value: str) -> None:
    refused = prreview(tmp_path, "secret", "set", "host_token", environ=environ, stdin=value)

    assert refused.returncode == 2
    assert kept(tmp_path) == {}


def test_a_value_on_the_command_line_is_not_taken_and_not_repeated(tmp_path: Path, environ: dict[str, str]) -> None:
    for words in (["model_api_key", VALUE], [VALUE], [VALUE, "x"]):
        refused = prreview(tmp_path, "secret", "set", *words, environ=environ, stdin=f"{VALUE}\n")

        assert refused.returncode == 2
        assert VALUE[13:25] not in refused.stdout + refused.stderr
        assert kept(tmp_path) == {}


@pytest.mark.parametrize("reference", ["env:TOKEN", "file:/run/credentials/x/token"])
def test_what_the_keyring_does_not_keep_is_not_set(tmp_path: Path, environ: dict[str, str], reference: str) -> None:
    prreview(tmp_path, "profile", "set", "secrets.host_token", reference, environ=environ)

    refused = prreview(tmp_path, "secret", "set", "host_token", environ=environ, stdin=f"{VALUE}\n")

    assert refused.returncode == 2
    assert reference in refused.stderr
    assert kept(tmp_path) == {}


@pytest.mark.parametrize(("second", "code"), [(VALUE, 0), ("another-value-0123456789", 2)])
def test_at_a_terminal_the_value_is_asked_twice_and_not_echoed(tmp_path: Path, environ: dict[str, str], second: str, code: int) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        ["setsid", "--ctty", PROGRAM, "secret", "set", "model_api_key"],  # which makes it the controlling terminal
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "TERM": "dumb", **environ},
    )
    os.close(theirs)
    try:
        shown = _answer(ours, "Value of model_api_key", VALUE) + _answer(ours, "The same again", second) + _rest(ours)
        assert process.wait(timeout=30) == code
    finally:
        process.kill()
        process.wait()
        os.close(ours)

    assert VALUE[13:25] not in shown
    assert "another-value" not in shown
    assert bool(kept(tmp_path)) == (code == 0)


def test_ctrl_c_at_the_prompt_ends_with_130_and_keeps_nothing(tmp_path: Path, environ: dict[str, str]) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        ["setsid", "--ctty", PROGRAM, "secret", "set", "model_api_key"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "TERM": "dumb", **environ},
    )
    os.close(theirs)
    try:
        shown = _answer(ours, "Value of model_api_key", "half a value\x03") + _rest(ours)
        assert process.wait(timeout=30) == 130
    finally:
        process.kill()
        process.wait()
        os.close(ours)

    assert shown.splitlines()[-1] == "Interrupted."
    assert "Traceback" not in shown
    assert "half a value" not in shown
    assert kept(tmp_path) == {}


def _answer(terminal: int, prompt: str, value: str) -> str:
    shown = ""
    while prompt not in shown:
        assert select.select([terminal], [], [], 30)[0], shown
        shown += os.read(terminal, 4096).decode()
    os.write(terminal, f"{value}\n".encode())
    return shown


def _rest(terminal: int) -> str:
    shown = ""
    try:
        while select.select([terminal], [], [], 30)[0] and (piece := os.read(terminal, 4096)):
            shown += piece.decode()
    except OSError:  # Linux says so when the other side has closed
        pass
    return shown


OLD, NEW, NEWER = (f"{name}-webhook-secret-0123456789abcdefghij" for name in ("first", "second", "third"))


def rotate(
    tmp_path: Path, environ: dict[str, str], *options: str, name: str = "webhook_secret", stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    run = prreview(tmp_path, "secret", "rotate", name, *options, environ=environ, stdin=stdin)
    assert not any(value[10:24] in run.stdout + run.stderr for value in (OLD, NEW, NEWER, VALUE))
    return run


def test_the_webhooks_secret_is_rotated_told_and_retired(tmp_path: Path, environ: dict[str, str]) -> None:
    environ = {**environ, "XDG_STATE_HOME": str(tmp_path / "state")}
    assert rotate(tmp_path, environ, stdin=NEW).returncode == 2, "there is nothing to rotate yet"
    prreview(tmp_path, "secret", "set", "webhook_secret", environ=environ, stdin=OLD)
    assert rotate(tmp_path, environ, stdin=OLD).returncode == 2, "the same value is no rotation"
    assert kept(tmp_path) == {"prreview/prod webhook_secret": OLD}

    assert rotate(tmp_path, environ, "--retire-after", "7d", stdin=NEW).returncode == 0

    both = {"prreview/prod webhook_secret": NEW, "prreview/prod webhook_secret_previous": OLD}
    assert kept(tmp_path) == both
    told = json.loads(rotate(tmp_path, environ, "--status", "--json").stdout)
    assert (told["rotations"], told["previous_valid"], told["current_last_verified"]) == (1, True, None)
    assert told["previous_until"] > told["since"]
    listed = json.loads(prreview(tmp_path, "secret", "list", "--json", environ=environ).stdout)
    assert [row["name"] for row in listed["secrets"] if row["present"]] == ["webhook_secret", "webhook_secret_previous"]
    refused = rotate(tmp_path, environ, stdin=NEWER)
    assert (refused.returncode, kept(tmp_path)) == (2, both)
    assert "--retire" in refused.stderr

    assert rotate(tmp_path, environ, "--retire").returncode == 0
    assert kept(tmp_path) == {"prreview/prod webhook_secret": NEW}
    assert rotate(tmp_path, environ, "--retire").returncode == 2
    assert json.loads(rotate(tmp_path, environ, "--status", "--json").stdout)["previous_valid"] is False


def test_a_second_rotation_is_refused_while_another_one_is_under_way(tmp_path: Path, environ: dict[str, str]) -> None:
    environ = {**environ, "XDG_STATE_HOME": str(tmp_path / "state")}
    prreview(tmp_path, "secret", "set", "webhook_secret", environ=environ, stdin=OLD)
    state = tmp_path / "state" / "prreview" / "prod"
    state.mkdir(mode=0o700, parents=True)
    with (state / "rotation.lock").open("wb") as another:  # which is at its prompt, say
        fcntl.flock(another, fcntl.LOCK_EX)
        for options in ((), ("--retire", "--anyhow")):
            refused = rotate(tmp_path, environ, *options, stdin=NEW)
            assert (refused.returncode, "nothing was changed" in refused.stderr) == (2, True), refused.stderr
    assert kept(tmp_path) == {"prreview/prod webhook_secret": OLD}
    assert rotate(tmp_path, environ, stdin=NEW).returncode == 0


def test_a_key_is_replaced_only_once_its_service_accepts_the_new_one(tmp_path: Path, environ: dict[str, str]) -> None:
    environ = {**environ, "XDG_STATE_HOME": str(tmp_path / "state")}
    with CodeHost(tmp_path / "host", MachineClock(), VALUE) as host:
        prreview(tmp_path, "profile", "set", "host.api_url", host.api_url, environ=environ)
        prreview(tmp_path, "secret", "set", "host_token", environ=environ, stdin=NEW)

        refused = rotate(tmp_path, environ, name="host_token", stdin=NEWER)
        assert (refused.returncode, kept(tmp_path)) == (4, {"prreview/prod host_token": NEW})
        accepted = rotate(tmp_path, environ, name="host_token", stdin=VALUE)
        assert (accepted.returncode, kept(tmp_path)) == (0, {"prreview/prod host_token": VALUE}), accepted.stderr
        host.world.scopes = "repo"
        wide = rotate(tmp_path, environ, name="host_token", stdin=VALUE)
        assert (wide.returncode, "fine-grained" in wide.stderr) == (4, True)


SESSION = """
set -e
mkdir -p "$XDG_RUNTIME_DIR"
printf a-password | gnome-keyring-daemon --foreground --unlock --components=secrets >/dev/null 2>&1 &
daemon=$!
trap 'kill $daemon 2>/dev/null; wait $daemon 2>/dev/null || true' EXIT
tries=0
until dbus-send --session --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.GetNameOwner string:org.freedesktop.secrets >/dev/null 2>&1
do tries=$((tries + 1)); test $tries -lt 500; read -t 0.02 _ <> <(:) || true; done
"$PRREVIEW" secret set model_api_key
"$PRREVIEW" secret list --json
"$PRREVIEW" secret remove model_api_key
openssl rand -hex 32 | "$PRREVIEW" secret set webhook_secret
openssl rand -hex 32 | "$PRREVIEW" secret rotate webhook_secret
"$PRREVIEW" secret list --json
"$PRREVIEW" secret rotate webhook_secret --retire
"$PRREVIEW" secret remove webhook_secret
"$PRREVIEW" secret list --json
"""


@pytest.mark.skipif(
    not all(map(shutil.which, ("gnome-keyring-daemon", "dbus-run-session", "dbus-send", "bash", "openssl"))),
    reason="gnome-keyring or dbus is not installed.",
)
def test_a_real_keyring_daemon_keeps_and_rotates_secrets(tmp_path: Path) -> None:
    environ = {"PRREVIEW_PROFILES_DIR": str(tmp_path / "profiles"), "PRREVIEW_PROFILE": "prod", "PRREVIEW": str(PROGRAM)}
    environ |= {"XDG_RUNTIME_DIR": str(tmp_path / "run")}
    prreview(tmp_path, "profile", "create", "prod", environ=environ)

    run = prreview(tmp_path, environ=environ, stdin=VALUE, command=["dbus-run-session", "--", "bash", "-c", SESSION])

    assert run.returncode == 0, run.stderr
    first, during, after = _documents(run.stdout)
    assert [row["present"] for row in first["secrets"]] == [True, False, False]
    assert [row["present"] for row in during["secrets"]] == [False, False, True, True]
    assert [row["present"] for row in after["secrets"]] == [False, False, False]
    assert VALUE[13:25] not in run.stdout + run.stderr


def _documents(text: str) -> list[dict[str, list[dict[str, bool]]]]:
    """The JSON documents that were printed one after the other."""
    found, decoder, rest = [], json.JSONDecoder(), text.strip()
    while rest:
        document, end = decoder.raw_decode(rest)
        found.append(document)
        rest = rest[end:].strip()
    return found
