"""Reading the two commits of a pull request straight from git objects: fetched bare, never checked out, gone afterwards."""

from prreview_cli.snapshots.limits import Limits
from prreview_cli.snapshots.snapshots import GitSnapshots

__all__ = ["GitSnapshots", "Limits"]
