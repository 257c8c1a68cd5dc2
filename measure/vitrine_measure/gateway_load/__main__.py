"""Prints how long a gateway's answers take while its server is saturated, and what a cancellation takes.

300 clients poll and 50 streams are open while jobs wait. The server is the embedded Triton with --triton
embedded, one that runs with --triton HOST:PORT, and the client's fake without: then the figures are the
gateway's own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from vitrine_gateway.up import NICE
from vitrine_orchestrator.embedded.server import EmbeddedTriton

from vitrine_measure.gateway_load.load import Load, Plan
from vitrine_measure.gateway_load.serving import gateway_process
from vitrine_measure.gateway_soak.postgresql import PostgreSQL
from vitrine_measure.gateway_soak.victims import supervised_triton

LIMIT_MS = 100.0


def main() -> int:
    """Run the load; return 0 if the 99th percentile of all answers is below the limit."""
    parser = argparse.ArgumentParser(prog="python -m vitrine_measure.gateway_load", description=__doc__)
    for name, default in vars(Plan()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    parser.add_argument("--triton", default="", help="`embedded`, or host:port; default: the client's fake")
    parser.add_argument("--postgresql", action="store_true", help="a PostgreSQL in place of SQLite")
    args = vars(parser.parse_args())
    triton, postgresql = args.pop("triton"), args.pop("postgresql")
    with ExitStack() as stack:
        settings: dict[str, Any] = {"workers": 4}
        if postgresql:
            settings["database"] = stack.enter_context(PostgreSQL()).database("load")
        if triton:
            settings["triton"] = triton if triton != "embedded" else stack.enter_context(_embedded()).grpc
        port, key, process = stack.enter_context(gateway_process(**settings))
        before = sum(process.cpu_times()[:2])
        figures = asyncio.run(Load(Plan(**args), port, key).run()).told()
        used_ms = 1000 * (sum(process.cpu_times()[:2]) - before)
        figures["CPU of the gateway, ms per answer"] = round(used_ms / figures["every answer"]["count"], 2)
    print(json.dumps(figures, indent=2))
    return 0 if figures["every answer"]["p99"] < LIMIT_MS else 1


@contextmanager
def _embedded() -> Iterator[EmbeddedTriton]:
    """The embedded Triton, below the gateway's priority as `vitrine up` starts it."""
    with supervised_triton() as server:
        os.setpriority(os.PRIO_PGRP, server.pid, NICE)
        yield server


if __name__ == "__main__":
    sys.exit(main())
