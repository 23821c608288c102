"""Which layers there are, and what is said where one is missing."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import pytest

from prreview_cli import sandbox
from prreview_cli.core.errors import ExitCode, SandboxMissing
from prreview_cli.sandbox import cell, enclosure, launcher
from prreview_cli.sandbox.program import interpreter
from support.cells import PRESENT


def found() -> set[str]:
    return {layer.name for layer in sandbox.probe() if layer.present}


def machines_host() -> bool:
    """Whether there is a way to a virtual machine's host that a filter could leave open."""
    try:
        socket.socket(40, socket.SOCK_STREAM).close()
    except OSError:
        return False
    return True


def test_a_layer_that_is_there_is_not_missing():
    assert sandbox.missing(["files"], [sandbox.Layer("files", present=True, detail="")]) == []


def test_a_layer_that_is_not_there_is_named_in_the_refusal_and_in_the_review():
    absent = sandbox.missing(["files"], [sandbox.Layer("files", present=False, detail="no Landlock")])
    refusal = sandbox.refusal(absent)
    assert isinstance(refusal, SandboxMissing)
    assert refusal.exit_code is ExitCode.USAGE
    assert '"files"' in str(refusal)
    assert "no Landlock" in str(refusal)
    assert "--allow-unsandboxed" in refusal.remedy
    assert "files" in sandbox.note(absent)


def test_a_layer_that_this_version_does_not_know_counts_as_missing():
    assert [layer.name for layer in sandbox.missing(["moat"], [sandbox.Layer("files", present=True, detail="")])] == ["moat"]


def test_a_kernel_without_landlock_has_no_files_layer(monkeypatch):
    monkeypatch.setattr(launcher, "landlock_abi", lambda: 0)
    assert "files" not in found()


@pytest.mark.parametrize(
    ("layer", "file", "control", "without"),
    [
        ("files", "launcher.py", 'if "files" in layers:', "if False:"),
        ("network", "enclosure.py", "_NEWUSER | _NEWNS | _NEWNET)", "_NEWUSER | _NEWNS)"),
        ("network", "enclosure.py", "_move_into(root, here, machine[2])", "pass"),
        ("network", "enclosure.py", "_refuse_other_ways(machine[0], machine[1], _SHARED[kind])", "pass"),
        ("network", "enclosure.py", "_AF_INET, _AF_INET6)\n    program", "_AF_INET, _AF_INET6, 40)\n    program"),
        ("network", "enclosure.py", "for first, last in shared for", "for first, last in shared[-1:] for"),
        ("network", "enclosure.py", "for first, last in shared for", "for first, last in shared[:-1] for"),
    ],
    ids=["landlock", "network namespace", "root", "filter", "machine's host", "shared memory", "keys"],
)
def test_a_layer_counts_only_if_it_holds_when_tried(monkeypatch, tmp_path, layer, file, control, without):
    if layer not in PRESENT:
        pytest.skip(f"this kernel has no {layer} layer")
    if ", 40)" in without and not machines_host():
        pytest.skip("this is no virtual machine")
    for source in (launcher, enclosure):  # the same launcher, with a control taken away
        text = Path(source.__file__).read_text()
        name = Path(source.__file__).name
        if name == file:
            assert text.count(control) == 1
            text = text.replace(control, without)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(cell, "LAUNCHER", tmp_path / "launcher.py")
    assert layer not in found()


def test_namespaces_that_are_refused_are_no_layer_and_the_reason_is_told(monkeypatch, tmp_path):
    text = Path(enclosure.__file__).read_text()
    refused = "raise PermissionError(1, 'no namespaces of its own')"
    (tmp_path / "enclosure.py").write_text(text.replace("    _checked(_libc.unshare", f"    {refused}\n    _checked(_libc.unshare"))
    (tmp_path / "launcher.py").write_text(Path(launcher.__file__).read_text())
    monkeypatch.setattr(cell, "LAUNCHER", tmp_path / "launcher.py")
    (network,) = [layer for layer in sandbox.probe() if layer.name == "network"]
    assert not network.present
    assert "no namespaces of its own" in network.detail
    assert "seccomp profile" in network.detail


def test_the_loader_of_a_program_is_read_from_it():
    program = Path(shutil.which("cat") or "/bin/cat").resolve()
    loader = interpreter(program)
    assert loader is not None
    assert loader.is_file()
    assert "ld" in loader.name


def test_what_is_no_program_has_no_loader(tmp_path):
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n")
    with pytest.raises(ValueError, match="not a 64-bit Linux program"):
        interpreter(script)
