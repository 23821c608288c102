"""`prreview audit-logs` as its user starts it: the exit codes, the JSON, and what stands in a terminal or a pipe."""

from __future__ import annotations

import gzip
import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import zstandard

from support.installed import PROGRAM, prreview
from support.journals import exported, stand_in
from support.leaks import BODY, KEY, TOKENS, log_lines
from support.profiles import profile_file

HOST_TOKEN = "ghp_" + "t0kEnX9yV8wU7sR6qP5oN4mL3kJ2iH1gF0eD"
HOOK = 'Xk9&vB2 "mQ7/wE4" <zR8>\' tY5+uI1 é oP3'
PREVIOUS = "f00dfeedf00d8badf00dcafe1234567890abcdef1357"

ITEM = {"type": "object", "additionalProperties": False}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["schema_version", "scanned_bytes", "sources", "not_scanned", "findings"],
    "properties": {
        "schema_version": {"const": 1},
        "scanned_bytes": {"type": "integer"},
        "sources": {"type": "integer"},
        "accepted": {"type": "integer"},
        "not_scanned": {
            "type": "array",
            "items": ITEM | {"required": ["source", "reason"], "properties": {"source": {"type": "string"}, "reason": {"type": "string"}}},
        },
        "findings": {
            "type": "array",
            "items": ITEM
            | {
                "required": ["source", "line", "offset", "kind", "name"],
                "properties": {
                    "source": {"type": "string"},
                    "line": {"type": "integer", "minimum": 1},
                    "offset": {"type": "integer", "minimum": 0},
                    "kind": {"enum": ["known", "rule"]},
                    "name": {"type": "string"},
                    "environment": {"type": "string"},
                    "encoding": {"type": "string"},
                },
            },
        },
    },
}


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Profiles `prod` and `staging`, whose secrets are in the environment; staging's host token is not there."""
    profiles = tmp_path / "profiles"
    more = {"secrets.webhook_secret_previous": "env:PREVIOUS", "state.dir": str(tmp_path / "state")}
    profile_file(profiles, more, name="prod")
    profile_file(profiles, {"secrets.host_token": "env:NOT_THERE", "state.dir": str(tmp_path / "other")}, name="staging")
    return {
        "PRREVIEW_PROFILES_DIR": str(profiles),
        "PRREVIEW_PROFILE": "prod",
        "PRREVIEW_TEST_MODEL_API_KEY": KEY,
        "PRREVIEW_TEST_HOST_TOKEN": HOST_TOKEN,
        "PRREVIEW_TEST_WEBHOOK_SECRET": HOOK,
        "PREVIOUS": PREVIOUS,
    }


def audit(home: Path, environ: dict[str, str], *words: str, stdin: str = "") -> tuple[int, dict[str, Any], str]:
    run = prreview(home, "audit-logs", *words, "--json", environ=environ, stdin=stdin)
    data = json.loads(run.stdout) if run.stdout else {}
    if data:
        jsonschema.validate(data, SCHEMA)
    for value in (BODY, HOST_TOKEN[4:], HOOK, PREVIOUS):
        assert not [at for at in range(len(value) - 7) if value[at : at + 8] in run.stdout + run.stderr]
    return run.returncode, data, run.stderr


def test_without_a_path_the_profile_s_own_state_is_searched(tmp_path: Path, environ: dict[str, str]) -> None:
    assert audit(tmp_path, environ)[0] == 2  # nothing has been kept yet
    assert audit(tmp_path, environ, "")[0] == 2  # nor is the working directory searched in the place of an unset variable
    logs = tmp_path / "state" / "logs"
    logs.mkdir(parents=True)
    (logs / "serve.log").write_text(log_lines(50))
    assert audit(tmp_path, environ)[0] == 0

    (logs / "serve.log.1").write_text(f"{log_lines(50)}{json.dumps({'error': f'bad header {HOOK}'})}\n")
    db = sqlite3.connect(tmp_path / "state" / "queue.db")
    db.execute("CREATE TABLE deliveries (body BLOB)")
    db.execute("INSERT INTO deliveries VALUES (?)", (f"x {PREVIOUS}".encode(),))
    db.commit()
    db.close()
    code, data, said = audit(tmp_path, environ)

    assert code == 1
    found = {(Path(finding["source"]).name, finding["name"]) for finding in data["findings"]}
    previous = {(name, "webhook_secret_previous") for name in ("queue.db", "queue.db#deliveries.body")}
    assert found == {("serve.log.1", "webhook_secret")} | previous
    assert {finding["line"] for finding in data["findings"] if finding["name"] == "webhook_secret"} == {51}
    assert {finding["environment"] for finding in data["findings"]} == {"prod"}
    assert "rotate" in said


def test_the_exit_code_says_found_else_incomplete_else_clean(tmp_path: Path, environ: dict[str, str]) -> None:
    (tmp_path / "clean").write_text(log_lines(50))
    (tmp_path / "leaky").write_text(f"Authorization: token {HOST_TOKEN}\n{TOKENS['slack-webhook']}\n")
    (tmp_path / "torn.gz").write_bytes(gzip.compress(b"nothing here")[:-3])

    assert audit(tmp_path, environ, "clean")[0] == 0
    code, data, said = audit(tmp_path, environ, "clean", "torn.gz")
    assert code == 5
    assert [gap["source"] for gap in data["not_scanned"]] == ["torn.gz"]
    assert "not wholly searched" in said
    code, data, _ = audit(tmp_path, environ, "torn.gz", "leaky")
    assert code == 1
    assert [finding["name"] for finding in data["findings"]] == ["host_token", "slack-webhook"]
    assert data["findings"][0]["encoding"] == "plain"
    assert "environment" not in data["findings"][1]
    code, data, _ = audit(tmp_path, environ, "leaky", "--rules", "known")
    assert [finding["name"] for finding in data["findings"]] == ["host_token"]
    assert audit(tmp_path, environ, "-", stdin=KEY)[0] == 1
    assert audit(tmp_path, environ, ".", "--exclude", "leaky", "--exclude", "*.gz", "--exclude", "profiles")[0] == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["gone.log", "profiles"], "There is nothing at gone.log."),
        (["-p", "staging", "profiles"], "NOT_THERE, which is not set"),
        (["-p", "", "profiles"], "No profile is chosen."),
        (["-p", "prod", "--all-profiles", "profiles"], "exclude each other"),
        (["--journal", ""], "needs the name of a unit"),
        (["--write-baseline", "profiles"], "needs the file's name"),
        (["--baseline", "gone.json", "profiles"], "gone.json cannot be read"),
        (["--exclude", "/", "profiles"], "is no glob"),
        (["--rules", "some", "profiles"], "some"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_is_searched(
    tmp_path: Path, environ: dict[str, str], words: list[str], said: str
) -> None:
    code, data, stderr = audit(tmp_path, environ, *words)

    assert (code, data) == (2, {})
    assert said in stderr


def test_all_profiles_need_none_chosen_and_a_value_that_cannot_be_had_is_a_gap(tmp_path: Path, environ: dict[str, str]) -> None:
    (tmp_path / "log").write_text(f"x {HOOK}\n")
    (tmp_path / "profiles" / "torn.toml").write_text("environment = \n")
    (tmp_path / "profiles" / "torn.toml").chmod(0o600)
    everywhere = {name: value for name, value in environ.items() if name != "PRREVIEW_PROFILE"}

    code, data, _ = audit(tmp_path, everywhere, "--all-profiles", "log")

    assert code == 1
    assert {finding["environment"] for finding in data["findings"]} == {"prod", "staging"}
    assert [Path(gap["source"]).name for gap in data["not_scanned"]] == ["torn.toml", "host_token of staging"]
    assert audit(tmp_path, everywhere, "--all-profiles", "profiles/prod.toml")[0] == 5


def test_the_journal_is_searched_and_what_a_baseline_accepts_is_not_told_again(tmp_path: Path, environ: dict[str, str]) -> None:
    journal = exported([[("MESSAGE", f"started\nwith {HOST_TOKEN}".encode())], [("MESSAGE", TOKENS["aws-access-key"].encode())]])
    (tmp_path / "bin").mkdir()
    environ = {**environ, "PATH": stand_in(tmp_path / "bin", journal)}
    words = ("--journal", "prreview.service", "--baseline", "accepted.json")

    code, data, _ = audit(tmp_path, environ, *words[:2])
    assert code == 1
    assert [(found["source"], found["line"], found["name"]) for found in data["findings"]] == [
        ("journal:prreview.service#MESSAGE", 1, "host_token"),
        ("journal:prreview.service#MESSAGE", 2, "aws-access-key"),
    ]
    assert audit(tmp_path, environ, *words, "--write-baseline")[0] == 0
    code, data, said = audit(tmp_path, environ, *words)
    assert (code, data["findings"], data["accepted"]) == (0, [], 2)
    assert "no secret found, 2 accepted in the baseline." in said
    (tmp_path / "log").write_text(HOST_TOKEN)
    code, data, said = audit(tmp_path, environ, "log", "--baseline", "accepted.json")
    assert (code, len(data["findings"]), data["accepted"]) == (1, 1, 0)
    assert "2 of the baseline's findings are there no more" in said
    assert audit(tmp_path, {**environ, "PATH": str(tmp_path)}, *words)[0] == 2


def test_a_person_gets_tables_and_a_pipe_gets_whole_lines(tmp_path: Path, environ: dict[str, str]) -> None:
    name = "a-rather-long-name-of-a-log-" * 5 + "\x1b[31m.log"
    (tmp_path / name).write_text(f"{log_lines(3)}{KEY.encode().hex()}\n")
    (tmp_path / "torn.gz").write_bytes(gzip.compress(b"nothing here")[:-3])

    run = prreview(tmp_path, "audit-logs", name, "torn.gz", environ=environ)

    assert run.returncode == 1
    table = [line.split("  ") for line in run.stdout.splitlines()]
    assert table[0][0].strip() == "place"
    assert run.stdout.splitlines()[1].split() == [
        f"{name.replace(chr(27), '')}:4",
        str(len(log_lines(3)) + 26),
        "model_api_key",
        "prod",
        "hex",
    ]
    assert "torn.gz" in run.stdout
    assert "\x1b" not in run.stdout + run.stderr
    assert run.stderr.startswith("Searched 2 sources, ")
    assert "1 finding, but 1 not wholly searched." in run.stderr


def test_whatever_is_searched_it_takes_little_memory(tmp_path: Path, environ: dict[str, str]) -> None:
    lines = log_lines(4_000).encode()
    (tmp_path / "big.log").write_bytes(lines * 40)
    (tmp_path / "big.gz").write_bytes(gzip.compress(lines * 10))
    (tmp_path / "zeros.zst").write_bytes(zstandard.compress(bytes(64 << 20)))
    (tmp_path / "hostile.log").write_bytes(b"ghp_" * 200_000)
    program = (
        "import sys\nfrom prreview_cli.cli.root import run\n"
        "try: run()\nfinally: print(*[line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')], file=sys.stderr)"
    )
    files = ("big.log", "big.gz", "zeros.zst", "hostile.log")

    run = prreview(tmp_path, "audit-logs", *files, environ=environ, command=[sys.executable, "-I", "-c", program])

    assert run.returncode == 0, run.stderr
    assert int(run.stderr.splitlines()[-1]) <= 64 << 10


def test_an_interrupted_audit_ends_at_once_and_says_nothing_of_what_it_would_have_found(tmp_path: Path, environ: dict[str, str]) -> None:
    os.mkfifo(tmp_path / "pipe")
    command = [PROGRAM, "audit-logs", "pipe"]
    surroundings = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", **environ}
    process = subprocess.Popen(command, env=surroundings, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with process, (tmp_path / "pipe").open("w"):  # opens once the audit has opened it as well
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)

    assert (process.returncode, stdout, stderr) == (130, "", "Interrupted.\n")
