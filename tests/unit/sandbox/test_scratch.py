"""Temporary folders, and what is left of killed processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from prreview_cli.sandbox.scratch import remove_abandoned, scratch
from support.folders import nested

KEEPS_A_FOLDER = """
import sys
from pathlib import Path
from prreview_cli.sandbox.scratch import scratch
with scratch(Path(sys.argv[1])) as folder:
    (folder / "commit").write_text("canary")
    print(folder, flush=True)
    sys.stdin.read()
"""


def test_a_scratch_folder_is_private_and_gone_afterwards(tmp_path: Path) -> None:
    with scratch(tmp_path / "scratch") as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "file").write_text("text")
    assert list((tmp_path / "scratch").iterdir()) == []


def test_the_folder_of_a_living_process_is_left_alone_and_that_of_a_killed_one_is_removed(tmp_path: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", KEEPS_A_FOLDER, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with owner:
        assert owner.stdout is not None
        theirs = Path(owner.stdout.readline().strip())
        with scratch(tmp_path):
            assert theirs.is_dir()
        owner.kill()
        owner.wait()
        assert theirs.is_dir()
        with scratch(tmp_path):
            assert not theirs.exists()


def test_the_folder_of_a_process_that_is_killed_meanwhile_is_removed_too(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", KEEPS_A_FOLDER, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        with scratch(tmp_path) as ours:
            theirs = Path(owner.stdout.readline().strip())
            remove_abandoned(tmp_path)
            assert theirs.is_dir()
            owner.kill()
            owner.wait()
        assert not theirs.exists()
        assert not ours.exists()


def test_where_there_was_no_scratch_nothing_is_abandoned(tmp_path: Path) -> None:
    remove_abandoned(tmp_path / "scratch")
    assert list(tmp_path.iterdir()) == []


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("text")
    root = tmp_path / "scratch"
    root.mkdir()
    (root / "link").symlink_to(outside)
    with scratch(root):
        pass
    assert (outside / "kept").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only there is a child that would do so confined")
def test_a_folder_that_a_child_locked_or_made_endlessly_deep_is_removed_and_no_link_in_it_followed(tmp_path: Path) -> None:
    kept, root = tmp_path / "kept", tmp_path / "scratch"
    kept.mkdir(mode=0o755)
    (kept / "file").write_text("text")
    with scratch(root) as folder:
        locked = folder / "locked"
        (locked / "inner").mkdir(parents=True)
        (locked / "inner" / "file").write_text("canary")
        (locked / "inner" / "link").symlink_to(kept)
        (locked / "inner").chmod(0)
        locked.chmod(0o500)
        theirs = root / "of-a-killed-process"
        theirs.mkdir()
        nested(theirs, 1_000, kept)
    assert list(root.iterdir()) == []
    assert (kept / "file").read_text() == "text"
    assert kept.stat().st_mode & 0o777 == 0o755


def test_an_error_inside_still_removes_the_folder(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), scratch(tmp_path):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
