"""The bundled CLI without its SDK: which version the package is pinned to, which one is there, and that it runs."""

from __future__ import annotations

import re
import tempfile
from importlib import metadata, util
from pathlib import Path

from prreview_cli.core.errors import UsageError
from prreview_cli.sandbox import run

_PACKAGE = "claude-agent-sdk"
_STARTS_WITHIN_S = 15.0
_SAYS_AT_MOST = 1 << 16


async def check() -> str:
    """The version of the CLI that runs; UsageError if it is not the one that belongs to the pinned SDK, or does not run."""
    pinned, installed = _pinned(), metadata.version(_PACKAGE)
    if pinned not in {installed, None}:
        raise _wrong(f"{_PACKAGE} is {installed}, and prreview is pinned to {pinned}.")
    folder = _folder()
    told = re.search(r'__cli_version__ = "([^"]+)"', (folder / "_cli_version.py").read_text(encoding="utf-8"))
    expected = told[1] if told else ""
    says = await _said(folder / "_bundled" / "claude")
    if says.split(" ")[0] != expected:
        raise _wrong(f"The bundled CLI says that it is {says[:60]!a}, and {_PACKAGE} {installed} brings {expected!a}.")
    return f"{expected}, of {_PACKAGE} {installed}"


def _pinned() -> str | None:
    """What prreview's own metadata asks for; None where it is not installed as a package."""
    try:
        required = metadata.requires("prreview") or []
    except metadata.PackageNotFoundError:
        return None
    return next((line.split("==")[1].split(";")[0].strip() for line in required if line.startswith(f"{_PACKAGE}==")), None)


def _folder() -> Path:
    """Where the SDK is. It is not imported: that takes a second."""
    spec = util.find_spec("claude_agent_sdk")
    if spec is None or spec.origin is None:
        raise _wrong(f"{_PACKAGE} is not installed.")
    return Path(spec.origin).parent


async def _said(cli: Path) -> str:
    with tempfile.TemporaryDirectory(prefix="prreview-cli-") as folder:
        try:
            done = await run(
                [str(cli), "--version"],
                env={"HOME": folder},
                cwd=Path(folder),
                timeout_s=_STARTS_WITHIN_S,
                max_output_bytes=_SAYS_AT_MOST,
            )
        except FileNotFoundError:
            raise _wrong(f"There is no CLI at {cli}, or it may not be run.") from None
        except TimeoutError:
            raise _wrong(f"The bundled CLI did not answer within {_STARTS_WITHIN_S:g} s.") from None
    if done.returncode:
        raise _wrong(f"The bundled CLI ended with exit code {done.returncode}.")
    return done.stdout.decode("utf-8", "replace").strip()


def _wrong(told: str) -> UsageError:
    return UsageError(told, remedy="Reinstall prreview from its lock file; its SDK brings the CLI.")
