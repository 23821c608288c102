"""The answers that say nothing of the request: constant, and shaped like a delivery's."""

from __future__ import annotations

import json
from http import HTTPStatus

from prreview_cli.services.intake import Reply, constant


def state(status: HTTPStatus, outcome: str, reason: str) -> Reply:
    """The answer to a question about ourselves."""
    return Reply(status, outcome, json.dumps({"status": outcome, "reason": reason}).encode())


BAD_REQUEST = constant(HTTPStatus.BAD_REQUEST, "bad_request", "This is not an HTTP/1.1 request that can be understood.")
BUSY = constant(HTTPStatus.SERVICE_UNAVAILABLE, "busy", "Too much is being sent at once; this was the slowest.")
FAILED = constant(HTTPStatus.INTERNAL_SERVER_ERROR, "failed", "The delivery was not accepted; the reason is in the server's log.")
FOREIGN_HOST = constant(HTTPStatus.FORBIDDEN, "forbidden", "These pages answer to this machine's own names alone.")
HEADERS_TOO_LARGE = constant(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_large", "The headers are too large.")
METHOD_NOT_ALLOWED = constant(HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed", "This path does not know the method.")
NOT_FOUND = constant(HTTPStatus.NOT_FOUND, "not_found", "There is nothing here.")
TOO_LARGE = constant(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", "The body is too large.")
TOO_SLOW = constant(HTTPStatus.REQUEST_TIMEOUT, "too_slow", "The request did not arrive in time.")

HEALTHY = state(HTTPStatus.OK, "ok", "Deliveries can be stored.")
UNHEALTHY = state(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", "Deliveries cannot be stored; the reason is in the server's log.")
