"""`prreview load-test`: ten webhooks at once, without a key."""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from prreview_cli.cli.files import expect_writable, write
from prreview_cli.cli.frame import new_app
from prreview_cli.cli.options import JsonOption
from prreview_cli.cli.trials import Agent, TrialAgentOption
from prreview_cli.cli.whole import run_whole
from prreview_cli.core.errors import ExitCode, NotYetKept, UsageError

if TYPE_CHECKING:
    from prreview_cli.trials.kills import Victim
    from prreview_cli.trials.limits import Limits
    from prreview_cli.trials.progress import Options
    from prreview_cli.trials.verdict import Result

app = new_app()


@app.command(epilog="Example: prreview load-test --burst 10 --duplicates 2 --report load.html")
def load_test(
    burst: Annotated[int, typer.Option(min=1, max=10_000, help="So many pull requests, a webhook each.")] = 10,
    workers: Annotated[
        int | None, typer.Option(min=1, max=1_000, help="The bound on reviews in flight. Default: 4, or the profile's.", show_default=False)
    ] = None,
    duplicates: Annotated[int, typer.Option(min=0, max=1_000, help="Deliver each webhook so many times more.")] = 0,
    rate: Annotated[float | None, typer.Option(min=0.01, help="Webhooks a second. Default: all at once.", show_default=False)] = None,
    agent: TrialAgentOption = Agent.CLAUDE,
    as_json: JsonOption = False,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.html", dir_okay=False, help="Write a page with charts, in one file.", show_default=False)
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile", "-p", metavar="NAME", help="Test with this profile's limits, and nothing else of it.", show_default=False
        ),
    ] = None,
    kill_worker: Annotated[
        bool, typer.Option("--kill-worker", help="Kill the worker with SIGKILL at a random moment of each round.")
    ] = False,
    kill_server: Annotated[
        bool, typer.Option("--kill-server", help="The server; with --kill-worker one of them, or both at once.")
    ] = False,
    rounds: Annotated[int, typer.Option(min=1, max=100_000, help="Make so many bursts, one after the other.")] = 1,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Draw what is killed, and when, as the round with this seed did.", show_default=False)
    ] = None,
    shape: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Fire signed webhooks at a real server with real workers, over a simulated model and code host.

    Everything is temporary and on loopback, and no key is needed. Ends with 1 if a promise was broken.
    """
    _refuse(shape=shape)
    from prreview_cli.cli.output import print_json, say  # noqa: PLC0415 - with the trial below, this is what the command loads
    from prreview_cli.cli.verdict_view import print_result, say_last_words  # noqa: PLC0415
    from prreview_cli.trials.progress import Options  # noqa: PLC0415

    victims = _victims(kill_worker=kill_worker, kill_server=kill_server)
    if report is not None:
        expect_writable(report, "The report")
    limits = _limits(profile, workers)
    seed = secrets.randbits(32) if seed is None else seed
    options = Options(burst, limits.workers, duplicates, rate, agent.value, limits, victims, rounds, seed)
    result = run_whole(_watched(options))
    if report is not None:
        _write_report(report, options, result)
    if as_json:
        print_json(result.to_json())
    else:
        print_result(result)
    say_last_words(result.last_words)
    if report is not None:
        say(f"The report is in {report}.")
    if result.broken:
        raise typer.Exit(int(ExitCode.BROKEN))


async def _watched(options: Options) -> Result:
    from prreview_cli.cli.live_view import watching  # noqa: PLC0415 - as above
    from prreview_cli.trials.load_test import run  # noqa: PLC0415
    from prreview_cli.wiring import SystemClock  # noqa: PLC0415

    with watching() as view:
        return await run(options, clock=SystemClock(), on_progress=view)


def _limits(profile: str | None, workers: int | None) -> Limits:
    """The bounds to test with: the trial's own, or those of the profile that the option names."""
    from prreview_cli.settings import load_profile  # noqa: PLC0415 - as above
    from prreview_cli.trials.limits import OWN, of_profile  # noqa: PLC0415

    limits = OWN if profile is None else of_profile(load_profile(profile))
    return limits if workers is None else replace(limits, workers=workers)


def _write_report(report: Path, options: Options, result: Result) -> None:
    from prreview_cli.trials.machine import machine  # noqa: PLC0415 - only a report needs it
    from prreview_cli.trials.report import page  # noqa: PLC0415
    from prreview_cli.wiring import SystemClock  # noqa: PLC0415

    write(report, page(options, result, machine(), SystemClock().now()), "The report")


def _victims(*, kill_worker: bool, kill_server: bool) -> tuple[Victim, ...]:
    """What may be killed; UsageError where processes cannot be told apart."""
    from prreview_cli.trials.families import can_be_seen  # noqa: PLC0415 - as above
    from prreview_cli.trials.kills import Victim  # noqa: PLC0415

    if not (kill_worker or kill_server):
        return ()
    if not can_be_seen():
        raise UsageError("Killing needs /proc, by which a worker's processes are found.", remedy="Run it on Linux.")
    if kill_worker and kill_server:
        return tuple(Victim)
    return (Victim.WORKER,) if kill_worker else (Victim.SERVER,)


def _refuse(**options: object) -> None:
    """Options of the specification that come with later versions."""
    for name, value in options.items():
        if value is not None and value is not False:
            raise NotYetKept(f"`load-test --{name.replace('_', '-')}` is not in this version yet.")
