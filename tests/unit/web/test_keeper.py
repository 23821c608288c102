"""Who goes when there are too many: never the newest good one."""

from __future__ import annotations

from dataclasses import dataclass

from prreview_cli.web.keeper import Keeper, Limits


@dataclass(eq=False)
class Connection:
    speed: float
    since: float = 0.0
    header_bytes: int = 0
    gone: bool = False

    def pace(self, now: float) -> float:
        return self.speed

    def age(self, now: float) -> float:
        return now - self.since

    def shed(self) -> None:
        self.gone = True


def fill(keeper: Keeper, *connections: Connection, now: float = 10.0) -> None:
    for connection in connections:
        keeper.enter(connection, now)


def test_up_to_the_bound_nobody_goes() -> None:
    crowd = [Connection(speed=1) for _ in range(3)]
    fill(Keeper(Limits(connections=3)), *crowd)
    assert not any(connection.gone for connection in crowd)


def test_beyond_it_the_slowest_goes_whoever_came_last() -> None:
    quick, slow, newest = Connection(100), Connection(1), Connection(50)
    fill(Keeper(Limits(connections=2)), quick, slow, newest)
    assert [quick.gone, slow.gone, newest.gone] == [False, True, False]


def test_each_newcomer_costs_one_place_and_no_more() -> None:
    crowd = [Connection(speed) for speed in range(1, 11)]
    fill(Keeper(Limits(connections=4)), *crowd)
    assert sum(connection.gone for connection in crowd) == 6


def test_in_a_burst_the_silent_have_a_moment_up_to_twice_the_bound() -> None:
    keeper = Keeper(Limits(connections=4, grace_s=0.25))
    crowd = [Connection(speed=0, since=10.0) for _ in range(9)]
    fill(keeper, *crowd[:8])
    assert not any(connection.gone for connection in crowd)
    fill(keeper, crowd[8])
    assert sum(connection.gone for connection in crowd) == 1


def test_one_that_left_makes_room() -> None:
    keeper = Keeper(Limits(connections=1))
    first, second = Connection(1), Connection(1)
    fill(keeper, first)
    keeper.leave(first)
    fill(keeper, second)
    assert not second.gone


def test_headers_together_are_bounded_and_only_those_who_hold_some_go() -> None:
    keeper = Keeper(Limits(header_bytes_together=100))
    idle, hoarder, honest = Connection(0), Connection(1), Connection(5)
    fill(keeper, idle, hoarder, honest)
    keeper.hold_headers(hoarder, 90, 10.0)
    keeper.hold_headers(honest, 20, 10.0)
    assert [idle.gone, hoarder.gone, honest.gone] == [False, True, False]
    keeper.hold_headers(honest, 70, 10.0)
    assert not honest.gone


def test_finished_headers_no_longer_count() -> None:
    keeper = Keeper(Limits(header_bytes_together=100))
    one, other = Connection(1), Connection(1)
    fill(keeper, one, other)
    for _ in range(10):
        keeper.hold_headers(one, 90, 10.0)
        keeper.drop_headers(one)
    keeper.hold_headers(other, 90, 10.0)
    assert [one.gone, other.gone] == [False, False]
