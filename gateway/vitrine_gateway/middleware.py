"""Around every request: an id, a log line, metrics, the limit on the body, and headers of safety."""

from __future__ import annotations

import re
import secrets
import time
from typing import Any
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vitrine_gateway.accounts.rates import SPENT, Spent, headers_of
from vitrine_gateway.errors import Encoded, TooLarge
from vitrine_gateway.telemetry.metrics import Metrics
from vitrine_gateway.telemetry.tracing import TRACEPARENT, Tracing

log = structlog.get_logger("vitrine_gateway.http")
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
"""What metrics name: a caller may invent methods, and each name is a series that is kept."""
SAFETY = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
}
_SLASHES = 307
"""The status of the one redirect that there is: to a path without its last slash, or with it."""


class Around:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp, max_body_bytes: int) -> None:
        self._app, self._max = app, max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _ID.fullmatch(given) else secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        begun, status = time.perf_counter(), 500
        spent: dict[str, Spent] = {}
        SPENT.set(spent)

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                if status == _SLASHES:
                    headers["Location"] = _without_origin(headers["Location"])
                for name, value in SAFETY.items():
                    headers.setdefault(name, value)
                for name, value in headers_of(spent).items():
                    headers[name] = value
                self._note(scope, status, time.perf_counter() - begun)
            await send(message)

        tracing: Tracing = scope["app"].state.gateway.tracing
        parent = Headers(scope=scope).get("traceparent")
        told = {"http.request.method": scope["method"], "request_id": request_id}
        with tracing.span(scope["method"], "SERVER", parent, told) as traced:
            token = TRACEPARENT.set(traced.traceparent)
            try:
                await self._app(scope, _limited(scope, receive, self._max), answer)
            finally:
                TRACEPARENT.reset(token)
                route = _route_of(scope)
                told = {"http.route": route, "http.response.status_code": status}
                traced.tell(f"{scope['method']} {route}", told)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = _route_of(scope)
        metrics: Metrics = scope["app"].state.gateway.metrics
        method = scope["method"] if scope["method"] in METHODS else "other"
        metrics.requests.labels(method, route, str(status)).inc()
        metrics.request_seconds.labels(route).observe(seconds)
        log.info(
            "request",
            method=scope["method"],
            route=route,
            status=status,
            ms=round(1000 * seconds, 1),
        )


def _without_origin(url: str) -> str:
    """Return the path and query of a URL: behind a proxy its origin may be one that no caller can use."""
    parts = urlsplit(url)
    path = "/" + parts.path.lstrip("/")  # two slashes would begin the name of a host
    return parts._replace(scheme="", netloc="", path=path).geturl()


def _route_of(scope: Scope) -> str:
    """Return the route, not the path: that may hold a person's name."""
    return getattr(scope.get("route"), "path_format", "other")


def _limited(scope: Scope, receive: Receive, most: int) -> Receive:
    """Return `receive` that raises TooLarge for a body above `most` bytes, and Encoded for a packed one."""
    headers = Headers(scope=scope)
    said, encoding = headers.get("content-length", ""), headers.get("content-encoding", "identity")
    taken = 0

    async def limited() -> Any:
        nonlocal taken
        if said.isdecimal() and int(said) > most:
            raise TooLarge(f"the body must have at most {most:,} bytes, got {int(said):,}")
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > most:
            raise TooLarge(f"the body must have at most {most:,} bytes, got more")
        if taken and encoding.strip().lower() != "identity":
            raise Encoded(f"Content-Encoding must be identity, or not be sent, got {encoding[:40]!r}")
        return message

    return limited
