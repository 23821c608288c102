"""Short children: an explicit environment, a deadline, a cap, and nothing left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from prreview_cli import sandbox
from support.processes import gone, written

SLEEPER = "import os,sys,time; open(sys.argv[1],'w').write(str(os.getpid())); time.sleep(60)"


async def run(*argv: str, tmp_path: Path, **options):
    settings = {"env": sandbox.environment(), "cwd": tmp_path, "timeout_s": 20.0, "max_output_bytes": 1 << 20, **options}
    return await sandbox.run(argv, **settings)


async def test_a_child_sees_exactly_the_environment_it_is_given(tmp_path, monkeypatch):
    monkeypatch.setenv("GITHUB_TOKEN", "canary-of-the-parent")
    done = await run("env", "-0", tmp_path=tmp_path, env=sandbox.environment({"GIT_CONFIG_COUNT": "0"}))
    names = {line.split(b"=")[0] for line in done.stdout.split(b"\0") if line}
    assert done.returncode == 0
    assert names == {b"PATH", b"LANG", b"HOME", b"GIT_CONFIG_COUNT"}


async def test_a_child_reads_its_input_and_runs_where_it_is_told(tmp_path):
    done = await run("sh", "-c", "cat; pwd; echo no >&2; exit 3", tmp_path=tmp_path, stdin=b"hello\n")
    assert (done.returncode, done.stdout, done.stderr) == (3, b"hello\n" + os.fsencode(tmp_path) + b"\n", b"no\n")
    assert not done.truncated


async def test_a_child_that_does_not_listen_is_not_a_failure(tmp_path):
    done = await run("true", tmp_path=tmp_path, stdin=b"x" * (1 << 20))
    assert done.returncode == 0


async def test_a_child_that_says_too_much_is_cut_and_killed(tmp_path):
    done = await run(
        "sh", "-c", "while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done", tmp_path=tmp_path, max_output_bytes=100_000
    )
    assert done.truncated
    assert len(done.stdout) == 100_000
    assert done.returncode == -signal.SIGKILL


async def test_a_child_that_takes_too_long_is_killed_with_all_it_started(tmp_path):
    grandchild = tmp_path / "pid"
    with pytest.raises(TimeoutError):
        await run("sh", "-c", f'{sys.executable} -c "$0" {grandchild} & wait', SLEEPER, tmp_path=tmp_path, timeout_s=2.0)
    assert await gone(int(await written(grandchild)))


async def test_a_cancelled_child_is_killed_with_all_it_started(tmp_path):
    pid = tmp_path / "pid"
    task = asyncio.create_task(run(sys.executable, "-c", SLEEPER, str(pid), tmp_path=tmp_path))
    child = int(await written(pid))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await gone(child)


async def test_a_program_that_is_not_there_is_an_error_of_its_own(tmp_path):
    with pytest.raises(FileNotFoundError, match="no program 'no-such-program'"):
        await run("no-such-program", tmp_path=tmp_path)


async def test_a_child_dies_with_a_killed_parent(tmp_path):
    pid = tmp_path / "pid"
    parent_text = (
        "import asyncio,sys\nfrom pathlib import Path\nfrom prreview_cli import sandbox\n"
        "asyncio.run(sandbox.run([sys.executable,'-c',sys.argv[1],sys.argv[2]],env=sandbox.environment(),cwd=Path('/'),"
        "timeout_s=60,max_output_bytes=1))"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", parent_text, SLEEPER, str(pid), cwd=Path(sandbox.__file__).parents[2]
    )
    child = int(await written(pid))
    parent.kill()
    await parent.wait()
    assert await gone(child)


@pytest.mark.parametrize(("most", "grows"), [(None, True), (64 << 20, False)])
async def test_a_child_allocates_what_it_may_and_no_more(tmp_path, most, grows):
    done = await run(sys.executable, "-I", "-S", "-c", "bytes(128 << 20)", tmp_path=tmp_path, memory_bytes=most)
    assert (done.returncode == 0) is grows
    assert (b"MemoryError" in done.stderr) is not grows
