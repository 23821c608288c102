"""Findings that somebody has looked at and accepted, by fingerprint: an audit is silent about these and about no other.

A fingerprint is of what leaked and of where (the source, not the line, which moves): an HMAC whose key is the value,
stretched by scrypt with the file's salt. So whoever has the file and guesses at a value pays for each guess, a rotated value
that leaks in the same place is a finding again, and so is one more leak of the same value in it: the accepted are counted.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from prreview_cli.audit.findings import Finding
from prreview_cli.core.errors import UsageError
from prreview_cli.secrecy import Secret
from prreview_cli.settings.trust import read_trusted

SCHEMA_VERSION = 1
_LONGEST_FILE = 16 << 20
_COST = {"n": 1 << 14, "r": 8, "p": 1, "dklen": 32}  # 16 MiB and some 40 ms a value: RFC 7914's for interactive use


class Baseline:
    """The accepted findings of one file. `secrets` are those that the audit looks for, by the names of its findings.

    With `recording` every finding is accepted and kept for `write`; else those of the file are, as often as it says.
    """

    def __init__(self, salt: bytes, left: Counter[str], secrets: Mapping[str, Secret], *, recording: bool) -> None:
        self.recording = recording
        self._salt, self._left, self._secrets = salt, left, secrets
        self._keys: dict[bytes, bytes] = {}
        self._seen: dict[str, tuple[Finding, int]] = {}

    @classmethod
    def of(cls, path: Path, secrets: Mapping[str, Secret], *, recording: bool) -> Baseline:
        """The baseline in a file, which none but its owner may be able to write; UsageError if it is none.

        One that records needs no file yet, and keeps the salt of the one that is there.
        """
        if recording and not path.exists():
            return cls(_new_salt(), Counter(), secrets, recording=True)
        try:
            data = json.loads(read_trusted(path, _LONGEST_FILE))
            if data["schema_version"] != SCHEMA_VERSION:
                raise UsageError(f"The baseline {path} has the schema of another version.", remedy="Write it anew with --write-baseline.")
            salt = bytes.fromhex(data["salt"])
            accepted = Counter({str(each["fingerprint"]): int(each["count"]) for each in data["accepted"]})
        except OSError as error:
            raise UsageError(f"The baseline {path} cannot be read: {error.strerror}.", remedy="Make one with --write-baseline.") from None
        except (ValueError, KeyError, TypeError, RecursionError):
            raise UsageError(f"{path} is no baseline.", remedy="Write it anew with --write-baseline.") from None
        return cls(salt, Counter() if recording else accepted, secrets, recording=recording)

    def accepts(self, finding: Finding, token: bytes) -> bool:
        """Whether this finding has been accepted; counted. `token` is what a rule matched."""
        known = self._secrets.get(f"{finding.environment}/{finding.name}")
        fingerprint = self._fingerprint(finding, token if known is None else known.reveal().encode())
        if self.recording:
            self._seen[fingerprint] = finding, self._seen.get(fingerprint, (finding, 0))[1] + 1
            return True
        if self._left[fingerprint] <= 0:
            return False
        self._left[fingerprint] -= 1
        return True

    @property
    def gone(self) -> int:
        """How many of the accepted findings were not found again."""
        return self._left.total()

    def write(self, path: Path) -> None:
        """Write what was recorded, whole or not at all, for this user alone; UsageError if it cannot be written."""
        accepted = [_entry(fingerprint, *seen) for fingerprint, seen in self._seen.items()]
        accepted.sort(key=lambda entry: (entry["source"], entry["name"], entry["fingerprint"]))
        data = {"schema_version": SCHEMA_VERSION, "salt": self._salt.hex(), "accepted": accepted}
        if path.exists() and not path.is_file():
            raise UsageError(f"The baseline {path} is not a file.", remedy="Name a file that you may write.")
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123
                json.dump(data, file, indent=1)
                file.write("\n")
            beside.replace(path)
        except OSError as error:
            with suppress(OSError):
                beside.unlink()
            raise UsageError(
                f"The baseline {path} cannot be written: {error.strerror}.", remedy="Name a file that you may write."
            ) from None

    def _fingerprint(self, finding: Finding, value: bytes) -> str:
        if value not in self._keys:
            self._keys[value] = hashlib.scrypt(value, salt=self._salt, **_COST)
        what = json.dumps([finding.source, finding.kind, finding.environment, finding.name, finding.encoding])
        return hmac.new(self._keys[value], what.encode(), "sha256").hexdigest()[:32]


def _new_salt() -> bytes:
    return secrets.token_bytes(16)


def _entry(fingerprint: str, finding: Finding, count: int) -> dict[str, Any]:
    """What somebody who looks over the file is told beside the fingerprint."""
    about = {name: value for name, value in finding.to_json().items() if name not in {"line", "offset"}}
    return {"fingerprint": fingerprint, "count": count, **about}
