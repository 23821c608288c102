from __future__ import annotations

import json
import os
import pty
import shlex
import subprocess
import termios
from contextlib import suppress
from pathlib import Path

from prreview_cli.cli import root
from prreview_cli.cli.commands.later import LATER_COMMANDS
from prreview_cli.cli.commands.shapes import SHAPES
from support.installed import PROGRAM, prreview

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "shapes.md"


def on_a_terminal(home: Path, *words: str, columns: int) -> tuple[str, int]:
    """What the installed command writes to a terminal so wide, and its exit code."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (50, columns))
    environ = {"HOME": str(home), "PATH": "/usr/bin:/bin", "TERM": "xterm"}
    with subprocess.Popen([PROGRAM, *words], stdin=slave, stdout=slave, stderr=slave, env=environ, cwd=home) as process:
        os.close(slave)
        said = b""
        with suppress(OSError):  # a terminal whose last writer has gone
            while chunk := os.read(master, 65536):
                said += chunk
        os.close(master)
    return said.decode().replace("\r\n", "\n"), process.returncode


def test_the_four_shapes_fit_a_terminal_of_80_columns(tmp_path: Path) -> None:
    said, code = on_a_terminal(tmp_path, "shapes", columns=80)

    assert code == 0, said
    assert max(map(len, said.splitlines())) <= 80
    assert "\x1b" not in said
    for shape in SHAPES:
        assert shape.name.upper() in said
        assert all(command in said for command in shape.commands)


def test_the_page_in_the_reference_is_what_the_command_prints(tmp_path: Path) -> None:
    assert prreview(tmp_path, "shapes", "--markdown").stdout == PAGE.read_text(), (
        "Run `prreview shapes --markdown > docs/reference/shapes.md`."
    )


def test_each_shape_is_data_with_one_recommendation(tmp_path: Path) -> None:
    told = json.loads(prreview(tmp_path, "shapes", "--json").stdout)

    assert told["schema_version"] == 1
    assert [shape["recommended"] for shape in told["shapes"]] == [False, True, False, False]
    for shape in told["shapes"]:
        assert all(shape[key] for key in ("trigger", "latency", "concurrency", "under_load", "secrets", "best_for", "commands"))


def test_every_command_that_is_named_can_be_typed() -> None:
    for shape in SHAPES:
        for line in shape.commands:
            program, verb, *words = shlex.split(line)
            assert program == "prreview"
            if verb in LATER_COMMANDS:
                continue
            known = {name for parameter in root.load(verb).params for name in (*parameter.opts, *parameter.secondary_opts)}
            assert {word for word in words if word.startswith("-")} <= known, line
