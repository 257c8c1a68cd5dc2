"""`vitrine-export perf`: runs perf_analyzer on `try_on` over HTTP and gRPC, and on `try_on_stream`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vitrine_orchestrator.embedded.server import EmbeddedTriton

from vitrine_measure.perf.measures import Measure, read_profile, table
from vitrine_measure.perf.requests import write_requests
from vitrine_measure.perf.tool import Tool, find_tool

HELP = "load try_on and try_on_stream with NVIDIA's perf_analyzer, and print a table"
EXAMPLES = """\
examples:
  vitrine-export perf                                        a server of its own on this machine
  vitrine-export perf --http localhost:8000 --grpc localhost:8001
  vitrine-export perf --requests 64 --at-once 8 --steps 20   a longer run

Each run sends the same requests: drawn people in drawn garments, a new seed each. The first run
also prepares them; the others find them in the caches. "first event" is a stream's first response."""


@dataclass(frozen=True)
class Run:
    """One row of the table."""

    model: str
    protocol: Literal["http", "grpc"]
    streamed: bool = False

    @property
    def name(self) -> str:
        """The name in the table."""
        return f"{self.model} {self.protocol}"


RUNS = (Run("try_on", "http"), Run("try_on", "grpc"), Run("try_on_stream", "grpc", streamed=True))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--http", metavar="HOST:PORT", help="a running server's HTTP address")
    parser.add_argument("--grpc", metavar="HOST:PORT", help="the same server's gRPC address")
    parser.add_argument(
        "--repository",
        type=Path,
        default=Path("model_repository"),
        help="model repository to start a server with if no address is given (default: model_repository)",
    )
    parser.add_argument("--requests", type=_count, default=8, help="requests of each run (default 8)")
    parser.add_argument("--at-once", type=_count, default=4, help="concurrent requests (default 4)")
    parser.add_argument(
        "--people", type=_count, default=4, help="number of different people and garments (default 4)"
    )
    parser.add_argument("--steps", type=_count, default=8, help="denoising steps of a request (default 8)")
    parser.add_argument("--tool", type=Path, help="folder of perf_analyzer (default: .venv/perf)")


def run(args: argparse.Namespace) -> int:
    """Run every row, print the table and return 0. Raises Unavailable and PerfFailed."""
    if (args.http is None) != (args.grpc is None):
        raise argparse.ArgumentTypeError("--http and --grpc must be given together")
    tool = find_tool(args.tool)
    with tempfile.TemporaryDirectory(prefix="vitrine-perf-") as made, _addresses(args) as addresses:
        folder = Path(made)
        write_requests(folder / "requests.json", args.requests, args.people, args.steps)
        measures = []
        for one in RUNS:
            print(f"{one.name}: {args.requests} requests, {args.at_once} at once ...", file=sys.stderr)
            measures.append(_measured(tool, one, addresses[one.protocol], folder, args))
    print(table(measures))
    return 0


@contextmanager
def _addresses(args: argparse.Namespace) -> Iterator[dict[str, str]]:
    """Yield addresses by protocol: the given server's, or those of a server that runs during the block."""
    if args.grpc is not None:
        yield {"http": args.http, "grpc": args.grpc}
        return
    with EmbeddedTriton(args.repository) as triton:
        yield {"http": triton.http, "grpc": triton.grpc}


def _measured(tool: Tool, one: Run, address: str, folder: Path, args: argparse.Namespace) -> Measure:
    profile = folder / f"{one.model}-{one.protocol}.json"
    streaming = ["--streaming"] if one.streamed else []
    tool.run(
        *("-m", one.model, "-i", one.protocol, "-u", address, *streaming),
        *("--input-data", folder / "requests.json", "--profile-export-file", profile),
        *("--request-count", str(args.requests), "--concurrency-range", str(args.at_once)),
    )
    return read_profile(profile, one.name, args.at_once, one.streamed)


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {text}")
    return value
