"""What the stores say: one sentence for one thing, the same in every adapter."""

from __future__ import annotations

from prreview_cli.core.job import State

NEWER_HEAD = "A newer head or a further run was accepted."
OLDER_EVENT = "A newer event of this pull request is known."
QUEUED = "The review is queued."
SCHEDULED = "The review is scheduled: this pull request was reviewed moments ago."
ADMITTED = "A maintainer's label admitted this head meanwhile."
ASKED_AGAIN = "It was asked for again while its worker was stopping."
NOT_SHOWN_YET = "The host still shows an older head than its webhook told of."
TAKEN_BACK = "The job was taken back from its worker: no further model call is made for it."
WORKER_DIED = "The worker that held the job died."

DUPLICATE = {
    State.QUEUED: "This head waits for its review already.",
    State.SCHEDULED: "This head waits for its review already.",
    State.RUNNING: "This head is being reviewed already.",
    State.POSTED: "This head has its review already.",
}

WORKER_DIED_KIND = "worker_died"
"""The failure class of a job whose worker died holding it."""
