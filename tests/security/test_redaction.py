"""Threats 47, 52, 53 and 56: no secret of ours, and nothing that drives a terminal, in anything that we write.

Each test takes its control away at the end and sees that the canary then is found: a search that cannot fail shows nothing.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prreview_cli.audit import Search
from prreview_cli.cli import output
from prreview_cli.core.errors import SecretUnavailable
from prreview_cli.core.profile import SecretName
from prreview_cli.secrecy import Matcher, Secret
from prreview_cli.settings import Keyhole, Vault, read_profile, vault
from prreview_cli.snapshots import refusals
from prreview_cli.telemetry import formats, logger, open_log
from prreview_cli.trials.simulators.behaviours import always, echoes, first, reviewer
from prreview_cli.trials.simulators.code_host import API, GIT
from prreview_cli.trials.simulators.conversation import Conversation, Refusal, Reply, Script
from prreview_cli.trials.simulators.faults import Answer, Fault
from prreview_cli.trials.simulators.http import Response, json_response
from prreview_cli.trials.simulators.model_api import pull_number
from support.leaks import BODY, ENCODED, KEY
from support.profiles import MemoryKeyring, profile_file
from support.stage import REPOSITORY, WAIT_S, Stage, get

ROOT = Path(__file__).parents[1]
BARE = """
import sys
from prreview_cli.secrecy import Matcher
Matcher.redact = lambda self, text: text
Matcher.holds = lambda self, text: []
from prreview_cli.__main__ import main
main()
"""
"""`prreview` with a matcher that hides nothing and sees nothing."""
STEERING = "fix\x1b]52;c;ZXZpbA==\x07 \x9b31m\u202egpj.exe\u200b [bold]x[/bold]\r\n::error::y"


def hits(folder: Path, value: str = KEY) -> list[str]:
    """Where a search finds the value below a folder."""
    search = Search(Matcher({"canary": Secret(value)}, ()))
    search.path(folder)
    assert search.report.not_scanned == []
    return sorted({Path(finding.source).name for finding in search.report.findings})


# -- 47 and 52, whole processes ----------------------------------------------------------------------


def _script(stage: Stage, base: int) -> Script:
    """What the model does to pull requests base + 1 … base + 8: it echoes the key, in errors and in reviews."""
    said = f"could not authorize x-api-key: {stage.keys.model_api_key}"
    basic = base64.b64encode(f"x-access-token:{stage.keys.host_token}".encode()).decode()
    scripts = {
        base + 1: first(1, Refusal(500, "api_error", said), reviewer(turns=2)),
        base + 2: always(Refusal(400, "invalid_request_error", said)),
        base + 3: echoes(f"The key is {stage.keys.model_api_key}."),
        base + 4: echoes(f"Half of it: {stage.keys.model_api_key[-14:]} and in hex {stage.keys.webhook_secret.encode().hex()}"),
        base + 5: echoes(f"Authorization: Basic {basic}"),
    }

    def script(asked: Conversation) -> Reply:
        return scripts.get(int(pull_number(asked) or 0), reviewer(turns=2))(asked)

    return script


def _faults(stage: Stage, base: int) -> list[Fault]:
    """What host and git do: they quote the token back."""
    denied = {"message": f"Bad credentials: Bearer {stage.keys.host_token}", "errors": [stage.keys.webhook_secret]}
    pulls = f"{API}/repos/{REPOSITORY}/pulls"
    git = Response(500, f"fatal: {stage.keys.host_token}\n".encode(), {"content-type": "text/plain"})
    return [
        Fault("GET", f"{pulls}/{base + 6}", Answer(json_response(denied, 500))),
        Fault("POST", f"{pulls}/{base + 7}/reviews", Answer(json_response(denied, 422))),
        Fault("GET", f"{GIT}/{REPOSITORY}.git/info/refs", Answer(git)),
    ]


async def _worked(stage: Stage, *program: str) -> None:
    """Run a pool until nothing is due."""
    words = ("work", "--profile", str(stage.profile), "--agent", "scripted", "--allow-unsandboxed", "--until-empty")
    with (stage.folder / "stderr.log").open("ab") as stderr:
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-I", *program, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            env=stage.environment,
            cwd=stage.folder,
        )
        assert await asyncio.wait_for(process.wait(), WAIT_S) == 0


async def _audited(stage: Stage) -> tuple[int, list[dict[str, Any]]]:
    """What `audit-logs` says of all that was left: logs, database, scratch, stderr, pages, and the posted reviews."""
    reviews = [f"{review.body}\n{json.dumps(review.comments)}" for review in stage.reviews()]
    (stage.folder / "seen" / "reviews").write_text("\n".join(reviews))
    left = [str(stage.folder / name) for name in ("state", "seen", "stderr.log")]
    code, out, err = await stage.run("audit-logs", *left, "--json")
    said = json.loads(out)
    assert said["not_scanned"] == [], err
    return code, said["findings"]


@pytest.mark.without("the matcher, in every process")
async def test_threat_47_and_52_at_debug_no_failing_call_that_echoes_a_secret_leaves_one_anywhere(tmp_path: Path) -> None:
    with Stage(tmp_path, pulls=16, changes={"state": {"log_level": "debug"}, "workers": {"max_attempts": 1}}) as stage:
        (tmp_path / "seen").mkdir()
        async with stage.serving("--workers", "0") as served:
            for base, program in ((0, ("-m", "prreview_cli")), (8, ("-c", BARE))):
                stage.model.script, stage.host.faults[:] = _script(stage, base), _faults(stage, base)
                for number in (8, 6, 1, 2, 3, 4, 5, 7):  # in turn: git's fault befalls the first fetch, which is the plain 8's
                    await stage.send(served, [stage.delivery(base + number)])
                await _worked(stage, *program)
                for page in ("/", "/metrics", "/readyz"):
                    (tmp_path / "seen" / f"page{base}{page.replace('/', '-')}").write_bytes((await get(served.ops + page)).content)
                assert all(fault.times == 0 for fault in stage.host.faults), "a call that should have echoed was not made"
                if base == 0:
                    assert await _audited(stage) == (0, [])
                    assert not {3, 4, 5} & set(stage.reviewed()), "a review that holds a secret was posted"
                    assert stage.reviewed(), "nothing was posted at all"
            code, found = await _audited(stage)
            # The same again, with nothing that hides or withholds: now it is everywhere.
            assert code == 1
            assert {11, 12, 13} & set(stage.reviewed())
            assert {finding["name"] for finding in found} == {"model_api_key", "host_token", "webhook_secret"}
            where = {Path(finding["source"]).name for finding in found}
            assert "reviews" in where
            assert any(name.startswith("work-") for name in where)
            assert await served.terminate() == 0


# -- 47 ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ENCODED)
@pytest.mark.without("every form but the exact value")
def test_threat_47_a_part_of_a_secret_in_any_encoding_is_seen_by_the_guard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    profile = read_profile(profile_file(tmp_path / "profiles"))
    values = {"PRREVIEW_TEST_MODEL_API_KEY": KEY, "PRREVIEW_TEST_HOST_TOKEN": "h" + BODY[::-1], "PRREVIEW_TEST_WEBHOOK_SECRET": "wh-" * 12}
    keyhole = Keyhole(Vault(profile, values))
    review = f"Note that {ENCODED[encoding](BODY[10:22])} is in line 7."

    assert keyhole.secrets_in(review) == ["model_api_key"]

    monkeypatch.setattr(Matcher, "holds", lambda self, text: ["model_api_key"] if KEY in text else [])  # exact values alone
    assert keyhole.secrets_in(review) == []


# -- 52 ----------------------------------------------------------------------------------------------


def _left(folder: Path, mode: str) -> tuple[int, str]:
    """Let a process lose the secret in every way it can: (was it dumpable, its stderr), which is in `folder` as well."""
    folder.mkdir()
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from support.outputs import main; main(*sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder), mode],
        input=KEY,
        capture_output=True,
        text=True,
        timeout=60,
        env={"HOME": str(folder), "PATH": "/usr/bin:/bin"},
        check=False,
    )
    (folder / "stderr").write_text(done.stderr)
    return int(done.stdout or -1), done.stderr


def test_threat_52_no_way_to_standard_error_or_the_log_shows_a_secret(tmp_path: Path) -> None:
    dumpable, stderr = _left(tmp_path / "logged", "logged")

    assert dumpable == 0
    assert hits(tmp_path / "logged") == []
    (log,) = (tmp_path / "logged").glob("*.jsonl")
    events = [json.loads(line)["event"] for line in log.read_text().splitlines()]
    ways = ["told", "chain", "http", "argv", "uncaught_in_thread", "unraisable", "event_loop", "uncaught"]
    assert [event for event in events if event != "library"] == ways
    assert stderr.count("[model_api_key hidden]") >= 12

    _left(tmp_path / "naked", "naked")
    shown = hits(tmp_path / "naked")
    assert len(shown) == 2
    assert shown[0] == "stderr"
    assert shown[1].startswith("work-")


def test_threat_52_before_a_log_is_open_nothing_is_shown_at_all(tmp_path: Path) -> None:
    _, stderr = _left(tmp_path / "guarded", "guarded")

    assert hits(tmp_path / "guarded") == []
    assert stderr.count("withheld") >= 4
    assert "Traceback" not in stderr

    fallback = "import threading, sys\ndef fail(): raise ValueError(sys.argv[1])\nthreading.Thread(target=fail).start()"
    bare = subprocess.run([sys.executable, "-c", fallback, KEY], capture_output=True, text=True, timeout=60, env={}, check=False)
    assert BODY in bare.stderr


class Echoing(MemoryKeyring):
    """A keyring whose errors quote the value."""

    def get_password(self, service: str, username: str) -> str | None:
        raise RuntimeError(f"cannot decode {KEY}")


def test_threat_52_a_keyring_that_raises_with_the_value_tells_no_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = read_profile(profile_file(tmp_path / "profiles", {"secrets.model_api_key": "keyring:model_api_key"}))

    def told(folder: Path) -> None:
        with open_log(folder, "work", level="debug", redact=str, quiet=True):  # nobody could redact a value that cannot be had
            with pytest.raises(SecretUnavailable) as caught:
                Vault(profile, {}, Echoing).get(SecretName.MODEL_API_KEY)
            logger("test").caught("failed", caught.value)
            (folder / "said").write_text(f"{caught.value} {caught.value!r} {caught.value.remedy}")

    told(tmp_path / "kept")
    assert hits(tmp_path / "kept") == []

    monkeypatch.setattr(vault, "_refused", lambda name, error: SecretUnavailable(f"{name}: {error}"))
    told(tmp_path / "lost")
    assert len(hits(tmp_path / "lost")) == 2


# -- 53 ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [formats.JsonLine, formats.ShortLine])
def test_threat_53_a_title_with_line_breaks_is_one_record(form: type[formats.RedactedFormatter], monkeypatch: pytest.MonkeyPatch) -> None:
    title = 'x\n{"level": "info", "event": "settled", "outcome": "posted"}\r\n12:00:00Z info settled\u2028\x85y'
    record = logging.LogRecord("prreview.intake", logging.INFO, "", 0, "delivery", None, None)
    record.fields = {"title": title}

    assert len(form(str).format(record).splitlines()) == 1

    monkeypatch.setattr(formats, "_printable", str)
    monkeypatch.setattr(formats.json, "dumps", lambda line, **_: str(line.get("title")))
    assert len(form(str).format(record).splitlines()) > 1


# -- 56 ----------------------------------------------------------------------------------------------


SAID: list[Callable[[str], object]] = [
    output.say,
    output.say_error,
    output.print_text,
    lambda text: output.print_table(("title",), [(text,)]),
    lambda text: output.print_json({"title": text}),
]


@pytest.mark.parametrize("say", SAID)
def test_threat_56_a_title_cannot_drive_the_terminal(
    say: Callable[[str], object], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def steering() -> set[str]:
        said = capsys.readouterr()
        return set("\x1b\x07\x9b\r\u202e\u200b") & set(said.out + said.err)

    say(STEERING)
    said = capsys.readouterr()
    assert "[bold]x[/bold]" in said.out + said.err  # no markup of Rich's either
    say(STEERING)
    assert steering() == set()

    monkeypatch.setattr(output, "safe", str)
    monkeypatch.setattr(output.json, "dumps", lambda data, **_: str(data["title"]))
    say(STEERING)
    assert "\u202e" in steering()


def test_threat_56_what_a_git_remote_says_cannot_drive_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = f"remote: {STEERING}\nfatal: the remote end hung up unexpectedly\n".encode()

    def told() -> set[str]:
        error = refusals.failure(stderr, REPOSITORY, with_token=True, redact=str)
        return set("\x1b\x07\x9b\r\n\u202e\u200b") & set(str(error))

    assert told() == set()

    monkeypatch.setattr(refusals, "_plain", lambda stderr, **_: stderr.decode())
    assert told()
