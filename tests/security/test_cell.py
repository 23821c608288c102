"""The agent's cell under attack: threats 21, 35, 36, 37, 38 and 40. Nearly each test takes its control away as well, and is then hurt."""

from __future__ import annotations

import asyncio
import ctypes
import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from prreview_cli.agents import ClaudeAgent
from prreview_cli.agents.claude import options
from prreview_cli.agents.claude.folder import JobFolder
from prreview_cli.core.errors import SandboxMissing
from prreview_cli.core.profile import Sandbox
from prreview_cli.sandbox import FILES, NETWORK, ProgramFile, cell, enclosure, environment, launcher, run
from prreview_cli.snapshots.git import Git
from prreview_cli.snapshots.reach import confinement
from prreview_cli.wiring import cell as cell_of
from support.attacker import PYTHON, Canaries, attack, program
from support.cells import PRESENT
from support.folders import nested
from support.gateways import running
from support.looks import SUBMIT, look
from support.model_api import message, scripted_model
from support.processes import gone, until, written
from support.stage import Stage

needs_files = pytest.mark.skipif(FILES not in PRESENT, reason="this kernel has no Landlock")
needs_network = pytest.mark.skipif(NETWORK not in PRESENT, reason="this machine gives no namespaces to this user")

# Netlink, packets, cryptography, a machine's host: each with a kind of socket that it has.
OTHER_FAMILIES = [("family", each) for each in ("16.2", "17.2", "38.5", "40.1")]
CANARY = "canary-in-the-environment-of-the-worker"


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as once:
        return once.getsockname()[1]


# -- 21: what a job leaves --------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="only there is a child that would do so confined")
def test_threat_21_what_an_agent_nested_deeper_than_rmtree_goes_is_gone_with_its_job(tmp_path):
    with JobFolder(tmp_path) as job:
        nested(job.desk, 1_000)
    assert list(tmp_path.iterdir()) == []


# -- 35: a secret in the agent's environment --------------------------------------------------------


@pytest.mark.without("the list of what the agent's environment holds")
async def test_threat_35_the_environment_of_the_agent_is_the_list_and_nothing_of_the_workers(tmp_path, monkeypatch):
    for name in ("GITHUB_TOKEN", "ANTHROPIC_AUTH_TOKEN", "LD_PRELOAD_CANARY", "SSH_AUTH_SOCK", "DBUS_SESSION_BUS_ADDRESS"):
        monkeypatch.setenv(name, CANARY)

    def environment(name: str, keep: tuple[str, ...]) -> dict[str, str]:
        folder = tmp_path / name
        folder.mkdir(mode=0o700)
        start = ProgramFile(Path("/usr/bin/env").resolve(), {"LANG": "C.UTF-8"}, keep=keep).write(folder)
        said = subprocess.run([start, "-0"], capture_output=True, text=True, timeout=20, check=True).stdout
        return dict(line.split("=", 1) for line in said.split("\0") if line)

    assert environment("kept", ()) == {"LANG": "C.UTF-8"}
    assert CANARY in environment("without", tuple(os.environ)).values()


# -- 36: the network, and sockets of our own user ---------------------------------------------------


@needs_network
@pytest.mark.without("the network layer, then both")
async def test_threat_36_nothing_but_the_gateways_door_is_reached_by_any_kind_of_socket(tmp_path):
    door = free_port()
    with Canaries.listening(tmp_path) as canaries:
        aims = [*canaries.aims, *OTHER_FAMILIES, ("raw", 1), ("tcp", door)]
        for layers in ({NETWORK}, PRESENT):
            attacked = await attack(tmp_path / "-".join(sorted(layers)), layers, aims, door=door)
            # A datagram into an empty network is sent and lost, so the canary and not the sender tells of it.
            assert attacked.succeeded() <= {("tcp", door), canaries.aims[1]}
            assert attacked.at_the_door == 1
            assert canaries.touched() == set()

        await attack(tmp_path / "without", {FILES} & PRESENT, canaries.aims)
        assert canaries.touched() >= {"tcp", "udp", "unix"}
        await attack(tmp_path / "open", (), canaries.aims)
        assert canaries.touched() == {"tcp", "udp", "unix", "abstract"}


@needs_network
@pytest.mark.without("the network layer under the real CLI")
async def test_threat_36_the_real_cli_does_not_reach_a_server_that_it_is_led_to(tmp_path, monkeypatch):
    real = options.options

    async def reached(layers: frozenset[str]) -> bool:
        with Canaries.listening(tmp_path / "-".join(("on", *sorted(layers)))) as canaries:
            url = f"http://127.0.0.1:{canaries.aims[0][1]}/"

            def led_astray(**given):
                chosen = real(**given)
                return replace(chosen, mcp_servers={**chosen.mcp_servers, "evil": {"type": "http", "url": url}})

            monkeypatch.setattr(options, "options", led_astray)
            touched: set[str] = set()
            async with scripted_model([message(SUBMIT)]) as model, running(model.base_url) as rig, rig.grant() as grant:
                looking = asyncio.create_task(look(ClaudeAgent(tmp_path / "scratch", layers=layers, redact=str), grant))
                await until(lambda: looking.done() or bool(touched.update(canaries.touched()) or touched), 90)
                looking.cancel()
                ended = (await asyncio.gather(looking, return_exceptions=True))[0]
            touched |= canaries.touched()
            assert touched or not isinstance(ended, BaseException), ended
            return "tcp" in touched

    for name in (PRESENT, PRESENT - {NETWORK}):
        (tmp_path / "-".join(("on", *sorted(name)))).mkdir()
    assert not await reached(PRESENT)
    assert await reached(PRESENT - {NETWORK})


@needs_network
@pytest.mark.without("the filter of the calls for what a user's processes share")
async def test_threat_36_the_keys_and_the_shared_memory_of_our_user_are_not_read(tmp_path, monkeypatch):
    with shared() as aims:
        for layers in ({NETWORK}, PRESENT):
            attacked = await attack(tmp_path / "-".join(sorted(layers)), layers, aims)
            assert set(attacked.attempts.values()) == {"PermissionError"}
        text = Path(enclosure.__file__).read_text()
        (tmp_path / "launcher.py").write_text(Path(launcher.__file__).read_text())
        (tmp_path / "enclosure.py").write_text(text.replace("for first, last in shared for", "for first, last in () for"))
        monkeypatch.setattr("prreview_cli.sandbox.program.LAUNCHER", tmp_path / "launcher.py")
        attacked = await attack(tmp_path / "without", PRESENT, aims)
        assert set(attacked.attempts.values()) == {""}


@contextmanager
def shared() -> Iterator[list[tuple[str, object]]]:
    """A key in the session's keyring and a piece of shared memory, each with a canary; both are taken away again."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.shmat.restype = ctypes.c_void_p
    add_key, keyctl = {"x86_64": (248, 250), "aarch64": (217, 219)}[os.uname().machine]
    session = ctypes.c_long(-3)
    key = libc.syscall(add_key, b"user", b"prreview-test", b"canary", ctypes.c_size_t(6), session)
    if key < 0:
        pytest.skip("no keys can be kept in this kernel, or in this container")
    try:
        memory = libc.shmget(0, ctypes.c_size_t(4096), 0o1600)
        place = libc.shmat(memory, None, 0)
        try:
            ctypes.memmove(place, b"canary", 6)
            yield [("key", key), ("memory", memory)]
        finally:
            libc.shmdt(ctypes.c_void_p(place))
            libc.shmctl(memory, 0, None)
    finally:
        libc.syscall(keyctl, 9, ctypes.c_long(key), session)  # KEYCTL_UNLINK


# -- 37: the disk -----------------------------------------------------------------------------------


@needs_files
async def test_threat_37_no_file_beyond_the_job_is_read_written_or_run(tmp_path):
    canary = tmp_path / "canary"
    canary.write_text("canary")
    aims: list[tuple[str, object]] = [
        *(("read", path) for path in (str(canary), "/etc/passwd", f"/proc/{os.getpid()}/environ", str(Path(__file__)))),
        *(("write", path) for path in (str(canary), str(tmp_path / "new"), "/tmp/prreview-attack")),
        ("execute", "/bin/true"),
    ]
    for layers in filter(None, ({FILES}, {NETWORK} & PRESENT, PRESENT)):
        attacked = await attack(tmp_path / "-".join(sorted(layers)), layers, aims)
        assert attacked.succeeded() == set()
        assert set(attacked.attempts.values()) <= {"PermissionError", "FileNotFoundError", "OSError", "ZeroDivisionError"}
        assert canary.read_text() == "canary"
        assert not (tmp_path / "new").exists()

    attacked = await attack(tmp_path / "without", (), [*aims[:4], ("write", str(tmp_path / "new")), ("execute", "/bin/true")])
    assert set(attacked.attempts.values()) == {""}


@needs_files
async def test_threat_37_the_job_folder_works_and_the_processes_outside_are_not_signalled(tmp_path):
    own, ours = str(tmp_path / "held" / "cell" / "mine"), ("signal", os.getpid())
    held = await attack(tmp_path / "held", PRESENT, [("write", own), ("read", own), ours])
    assert held.succeeded() >= {("write", own), ("read", own)}
    free = await attack(tmp_path / "free", (), [ours])
    assert free.succeeded() == {ours}
    if launcher.landlock_abi() >= 6:
        assert ours not in held.succeeded()


@needs_files
async def test_threat_37_a_git_child_reads_and_writes_its_own_repository_alone(tmp_path):
    canary = tmp_path / "canary"
    canary.write_text("canary")
    git = Git.create(tmp_path / "commits", 1 << 20, sha256=False)
    (git.folder / "inside").write_text("canary")

    async def hashed(path: Path) -> int:
        return (await git.ask("hash-object", "-w", "--no-filters", "--", str(path), timeout_s=20, max_bytes=1_000)).returncode

    assert await hashed(git.folder / "inside") == 0
    assert await hashed(canary) == 128
    write = ("config", "--file", str(tmp_path / "new"), "a.b", "c")
    assert (await git.ask(*write, timeout_s=20, max_bytes=1_000)).returncode
    assert not (tmp_path / "new").exists()
    (git.folder / "another").write_text("another")
    git = replace(git, writable=False)
    assert await hashed(git.folder / "another") == 128

    for words in (write, ("hash-object", "--", str(canary))):
        free = await run(("git", *words), env=environment(), cwd=tmp_path, timeout_s=20, max_output_bytes=1_000)
        assert free.returncode == 0


@pytest.mark.skipif(launcher.landlock_abi() < 4, reason="this kernel's Landlock does not know of ports")
async def test_threat_37_a_git_child_that_only_reads_connects_to_nothing(tmp_path):
    with Canaries.listening(tmp_path) as canaries:
        url = f"http://127.0.0.1:{canaries.aims[0][1]}/x.git"
        git = Git.create(tmp_path / "commits", 1 << 20, sha256=False)
        for tcp in (False, True):
            held = confinement(git.folder, writable=True, tcp=tcp)
            with suppress(TimeoutError):  # the canary never answers
                settings = {"env": git._environment("http", {}), "cwd": git.folder, "max_output_bytes": 1_000}
                await run(("git", "ls-remote", url), **settings, timeout_s=2.0, confinement=held)
            assert ("tcp" in canaries.touched()) is tcp


# -- 38: a layer is missing -------------------------------------------------------------------------


async def test_threat_38_a_layer_that_does_not_hold_is_missing_and_refuses_the_start(tmp_path, monkeypatch):
    lax = tmp_path / "launcher.py"  # it does all that it is told, and neither confines nor encloses
    text = Path(launcher.__file__).read_text()
    lax.write_text(text.replace('if "files" in layers:', "if False:").replace('if "network" in layers:', "if False:"))
    (tmp_path / "enclosure.py").write_text(Path(launcher.__file__).with_name("enclosure.py").read_text())
    for layer in ("files", "network"):
        profile: Any = SimpleNamespace(sandbox=Sandbox(require=(layer,)))
        if layer in PRESENT:
            found = cell_of(profile, allow_unsandboxed=False)
            assert found.layers == PRESENT
            assert all(other in PRESENT or other in found.notes[0] for other in ("files", "network"))
        with monkeypatch.context() as without:
            without.setattr(cell, "LAUNCHER", lax)
            with pytest.raises(SandboxMissing, match=f'"{layer}"'):
                cell_of(profile, allow_unsandboxed=False)
            accepted = cell_of(profile, allow_unsandboxed=True)
        assert accepted.layers == frozenset()
        assert layer in accepted.notes[0]


@needs_network
async def test_threat_38_where_the_kernel_refuses_namespaces_work_ends_with_2_or_says_so_in_the_review(tmp_path):
    with Stage(tmp_path, changes={"sandbox": {"require": ["network"]}}) as stage:
        words = [
            sys.executable,
            "-I",
            "-m",
            "prreview_cli",
            "work",
            "--profile",
            str(stage.profile),
            "--agent",
            "scripted",
            "--until-empty",
        ]

        async def work(*more: str) -> tuple[int | None, str]:
            refuse = "echo 0 > /proc/sys/user/max_user_namespaces"  # a setting of each user namespace, for those beneath it
            process = await asyncio.create_subprocess_exec(
                *("unshare", "--user", "--map-root-user", "sh", "-c", f"{refuse} && exec {shlex.join([*words, *more])}"),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=stage.environment,
                cwd=tmp_path,
            )
            _, said = await asyncio.wait_for(process.communicate(), 60)
            return process.returncode, said.decode()

        code, _, err = await stage.run("enqueue", "octo/shop#1")
        assert code == 0, err
        code, said = await work()
        assert code == 2, said
        assert '"network"' in said
        assert "--allow-unsandboxed" in said
        assert stage.reviews() == []
        code, said = await work("--allow-unsandboxed")
        assert code == 0, said
        assert "without the network layer" in stage.reviews()[0].body


# -- 40: an agent that outlives its worker ----------------------------------------------------------

_WORKER = """
import subprocess, sys
subprocess.Popen(sys.argv[1:], cwd="/").wait()
"""
_SLEEPER = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(300)"


@pytest.mark.parametrize("held", [True, False], ids=["launcher", "without"])
async def test_threat_40_a_killed_worker_takes_the_agent_with_it(tmp_path, held):
    folder = tmp_path / "job"
    folder.mkdir(mode=0o700)
    start, taken = program(folder, PRESENT if held else (), free_port())
    pid_file = folder / "cell" / "pid"
    # The program file is of the process that starts it, so the worker is told to put its own id there.
    text = start.read_text().replace(f"parent={os.getpid()}", "parent=$PPID")
    start.write_text(text)
    command = [str(start)] if held else [str(PYTHON)]
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", "-c", _WORKER, *command, "-I", "-S", "-c", _SLEEPER, str(pid_file)), env={}
    )
    agent = int(await written(pid_file))
    worker.kill()
    await worker.wait()
    try:
        assert await gone(agent, within_s=5 if held else 1) is held
    finally:
        if taken is not None:
            taken.close()
        if not held:
            os.kill(agent, 9)
