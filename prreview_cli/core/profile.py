"""A profile: everything an operator decides about one environment, as plain values.

`settings` reads TOML into these classes and refuses what does not fit; nothing here does I/O.
Field names and defaults are the contract with operators: extend, do not rename.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

ENVIRONMENT_PATTERN = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
"""An environment's name stands in keyring services, folder names and markers: plain characters only."""


class SecretName(StrEnum):
    """The secrets a profile may refer to."""

    MODEL_API_KEY = "model_api_key"
    HOST_TOKEN = "host_token"
    WEBHOOK_SECRET = "webhook_secret"
    WEBHOOK_SECRET_PREVIOUS = "webhook_secret_previous"
    APP_PRIVATE_KEY = "app_private_key"


class SecretScheme(StrEnum):
    """Where a secret's value is kept."""

    KEYRING = "keyring"
    ENV = "env"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where to find a secret; never the value."""

    scheme: SecretScheme
    location: str

    def __str__(self) -> str:
        return f"{self.scheme}:{self.location}"


@dataclass(frozen=True, slots=True)
class Server:
    """[server]: where `serve` listens. Port 0 takes a free one. The ops port is always on loopback."""

    host: str = "127.0.0.1"
    port: int = 8080
    ops_port: int = 9090


@dataclass(frozen=True, slots=True)
class Queue:
    """[queue]: the database, as an absolute sqlite URL; None is the default in the state folder."""

    url: str | None = None


@dataclass(frozen=True, slots=True)
class Workers:
    """[workers]: the bound on reviews in flight, and how failures are retried. Times in seconds."""

    count: int = 4
    max_in_flight_per_repository: int = 0
    max_attempts: int = 5
    backoff_s: float = 1.0
    backoff_max_s: float = 300.0
    lease_s: float = 30.0
    job_timeout_s: float = 900.0
    drain_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Prices:
    """USD a million tokens."""

    input: float
    output: float
    cache_read: float
    cache_write: float


@dataclass(frozen=True, slots=True)
class Model:
    """[model]: which model, where, and what it may cost. A day is a UTC day."""

    name: str
    base_url: str = "https://api.anthropic.com"
    calls_per_review: int = 1
    max_turns: int = 30
    max_usd_per_review: float = 2.0
    max_usd_per_pull_request: float = 10.0
    max_usd_per_day: float = 50.0
    prices: Prices | None = None


@dataclass(frozen=True, slots=True)
class Host:
    """[host]: the code host. `auth` is "token" or "app" (then `app_id` names the App); `login` is who our reviews are by;
    None: the host is asked. `writes_apart_s` lies between two writes, over all processes; below 1, there is no budget either."""

    kind: str = "github"
    api_url: str = "https://api.github.com"
    git_url: str = "https://github.com"
    auth: str = "token"
    app_id: int | None = None
    read: str = "commit"
    permissions: dict[str, str] = field(default_factory=lambda: {"pull_requests": "write", "contents": "read"})
    repositories: tuple[str, ...] = ()
    login: str | None = None
    writes_apart_s: float = 1.2


@dataclass(frozen=True, slots=True)
class ReviewPolicy:
    """[review]: what is reviewed, for whom, and how much is said."""

    actions: tuple[str, ...] = ("opened", "synchronize", "reopened", "ready_for_review")
    skip_drafts: bool = True
    authors: tuple[str, ...] = ("OWNER", "MEMBER", "COLLABORATOR")
    allow_label: str = "prreview"
    max_comments: int = 20
    min_severity: str = "info"
    verify: bool = False
    min_interval_s: float = 60.0
    guidelines: str = ".prreview.md"
    report: str = "review"
    include: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sandbox:
    """[sandbox]: the layers of the agent's cell without which no agent is started."""

    require: tuple[str, ...] = ("files",)


@dataclass(frozen=True, slots=True)
class StateFolder:
    """[state]: logs, scratch and the default database; None is the user's state folder, per environment."""

    dir: Path | None = None
    log_level: str = "info"
    keep_days: int = 30


@dataclass(frozen=True, slots=True)
class Alerts:
    """[alerts]: who is told when the profile pauses or resumes, a job dies, a budget closes or a service is down."""

    command: tuple[str, ...] = ()
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """One environment. `name` is the file's stem, `path` the file it was read from."""

    name: str
    path: Path
    environment: str
    model: Model
    server: Server = Server()
    queue: Queue = Queue()
    workers: Workers = Workers()
    host: Host = field(default_factory=Host)
    review: ReviewPolicy = ReviewPolicy()
    sandbox: Sandbox = Sandbox()
    state: StateFolder = StateFolder()
    alerts: Alerts = Alerts()
    secrets: dict[SecretName, SecretRef] = field(default_factory=dict)
