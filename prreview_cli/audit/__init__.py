"""Searching logs for secrets: what is read (files, folders, gz, zst, SQLite, the journal), and what is found in it."""

from prreview_cli.audit.baseline import Baseline
from prreview_cli.audit.findings import Finding, NotScanned, Report
from prreview_cli.audit.known import Known, values_of
from prreview_cli.audit.search import Search

__all__ = ["Baseline", "Finding", "Known", "NotScanned", "Report", "Search", "values_of"]
