"""Two webhook secrets during a rotation: who verifies, who is told, and what a forger can make a server do."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from datetime import timedelta

import pytest

from prreview_cli.core.errors import SecretUnavailable
from prreview_cli.core.ports.host import Signer
from prreview_cli.hosts.github.webhook import GitHubWebhook, signature
from prreview_cli.secrecy import Secret
from prreview_cli.services import rotation
from prreview_cli.services.rotation import Rotation, WebhookKeys
from support.clocks import FakeClock, settled

OLD, NEW, FORGED = (f"{name} webhook secret of more than thirty-two bytes" for name in ("the old", "the new", "a forged"))


class Facts:
    """`Switches` as far as it is asked here."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.asked = 0

    async def remembered(self, name: str) -> str | None:
        self.asked += 1
        await settled()
        return self.kept.get(name)

    async def remember(self, name: str, value: str) -> None:
        self.kept[name] = value


class Server:
    """A running server's keys over a keyring of the test's own."""

    def __init__(self) -> None:
        self.clock, self.facts, self.keyring, self.reads = FakeClock(), Facts(), [OLD], 0
        self.keys = WebhookKeys([Secret(OLD)], self._read, self.facts, self.clock)  # type: ignore[arg-type]
        self.reader = GitHubWebhook(self.keys.secrets)

    def _read(self) -> Sequence[Secret]:
        self.reads += 1
        if not self.keyring:
            raise SecretUnavailable("The keyring is locked.")
        return [Secret(value) for value in self.keyring]

    async def rotated(self, *keyring: str, before: Rotation, until: timedelta | None = None) -> Rotation:
        now = self.clock.now()
        begun = before.begun(now, None if until is None else now + until)
        after = begun.ended(happened=True) if len(keyring) == 2 else before.retired()
        self.keyring = list(keyring)
        await rotation.record(self.facts, after)  # type: ignore[arg-type]
        return after

    async def signer(self, secret: str) -> Signer | None:
        headers = {b"x-hub-signature-256": signature(b"{}", secret.encode())}
        found = self.reader.authentic(b"{}", headers)
        if await self.keys.look(found):
            found = self.reader.authentic(b"{}", headers)
        return found


async def test_the_first_delivery_with_the_new_secret_verifies_without_a_restart_and_the_old_one_still_does() -> None:
    server = Server()
    assert await server.signer(OLD) is Signer.CURRENT
    await server.rotated(NEW, OLD, before=Rotation())
    assert await server.signer(NEW) is Signer.CURRENT
    assert await server.signer(OLD) is Signer.PREVIOUS
    assert server.reads == 1


async def test_a_forger_makes_a_server_read_rows_and_never_the_keyring() -> None:
    server = Server()
    found = await asyncio.gather(*(server.signer(FORGED) for _ in range(500)))
    assert set(found) == {None}
    assert server.reads == 0
    assert server.facts.asked <= 2, "those that arrive together share one look"


async def test_a_keyring_that_cannot_be_read_is_left_alone_for_a_while_and_what_was_known_stays() -> None:
    server = Server()
    await server.rotated(NEW, OLD, before=Rotation())
    server.keyring.clear()
    for _ in range(20):
        assert await server.signer(NEW) is None
    assert server.reads == 1
    assert await server.signer(OLD) is Signer.CURRENT
    server.keyring = [NEW, OLD]
    await server.clock.advance(rotation.READ_AGAIN_S)
    assert await server.signer(NEW) is Signer.CURRENT


async def test_a_keyring_that_never_answers_holds_up_one_thread_and_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    server, answers, threads = Server(), threading.Event(), list[threading.Thread]()

    def hangs() -> Sequence[Secret]:
        threads.append(threading.current_thread())
        answers.wait(60)
        return [Secret(NEW), Secret(OLD)]

    server.keys._read = hangs
    monkeypatch.setattr(rotation, "READ_AGAIN_S", 0.02)
    await server.rotated(NEW, OLD, before=Rotation())
    for _ in range(5):
        assert await server.signer(NEW) is None
        await server.clock.advance(1)
    assert [thread.daemon for thread in threads] == [True], "one that nobody waits for at the end either"
    answers.set()
    while await server.signer(NEW) is None:
        await server.clock.advance(1)
    assert await server.signer(OLD) is Signer.PREVIOUS


async def test_a_rotation_that_is_killed_after_the_keyring_had_the_new_secret_is_found_without_a_restart() -> None:
    server = Server()
    assert await server.signer(OLD) is Signer.CURRENT
    server.keyring = [OLD, OLD]
    begun = Rotation().begun(server.clock.now(), None)
    await rotation.record(server.facts, begun)  # type: ignore[arg-type]
    assert await server.signer(NEW) is None, "the keyring does not have it yet"
    server.keyring = [NEW, OLD]  # and here the command is killed: no record follows
    await server.clock.advance(rotation.READ_AGAIN_S)
    assert (await server.signer(NEW), await server.signer(OLD)) == (Signer.CURRENT, Signer.PREVIOUS)
    await server.keys.verified(Signer.CURRENT)
    assert await rotation.last_verified(server.facts, begun.number) == server.clock.now()  # type: ignore[arg-type]
    reads = server.reads
    assert {await server.signer(FORGED) for _ in range(50)} == {None}
    assert server.reads == reads, "it is settled, and the keyring is left alone again"


async def test_a_look_in_the_middle_of_a_rotation_does_not_delay_its_end() -> None:
    server = Server()
    server.keyring = [OLD, OLD]
    begun = Rotation().begun(server.clock.now(), None)
    await rotation.record(server.facts, begun)  # type: ignore[arg-type]
    assert await server.signer(OLD) is Signer.CURRENT
    server.keyring = [NEW, OLD]
    await rotation.record(server.facts, begun.ended(happened=True))  # type: ignore[arg-type]
    assert await server.signer(NEW) is Signer.CURRENT


async def test_a_rotation_that_is_killed_before_the_keyring_had_the_new_secret_leaves_the_old_one_under_its_own_number() -> None:
    server = Server()
    server.keyring = [OLD, OLD]
    begun = Rotation().begun(server.clock.now(), None)
    await rotation.record(server.facts, begun)  # type: ignore[arg-type]
    for _ in range(50):
        assert await server.signer(OLD) is Signer.CURRENT
        assert await server.signer(FORGED) is None
    assert server.reads == 1, "forgers do not make it read more often than the clock allows"
    await server.keys.verified(Signer.CURRENT)
    assert begun.ended(happened=False).number == 0
    assert await rotation.last_verified(server.facts, 0) == server.clock.now()  # type: ignore[arg-type]


async def test_a_retired_secret_is_forged_at_its_next_delivery() -> None:
    server = Server()
    during = await server.rotated(NEW, OLD, before=Rotation())
    assert await server.signer(OLD) is Signer.PREVIOUS
    await server.rotated(NEW, before=during)
    assert await server.signer(OLD) is None
    assert await server.signer(NEW) is Signer.CURRENT


async def test_a_previous_secret_retires_by_age_to_the_second() -> None:
    server = Server()
    await server.rotated(NEW, OLD, before=Rotation(), until=timedelta(hours=24))
    assert await server.signer(OLD) is Signer.PREVIOUS
    await server.clock.advance(24 * 3_600 - 1)
    assert await server.signer(OLD) is Signer.PREVIOUS
    await server.clock.advance(1)
    assert await server.signer(OLD) is None


async def test_which_secret_verified_last_is_told_by_its_number_even_of_a_server_that_has_not_looked_yet() -> None:
    server = Server()
    facts = server.facts
    assert await server.signer(OLD) is Signer.CURRENT
    after = await server.rotated(NEW, OLD, before=Rotation())
    await server.keys.verified(Signer.CURRENT)  # of the secret that it holds: the old one
    assert await rotation.last_verified(facts, after.number) is None  # type: ignore[arg-type]
    assert await rotation.last_verified(facts, after.number - 1) == server.clock.now()  # type: ignore[arg-type]
    await server.signer(NEW)
    await server.keys.verified(Signer.CURRENT)
    assert await rotation.last_verified(facts, after.number) == server.clock.now()  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [Rotation(), Rotation(3, FakeClock().now(), previous=True, until=FakeClock().now())])
async def test_the_record_is_read_as_it_was_written(value: Rotation) -> None:
    facts = Facts()
    await rotation.record(facts, value)  # type: ignore[arg-type]
    assert await rotation.standing(facts) == value  # type: ignore[arg-type]
    assert not any(secret in str(facts.kept) for secret in (OLD, NEW))
