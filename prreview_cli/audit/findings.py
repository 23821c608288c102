"""What an audit says: places and names, never a value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from prreview_cli.audit.known import split
from prreview_cli.audit.windows import Leak
from prreview_cli.core.errors import ExitCode


@dataclass(frozen=True, slots=True)
class Finding:
    """A leak. `line` counts from 1 and `offset` in bytes from 0, both in the unpacked text of `source`.

    In a column of a database, `line` is the row (its rowid where it has one) and `offset` counts within the value.
    A `known` finding has the secret's environment and encoding, a `rule` has neither.
    """

    source: str
    line: int
    offset: int
    kind: str
    name: str
    environment: str | None = None
    encoding: str | None = None

    @classmethod
    def of(cls, source: str, leak: Leak) -> Finding:
        """The finding that a leak in this source is."""
        if not leak.encoding:
            return cls(source, leak.line, leak.offset, "rule", leak.name)
        environment, name = split(leak.name)
        return cls(source, leak.line, leak.offset, "known", name, environment, leak.encoding)

    def to_json(self) -> dict[str, Any]:
        """As SPEC §9 has it."""
        data = {"source": self.source, "line": self.line, "offset": self.offset, "kind": self.kind, "name": self.name}
        return data if self.kind == "rule" else {**data, "environment": self.environment, "encoding": self.encoding}


@dataclass(frozen=True, slots=True)
class NotScanned:
    """Something that was not searched, or not wholly, and why, as a clause without a full stop."""

    source: str
    reason: str

    def to_json(self) -> dict[str, Any]:
        """As SPEC §9 has it."""
        return {"source": self.source, "reason": self.reason}


@dataclass(slots=True)
class Report:
    """All that an audit found, and what it could not look at. `scanned_bytes` counts what was unpacked, not what was packed.

    `accepted` are the findings that a baseline, if there was one, has taken out.
    """

    scanned_bytes: int = 0
    sources: int = 0
    not_scanned: list[NotScanned] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    accepted: int = 0
    baseline: bool = False

    @property
    def told(self) -> int:
        """All findings so far, the accepted ones too."""
        return len(self.findings) + self.accepted

    @property
    def exit_code(self) -> ExitCode:
        """A finding is worse than a gap, and a gap is never a clean bill."""
        if self.findings:
            return ExitCode.BROKEN
        return ExitCode.INCOMPLETE if self.not_scanned else ExitCode.DONE

    def to_json(self) -> dict[str, Any]:
        """As SPEC §9 has it, without the schema's version; `accepted` where there was a baseline."""
        accepted = {"accepted": self.accepted} if self.baseline else {}
        return {
            "scanned_bytes": self.scanned_bytes,
            "sources": self.sources,
            "not_scanned": [gap.to_json() for gap in self.not_scanned],
            "findings": [finding.to_json() for finding in self.findings],
            **accepted,
        }
