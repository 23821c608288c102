"""The operator's page: one self-contained HTML document, nothing loaded, nothing run."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from string import Template

from prreview_cli.core.circuit import Circuit
from prreview_cli.core.job import Job, State
from prreview_cli.core.ports.store import Beat, Depth, Pause

_SOURCE = files("prreview_cli.web").joinpath("page.html").read_text(encoding="utf-8")
_PAGE = Template(_SOURCE)
_STYLE = _SOURCE.partition("<style>")[2].partition("</style>")[0]
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

POLICY = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'".encode()
"""The page's Content-Security-Policy: this one style sheet, by its hash, and nothing else."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How an environment stands at one moment."""

    environment: str
    now: datetime
    depth: Depth
    paused: Pause | None
    pools: Sequence[Beat]
    usd_today: float
    circuits: Sequence[Circuit] = ()

    @property
    def oldest_due_s(self) -> float:
        """How long the oldest waiting job has been due."""
        return 0.0 if self.depth.oldest_due is None else max(0.0, (self.now - self.depth.oldest_due).total_seconds())

    def trouble(self, silence_s: float) -> str | None:
        """Why no reviews flow, if none do."""
        if self.paused is not None:
            return f"The profile is paused: {self.paused.reason}"
        if not any(pool.slots for pool in self.pools):
            return f"No worker pool has beaten in the last {silence_s:.0f} seconds."
        if (down := next((circuit for circuit in self.circuits if circuit.since is not None), None)) is not None:
            return down.told(self.now)
        return None


def render(standing: Standing, trouble: str | None, jobs: Sequence[Job]) -> bytes:
    """The page. Every value is escaped: titles and reasons come from strangers."""
    return _PAGE.substitute(
        environment=_safe(standing.environment),
        state=_safe(trouble or "Reviews flow."),
        mood="bad" if trouble else "good",
        figures="".join(f"<div><strong>{_safe(value)}</strong><span>{_safe(label)}</span></div>" for label, value in _figures(standing)),
        pools=_table(("worker", "process", "slots", "model calls", "last beat"), map(_pool, standing.pools), "No pool is alive."),
        jobs=_table(("job", "pull request", "head", "state", "attempts", "updated", "reason"), map(_job, jobs), "No job yet."),
        now=_safe(_time(standing.now)),
    ).encode()


def _figures(standing: Standing) -> list[tuple[str, str]]:
    by_state = standing.depth.by_state
    counts = [("in flight" if state is State.RUNNING else state.value, str(by_state.get(state, 0))) for state in State]
    return [*counts, ("oldest due", f"{standing.oldest_due_s:.0f} s"), ("USD today", f"{standing.usd_today:.2f}")]


def _pool(beat: Beat) -> tuple[str, ...]:
    return beat.worker, str(beat.pid), str(beat.slots), str(beat.model_calls_in_flight), _time(beat.at)


def _job(job: Job) -> tuple[str, ...]:
    return (
        job.id,
        f"{job.repository}#{job.number}",
        job.head_sha[:10],
        job.state.value,
        str(job.attempts),
        _time(job.updated),
        job.reason or "",
    )


def _table(names: Iterable[str], rows: Iterable[Iterable[str]], none: str) -> str:
    body = "".join(f"<tr>{''.join(f'<td><bdi>{_safe(cell)}</bdi></td>' for cell in row)}</tr>" for row in rows)
    if not body:
        return f'<p class="none">{none}</p>'
    head = "".join(f"<th>{name}</th>" for name in names)
    return f'<div class="table"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _safe(text: str) -> str:
    return html.escape("".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text))
