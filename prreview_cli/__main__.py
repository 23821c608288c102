"""`python -m prreview_cli`, and the console script `prreview`."""

from __future__ import annotations

import io
import os
import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    # `python -m` put the working directory first: a pull request's checkout could shadow every import below.
    del sys.path[0]

# Only once nothing can be imported from the working directory.
from prreview_cli.cli import interruption


def main() -> None:
    """Run one command; ends by SystemExit with its exit code."""
    interruption.guard()
    os.umask(0o077)  # whatever a command leaves behind is for this user alone
    _open_what_is_closed()
    _hold_what_is_written()
    _without_a_second_command_line()
    from prreview_cli.cli.root import run  # noqa: PLC0415 - takes a moment, in which Ctrl-C must be in good hands already

    try:
        run()
    finally:
        interruption.guard()


def _open_what_is_closed() -> None:
    """Lead a standard stream that was closed (`>&-`) nowhere: else the next file that is opened, perhaps the database,
    would take its place and be written to."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


def _hold_what_is_written() -> None:
    """Under PYTHONUNBUFFERED, as images for containers set it, a line that could not be written is held nowhere: then a full
    disk could not be told from a fault of ours. Each line is flushed in any case."""
    if not isinstance(sys.stdout.buffer, io.BufferedWriter):
        sys.stdout = os.fdopen(1, "w", encoding=sys.stdout.encoding, errors=sys.stdout.errors, closefd=False)


def _without_a_second_command_line() -> None:
    """Have httpx do without its own command line, as where click and rich are not installed: these and pygments would be
    a quarter of what a worker imports."""
    sys.modules["httpx._main"] = None  # type: ignore[assignment]  # so an import of it fails: docs of `sys.modules`


if __name__ == "__main__":
    main()
