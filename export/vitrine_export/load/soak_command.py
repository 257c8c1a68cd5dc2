"""`vitrine-export soak`: mixed load with faulty clients on a server of its own, then what leaked."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from tqdm import tqdm
from vitrine_orchestrator.embedded.ports import Ports
from vitrine_orchestrator.embedded.server import EmbeddedTriton

from vitrine_export.load.soak import Plan, Soaked, soak
from vitrine_export.load.world import draw_world

HELP = "try a server with clients that leave, dawdle and err; tell what leaked"
EXAMPLES = """\
examples:
  vitrine-export soak                                   30 minutes
  vitrine-export soak --seconds 120 --rate 3

Starts a server, warms it up, loads it with clients of twelve kinds, and compares what its processes hold
before and after. Exit code 0: nothing leaked, and no client of the waiting kinds was let down."""

PEOPLE, GARMENTS = 8, 24
MIB = 2**20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--repository", type=Path, default=Path("model_repository"), help="what to serve")
    parser.add_argument("--seconds", type=float, default=1800.0, help="of load (default 1800)")
    parser.add_argument("--rate", type=float, default=3.0, help="clients a second (default 3)")
    parser.add_argument("--steps", type=int, default=20, help="of a try-on (default 20)")
    parser.add_argument("--warm-up", type=float, default=60.0, help="seconds before it counts (default 60)")
    parser.add_argument("--seed", type=int, default=0, help="of all that is random (default 0)")


def run(args: argparse.Namespace) -> int:
    """Soak and report: 0 when all is well, 1 with a sentence for each fault."""
    plan = Plan(args.seconds, args.rate, args.steps, args.warm_up, args.seed)
    bar = tqdm(total=round((plan.seconds + plan.warm_up_s) * plan.rate), unit="client", desc="soak")
    with EmbeddedTriton(args.repository, ports=Ports(0, 0, 0)) as server, bar:
        soaked = asyncio.run(soak(server, draw_world(PEOPLE, GARMENTS), plan, bar.update))
    print(table(soaked))
    faults = soaked.faults()
    for fault in faults:
        print(f"soak: {fault}", file=sys.stderr)
    return int(bool(faults))


def table(soaked: Soaked) -> str:
    """How each kind of client ended, and the two readings."""
    lines = [f"{'client':18} {'ended':14} {'count':>6}"]
    lines += [f"{kind:18} {word:14} {count:6}" for (kind, word), count in sorted(soaked.ends.items())]
    lines.append(f"{'held':18} {'before':>14} {'after':>14}")
    for name in ("memory_bytes", "threads", "files", "shared_blocks", "requests"):
        before, after = getattr(soaked.before, name), getattr(soaked.after, name)
        if name == "memory_bytes":
            name, before, after = "memory, MiB", round(before / MIB), round(after / MIB)
        lines.append(f"{name:18} {before:14} {after:14}")
    return "\n".join(lines)
