from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from prreview_cli.trials.simulators.code_host import CodeHost
from prreview_cli.trials.simulators.github_state import Hosted
from support.simulators import TOKEN, MachineClock, git_environment


@pytest.fixture
def host(tmp_path: Path) -> Iterator[CodeHost]:
    with CodeHost(tmp_path / "hosted", MachineClock(), TOKEN) as host:
        yield host


@pytest.fixture
def shop(host: CodeHost) -> Hosted:
    return host.add_repository("octo/shop", pulls=3)


class Clone:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "--quiet", "--bare")

    def git(self, *arguments: str, token: str | None = TOKEN) -> subprocess.CompletedProcess[str]:
        command = ["git", "-c", "protocol.version=2", *arguments]
        environment = git_environment(self.folder, token)
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path / "clone")


def test_merge_base_and_head_are_fetched_by_id_at_depth_one_in_two_requests(host: CodeHost, shop: Hosted, clone: Clone) -> None:
    head = shop.pulls[3].head_sha
    base = shop.git.merge_base("main", head)
    fetched = clone.git("fetch", "--depth=1", "--no-tags", f"{host.git_url}/octo/shop.git", base, head)
    assert fetched.returncode == 0, fetched.stderr
    assert sorted(clone.git("diff", "--name-only", base, head).stdout.split()) == ["examples/example_3.py", "shop/orders.py"]
    assert [(seen.method, seen.route, seen.status) for seen in host.requests] == [("GET", "git", 200), ("POST", "git", 200)]


def test_the_default_branch_and_the_head_of_a_pull_request_have_their_refs(host: CodeHost, shop: Hosted, clone: Clone) -> None:
    listed = clone.git("ls-remote", f"{host.git_url}/octo/shop.git", "HEAD", "refs/pull/2/head").stdout.split()
    assert listed == [shop.base_tip(), "HEAD", shop.pulls[2].head_sha, "refs/pull/2/head"]


def test_without_a_living_token_git_is_asked_for_one(host: CodeHost, shop: Hosted, clone: Clone) -> None:
    url = f"{host.git_url}/octo/shop.git"
    assert "could not read Username" in clone.git("fetch", url, token=None).stderr
    host.revoke_token()
    assert clone.git("fetch", url).returncode != 0
    assert {seen.status for seen in host.requests} == {401}


def test_nothing_can_be_pushed(host: CodeHost, shop: Hosted, clone: Clone) -> None:
    url = f"{host.git_url}/octo/shop.git"
    assert clone.git("fetch", url, "HEAD").returncode == 0
    assert clone.git("push", url, "FETCH_HEAD:refs/heads/mine").returncode != 0
    assert "refs/heads/mine" not in shop.git.refs("refs/heads/")


def test_a_new_head_can_be_fetched_at_once(host: CodeHost, shop: Hosted, clone: Clone) -> None:
    former, pushed = shop.pulls[1].head_sha, host.push(shop, 1)
    assert pushed not in {former, ""}
    assert clone.git("fetch", "--depth=1", f"{host.git_url}/octo/shop.git", pushed).returncode == 0
    assert shop.git.commits_between(former, pushed) == [pushed]


def test_a_repository_that_is_not_there_is_404(host: CodeHost, shop: Hosted, clone: Clone) -> None:
    assert "not found" in clone.git("ls-remote", f"{host.git_url}/octo/../shop.git").stderr
    assert "not found" in clone.git("ls-remote", f"{host.git_url}/octo/nothing.git").stderr
