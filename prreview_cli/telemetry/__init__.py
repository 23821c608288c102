"""What is seen from outside: JSON-lines logs without secrets, metrics, alerts."""

from prreview_cli.telemetry.logs import Log, Logger, logger, open_log
from prreview_cli.telemetry.process import harden_process

__all__ = ["Log", "Logger", "harden_process", "logger", "open_log"]
