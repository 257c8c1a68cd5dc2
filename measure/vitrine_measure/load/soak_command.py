"""`vitrine-export soak`: mixed load, faulty clients and operations on its own server."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from tqdm import tqdm
from vitrine_orchestrator.embedded.ports import ANY_PORTS
from vitrine_orchestrator.embedded.server import EmbeddedTriton
from vitrine_orchestrator.embedded.watching import watched

from vitrine_measure.load.operator import Operator
from vitrine_measure.load.photographs import find_curl
from vitrine_measure.load.soak import ALLOWED_OPERATED, Soaked, SoakPlan, soak
from vitrine_measure.load.world import draw_world

HELP = "soak a server with faulty clients and operations; report leaks, dead processes and lost requests"
EXAMPLES = """\
examples:
  vitrine-export soak                                   30 minutes
  vitrine-export soak --seconds 120 --rate 3
  vitrine-export soak --minutes 30 --trace-config triton,file=build/trace.json --trace-config rate=5 \\
      --trace-config level=TIMESTAMPS

Serves a copy of the repository under the supervisor of `vitrine serve`, warms it up, and loads it with
clients of thirteen kinds, some of which send photographs of 4 to 12 MB with curl. Meanwhile models are
loaded again, and a release is published and withdrawn. Exit code 0: no process died or was started again, no
client of the waiting kinds lost its request, and nothing leaked."""

PEOPLE, GARMENTS = 8, 24
MIB = 2**20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--repository", type=Path, default=Path("model_repository"), help="model repository to serve"
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--seconds", type=float, default=1800.0, help="duration of the load (default 1800)")
    length.add_argument("--minutes", type=float, help="duration of the load in minutes")
    parser.add_argument("--rate", type=float, default=3.0, help="clients per second (default 3)")
    parser.add_argument("--steps", type=int, default=20, help="denoising steps of a try-on (default 20)")
    parser.add_argument(
        "--warm-up", type=float, default=60.0, help="seconds of load before the first reading (default 60)"
    )
    parser.add_argument(
        "--operate-every",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="seconds between two operations (default 10)",
    )
    parser.add_argument(
        "--trace-config",
        action="append",
        default=[],
        metavar="VALUE",
        help="option of tritonserver, such as rate=5; may be repeated",
    )
    parser.add_argument(
        "--memory-share",
        type=float,
        default=ALLOWED_OPERATED.memory_share,
        metavar="SHARE",
        help="growth of memory that is no fault, as a share (default %(default)s); a short run needs more",
    )
    parser.add_argument("--log", type=Path, help="file for Triton's own log (default: none is kept)")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random choices (default 0)")


def run(args: argparse.Namespace) -> int:
    """Run and report; return 0 without faults, or print a sentence per fault and return 1."""
    find_curl()
    seconds = args.seconds if args.minutes is None else 60 * args.minutes
    plan = SoakPlan(seconds, args.rate, args.steps, args.warm_up, args.seed, args.operate_every)
    with TemporaryDirectory(prefix="vitrine-soak-") as folder:
        soaked = served_and_soaked(args, plan, Path(folder))
    print(table(soaked))
    faults = soaked.faults(replace(ALLOWED_OPERATED, memory_share=args.memory_share))
    for fault in faults:
        print(f"soak: {fault}", file=sys.stderr)
    return int(bool(faults))


def served_and_soaked(args: argparse.Namespace, plan: SoakPlan, folder: Path) -> Soaked:
    """Serve a copy of the repository under a supervisor, as `vitrine serve` does, and soak it."""
    repository = folder / "model_repository"
    shutil.copytree(args.repository, repository)
    options = [f"--trace-config={value}" for value in args.trace_config]
    bar = tqdm(total=round((plan.seconds + plan.warm_up_s) * plan.rate), unit="client", desc="soak")
    supervised: list[str] = []
    with (
        EmbeddedTriton(repository, ports=ANY_PORTS, log=args.log, options=options) as server,
        watched(server, supervised.append),
        bar,
    ):
        operator = Operator(server, folder)
        soaked = asyncio.run(soak(server, draw_world(PEOPLE, GARMENTS), plan, bar.update, operator))
    return replace(soaked, supervised=supervised)


def table(soaked: Soaked) -> str:
    """Format the outcomes of each kind of client, and the two readings."""
    lines = [f"{'client':18} {'ended':14} {'count':>6}"]
    lines += [f"{kind:18} {word:14} {count:6}" for (kind, word), count in sorted(soaked.ends.items())]
    lines.append(f"{'held':18} {'before':>14} {'after':>14}")
    for name in ("memory_bytes", "threads", "files", "shared_blocks", "requests"):
        before, after = getattr(soaked.before, name), getattr(soaked.after, name)
        if name == "memory_bytes":
            name, before, after = "memory, MiB", round(before / MIB), round(after / MIB)
        lines.append(f"{name:18} {before:14} {after:14}")
    lines += [f"operator: {operation:22} {count:6}" for operation, count in sorted(soaked.done.items())]
    lines.append(f"{'deaths, restarts':32} {len(soaked.supervised):6}")
    return "\n".join(lines)
