"""OpenTelemetry's traces, from a request through its job to Triton.

Without an address of a collector no spans are made, but the caller's own `traceparent` still reaches Triton.
The packages of the extra `otel` are imported only where an address is set.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Literal

import structlog

from vitrine_gateway.errors import BadSettings

if TYPE_CHECKING:
    from opentelemetry.trace import Span

TRACEPARENT: ContextVar[str | None] = ContextVar("TRACEPARENT", default=None)
"""The W3C traceparent of the present request, which its jobs keep."""

_FORM = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
Kind = Literal["SERVER", "CONSUMER"]
CLOSE_S = 2.0  # longest wait for a collector at the end
log = structlog.get_logger("vitrine_gateway.tracing")


class Traced:
    """A span that is open, or nothing but its parent where no spans are made."""

    def __init__(self, traceparent: str | None, span: Span | None = None) -> None:
        self.traceparent, self._span = traceparent, span

    def tell(self, name: str, attributes: Mapping[str, str | int]) -> None:
        """Name the span and add to what is told of it."""
        if self._span is not None:
            self._span.update_name(name)
            self._span.set_attributes(dict(attributes))


class Tracing:
    """The traces of one process."""

    def __init__(self, collector: str) -> None:
        """`collector` is an address of OTLP over HTTP, empty for none.

        Raises BadSettings where the extra is not installed.
        """
        self._provider = None
        if not collector:
            return
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError as error:
            raise BadSettings("GATEWAY_TRACES needs the extra otel: pip install 'vitrine[otel]'") from error
        self._provider = TracerProvider(resource=Resource.create({"service.name": "vitrine-gateway"}))
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=collector)))
        self._tracer = self._provider.get_tracer("vitrine_gateway")

    @contextmanager
    def span(
        self, name: str, kind: Kind, parent: str | None, attributes: Mapping[str, str | int]
    ) -> Iterator[Traced]:
        """Open a span below `parent`, a traceparent of somebody else's (a wrong one is no parent)."""
        parent = parent if parent and _FORM.fullmatch(parent) else None
        if self._provider is None:
            yield Traced(parent)
            return
        from opentelemetry import trace
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        w3c, carrier = TraceContextTextMapPropagator(), dict[str, str]()
        context = w3c.extract({"traceparent": parent} if parent else {})
        span = self._tracer.start_span(name, context, trace.SpanKind[kind], dict(attributes))
        w3c.inject(carrier, trace.set_span_in_context(span))
        try:
            yield Traced(carrier["traceparent"], span)
        except BaseException as error:
            span.set_status(trace.StatusCode.ERROR, type(error).__name__)
            raise
        finally:
            span.end()

    async def close(self) -> None:
        """Send what was not sent yet, for CLOSE_S at most."""
        if self._provider is None:
            return
        sending = threading.Thread(target=self._provider.shutdown, daemon=True, name="last spans")
        sending.start()  # a daemon: the process does not wait for it either
        await asyncio.to_thread(sending.join, CLOSE_S)
        if sending.is_alive():
            log.warning("the trace collector does not answer: the last spans are lost", waited_s=CLOSE_S)
