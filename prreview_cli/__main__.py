"""`python -m prreview_cli`, and the console script `prreview`."""

from __future__ import annotations

import os
import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    # `python -m` put the working directory first: a pull request's checkout could shadow every import below.
    del sys.path[0]


def main() -> None:
    """Run one command; ends by SystemExit with its exit code."""
    os.umask(0o077)  # whatever a command leaves behind is for this user alone
    from prreview_cli.cli.root import run  # noqa: PLC0415 - only once nothing can be imported from the working directory

    run()


if __name__ == "__main__":
    main()
