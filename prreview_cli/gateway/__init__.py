"""The loopback model gateway: a token a job, calls in flight, back-off, budget, the real key."""

from prreview_cli.gateway.gateway import ModelGateway

__all__ = ["ModelGateway"]
