"""The program file: an exact environment, and no file beyond those that were named."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from prreview_cli.sandbox import Confinement, ProgramFile
from prreview_cli.sandbox.launcher import landlock_abi

needs_landlock = pytest.mark.skipif(landlock_abi() == 0, reason="needs Landlock")
CAT, SH, ENV, TOUCH = (Path(f"/bin/{name}").resolve() for name in ("cat", "sh", "env", "touch"))


def start(folder: Path, *arguments: str, **inherited: str) -> subprocess.CompletedProcess[str]:
    (folder / "pid").unlink(missing_ok=True)
    return subprocess.run([folder / "start", *arguments], env=inherited, capture_output=True, text=True, timeout=20, check=False)


def private(tmp_path: Path, name: str = "job") -> Path:
    folder = tmp_path / name
    folder.mkdir(mode=0o700)
    return folder


def test_the_environment_is_the_listed_one_and_what_is_kept(tmp_path):
    folder = private(tmp_path)
    ProgramFile(ENV, {"ONE": "1=1", "TWO": "zwei ü"}, keep=("KEPT", "NOT_SET")).write(folder)
    done = start(folder, "-0", KEPT="yes", GITHUB_TOKEN="canary", LD_PRELOAD="")
    assert dict(line.split("=", 1) for line in done.stdout.split("\0") if line) == {"ONE": "1=1", "TWO": "zwei ü", "KEPT": "yes"}


def test_nothing_of_the_order_is_seen_in_the_process_list_and_no_one_else_reads_it(tmp_path):
    folder = private(tmp_path)
    ProgramFile(CAT, {"TOKEN": "canary-token"}).write(folder)
    assert start(folder, "/proc/self/cmdline").stdout.split("\0")[:-1] == [str(CAT), "/proc/self/cmdline"]
    assert "canary-token" not in (folder / "start").read_text()
    assert (folder / "order").stat().st_mode & 0o777 == 0o600
    assert (folder / "start").stat().st_mode & 0o777 == 0o700


def test_a_folder_with_spaces_and_quotes_starts_as_well(tmp_path):
    folder = private(tmp_path, 'it\'s a "job"')
    ProgramFile(CAT, {}).write(folder)
    (folder / "text").write_text("hello")
    assert start(folder, str(folder / "text")).stdout == "hello"


def test_a_planted_order_is_not_followed(tmp_path):
    folder = private(tmp_path)
    (folder / "order").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        ProgramFile(CAT, {}).write(folder)


def test_it_leads_a_group_of_its_own_and_reports_its_id(tmp_path):
    folder = private(tmp_path)
    ProgramFile(CAT, {}).write(folder)
    stat = start(folder, "/proc/self/stat").stdout.rpartition(")")[2].split()
    pid, group, session = int((folder / "pid").read_text()), int(stat[2]), int(stat[3])
    assert pid == group == session


def test_it_can_gain_no_privilege_and_leaves_no_core(tmp_path):
    folder = private(tmp_path)
    ProgramFile(SH, {"PATH": "/bin"}, file_size=5 << 20).write(folder)
    said = start(folder, "-c", "cat /proc/self/status /proc/self/limits; umask; ls -l /proc/self/fd | wc -l").stdout
    assert "NoNewPrivs:\t1" in said
    assert "Max core file size        0                    0" in said
    assert "Max file size             5242880              5242880" in said
    assert "0077" in said


def test_with_another_parent_than_ordered_it_does_not_start(tmp_path):
    folder = private(tmp_path)
    ProgramFile(CAT, {}).write(folder)
    text = (folder / "start").read_text()
    assert f"parent={os.getpid()}" in text
    (folder / "start").write_text(text.replace(f"parent={os.getpid()}", "parent=1"))
    (folder / "text").write_text("hello")
    done = start(folder, str(folder / "text"))
    assert (done.returncode, done.stdout) == (126, "")


def test_once_its_order_is_gone_it_does_not_start(tmp_path):
    folder = private(tmp_path)
    ProgramFile(CAT, {}).write(folder)
    (folder / "order").unlink()
    done = start(folder, "/etc/passwd")
    assert (done.returncode, done.stdout) == (126, "")


def test_an_order_that_cannot_be_kept_starts_nothing(tmp_path):
    folder = private(tmp_path)
    ProgramFile(CAT, {}, confinement=Confinement(read=(tmp_path / "not-there",))).write(folder)
    done = start(folder, "/etc/passwd")
    assert (done.returncode, done.stdout) == (126, "")
    assert "was not started" in done.stderr


@needs_landlock
def test_no_file_beyond_the_named_ones_is_readable(tmp_path):
    folder, canary, allowed = private(tmp_path), tmp_path / "canary", tmp_path / "allowed"
    canary.write_text("canary")
    allowed.write_text("allowed")
    ProgramFile(CAT, {}, confinement=Confinement(read=(allowed,), write=(folder,))).write(folder)
    for path in (canary, Path("/etc/passwd"), Path("/proc/self/environ"), Path(sys.executable), folder / ".." / "canary"):
        done = start(folder, str(path))
        assert done.stdout == "", path
        assert "Permission denied" in done.stderr, path
    (folder / "link").symlink_to(canary)
    assert "Permission denied" in start(folder, str(folder / "link")).stderr
    assert start(folder, str(allowed)).stdout == "allowed"


@needs_landlock
def test_nothing_beyond_the_named_folders_is_written(tmp_path):
    folder, outside = private(tmp_path), private(tmp_path, "outside")
    ProgramFile(TOUCH, {}, confinement=Confinement(write=(folder,))).write(folder)
    assert start(folder, str(folder / "mine")).returncode == 0
    assert start(folder, str(outside / "theirs")).returncode != 0
    assert (folder / "mine").exists()
    assert list(outside.iterdir()) == []


@needs_landlock
def test_no_other_program_is_executed_not_even_one_that_was_written(tmp_path):
    folder = private(tmp_path)
    planted = folder / "planted"
    planted.write_bytes(CAT.read_bytes())
    planted.chmod(0o700)
    ProgramFile(SH, {"PATH": "/bin"}, confinement=Confinement(write=(folder,))).write(folder)
    for other in (str(CAT), str(planted)):
        done = start(folder, "-c", f"'{other}' /dev/null; echo $?")
        assert done.stdout == "126\n", done


def test_without_confinement_it_reads_as_its_user_does(tmp_path):
    folder, canary = private(tmp_path), tmp_path / "canary"
    canary.write_text("canary")
    ProgramFile(CAT, {}).write(folder)
    assert start(folder, str(canary)).stdout == "canary"
