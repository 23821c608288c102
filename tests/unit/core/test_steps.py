"""The table of who performs each step, held against the transitions, the ports and the page about them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from prreview_cli.core.job import TRANSITIONS
from prreview_cli.core.ports.agent import Agent
from prreview_cli.core.ports.host import CodeHost
from prreview_cli.core.ports.store import Jobs, Reviews, Spend, Switches
from prreview_cli.core.steps import COURSE, PERFORMED_BY

PORTS = {"jobs": Jobs, "reviews": Reviews, "spend": Spend, "switches": Switches, "host": CodeHost, "agent": Agent}
PAGE = Path(__file__).parents[3] / "docs" / "state-machine.md"


def test_every_transition_is_performed_by_some_verb() -> None:
    assert set(PERFORMED_BY) == set(TRANSITIONS)
    assert all(PERFORMED_BY.values())


@pytest.mark.parametrize("verb", sorted({verb for verbs in PERFORMED_BY.values() for verb in verbs} | set(COURSE)))
def test_every_verb_that_is_named_is_one_of_a_port(verb: str) -> None:
    port, _, name = verb.partition(".")
    assert callable(getattr(PORTS[port], name))


def test_the_page_about_the_state_machine_says_who_performs_what() -> None:
    said = {
        verb: set(steps.split(", ")) for verb, steps in re.findall(r"^\| `(\w+\.\w+)` \| ([a-z_, ]+) \|$", PAGE.read_text(), re.MULTILINE)
    }
    performed: dict[str, set[str]] = {}
    for (_, step), verbs in PERFORMED_BY.items():
        for verb in verbs:
            performed.setdefault(verb, set()).add(step.value)
    assert said == performed
