"""Who performs each step of a job's life, and what lies between two of them: the places where a process can die.

A verb is named PORT.VERB, as in `core/ports/`. A step is taken inside the verb's one transaction, so a crash leaves
it done or not done; what can be between is only what the table does not name. The crash tests are generated from
these two tables and from `TRANSITIONS`, so a step without a crash is a failing test.
"""

from __future__ import annotations

from prreview_cli.core.job import State, Step

ASKED = ("jobs.accept", "jobs.request")
"""A delivery, or somebody by hand, names a head or says that none is wanted."""
ENDED = ("jobs.settle", "jobs.rescue")
"""The worker says how its hold ended, or is found dead."""

PERFORMED_BY: dict[tuple[State, Step], tuple[str, ...]] = {
    (State.SCHEDULED, Step.RIPEN): ("jobs.claim",),
    (State.QUEUED, Step.CLAIM): ("jobs.claim", "jobs.take"),
    (State.RUNNING, Step.REVIEWED): ("reviews.store",),
    (State.RUNNING, Step.POST): ("jobs.settle",),
    (State.RUNNING, Step.RETRY): ("jobs.settle",),
    (State.RUNNING, Step.DEFER): ("jobs.settle",),
    (State.RUNNING, Step.HAND_BACK): ("jobs.settle",),
    (State.RUNNING, Step.SKIP): ENDED,
    (State.RUNNING, Step.SUPERSEDE): ENDED,
    (State.RUNNING, Step.DIE): ENDED,
    (State.RUNNING, Step.RESCUE): ("jobs.rescue",),
    (State.QUEUED, Step.SKIP): ("jobs.accept", "jobs.cancel"),
    (State.SCHEDULED, Step.SKIP): ("jobs.accept", "jobs.cancel"),
    (State.QUEUED, Step.SUPERSEDE): ASKED,
    (State.SCHEDULED, Step.SUPERSEDE): ASKED,
    (State.QUEUED, Step.DIE): ("jobs.settle",),
    (State.SCHEDULED, Step.DIE): ("jobs.settle",),
    (State.SKIPPED, Step.REVIVE): (*ASKED, "jobs.retry"),
    (State.SUPERSEDED, Step.REVIVE): (*ASKED, "jobs.retry"),
    (State.DEAD, Step.REVIVE): (*ASKED, "jobs.retry"),
    (State.QUEUED, Step.POSTPONE): ASKED,
}
"""The verbs in whose transaction a step is taken. `jobs.settle` asks for the head that the host shows, and `jobs.take`
for the one it takes, as `jobs.request` does, in the same transaction."""

COURSE = (
    "jobs.claim",
    "host.pull_request",
    "host.our_reviews",
    "jobs.get",
    "host.merge_base",
    "jobs.begin",
    "agent.look",
    "spend.reserve",
    "spend.settle",
    "spend.of_job",
    "reviews.store",
    "jobs.post_under_way",
    "switches.paused",
    "jobs.begin_post",
    "host.publish",
    "host.mark_outdated",
    "jobs.settle",
)
"""What a worker does for one job, in order of the first time: between `spend.reserve` and `spend.settle` the model is
asked, and `host.publish` and `host.mark_outdated` write on the host. Up to `reviews.store` a crash repeats the review
(what it had cost stays on the bill); from there on nothing is paid again."""
