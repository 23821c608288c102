"""What the specification promises of a profile and this version does not keep: refused by name."""

from __future__ import annotations

from typing import Any

_VERIFYING = "asks for the verifying pass, which this version does not have yet. Leave it false."
_VALUES: dict[tuple[str, Any], str] = {
    ("review.verify", True): _VERIFYING,
    ("review.report", "check"): 'asks for check runs, which this version does not write yet. Use "review".',
    ("host.read", "diff"): 'asks for reviewing without contents, which this version does not do yet. Use "commit".',
}


def later_value(key: str, value: Any) -> str | None:
    """What to say of a value that a later version will keep; None of any other."""
    if key == "queue.url" and value.startswith(("postgresql:", "postgres:")):
        return "names a PostgreSQL database, which this version cannot use yet. Use sqlite:////absolute/path.db."
    return None if isinstance(value, (dict, tuple)) else _VALUES.get((key, value))
