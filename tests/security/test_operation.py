"""Threats 54, 55 and 61 to 69: environments that must not mix, bills that must not grow, and what we rest on ourselves.

57 to 60 are in test_ci.py.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import random
import re
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import respx

from prreview_cli.core import errors, retry, triggers
from prreview_cli.core.events import Ignore, Review
from prreview_cli.core.job import Lease, Outcome, Posted, Skipped, State
from prreview_cli.core.ports.gateway import Allowance
from prreview_cli.core.ports.host import PullRequest
from prreview_cli.core.profile import Host, Model, ReviewPolicy, SecretName, Workers
from prreview_cli.gateway import ModelGateway
from prreview_cli.hosts.github.auth import TokenAccess
from prreview_cli.hosts.github.host import GitHubHost
from prreview_cli.secrecy import Secret
from prreview_cli.services.breaker import Breaker
from prreview_cli.services.kill_switch import KillSwitch
from prreview_cli.services.pool import Pool
from prreview_cli.services.reviewer import Record, Reviewer
from prreview_cli.services.settlement import Settlement
from prreview_cli.settings import Vault, load_profile, read_profile, trust, vault
from prreview_cli.settings.checking import check_profile
from prreview_cli.store.memory import MemoryStore
from prreview_cli.store.sqlite import migrate
from prreview_cli.trials.simulators import behaviours
from prreview_cli.trials.simulators.code_host import API
from prreview_cli.trials.simulators.faults import Answer, Fault
from prreview_cli.trials.simulators.http import json_response
from prreview_cli.trials.simulators.webhooks import signed
from prreview_cli.wiring import House
from support.clocks import FakeClock, ImpatientClock, settled
from support.fakes import PULL as FAKE_PULL
from support.fakes import TARGET, FakeAgent, FakeAlerts, FakeGateway, FakeHost, FakeSnapshots, at_once
from support.gateways import KEY, MODEL, PRICES, WIRE, body, post
from support.github_world import API as WORLD_API
from support.github_world import PULL, REVIEW, TOKEN, GitHubWorld
from support.http_clients import pull_request
from support.installed import prreview
from support.model_api import message, says, scripted_model
from support.profiles import MemoryKeyring, profile_file
from support.stage import Stage
from support.stores import Bench, opened_sqlite

ROOT = Path(__file__).parents[2]


# -- 54: where secrets are kept -----------------------------------------------------------------------------

PLAINTEXT = """
import pathlib
from keyring.backend import KeyringBackend
class PlaintextKeyring(KeyringBackend):
    priority = 99
    def get_password(self, service, username): return "x" * 40
    def set_password(self, service, username, password): pathlib.Path(__file__).with_name("kept").write_text(password)
    def delete_password(self, service, username): pass
"""


@pytest.mark.parametrize("backend", ["keyring.backends.null.Keyring", "keyrings.alt.file.PlaintextKeyring"])
def test_threat_54_a_keyring_that_keeps_nothing_or_in_the_open_is_refused_even_where_it_is_named(tmp_path: Path, backend: str) -> None:
    module = tmp_path / "site" / "keyrings" / "alt" / "file.py"
    module.parent.mkdir(parents=True)
    module.write_text(PLAINTEXT)
    references = {f"secrets.{name}": f"keyring:{name}" for name in ("model_api_key", "host_token", "webhook_secret")}
    profile = profile_file(tmp_path / "profiles", references)
    environ = {"PYTHON_KEYRING_BACKEND": backend, "PYTHONPATH": str(tmp_path / "site")}
    for words in (("serve", "--workers", "0", "--port", "0", "--ops-port", "0"), ("secret", "set", "host_token")):
        done = prreview(tmp_path, *words, "--profile", str(profile), environ=environ, stdin=f"{KEY}\n")
        assert done.returncode == 2, done.stderr
        assert backend in done.stderr
        assert "in the open or not at all" in done.stderr
        assert "LoadCredential" in done.stderr
    assert not (module.parent / "kept").exists()


# -- 55: whose profile it is --------------------------------------------------------------------------------


def written(path: Path, mode: int = 0o600) -> Path:
    profile_file(path.parent, name=path.stem)
    path.chmod(mode)
    return path


def by_others(folder: Path) -> Path:
    return written(folder / "prod.toml", 0o666)


def in_a_folder_of_others(folder: Path) -> Path:
    path = written(folder / "open" / "own" / "prod.toml")
    (folder / "open").chmod(0o777)
    return path


def through_a_link_of_others(folder: Path) -> Path:
    target = written(folder / "safe" / "prod.toml")
    (folder / "open").mkdir()
    (folder / "open" / "link.toml").symlink_to(target)
    (folder / "open").chmod(0o777)
    return folder / "open" / "link.toml"


def as_a_configmap(folder: Path) -> Path:
    written(folder / "mount" / "..2026" / "prod.toml", 0o644)
    (folder / "mount" / "..data").symlink_to("..2026")
    (folder / "mount" / "prod.toml").symlink_to("..data/prod.toml")
    return folder / "mount" / "prod.toml"


def below_a_sticky_one(folder: Path) -> Path:
    path = written(folder / "shared" / "mine" / "prod.toml")
    (folder / "shared").chmod(0o1777)
    return path


@pytest.mark.without("the look at who can write")
@pytest.mark.parametrize("lay", [by_others, in_a_folder_of_others, through_a_link_of_others])
def test_threat_55_a_profile_that_others_can_write_or_lead_elsewhere_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lay: Callable[[Path], Path]
) -> None:
    path = lay(tmp_path)
    with pytest.raises(errors.ProfileError, match="can be written by other users"):
        load_profile(str(path))
    monkeypatch.setattr(trust, "_WRITABLE_BY_OTHERS", 0)
    assert load_profile(str(path)).environment == "prod"


@pytest.mark.parametrize("lay", [as_a_configmap, below_a_sticky_one])
def test_threat_55_a_configmap_and_a_sticky_folder_pass(tmp_path: Path, lay: Callable[[Path], Path]) -> None:
    assert load_profile(str(lay(tmp_path))).environment == "prod"


# -- 61 to 63: environments ---------------------------------------------------------------------------------


def secrets_of(environment: str) -> dict[str, str]:
    return {f"PRREVIEW_TEST_{name.upper()}": f"{environment}-{name}-0123456789-0123456789-abcdef" for name in SecretName}


async def test_threat_61_what_staging_signed_is_refused_by_prod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(read_profile(profile_file(tmp_path, name="prod")), FakeClock())
    for name, value in secrets_of("prod").items():
        monkeypatch.setenv(name, value)
    intake = house.intake(MemoryStore(clock=FakeClock()))

    async def status(environment: str) -> int:
        sent = signed({"zen": "Keep it simple."}, secrets_of(environment)["PRREVIEW_TEST_WEBHOOK_SECRET"], "ping")
        reply = await intake.receive(sent.body, {name.lower().encode(): value.encode() for name, value in sent.headers.items()})
        return int(reply.status)

    assert (await status("prod"), await status("staging")) == (200, 401)


def test_threat_61_a_value_that_two_environments_share_is_refused_by_the_check(tmp_path: Path) -> None:
    references = {f"secrets.{name}": f"env:STAGING_{name.upper()}" for name in ("model_api_key", "host_token", "webhook_secret")}
    profile_file(tmp_path, references, name="staging")
    prod = profile_file(tmp_path, name="prod")
    ours = secrets_of("prod")
    theirs = {name.replace("PRREVIEW_TEST", "STAGING"): value for name, value in secrets_of("staging").items()}

    def problems(**changes: str) -> list[str]:
        environ = {"PRREVIEW_PROFILES_DIR": str(tmp_path), **ours, **theirs, **changes}
        return [f"{each.key}: {each.message}" for each in check_profile(prod, environ, lambda profile: Vault(profile, environ)).problems]

    assert problems() == []
    [told] = problems(STAGING_WEBHOOK_SECRET=ours["PRREVIEW_TEST_WEBHOOK_SECRET"])
    assert "secrets.webhook_secret" in told
    assert "staging.toml" in told
    assert ours["PRREVIEW_TEST_WEBHOOK_SECRET"] not in told


@pytest.mark.without("the owner that a database has")
async def test_threat_62_an_altered_row_of_the_database_ends_before_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Stage(tmp_path) as stage:
        async with stage.serving("--workers", "0") as served:
            await stage.send(served, [stage.delivery()])
        database = sqlite3.connect(tmp_path / "state" / "queue.db")
        assert database.execute("UPDATE meta SET value = 'prod' WHERE key = 'environment'").rowcount == 1
        database.commit()
        database.close()
        work = ("work", "--agent", "scripted", "--allow-unsandboxed", "--until-empty")
        code, _, err = await stage.run(*work)
        assert code == 2, err
        assert "belongs to the environment 'prod', not to 'load-test'" in err
        assert (stage.host.requests, stage.model.requests) == ([], [])

    monkeypatch.setattr(migrate, "_expect_owner", lambda *_: None)
    store = await opened_sqlite(tmp_path / "state" / "queue.db", environment="load-test", host="another")
    assert [job.repository for job in await store.jobs.list([], None)] == ["octo/shop"]
    await store.close()


@pytest.mark.without("the look at a review's environment before it is posted")
async def test_threat_62_a_review_of_another_environment_or_pull_request_is_not_posted(monkeypatch: pytest.MonkeyPatch) -> None:
    world, foreign = GitHubWorld(), [replace(REVIEW, environment="staging"), replace(REVIEW, repository_id=8), replace(REVIEW, number=4)]

    async def posted(review: Any) -> None:
        with respx.mock(assert_all_called=False) as router:
            router.route(host="api.github.test").mock(side_effect=world)
            host = GitHubHost(Host(api_url=WORLD_API), TokenAccess(lambda: Secret(TOKEN)), "test", FakeClock(), str)
            try:
                await host.publish(PULL, review, at_once)
            finally:
                await host.close()

    for review in foreign:
        with pytest.raises((errors.PostRefused, errors.RepositoryReplaced)):
            await posted(review)
    assert world.seen == []
    monkeypatch.setattr(GitHubHost, "_refuse_foreign", lambda *_: None)
    for review in foreign:
        await posted(review)
    assert len(world.reviews) == 3


@pytest.mark.without("the environment in the keyring's service")
def test_threat_62_another_environments_key_cannot_be_had_from_the_keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keyring = MemoryKeyring()
    reference = {"secrets.model_api_key": "keyring:model_api_key"}
    staging, prod = (read_profile(profile_file(tmp_path, reference, name=name)) for name in ("staging", "prod"))

    def key_of_prod() -> str:
        return Vault(prod, {}, lambda: keyring).get(SecretName.MODEL_API_KEY).reveal()

    Vault(staging, {}, lambda: keyring).put(SecretName.MODEL_API_KEY, KEY)
    with pytest.raises(errors.SecretUnavailable, match="prreview/prod"):
        key_of_prod()
    monkeypatch.setattr(vault, "service_name", lambda environment: "prreview")
    Vault(staging, {}, lambda: keyring).put(SecretName.MODEL_API_KEY, KEY)
    assert key_of_prod() == KEY


def test_threat_63_no_profile_is_ever_chosen_for_you(tmp_path: Path) -> None:
    profile_file(tmp_path / "profiles", name="prod")
    environ = {"PRREVIEW_PROFILES_DIR": str(tmp_path / "profiles")}
    for words, more in ((("status",), {}), (("status", "-p", "prd"), {}), (("work", "--until-empty"), {"PRREVIEW_PROFILE": ""})):
        done = prreview(tmp_path, *words, environ={**environ, **more})
        assert (done.returncode, done.stdout) == (2, ""), done.stderr
        assert "prod" in done.stderr.replace("prd", "")
        assert "profile create" in done.stderr


# -- 64 and 65: who makes us pay ----------------------------------------------------------------------------


async def reviewed(pull: PullRequest, policy: ReviewPolicy, *, admitted: bool) -> tuple[Outcome, int]:
    """What a job on this pull request comes to, and how many looks of the model it cost."""
    clock, agent = ImpatientClock(), FakeAgent()
    store = MemoryStore(clock=clock)
    await store.jobs.request(replace(TARGET, author=pull.author, admitted=admitted), 0, clock.now())
    lease = await Bench(store, clock).claimed()
    host, parts = FakeHost(pull), {"snapshots": FakeSnapshots(), "agent": agent, "gateway": FakeGateway()}
    reviewer = Reviewer(
        environment="test",
        model=Model(name=MODEL),
        policy=policy,
        store=store,
        host=host,
        clock=clock,
        secrets_in=lambda _: (),
        **parts,  # type: ignore[arg-type]
    )
    return await reviewer.review(lease, Record()), len(agent.looks)


@pytest.mark.without("the policy about authors")
@pytest.mark.parametrize("association", ["NONE", "CONTRIBUTOR", "FIRST_TIMER", "", "owner"])
async def test_threat_64_a_strangers_pull_request_costs_nothing_until_a_maintainer_labels_that_head(association: str) -> None:
    stranger = replace(FAKE_PULL, author="mallory", author_association=association)
    event = replace(pull_request(), author="mallory", author_association=association, action="opened")

    def admitted(policy: ReviewPolicy, **changes: Any) -> bool:
        decision = triggers.decide(replace(event, **changes), policy, (), None, event.updated_at or FakeClock().now())
        assert isinstance(decision, Review)
        return decision.target.admitted

    policy = ReviewPolicy()
    assert not admitted(policy)
    outcome, looks = await reviewed(stranger, policy, admitted=False)
    assert (type(outcome), looks) == (Skipped, 0)
    assert admitted(policy, action="labeled", label=policy.allow_label)
    assert not admitted(policy, action="synchronize")  # the next head needs the label anew
    lax = replace(policy, authors=(*policy.authors, association))
    assert await reviewed(stranger, lax, admitted=admitted(lax)) == (Posted("100"), 1)


async def storm(interval: float) -> int:
    """How many reviews a hundred pushes in 50 seconds come to, if a worker is always free."""
    clock = FakeClock()
    at = Bench(MemoryStore(clock), clock)
    posted = 0
    for number in range(100):
        await at.push(f"{number}", interval)
        if (lease := await at.claim()) is not None:
            await at.jobs.begin(lease, at.now)
            posted += await at.settle(lease, Posted(f"r-{number}"))
        at.later(0.5)
    at.later(interval)
    if (lease := await at.claim()) is not None:
        await at.jobs.begin(lease, at.now)
        posted += await at.settle(lease, Posted("r-last"))
        assert lease.job.head_sha.startswith(b"99".hex())
    return posted


@pytest.mark.without("the least interval")
async def test_threat_65_a_hundred_pushes_are_two_reviews_and_the_last_is_of_the_last_head() -> None:
    assert await storm(60) == 2
    assert await storm(0) == 100


async def test_threat_65_what_we_did_ourselves_leads_to_nothing(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        house = House(read_profile(stage.profile), FakeClock())
        store = MemoryStore(clock=FakeClock())
        await store.switches.remember_login("prreview-bot")
        intake = house.intake(store)

        async def became(sender: str, event: str = "pull_request") -> str:
            sent = signed(stage.delivery(sender=sender).body, stage.keys.webhook_secret, event)
            return (
                await intake.receive(sent.body, {name.lower().encode(): value.encode() for name, value in sent.headers.items()})
            ).outcome

        assert await became("Prreview-Bot") == "ignored"
        for event in ("pull_request_review", "pull_request_review_comment", "issue_comment", "push", "check_run"):
            assert await became("ada", event) == "ignored"
        assert await store.jobs.list([], None) == []
        assert await became("ada") == "queued"
    own = replace(pull_request(), sender="PRREVIEW-bot")
    assert isinstance(triggers.decide(own, ReviewPolicy(), (), "prreview-bot", FakeClock().now()), Ignore)


# -- 66: the bill -------------------------------------------------------------------------------------------


async def unheard(*_: object) -> None:
    """Nobody is told."""


async def test_threat_66_a_call_over_the_cap_is_refused_before_it_is_made_also_after_a_restart(tmp_path: Path) -> None:
    path, caps = tmp_path / "q.db", {"max_usd_per_review": 0.018, "max_usd_per_pull_request": 0.018}

    @asynccontextmanager
    async def restarted(url: str, lease: Lease | None) -> Any:
        clock = ImpatientClock()
        store = await opened_sqlite(path, clock)
        at = Bench(store, clock)
        if lease is None:
            await at.pushed()
            lease = await at.claimed()
        quiet = {"on_profile_failure": unheard, "on_answer": unheard, "on_limit": unheard, "limited_until": unheard, "redact": str}
        model = replace(Model(MODEL, url, prices=PRICES), **caps)
        gateway = ModelGateway(model, lambda: Secret(KEY), store.spend, store.switches, clock, **quiet)  # type: ignore[arg-type]
        await gateway.start()
        try:
            async with gateway.grant(lease, Allowance(MODEL, WIRE, 1)) as grant:
                yield grant, lease
        finally:
            await gateway.close()
            await store.close()

    asked = body(max_tokens=1000)  # of which the worst case is 0.015 and the prompt
    async with scripted_model([message(says("hi"))]) as model:
        lease = None
        statuses = []
        for _ in range(7):
            async with restarted(model.base_url, lease) as (grant, lease):
                statuses.append((await post(grant, asked)).status_code)
                await grant.settled(5)
        made = statuses.index(403)
        assert statuses == [200] * made + [403] * (7 - made)
        assert 1 <= made == len(model.requests)


# -- 67 and 68: bad days ------------------------------------------------------------------------------------


async def test_threat_67_a_dead_key_costs_a_request_a_slot_and_a_closed_repository_its_own_jobs(tmp_path: Path) -> None:
    with Stage(tmp_path, pulls=4, workers=2) as stage:
        closed = stage.host.add_repository("octo/closed", 1)
        sent = [stage.delivery(number) for number in range(1, 5)]
        async with stage.serving("--workers", "0") as served:
            await stage.send(served, [*sent, stage.host.delivery(closed, 1, stage.keys.webhook_secret)])
            assert await served.terminate() == 0
        refusal = Answer(json_response({"message": "Resource not accessible by personal access token"}, 403))
        stage.host.faults.append(Fault("GET", f"{API}/repos/octo/closed/*", refusal, times=20))
        stage.model.revoke_key()
        work = ("work", "--agent", "scripted", "--allow-unsandboxed", "--until-empty")
        code, _, err = await stage.run(*work)
        assert code == 4, err
        assert 1 <= len(stage.model.requests) <= 2
        jobs = (await stage.told("jobs", "list"))["jobs"]
        ours = [job for job in jobs if job["repository"] == "octo/shop"]
        assert {job["attempts"] for job in ours} == {0}
        assert {job["state"] for job in ours} <= {"queued", "scheduled"}

        stage.model.restore_key()
        stage.model.script = behaviours.reviewer(turns=2)
        assert (await stage.run("resume"))[0] == 0
        code, _, err = await stage.run(*work)
        assert code == 0, err
        assert stage.reviewed() == [1, 2, 3, 4]
        [job] = [job for job in (await stage.told("jobs", "list"))["jobs"] if job["repository"] == "octo/closed"]
        assert job["state"] == "dead"


async def test_threat_68_on_a_full_disk_nothing_is_acknowledged_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Stage(tmp_path) as stage:
        profile = read_profile(stage.profile)
        house = House(profile, FakeClock())
        async with house.store(accepting=True) as store:
            intake = house.intake(store)

            async def status(number: int) -> int:
                sent = stage.host.delivery(
                    stage.hosted, 1, stage.keys.webhook_secret, padding=random.Random(number).randbytes(30_000).hex()
                )
                headers = {name.lower().encode(): value.encode() for name, value in sent.headers.items()}
                return int((await intake.receive(sent.body, headers)).status)

            accepted = [await status(0)]
            limited = store._database._connections.durable  # type: ignore[attr-defined]
            pages = limited.execute("PRAGMA page_count").fetchone()[0]
            limited.execute(f"PRAGMA max_page_count = {pages + 40}")
            accepted += [await status(number) for number in range(1, 30)]
            assert set(accepted) == {200, 503}
            stored = limited.execute("SELECT count(*) FROM delivery").fetchone()[0]
            assert stored == accepted.count(200)
            limited.execute("PRAGMA max_page_count = 1000000")
            assert await status(99) == 200

            real = os.statvfs(tmp_path)
            monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result([*real[:4], 0, *real[5:]]))
            with pytest.raises(errors.StoreUnusable, match="less than 16 MiB"):
                await store.check_writable()


async def calls_in_an_hour(failure: Callable[[FakeClock], errors.Failure]) -> int:
    """How often a host that always fails so is asked within an hour, by two slots with ten jobs waiting."""
    clock, asked = FakeClock(), 0
    store, alerts, workers = MemoryStore(clock=clock), FakeAlerts(), Workers(count=2)

    class Refused:
        async def review(self, lease: Lease, record: Record) -> Outcome:
            nonlocal asked
            asked += 1
            raise failure(clock)

    async def known() -> None:
        return None

    kill_switch = KillSwitch("test", store.switches, alerts, clock)
    breaker, policy = Breaker("test", store.circuits, alerts, clock), retry.Policy(5, 1.0, 300.0)
    settlement = Settlement("test", store.jobs, kill_switch, breaker, alerts, clock, policy, lambda: 0.5)
    pool = Pool("w1", 2, workers, store, Refused(), settlement, kill_switch, known, clock)  # type: ignore[arg-type]
    for number in range(10):
        await store.jobs.request(replace(TARGET, number=number + 1), 0, clock.now())
    running = asyncio.create_task(pool.run())
    await settled()
    for _ in range(720):
        await clock.advance(5)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert {job.state for job in await store.jobs.list([], None)} <= {State.QUEUED, State.SCHEDULED, State.DEAD}
    return asked


async def test_threat_68_a_host_that_asks_to_wait_is_asked_a_bounded_number_of_times() -> None:
    ten_minutes = timedelta(minutes=10)
    assert await calls_in_an_hour(lambda clock: errors.HostRateLimited("Wait.", retry_at=clock.now() + ten_minutes)) <= 2 + 6 * 2
    assert await calls_in_an_hour(lambda _: errors.HostRateLimited("Wait.")) <= 10 * 5


# -- 69: the supply -----------------------------------------------------------------------------------------


def wheel(folder: Path, text: str) -> str:
    """A package of one line, and the hash of its wheel."""
    path, info = folder / "tiny_thing-1.0-py3-none-any.whl", "tiny_thing-1.0.dist-info"
    files = {
        "tiny_thing.py": text,
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: tiny-thing\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = [
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(data.encode()).digest()).decode().rstrip('=')},{len(data)}"
        for name, data in files.items()
    ]
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {**files, f"{info}/RECORD": "\n".join([*record, f"{info}/RECORD,,\n"])}.items():
            archive.writestr(name, data)
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.without("the hashes")
def test_threat_69_a_package_that_is_not_the_one_of_the_lock_is_not_installed(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text(f"tiny-thing==1.0 \\\n    --hash=sha256:{wheel(tmp_path, 'GOOD = True')}\n")

    def install(target: str, *words: str) -> subprocess.CompletedProcess[str]:
        options = ("--no-index", "--find-links", str(tmp_path), "--target", str(tmp_path / target), "--no-cache-dir", "--no-deps", "-q")
        env = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        command = [sys.executable, "-I", "-m", "pip", "install", *options, *words]
        return subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    assert install("good", "--require-hashes", "-r", str(lock)).returncode == 0
    wheel(tmp_path, "EVIL = True")
    refused = install("evil", "--require-hashes", "-r", str(lock))
    assert refused.returncode != 0
    assert "DO NOT MATCH THE HASHES" in refused.stderr
    assert not (tmp_path / "evil" / "tiny_thing.py").exists()
    assert install("without", "tiny-thing==1.0").returncode == 0
    assert "EVIL" in (tmp_path / "without" / "tiny_thing.py").read_text()


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_threat_69_each_line_of_the_locks_has_a_version_and_hashes_and_names_no_index(name: str) -> None:
    entries = re.split(r"\n(?=\S)", (ROOT / name).read_text().replace("\\\n", " ").strip())
    pinned = [entry for entry in entries if not entry.startswith("#")]
    assert len(pinned) > 20
    for entry in pinned:
        assert re.match(r"[a-z0-9._\[\]-]+==\S+ ", entry), entry
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry
    assert "://" not in (ROOT / name).read_text()
    workflow = (ROOT / "deploy" / "github-actions.yml").read_text()
    assert re.findall(r"pip install (.*)-r ", workflow) == ["--require-hashes "]
    assert all("--no-deps" in line for line in re.findall(r"pip install .*", workflow) if "-r " not in line)
