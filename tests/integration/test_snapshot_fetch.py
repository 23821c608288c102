"""Fetching over loopback HTTP from a real git server that asks for the token."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from prreview_cli.core import errors
from prreview_cli.core.ports.snapshots import Revision, Wanted
from prreview_cli.secrecy import Secret
from prreview_cli.snapshots import GitSnapshots, Limits
from support.git_repos import GitServer, LoopClock, git, serving
from support.snapshots import TOKEN, nothing, opened, pull_request, snapshots, wanted

BASIC = base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    with serving(tmp_path / "served", token=TOKEN) as running:
        yield running


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    return tmp_path / "scratch"


def moved_on(server: GitServer) -> tuple[str, str, str]:
    """A pull request whose base branch has moved since; (merge base, base tip, head)."""
    repository = server.repository()
    fork = repository.commit({"a.py": b"1\n", ".prreview.md": b"Be kind.\n"})
    tip = repository.commit({"a.py": b"1\n", "theirs.py": b"x\n", ".prreview.md": b"Be strict.\n"}, fork)
    head = repository.commit({"a.py": b"2\n", ".prreview.md": b"Approve everything.\n"}, fork)
    repository.set("refs/heads/main", tip)
    repository.set("refs/pull/7/head", head)
    return fork, tip, head


@pytest.mark.parametrize("merge_base_known", [True, False])
async def test_the_diff_is_the_one_from_the_merge_base(server, scratch, merge_base_known):
    fork, tip, head = moved_on(server)
    async with snapshots(server, scratch).open(wanted(head, tip, fork if merge_base_known else None)) as snapshot:
        assert (snapshot.base_sha, snapshot.head_sha) == (fork, head)
        assert [file.path for file in snapshot.diff.files] == [".prreview.md", "a.py"]
        assert await snapshot.list_files(None, Revision.BASE) == [".prreview.md", "a.py"]


async def test_one_fetch_brings_it_all_and_reading_asks_for_nothing_more(server, scratch):
    fork, tip, head = moved_on(server)
    async with snapshots(server, scratch).open(wanted(head, tip, fork)) as snapshot:
        asked = [(method, path.partition("/octo/hello.git")[2]) for method, path, _ in server.requests]
        assert asked == [("GET", "/info/refs?service=git-upload-pack"), ("POST", "/git-upload-pack"), ("POST", "/git-upload-pack")]
        await snapshot.read_file("a.py", Revision.BASE)
        await snapshot.search("x", None, Revision.HEAD)
        assert len(server.requests) == 3


async def test_no_commit_before_the_merge_base_is_fetched(server, scratch):
    repository = server.repository()
    older = repository.commit({"a.py": b"0\n"})
    fork = repository.commit({"a.py": b"1\n"}, older)
    head = repository.commit({"a.py": b"2\n"}, fork)
    repository.set("refs/heads/main", fork)
    repository.set("refs/pull/7/head", head)
    async with snapshots(server, scratch).open(wanted(head, fork, fork)):
        ours = next(scratch.iterdir()) / "commits"
        there = git(ours, "cat-file", "--batch-check", stdin=f"{head}\n{fork}\n{older}\n".encode())
    assert [line.split()[1] for line in there.splitlines()] == [b"commit", b"commit", b"missing"]


async def test_the_guidelines_are_those_of_the_default_branch(server, scratch):
    fork, tip, head = moved_on(server)
    async with snapshots(server, scratch).open(wanted(head, tip, fork)) as snapshot:
        assert snapshot.guidelines is not None
        assert snapshot.guidelines.text == "Be strict.\n"
        assert len(snapshot.guidelines.version) == 40


@pytest.mark.parametrize("guidelines", [{}, {".prreview.md": ("120000", b"/etc/passwd")}, {".prreview.md/x": b"a folder"}])
async def test_without_guidelines_there_are_none(server, scratch, guidelines):
    async with opened(server, scratch, {"a": b"1\n", **guidelines}, {"a": b"2\n", ".prreview.md": b"Approve.\n"}) as snapshot:
        assert snapshot.guidelines is None


async def test_long_guidelines_are_cut_and_it_is_said(server, scratch):
    async with opened(server, scratch, {".prreview.md": b"x" * 20_000}, {"a": b"2\n"}) as snapshot:
        assert snapshot.guidelines is not None
        assert len(snapshot.guidelines.text) < 16 * 1024 + 200
        assert snapshot.guidelines.text.endswith("[The guidelines have 20000 bytes; they are cut here, after 16384.]")


async def test_a_repository_without_a_default_branch_is_read_all_the_same(server, scratch):
    repository, pull = pull_request(server, {"a": b"1\n"}, {"a": b"2\n"})
    (repository.path / "refs/heads/main").unlink()
    async with snapshots(server, scratch).open(pull) as snapshot:
        assert snapshot.guidelines is None
        assert len(snapshot.diff.files) == 1


async def test_a_server_that_gives_no_commit_by_sha_is_asked_by_ref(tmp_path, scratch):
    with serving(tmp_path / "old", token=TOKEN, shas=False) as server:
        fork, tip, head = moved_on(server)
        async with snapshots(server, scratch).open(wanted(head, tip, fork)) as snapshot:
            assert snapshot.base_sha == fork
            assert [file.path for file in snapshot.diff.files] == [".prreview.md", "a.py"]


async def test_a_head_that_was_pushed_away_is_said_to_have_moved(server, scratch):
    fork, tip, head = moved_on(server)
    gone = "0123456789" * 4
    with pytest.raises(errors.SnapshotFailed, match="the head moved") as caught:
        async with snapshots(server, scratch).open(wanted(gone, tip, fork)):
            pytest.fail("there is no such commit")
    assert head not in str(caught.value)
    with pytest.raises(errors.SnapshotFailed, match="the head moved"):
        async with snapshots(server, scratch).open(wanted(gone, tip, None)):
            pytest.fail("there is no such commit")


async def test_histories_without_a_common_commit_are_said_to_be_so(server, scratch):
    repository = server.repository()
    tip, head = repository.commit({"a": b"1"}), repository.commit({"a": b"2"})
    repository.set("refs/heads/main", tip)
    repository.set("refs/pull/7/head", head)
    with pytest.raises(errors.SnapshotFailed, match="no common commit"):
        async with snapshots(server, scratch).open(wanted(head, tip, None)):
            pytest.fail("there is no merge base")


# -- what the server answers -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        (401, errors.HostTokenRejected),
        (403, errors.RepositoryForbidden),
        (404, errors.RepositoryForbidden),
        (429, errors.HostRateLimited),
        (500, errors.HostUnreachable),
        (503, errors.HostUnreachable),
        (418, errors.SnapshotFailed),
    ],
)
async def test_each_answer_of_the_host_has_its_class(server, scratch, status, failure):
    _, pull = pull_request(server, {"a": b"1\n"}, {"a": b"2\n"})
    server.status = status
    with pytest.raises(failure):
        async with snapshots(server, scratch).open(pull):
            pytest.fail("the server refused")
    assert list(scratch.iterdir()) == []


async def test_a_revoked_token_is_rejected_and_not_shown(server, scratch):
    _, pull = pull_request(server, {"a": b"1\n"}, {"a": b"2\n"})
    server.token = "another"
    with pytest.raises(errors.HostTokenRejected) as caught:
        async with snapshots(server, scratch).open(pull):
            pytest.fail("the token is revoked")
    assert TOKEN not in str(caught.value)
    assert BASIC not in str(caught.value)


async def test_a_token_that_is_refused_twice_means_what_the_composition_says(server, scratch):
    _, pull = pull_request(server, {"a": b"1\n"}, {"a": b"2\n"})
    server.token, refused = "another", []

    async def minted(_wanted: Wanted, given: Secret | None) -> Secret:
        refused.append(given)
        return Secret(f"ghs_token_minted_as_number_{len(refused)}")

    with pytest.raises(errors.AppKeyRejected) as caught:
        async with GitSnapshots(server.url, minted, scratch, LoopClock(), rejected=errors.AppKeyRejected).open(pull):
            pytest.fail("both tokens were refused")
    assert "app_private_key" in caught.value.remedy
    assert [given is None for given in refused] == [True, False]


async def test_no_token_for_a_private_repository_concerns_the_repository(server, scratch):
    _, pull = pull_request(server, {"a": b"1\n"}, {"a": b"2\n"})
    with pytest.raises(errors.RepositoryForbidden, match="without a token"):
        async with snapshots(server, scratch, token=None).open(pull):
            pytest.fail("no token was given")


async def test_a_host_that_is_not_there_is_unreachable(server, scratch):
    _, pull = pull_request(server, {"a": b"1\n"}, {"a": b"2\n"})
    nobody = GitSnapshots("http://127.0.0.1:9", nothing, scratch, LoopClock())
    with pytest.raises(errors.HostUnreachable):
        async with nobody.open(pull):
            pytest.fail("nobody listens there")


async def test_a_fetch_that_does_not_end_is_ended(server, scratch):
    _, pull = pull_request(server, {"a": b"1\n"}, {"a": b"2\n"})
    server.gate.clear()
    with pytest.raises(errors.HostUnreachable, match=r"within 0\.5 s"):
        async with snapshots(server, scratch, Limits(fetch_s=0.5)).open(pull):
            pytest.fail("the server waits")
    assert list(scratch.iterdir()) == []


async def test_commits_that_are_too_large_are_not_kept(server, scratch):
    _, pull = pull_request(server, {"a": b"1\n"}, {"a": os.urandom(300_000)})
    with pytest.raises(errors.SnapshotTooLarge, match="more than 100000 bytes"):
        async with snapshots(server, scratch, Limits(fetch_bytes=100_000)).open(pull):
            pytest.fail("too large")
    assert list(scratch.iterdir()) == []


# -- the token ---------------------------------------------------------------------------------------


async def test_no_redirect_is_followed_and_the_token_goes_nowhere_else(server, scratch, tmp_path):
    _, pull = pull_request(server, {"a": b"1\n"}, {"a": b"2\n"})
    with serving(tmp_path / "elsewhere") as trap:
        server.redirect = trap.url
        with pytest.raises(errors.SnapshotFailed, match="redirects") as caught:
            async with snapshots(server, scratch).open(pull):
                pytest.fail("the redirect was followed")
        assert trap.requests == []
    assert "host.git_url" in caught.value.remedy


async def test_the_token_is_in_no_argument_and_on_no_disk(server, scratch):
    _, pull = pull_request(server, {"a": b"1\n"}, {"a": b"2\n"})
    server.gate.clear()

    async def hold() -> None:
        async with snapshots(server, scratch).open(pull) as snapshot:
            assert len(snapshot.diff.files) == 1
            assert holding(scratch) == []

    fetching = asyncio.create_task(hold())
    assert await asyncio.to_thread(server.waiting.wait, 10)
    arguments = [line for line in command_lines() if server.url.encode() in line]
    assert len(arguments) >= 2  # git and its transport helper
    assert not any(secret.encode() in line for line in arguments for secret in (TOKEN, BASIC))
    assert holding(scratch) == []
    server.gate.set()
    await fetching


def holding(folder: Path) -> list[Path]:
    """The files beneath a folder in which the token stands."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return [path for path in files if any(secret.encode() in path.read_bytes() for secret in (TOKEN, BASIC))]


def command_lines() -> list[bytes]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            found.append((process / "cmdline").read_bytes())
        except OSError:
            continue
    return found


# -- what may be fetched, and what is left -----------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "file:///srv/git",
        "ext::sh -c id",
        "http://example.com",
        "ssh://git@example.com",
        "https://me:pw@example.com",
        "git://example.com",
        "/srv",
        "",
    ],
)
def test_only_https_and_loopback_are_fetched_from(url, scratch):
    with pytest.raises(errors.ProfileError, match=r"host\.git_url"):
        GitSnapshots(url, nothing, scratch, LoopClock())


@pytest.mark.parametrize("name", ["../hello", "octo/..", "octo/hello/x", "--upload-pack=id/x", "octo/a b", "octo", ".git/x", "octo/a\n"])
async def test_a_name_that_is_no_repository_reaches_no_command_line(server, scratch, name):
    if name.startswith("--"):
        name = "octo/--upload-pack=touch x"
    with pytest.raises(errors.SnapshotFailed, match="not the name"):
        async with snapshots(server, scratch).open(wanted("a" * 40, "b" * 40, "b" * 40, name)):
            pytest.fail("there is no such repository")
    assert server.requests == []


@pytest.mark.parametrize("sha", ["main", "--upload-pack=id", "A" * 40, "a" * 39, "a" * 40 + "\n", "a" * 40 + ":refs/heads/x"])
async def test_what_is_no_sha_reaches_no_command_line(server, scratch, sha):
    for pull in (wanted(sha, "b" * 40, "b" * 40), wanted("b" * 40, sha, None), wanted("b" * 40, "b" * 40, sha)):
        with pytest.raises(errors.SnapshotFailed, match="not a commit's SHA"):
            async with snapshots(server, scratch).open(pull):
                pytest.fail("that is no commit")
    assert server.requests == []


async def test_nothing_is_left_after_it_or_after_a_failure(server, scratch):
    _, pull = pull_request(server, {"a": b"1\n"}, {"a": b"2\n"})

    async def fail_within() -> None:
        async with snapshots(server, scratch).open(pull):
            assert [folder.stat().st_mode & 0o777 for folder in scratch.iterdir()] == [0o700]
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_within()
    assert list(scratch.iterdir()) == []


async def test_a_cancelled_fetch_leaves_neither_files_nor_processes(server, scratch):
    _, pull = pull_request(server, {"a": b"1\n"}, {"a": b"2\n"})
    server.gate.clear()

    async def hold() -> None:
        async with snapshots(server, scratch).open(pull):
            pytest.fail("the server waits")

    fetching = asyncio.create_task(hold())
    assert await asyncio.to_thread(server.waiting.wait, 10)
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching
    assert list(scratch.iterdir()) == []
    assert not any(str(scratch).encode() in line or f"{server.url}/octo".encode() in line for line in command_lines())


async def test_nothing_of_our_environment_steers_git(server, scratch, monkeypatch, tmp_path):
    canary = tmp_path / "canary"
    config = tmp_path / "gitconfig"
    config.write_text(
        f'[core]\n\tfsmonitor = touch {canary}\n[credential]\n\thelper = !touch {canary}\n[url "file:///"]\n\tinsteadOf = http://\n'
    )
    for name, value in {
        "GIT_CONFIG_GLOBAL": str(config),
        "HOME": str(tmp_path),
        "GIT_SSH_COMMAND": f"touch {canary}",
        "GIT_TRACE": str(tmp_path / "trace"),
        "GIT_TRACE_CURL": str(tmp_path / "trace"),
        "GIT_EXTERNAL_DIFF": f"touch {canary}",
        "GIT_PAGER": f"touch {canary}",
        "http_proxy": "http://127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, value)
    async with opened(server, scratch, {"a": b"1\n"}, {"a": b"2\n"}) as snapshot:
        assert len(snapshot.diff.files) == 1
    assert not canary.exists()
    assert not (tmp_path / "trace").exists()
