"""A gateway on loopback, on the client's fake, with one account that has a key and many credits."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from vitrine import AsyncFakeTransport, AsyncVitrine
from vitrine_gateway.app import create_app
from vitrine_gateway.settings import Settings

from vitrine_measure.gateway_serving import new_key, served

CREDITS = 1_000_000_000
UNLIMITED = {"rate_calls": "", "rate_jobs": "", "max_queued": 1_000_000}


@contextmanager
def fuzzed_gateway(**settings: Any) -> Iterator[tuple[str, str]]:
    """Serve in a thread; give the address and the key."""
    with tempfile.TemporaryDirectory(prefix="vitrine-gateway-fuzz-") as folder:
        chosen = Settings.of(**{"data": folder, "workers": 2, "poll_s": 0.05, **UNLIMITED, **settings})
        key = asyncio.run(new_key(chosen, "fuzz", CREDITS))
        app = create_app(chosen, lambda _: AsyncVitrine(transport=AsyncFakeTransport()))
        with _errors_alone(), served(app) as address:
            yield address, key


@contextmanager
def _errors_alone() -> Iterator[None]:
    """Log errors only, and later what was logged before."""
    before = structlog.get_config()["wrapper_class"]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    try:
        yield
    finally:
        structlog.configure(wrapper_class=before)
