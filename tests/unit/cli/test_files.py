from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from prreview_cli.cli import files
from prreview_cli.core.errors import UsageError


def test_a_file_is_replaced_and_a_link_to_one_is_not_followed(tmp_path: Path) -> None:
    kept, link = tmp_path / "kept", tmp_path / "out.json"
    kept.write_text("kept")
    link.symlink_to(kept)

    files.write(link, "new", "The output")

    assert kept.read_text() == "kept"
    assert not link.is_symlink()
    assert link.read_text() == "new"


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", list[str]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()

    files.write(pipe, "a review", "The output")

    reader.join(30)
    assert read == ["a review"]
    assert stat.S_ISFIFO(pipe.lstat().st_mode)
    assert list(tmp_path.iterdir()) == [pipe]


def test_a_stream_of_the_system_is_written_to_even_where_its_name_is_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    streams = tmp_path / "fd"
    streams.mkdir()
    (streams / "1").symlink_to(log)  # as /dev/fd/1 of a process that was started with `> log`
    monkeypatch.setattr(files, "_STREAMS", frozenset({str(streams)}))

    files.write(streams / "1", "a review\n", "The output")

    assert (streams / "1").is_symlink()
    assert log.read_text() == "before\na review\n"


@pytest.mark.parametrize("name", ["a" * 300, "nosuch/x", ""])
def test_what_is_no_place_for_a_file_is_refused_in_a_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        files.expect_writable(tmp_path / name, "The output")


@pytest.mark.parametrize("name", ["/dev/null", "/dev/full", "/dev/stdout"])
def test_a_device_is_no_reason_to_refuse(name: str) -> None:
    files.expect_writable(Path(name), "The output")


def test_a_full_device_is_told_in_a_sentence() -> None:
    before = Path("/dev/full").stat()
    with pytest.raises(UsageError, match="No space left on device"):
        files.write(Path("/dev/full"), "a review", "The output")
    assert os.path.samestat(before, Path("/dev/full").stat())
