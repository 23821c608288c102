"""`prreview drill`: four checks that a newcomer can see kept, without a key."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from prreview_cli.cli.frame import new_app
from prreview_cli.cli.options import JsonOption
from prreview_cli.cli.trials import Agent, TrialAgentOption
from prreview_cli.cli.whole import run_whole
from prreview_cli.core.errors import ExitCode

if TYPE_CHECKING:
    from prreview_cli.trials.drill import Drilled

app = new_app()


class Check(StrEnum):
    """Which check."""

    BURST = "burst"
    DUPLICATE = "duplicate"
    REVOKED_KEY = "revoked-key"
    LEAK = "leak"
    ALL = "all"


@app.command(epilog="Example: prreview drill revoked-key")
def drill(
    check: Annotated[
        Check, typer.Argument(metavar="CHECK", help=f"One of {', '.join(list(Check)[:-1])}; or all of them on one server.")
    ] = Check.ALL,
    agent: TrialAgentOption = Agent.CLAUDE,
    as_json: JsonOption = False,
) -> None:
    """Prove four promises against a real server with real workers, over a simulated model and code host.

    burst: ten webhooks at once stay within the worker count. duplicate: the same webhook twice posts once.
    revoked-key: nothing is posted, the jobs are kept, all finish after `resume`. leak: calls that fail and echo
    the key leave no secret behind. All is temporary, and no key is needed. Ends with 1 if one is broken.
    """
    from prreview_cli.cli.drill_view import print_drilled  # noqa: PLC0415 - with the trial, this is what the command loads
    from prreview_cli.cli.output import print_json  # noqa: PLC0415
    from prreview_cli.cli.verdict_view import say_last_words  # noqa: PLC0415

    result = run_whole(_watched(check, agent))
    if as_json:
        print_json(result.to_json())
    else:
        print_drilled(result)
    say_last_words(result.last_words)
    if result.broken:
        raise typer.Exit(int(ExitCode.BROKEN))


async def _watched(check: Check, agent: Agent) -> Drilled:
    from prreview_cli.cli.drill_view import watching  # noqa: PLC0415 - as above
    from prreview_cli.trials.drill import CHECKS, run  # noqa: PLC0415
    from prreview_cli.wiring import SystemClock  # noqa: PLC0415

    with watching() as view:
        return await run(list(CHECKS) if check is Check.ALL else [check.value], agent.value, clock=SystemClock(), on_progress=view)
