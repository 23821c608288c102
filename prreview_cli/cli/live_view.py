"""How a load test is shown while it runs: a live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from prreview_cli.cli.charts import bar, blocks, sparkline
from prreview_cli.cli.output import colours, say
from prreview_cli.trials.burst import summary

if TYPE_CHECKING:
    from rich.console import Group
    from rich.text import Text

    from prreview_cli.trials.progress import Options, Progress
    from prreview_cli.trials.verdict import Sample

LINE_EVERY_S = 0.5
"""Plain lines come at a change, and no more often than this."""


class View(Protocol):
    """Somebody who watches."""

    def __call__(self, progress: Progress) -> None:
        """Show how far it is; the same object each time."""


@contextmanager
def watching() -> Iterator[View]:
    """The view that fits what stderr is."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield Lines()
        return
    from rich.console import Console  # noqa: PLC0415 - slow to import
    from rich.live import Live  # noqa: PLC0415

    console = Console(stderr=True, markup=False, highlight=False, emoji=False, no_color=not colours(sys.stderr))
    with Live(console=console, auto_refresh=False, transient=True) as live:
        yield lambda progress: live.update(picture(progress, console.width, console.encoding), refresh=True)


class Lines:
    """Plain lines on stderr."""

    def __init__(self) -> None:
        self._phase, self._last = "", (0, 0, 0)
        self._at, self._kills = -LINE_EVERY_S, 0

    def __call__(self, progress: Progress) -> None:
        if progress.phase != self._phase:
            if not self._phase:
                say(told(progress.options))
                for sentence in cell_lacks(progress.missing):
                    say(sentence)
            self._phase = progress.phase
            say(f"{progress.phase} …")
        if progress.options.in_rounds:
            self._rounds(progress)
        elif progress.samples:
            self._sample(progress.samples[-1], len(progress.acks))

    def _rounds(self, progress: Progress) -> None:
        at, rounds = progress.samples[-1].t_s if progress.samples else 0.0, progress.options.rounds
        for kill in progress.kills[self._kills :]:
            done = f"{kill.victim} killed after {kill.after_s:.2f} s; posted {_posted(progress)}"
            say(f"{at:6.1f} s  round {kill.round} of {rounds}: {done}")
        self._kills = len(progress.kills)

    def _sample(self, sample: Sample, acks: int) -> None:
        numbers = sample.queued, sample.in_flight, sample.posted
        if numbers != self._last and sample.t_s - self._at >= LINE_EVERY_S:
            self._last, self._at = numbers, sample.t_s
            say(f"{sample.t_s:6.1f} s  acknowledged {acks}, waiting {sample.queued}, in flight {sample.in_flight}, posted {sample.posted}")


def told(options: Options) -> str:
    """What is fired at what, in a line."""
    pace = "at once" if options.rate is None else f"{options.rate:g} a second"
    again = f", each {options.duplicates + 1} times" if options.duplicates else ""
    limits = f" · the limits of {options.limits.profile}" if options.limits.profile else ""
    agent = "the real Claude CLI" if options.agent == "claude" else "the scripted agent"
    work = f"{_count(options.burst, 'webhook')} {pace}{again} · {_count(options.workers, 'worker')}"
    return f"{_told_rounds(options)}{work} · {agent}, model and host simulated{limits}"


def _told_rounds(options: Options) -> str:
    if not options.in_rounds:
        return ""
    killed = f", killing {' or '.join(options.victims)}" if options.victims else ""
    return f"{_count(options.rounds, 'round')}{killed}, seed {options.seed} · "


def _round(progress: Progress) -> str:
    return f"round {progress.round} of {progress.options.rounds}"


def _killed(progress: Progress) -> str:
    counts = Counter(kill.victim for kill in progress.kills)
    return "".join(f", {victim} killed {counts[victim]} times" for victim in progress.options.victims)


def _posted(progress: Progress) -> int:
    return progress.samples[-1].posted if progress.samples else 0


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of the picture: a bar of the last value, words, and the values over time."""

    label: str
    style: str
    values: list[int]
    full: int
    words: str
    bound: int | None = None

    def drawn(self, width: int, encoding: str) -> Text:
        from rich.text import Text  # noqa: PLC0415 - slow to import

        room, drawing = max(10, (width - 30) // 2), blocks(encoding)
        now = bar(self.values[-1] if self.values else 0, self.full, room, drawing, mark=self.bound)
        course = sparkline(self.values, room, drawing, self.full)
        return Text.assemble(f"{self.label:<10}", (now, self.style), f" {self.words:<12} ", (course, self.style))


def picture(progress: Progress, width: int, encoding: str) -> Group:
    """The live view at this width: depth, in flight and posted, now and over time."""
    from rich.console import Group  # noqa: PLC0415 - slow to import
    from rich.text import Text  # noqa: PLC0415

    options, acks = progress.options, summary(progress.acks)
    clock = f"{progress.samples[-1].t_s:.1f} s" if progress.samples else ""
    times = f"   p50 {acks.p50_ms:.1f} ms   p99 {acks.p99_ms:.1f} ms   max {acks.max_ms:.1f} ms" if acks.count else ""
    return Group(
        Text.assemble(("load-test  ", "bold"), told(options), overflow="ellipsis", no_wrap=True),
        *(Text(sentence, "yellow") for sentence in cell_lacks(progress.missing)),
        Text(""),
        *(row.drawn(width, encoding) for row in _rows(options, progress.samples)),
        Text(""),
        Text.assemble(f"acknowledged {acks.count} of {options.reviews * (options.duplicates + 1)}", (times, "dim")),
        *([Text(f"{_round(progress)}{_killed(progress)}")] if options.in_rounds else ()),
        Text.assemble(progress.phase, (f"  {clock}", "dim")),
    )


def _rows(options: Options, samples: Sequence[Sample]) -> Iterator[_Row]:
    last = samples[-1] if samples else None
    queued, flying, posted = (last.queued, last.in_flight, last.posted) if last else (0, 0, 0)
    depth = [sample.queued for sample in samples]
    yield _Row("waiting", "yellow", depth, max([*depth, options.burst]), str(queued))
    reviews = [sample.in_flight for sample in samples]
    words = f"{flying} of {options.bound}"
    yield _Row("in flight", "cyan", reviews, max([*reviews, options.bound + options.bound // 4 + 1]), words, options.bound)
    yield _Row("posted", "green", [sample.posted for sample in samples], options.reviews, f"{posted} of {options.reviews}")


def cell_lacks(missing: Sequence[str]) -> list[str]:
    """What is said where layers of the agent's cell are missing."""
    if not missing:
        return []
    layers = " and ".join(missing)
    return [f"The agent's cell lacks the {layers} layer on this machine. Nothing foreign is read here, so it runs without."]


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
