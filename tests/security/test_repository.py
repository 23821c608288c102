"""A hostile repository: threats 23 to 31, on real git. What is critical takes its control away as well, and is then hurt."""

from __future__ import annotations

import asyncio
import base64
import random
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from prreview_cli.core import errors, prompt
from prreview_cli.core.ports.host import PullRequest
from prreview_cli.core.ports.snapshots import ContentError, Revision, Snapshot, Wanted
from prreview_cli.core.toolbox import Toolbox
from prreview_cli.sandbox import child
from prreview_cli.snapshots import GitSnapshots, Limits, changes, fetching, snapshot, snapshots
from prreview_cli.snapshots import git as gits
from prreview_cli.snapshots.git import Git
from support.git_repos import ENVIRONMENT, LINK, GitServer, LoopClock, Repository, git, serving
from support.hostile_repository import FORGED, HIDDEN_FROM_DIFFS, LOOT, ODD_NAMES, RULES_OF_THE_HEAD, Hostile
from support.snapshots import TOKEN, nothing, opened, wanted
from support.snapshots import snapshots as snapshots_of

HEAD = Revision.HEAD
BASIC = base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()
RULES = "Money is in cents."
BASE: dict[str | bytes, Any] = {"README": b"0\n", ".prreview.md": RULES.encode(), "hidden.py": b"0\n", "hidden.c": b"0\n"}


@pytest.fixture
def hostile(tmp_path: Path) -> Iterator[Hostile]:
    with Hostile.aims(tmp_path / "aims") as aims:
        yield aims


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    with serving(tmp_path / "served", token=TOKEN) as running:
        yield running


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    return tmp_path / "scratch"


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[tuple[str, ...], dict[str, str]]]:
    """The command line and the environment of every child that git work starts."""
    seen: list[tuple[tuple[str, ...], dict[str, str]]] = []

    async def run(argv: Sequence[str], **settings: Any) -> child.Completed:
        seen.append((tuple(argv), dict(settings["env"])))
        return await child.run(argv, **settings)

    monkeypatch.setattr(gits, "run", run)
    return seen


def attack(server: GitServer, hostile: Hostile) -> tuple[Repository, Wanted]:
    """The hostile pull request, by a forged author."""
    repository = server.repository()
    base = repository.commit(BASE)
    head = repository.commit(hostile.files(), base, author=FORGED)
    repository.set("refs/heads/main", base)
    repository.set("refs/pull/7/head", head)
    return repository, wanted(head, base, base)


def obey(config: Path, hostile: Hostile) -> None:
    """Put the repository's settings where git takes them from."""
    content = hostile.files()["config"]
    assert isinstance(content, bytes)
    config.write_bytes(config.read_bytes() + content)


async def read_it_all(seen: Snapshot) -> None:
    """Everything that the agent could ask for."""
    for path in await seen.list_files(None, HEAD):
        with suppress(ContentError):
            await seen.read_file(path, HEAD)
    for pattern in (".", "-O/usr/bin/touch", "eval"):
        await seen.search(pattern, None, HEAD)


def pull_of(pull: Wanted, **changed: Any) -> PullRequest:
    """The pull request as the host tells of it."""
    known = PullRequest(
        *(1, pull.repository, pull.number, "A title", "", "mallory", True, False, pull.head_sha, pull.base_tip, "main"),
        updated_at=datetime(2026, 11, 24, tzinfo=UTC),
    )
    return replace(known, **changed)


# -- 23: code of the repository's --------------------------------------------------------------------


@pytest.mark.without("bare objects: a clone with a work tree, as git makes one")
async def test_threat_23_nothing_in_a_repository_runs_and_nothing_more_is_fetched(
    server: GitServer, scratch: Path, hostile: Hostile, tmp_path: Path
) -> None:
    repository, pull = attack(server, hostile)
    async with snapshots_of(server, scratch).open(pull) as seen:
        await read_it_all(seen)
        assert len(server.requests) == 3
    assert hostile.touched() == set()
    assert hostile.connections() == 0

    plain = tmp_path / "plain"  # the same files, as a clone in a work tree has them, with git's own manners
    work = {path: content for path, content in hostile.files().items() if path not in ODD_NAMES and path not in {"sub", "other", "readme"}}
    repository.set("refs/heads/main", repository.commit(work))
    git(tmp_path, "clone", "--quiet", str(repository.path), str(plain))
    obey(plain / ".git/config", hostile)
    (plain / "hidden.c").write_bytes(b"changed\n")
    for words in (("status",), ("diff", "--ext-diff"), ("checkout", "--force", "--", "hidden.c"), ("checkout", "--quiet", "-b", "x")):
        await child.run(["git", *words], env=ENVIRONMENT, cwd=plain, timeout_s=30, max_output_bytes=1 << 20)
    assert hostile.touched() >= {"fsmonitor", "external-diff", "smudge", "git-hook"}


@pytest.mark.without("our options and attributes")
async def test_threat_23_our_settings_outweigh_those_that_stand_in_a_repository(
    scratch: Path, hostile: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gits, "confinement", lambda *_, **__: None)  # the settings alone, without the cell around git
    ours = Git.create(scratch, 1 << 20, sha256=False)
    repository = Repository.at(scratch)
    one, other = repository.commit({"a.c": b"1\n"}), repository.commit({"a.c": b"2\n"})
    obey(scratch / "config", hostile)
    (scratch / "attributes").write_text("*.c diff=evil\n")

    async def compared() -> set[str]:
        await changes.changes(ours, one, other, Limits())
        await ours.ask("update-ref", "refs/heads/x", one, timeout_s=20, max_bytes=1_000)
        return hostile.touched()

    assert await compared() == set()

    monkeypatch.setattr(changes, "_DIFF", ("diff", "--raw", "-p", "--full-index"))
    (scratch / "info/attributes").write_text("*.c diff=evil\n")
    with suppress(errors.SnapshotFailed):
        await compared()
    assert "external-diff" in hostile.touched()


# -- 24: names that mean something to a file system ---------------------------------------------------


@pytest.mark.without("the look-up in the tree")
async def test_threat_24_only_what_stands_in_the_commit_is_read(
    server: GitServer, scratch: Path, hostile: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, pull = attack(server, hostile)

    async def looted(seen: Snapshot) -> list[str]:
        found = []
        for path in (*hostile.places(), "link", "passwd", "up", "environ"):
            with suppress(ContentError, OSError, ValueError):
                text = await seen.read_file(path, HEAD)
                found += [path] if LOOT in text or "root:x:" in text or "PATH=" in text else []
        return found

    async with snapshots_of(server, scratch).open(pull) as seen:
        assert await looted(seen) == []
        for place in hostile.places():
            with pytest.raises(ContentError):
                await seen.read_file(place, HEAD)
        assert await seen.read_file("passwd", HEAD) == "(a symbolic link to) /etc/passwd"
        assert await seen.read_file("link", HEAD) == f"(a symbolic link to) {hostile.outside}"
        assert (await seen.read_file("README", HEAD), await seen.read_file("readme", HEAD)) == ("1\n", "2\n")
        assert not any(LOOT in match.text for match in await seen.search("loot|root:", None, HEAD))

        checkout = scratch / "checkout"
        checkout.mkdir()
        for name, target in (("link", hostile.outside), ("passwd", "/etc/passwd"), ("up", "/")):
            (checkout / name).symlink_to(target)

        async def from_the_disk(_: Snapshot, path: str, __: Revision) -> str:
            return (checkout / path).read_text()

        monkeypatch.setattr(snapshot.GitSnapshot, "read_file", from_the_disk)
        assert {"link", "passwd", "up/etc/passwd", "/etc/passwd", str(hostile.outside)} <= set(await looted(seen))


# -- 25: other transports ----------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["ext::sh -c touch% {canary}", "file://{path}", "{path}", "ssh://x/y", "git://127.0.0.1/x", "fd::7"])
async def test_threat_25_no_transport_but_the_hosts_is_spoken(scratch: Path, hostile: Hostile, server: GitServer, url: str) -> None:
    repository, _ = attack(server, hostile)
    address = url.format(canary=hostile.canaries / "ext", path=repository.path)
    with pytest.raises(errors.ProfileError, match=r"host\.git_url"):
        GitSnapshots(address, nothing, scratch, LoopClock())
    git_of_ours = Git.create(scratch, 1 << 20, sha256=False)
    for protocols in ("https", ""):
        done = await git_of_ours.ask("fetch", "--", address, "HEAD", timeout_s=20, max_bytes=1_000, protocols=protocols)
        assert done.returncode == 128
        assert b"not allowed" in done.stderr
    assert hostile.touched() == set()


@pytest.mark.without("the list of transports, and git's cell")
async def test_threat_25_without_the_list_a_transport_runs_a_command(
    scratch: Path, hostile: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = Git.create(scratch, 1 << 20, sha256=False)
    fetch = ("fetch", "--", f"ext::/usr/bin/touch {hostile.canaries}/ext", "HEAD")
    await ours.ask(*fetch, timeout_s=20, max_bytes=1_000, protocols="ext")
    assert hostile.touched() == set()  # the cell around git holds it still
    monkeypatch.setattr(gits, "confinement", lambda *_, **__: None)
    await ours.ask(*fetch, timeout_s=20, max_bytes=1_000, protocols="https")
    assert hostile.touched() == set()
    await ours.ask(*fetch, timeout_s=20, max_bytes=1_000, protocols="ext")
    assert hostile.touched() == {"ext"}


@pytest.mark.without("the setting against redirects")
async def test_threat_25_no_redirect_is_followed(
    server: GitServer, scratch: Path, hostile: Hostile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, pull = attack(server, hostile)
    with serving(tmp_path / "elsewhere") as trap:
        server.redirect = trap.url
        for held in (True, False):
            if not held:
                monkeypatch.setitem(gits._CONFIG, "http.followRedirects", "true")
            with pytest.raises(errors.Failure):
                async with snapshots_of(server, scratch).open(pull):
                    pytest.fail("there is nothing behind the redirect")
            assert (trap.requests == []) is held


# -- 26: names as options ----------------------------------------------------------------------------


async def test_threat_26_no_branch_name_reaches_git_and_no_name_is_an_option(
    server: GitServer, scratch: Path, hostile: Hostile, started: list[tuple[tuple[str, ...], dict[str, str]]]
) -> None:
    evil = f"--upload-pack={hostile.canaries}/run"
    repository, pull = attack(server, hostile)
    repository.set(f"refs/heads/{evil}", pull.head_sha)
    (repository.path / "HEAD").write_text(f"ref: refs/heads/{evil}\n")
    for known in (pull.merge_base, None):
        async with snapshots_of(server, scratch).open(replace(pull, merge_base=known)) as seen:
            text = prompt.build(pull_of(pull, base_ref=evil), seen.diff, seen.guidelines).text
            assert evil in text.partition("<data ")[2]  # told, as data
    assert started
    assert not any(evil in word for argv, _ in started for word in argv)

    for changed in ({"head_sha": evil}, {"merge_base": evil}, {"merge_base": None, "base_tip": evil}, {"repository": f"{evil}/x"}):
        with pytest.raises(errors.SnapshotFailed, match="is not"):
            async with snapshots_of(server, scratch).open(replace(pull, **changed)):
                pytest.fail("that is no commit")
    assert hostile.touched() == set()


@pytest.mark.without("the dashes")
async def test_threat_26_what_looks_like_an_option_is_none_behind_the_dashes(
    server: GitServer, scratch: Path, hostile: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gits, "confinement", lambda *_, **__: None)
    repository, _ = attack(server, hostile)
    ours = Git.create(scratch, 1 << 20, sha256=False)
    evil = f"--upload-pack=/usr/bin/touch {hostile.canaries}/run;"
    for dashes, touched in ((("--",), set()), ((), {"run"})):
        await ours.ask("fetch", *dashes, evil, str(repository.path), "HEAD", timeout_s=20, max_bytes=1_000, protocols="file")
        assert hostile.touched() == touched


# -- 27: the token -----------------------------------------------------------------------------------


async def _shown(server: GitServer, scratch: Path, pull: Wanted) -> set[str]:
    """Where the token is seen while a fetch is held: in arguments, or in files."""
    server.gate.clear()
    server.waiting.clear()

    async def hold() -> None:
        async with snapshots_of(server, scratch).open(pull):
            pass

    fetching_it = asyncio.create_task(hold())
    try:
        assert await asyncio.to_thread(server.waiting.wait, 20)
        lines = [line for line in _command_lines() if str(server.url).encode() in line]
        assert len(lines) >= 2  # git and its helper for http
        files = [path.read_bytes() for path in scratch.rglob("*") if path.is_file()]
        assert files
    finally:
        server.gate.set()
        await fetching_it
    values = (TOKEN.encode(), BASIC.encode())
    found = {"arguments": lines, "files": files}
    return {place for place, texts in found.items() if any(value in text for value in values for text in texts)}


def _command_lines() -> list[bytes]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            found.append((process / "cmdline").read_bytes())
    return found


@pytest.mark.without("the environment of that one child: in an argument, in a file")
async def test_threat_27_the_token_stands_in_no_argument_no_address_and_no_file(
    server: GitServer,
    scratch: Path,
    hostile: Hostile,
    monkeypatch: pytest.MonkeyPatch,
    started: list[tuple[tuple[str, ...], dict[str, str]]],
) -> None:
    _, pull = attack(server, hostile)
    assert await _shown(server, scratch, pull) == set()
    assert all(TOKEN not in path for _, path, _ in server.requests)
    holding = [argv[1] for argv, env in started if any(BASIC in value or TOKEN in value for value in env.values())]
    assert holding == ["fetch"]  # that one child's environment, and no other's

    ask = Git.ask

    async def in_a_file(self: Git, *words: str, config: Any = None, **settings: Any) -> child.Completed:
        for key, value in (config or {}).items():
            section, _, name = key.rpartition(".")
            kind, _, address = section.partition(".")
            known = (self.folder / "config").read_text()
            (self.folder / "config").write_text(f'{known}[{kind} "{address}"]\n\t{name} = {value}\n')
        return await ask(self, *words, **settings)

    async def in_arguments(self: Git, *words: str, config: Any = None, **settings: Any) -> child.Completed:
        pairs = [word for key, value in (config or {}).items() for word in ("-c", f"{key}={value}")]
        return await ask(self, *pairs, *words, **settings)

    for lax, place in ((in_arguments, "arguments"), (in_a_file, "files")):
        monkeypatch.setattr(Git, "ask", lax)
        assert await _shown(server, scratch, pull) == {place}


# -- 28: too much ------------------------------------------------------------------------------------


def _nested(repository: Repository, levels: int, width: int, inner: dict[str | bytes, Any]) -> str:
    """A tree of `width` folders that are one and the same, so many levels deep: width**levels files in few objects."""
    tree = repository.tree(inner)
    for _ in range(levels):
        tree = repository.write("tree", b"".join(b"40000 %02d\0" % number + bytes.fromhex(tree) for number in range(width)))
    return tree


def _committed(repository: Repository, tree: str, *parents: str) -> str:
    above = "".join(f"parent {parent}\n" for parent in parents)
    who = "A <a@example.com> 1700000000 +0000"
    return repository.write("commit", f"tree {tree}\n{above}author {who}\ncommitter {who}\n\nx\n".encode())


async def test_threat_28_a_pack_bomb_is_ended_while_it_is_fetched_and_leaves_nothing(server: GitServer, scratch: Path) -> None:
    noise = random.Random(28).randbytes(3_000_000)  # which no compression makes smaller
    with pytest.raises(errors.SnapshotTooLarge, match="more than 1000000 bytes") as caught:
        async with opened(server, scratch, {"a": b"1\n"}, {"a": noise}, Limits(fetch_bytes=1_000_000)):
            pytest.fail("it is too large")
    assert "by hand" in caught.value.remedy
    assert list(scratch.iterdir()) == []


async def test_threat_28_a_file_of_one_endless_line_is_named(server: GitServer, scratch: Path) -> None:
    size = 30 << 20  # ten times as much came to the same: 300 MB in 28 s, most of them the server's
    head = {"a.py": b"2\n", "long.js": b"z" * size}
    async with opened(server, scratch, {"a.py": b"1\n"}, head) as seen:
        assert [file.path for file in seen.diff.files] == ["a.py"]
        assert seen.diff.omitted == (("long.js", f"{size} bytes are too large to compare"),)
        with pytest.raises(ContentError, match="are not read"):
            await seen.read_file("long.js", HEAD)
        assert [match.path for match in await seen.search(".", None, HEAD)] == ["a.py"]


async def test_threat_28_of_twenty_thousand_new_files_three_thousand_are_reviewed_and_the_rest_counted(
    server: GitServer, scratch: Path
) -> None:
    repository = server.repository()
    base = repository.commit({"a.py": b"1\n"})
    stream = [b"blob\nmark :1\ndata 2\nx\n\n", f"commit refs/pull/7/head\ncommitter A <a@e> 1 +0000\ndata 1\nx\nfrom {base}\n".encode()]
    stream += [b"M 100644 :1 d%02d/f%05d.py\n" % (number // 1_000, number) for number in range(20_000)]
    git(repository.path, "fast-import", "--quiet", stdin=b"".join(stream))
    head = git(repository.path, "rev-parse", "refs/pull/7/head").decode().strip()
    repository.set("refs/heads/main", base)
    async with snapshots_of(server, scratch).open(wanted(head, base, base)) as seen:
        assert len(seen.diff.files) == 3_000
        assert seen.diff.omitted == (("(17000 more changed files)", "a review covers 3000 files at most"),)
        assert (await seen.list_files(None, HEAD))[-1] == "(the list ends here: 15001 more files)"
        assert await seen.read_file("d19/f19999.py", HEAD) == "x\n"


async def test_threat_28_a_tree_that_names_itself_ends_in_a_sentence_and_not_in_the_machines_memory(
    server: GitServer, scratch: Path
) -> None:
    repository = server.repository()
    base = repository.commit({"a": b"1\n"})
    head = _committed(repository, _nested(repository, 4, 10, {f"{number}.py": b"x\n" for number in range(10)}), base)
    repository.set("refs/heads/main", base)
    repository.set("refs/pull/7/head", head)
    pull, bounded = wanted(head, base, base), Limits(memory_bytes=256 << 20)
    with pytest.raises(errors.SnapshotTooLarge, match="ran out of memory") as caught:
        async with snapshots_of(server, scratch, bounded).open(pull):
            pytest.fail("it needs 430 MB, and ten times as much with one level more")
    assert "by hand" in caught.value.remedy
    assert list(scratch.iterdir()) == []


async def test_threat_28_folders_within_folders_and_endless_names_are_named_together(server: GitServer, scratch: Path) -> None:
    deep, long = "d/" * 150 + "f.py", "n" * 5_000
    head = {"a.py": b"2\n", deep: b"x\n", long: b"x\n", f"{'d/' * 100}ok.py": b"x\n"}
    async with opened(server, scratch, {"a.py": b"1\n"}, head) as seen:
        assert [file.path for file in seen.diff.files] == ["a.py", f"{'d/' * 100}ok.py"]
        ((name, reason),) = seen.diff.omitted
        assert name == "(2 changed files, too deep or with too long a name)"
        assert "names of 1000 bytes in 100 folders" in reason
        assert await seen.read_file(deep, HEAD) == "x\n"
        pull = wanted("a" * 40, "b" * 40, None)
        assert len(prompt.build(pull_of(pull), seen.diff, None).text) < 5_000


def test_threat_28_the_list_of_changed_files_is_bounded_in_the_prompt() -> None:
    names = tuple((f"{number:03}{'n' * 990}", "it is too large") for number in range(300))
    text = prompt.build(pull_of(wanted("a" * 40, "b" * 40, None)), prompt.Diff((), names), None).text
    assert len(text) < 45_000
    assert "more, which read_diff lists" in text


@pytest.mark.parametrize("limits", [Limits(fetch_s=0.3), Limits(read_s=0.0)], ids=["fetch", "read"])
async def test_threat_28_what_takes_too_long_is_ended_and_said(server: GitServer, scratch: Path, limits: Limits) -> None:
    if limits.fetch_s < 1:
        server.gate.clear()
    with pytest.raises(errors.Failure, match=r"within 0\.3 s|longer than 0 s"):
        async with opened(server, scratch, {"a": b"1\n"}, {"a": b"2\n"}, limits):
            pytest.fail("there is no time")
    assert list(scratch.iterdir()) == []


# -- 29: what a repository would hide ----------------------------------------------------------------


@pytest.mark.without("our attributes")
async def test_threat_29_no_attribute_no_ignore_file_and_no_nul_hides_code(
    server: GitServer, scratch: Path, hostile: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, pull = attack(server, hostile)
    async with snapshots_of(server, scratch).open(pull) as seen:
        found = {match.path for match in await seen.search(r"eval\(", None, HEAD)}
        assert found >= {*HIDDEN_FROM_DIFFS, "early.py"}
        listed = await seen.list_files(None, HEAD)
        assert set(HIDDEN_FROM_DIFFS) <= set(listed)
        shown = {file.path: file for file in seen.diff.files}
        assert all(not shown[path].binary and "eval(" in shown[path].text for path in HIDDEN_FROM_DIFFS)

        toolbox = Toolbox(seen, max_comments=20)
        for _ in range(3):
            await toolbox.call("read_diff", {})
        told = prompt.build(pull_of(pull), seen.diff, seen.guidelines)
        cover = prompt.coverage(seen.diff, toolbox.seen | told.shown, told.left_out)
        named = {omission.path: omission.reason for omission in cover.omitted}
        assert set(HIDDEN_FROM_DIFFS) <= set(cover.reviewed)
        assert named["early.py"] == "binary"
        assert "too large" in named["wide.js"]

    monkeypatch.setattr(gits, "_INFO_ATTRIBUTES", "*.py -diff\n*.c binary\n")  # as the repository would have it
    async with snapshots_of(server, scratch).open(pull) as seen:
        assert {"hidden.py", "hidden.c"} <= {file.path for file in seen.diff.files if file.binary}


# -- 30: a pull request's own rules ------------------------------------------------------------------


@pytest.mark.without("the default branch: rules read from the head")
async def test_threat_30_the_rules_are_those_of_the_default_branch(
    server: GitServer, scratch: Path, hostile: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository, pull = attack(server, hostile)
    side = repository.commit({**BASE, ".prreview.md": RULES_OF_THE_HEAD.encode()})
    head = repository.commit(hostile.files(), side)
    repository.set("refs/heads/side", side)
    onto_a_branch = wanted(head, side, side)  # its base is another branch, with rules of its own

    async def rules(of: Wanted) -> str:
        async with snapshots_of(server, scratch).open(of) as seen:
            assert seen.guidelines is not None
            text = prompt.build(pull_of(of), seen.diff, seen.guidelines).text
            assert RULES_OF_THE_HEAD in text.partition("The changed files")[2] or of is onto_a_branch  # as a change to judge
            assert seen.guidelines.text in text.partition("The changed files")[0]
            return seen.guidelines.text

    assert await rules(pull) == await rules(onto_a_branch) == RULES
    monkeypatch.setattr(snapshots, "DEFAULT", fetching.HEAD)
    assert RULES_OF_THE_HEAD in await rules(pull)


@pytest.mark.parametrize("target", ["{outside}", ".git/config", "/etc/passwd"])
async def test_threat_30_a_link_in_place_of_the_rules_is_no_rule(server: GitServer, scratch: Path, hostile: Hostile, target: str) -> None:
    planted = (LINK, target.format(outside=hostile.outside).encode())
    async with opened(server, scratch, {"a": b"1\n", ".prreview.md": planted}, {"a": b"2\n"}) as seen:
        assert seen.guidelines is None


# -- 31: who wrote it --------------------------------------------------------------------------------


async def test_threat_31_the_name_in_a_commit_reaches_nobody(server: GitServer, scratch: Path, hostile: Hostile) -> None:
    repository, pull = attack(server, hostile)
    assert FORGED.encode() in git(repository.path, "cat-file", "commit", pull.head_sha)
    async with snapshots_of(server, scratch).open(pull) as seen:
        toolbox = Toolbox(seen, max_comments=20)
        asked: list[tuple[str, dict[str, Any]]] = [
            *(("read_diff", {}) for _ in range(4)),
            ("list_files", {}),
            ("search", {"pattern": "forged"}),
            ("read_file", {"path": pull.head_sha}),
        ]
        answers = [(await toolbox.call(name, arguments)).text for name, arguments in asked]
        answers.append(prompt.build(pull_of(pull), seen.diff, seen.guidelines).text)
    assert not any(FORGED in answer or "mallory" in answer for answer in answers)
