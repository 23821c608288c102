"""Which layers there are, and what is said where one is missing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from prreview_cli import sandbox
from prreview_cli.core.errors import ExitCode, SandboxMissing
from prreview_cli.sandbox import cell, launcher
from prreview_cli.sandbox.program import interpreter


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
    assert [layer.name for layer in sandbox.missing(["network"], [sandbox.Layer("files", present=True, detail="")])] == ["network"]


def test_a_kernel_without_landlock_has_no_files_layer(monkeypatch):
    monkeypatch.setattr(launcher, "landlock_abi", lambda: 0)
    (layer,) = sandbox.probe()
    assert not layer.present


@pytest.mark.skipif(launcher.landlock_abi() == 0, reason="needs Landlock")
def test_the_layer_counts_only_if_it_holds_when_tried(monkeypatch, tmp_path):
    (layer,) = sandbox.probe()
    assert layer.present
    lax = tmp_path / "lax.py"  # the same launcher, with the control taken away
    lax.write_text(Path(launcher.__file__).read_text().replace("        confine(rules)\n", "        pass\n"))
    monkeypatch.setattr(cell, "LAUNCHER", lax)
    (layer,) = sandbox.probe()
    assert not layer.present


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
