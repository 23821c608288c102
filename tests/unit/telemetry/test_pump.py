"""What writes to the descriptor of standard error, past every handler, is redacted as well."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from prreview_cli.secrecy import Matcher, Secret
from prreview_cli.telemetry.pump import Pump, real_stderr
from support.leaks import BODY, KEY

MATCHER = Matcher({"model_api_key": Secret(KEY)})


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    """A descriptor of a file, in the place of standard error."""
    descriptor = os.open(tmp_path / "stderr", os.O_RDWR | os.O_CREAT, 0o600)
    yield descriptor
    os.close(descriptor)


def written(tmp_path: Path) -> str:
    return (tmp_path / "stderr").read_text()


@pytest.mark.parametrize("seed", range(8))
def test_no_piece_of_a_secret_gets_through_however_it_is_cut(tmp_path: Path, file: int, seed: int) -> None:
    chance = random.Random(seed)
    text = "".join(f"{'x' * chance.choice((3, 80, 70_000))} {KEY}{chance.choice((' ', chr(10)))}" for _ in range(12)).encode()
    pump = Pump(MATCHER.redact, file)
    while text:
        cut = chance.choice((7, 30, 4_000, 65_536))
        os.write(file, text[:cut])
        text = text[cut:]
    pump.close()

    assert written(tmp_path).count("[model_api_key hidden]") == 12
    assert not [at for at in range(len(BODY) - 11) if BODY[at : at + 12] in written(tmp_path)]


def test_a_child_that_inherits_it_and_lives_on_does_not_hold_up_the_end(tmp_path: Path, file: int) -> None:
    pump = Pump(MATCHER.redact, file)
    said = "import os, sys; os.write(2, sys.argv[1].encode()); print(flush=True); sys.stdin.read()"
    child = subprocess.Popen([sys.executable, "-c", said, f"{KEY}\n"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=file)
    with child:
        assert child.stdout is not None
        child.stdout.readline()
        pump.close()
        child.communicate()

    assert written(tmp_path) == "sk-ant-api03-[model_api_key hidden]\n"


def test_a_line_that_cannot_be_redacted_is_withheld(tmp_path: Path, file: int) -> None:
    def broken(text: str) -> str:
        raise RuntimeError(text)

    pump = Pump(broken, file)
    os.write(file, f"{KEY}\n".encode())
    pump.close()

    assert "withheld" in written(tmp_path)
    assert BODY[:8] not in written(tmp_path)


def test_afterwards_everything_is_as_before(tmp_path: Path, file: int) -> None:
    pump = Pump(MATCHER.redact, file)
    assert real_stderr() not in {2, file}
    pump.close()
    os.write(file, b"no newline")

    assert real_stderr() == file
    assert written(tmp_path) == "no newline"


def test_a_crash_still_tells_where_it_was(tmp_path: Path) -> None:
    program = (
        "import faulthandler\nfrom prreview_cli.telemetry.pump import Pump\nPump(str)\n"
        "def crashing():\n    faulthandler._sigabrt()\ncrashing()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env={"HOME": str(tmp_path)}, capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode < 0
    assert "in crashing" in done.stderr
