from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support.installed import prreview

HEAVY = (
    "claude_agent_sdk",
    "mcp",
    "httpx",
    "keyring",
    "uvicorn",
    "asyncio",
    "rich",
    "msgspec",
    "platformdirs",
    "tomli_w",
    "prometheus_client",
)
MODULE = (sys.executable, "-m", "prreview_cli")
PLANTED = ("httpx", "typer", "rich", "keyring", "tomllib", "platformdirs", "json", "logging")


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom prreview_cli.cli.root import run\n"
        "try: run()\nexcept SystemExit as ended: assert not ended.code\n"
        f"print('loaded:', *[name for name in {HEAVY!r} if name in sys.modules])"
    )

    run = prreview(tmp_path, "--help", command=[sys.executable, "-I", "-c", program])

    assert run.returncode == 0, run.stderr
    assert "Commands:" in run.stdout
    assert run.stdout.splitlines()[-1].strip() == "loaded:"


@pytest.mark.parametrize(
    "command", [(str(Path(sys.executable).with_name("prreview")),), MODULE, (sys.executable, "-I", "-m", "prreview_cli")]
)
def test_nothing_is_imported_from_the_working_directory(tmp_path: Path, command: tuple[str, ...]) -> None:
    for name in PLANTED:
        (tmp_path / f"{name}.py").write_text(f"open('canary', 'a').write({name!r})\nraise SystemExit(77)\n")
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "ci.toml").write_text("environment = 'evil'\n")
    (tmp_path / "ci.toml").write_text("environment = 'evil'\n")

    run = prreview(tmp_path, "profile", "check", "ci", command=command)

    assert run.returncode == 2, run.stderr
    assert "There is no profile named 'ci'" in run.stderr
    assert not (tmp_path / "canary").exists()


def test_a_reader_that_goes_away_gets_no_complaint(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    prreview(tmp_path, "profile", "create", "dev")
    program = Path(sys.executable).with_name("prreview")

    run = subprocess.run(
        ["bash", "-c", f'"{program}" profile show dev > >(exec true); echo $?'],
        env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert run.stderr == ""
    assert run.stdout.strip() in {"0", "141"}  # 0 if the pipe took it all before it was closed


def test_what_a_command_leaves_is_for_this_user_alone(tmp_path: Path) -> None:
    run = prreview(tmp_path, "profile", "create", "dev")

    made = Path(run.stdout.strip())
    assert {made.stat().st_mode & 0o077, made.parent.stat().st_mode & 0o077} == {0}
