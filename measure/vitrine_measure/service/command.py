"""`vitrine-export bench`: measures the service, the old service and the engine alone in one run."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from pathlib import Path

from vitrine.errors import VitrineError
from vitrine_orchestrator.embedded.ports import ANY_PORTS
from vitrine_orchestrator.embedded.server import EmbeddedTriton

from vitrine_measure.service.ads import ads
from vitrine_measure.service.bench import Bench, Options, Part, client_of
from vitrine_measure.service.comparisons import alone, engine, together, wardrobe
from vitrine_measure.service.loads import curve, overload, steady
from vitrine_measure.service.one_scene import one_scene
from vitrine_measure.service.plot import draw
from vitrine_measure.service.report import Report, table
from vitrine_measure.service.soak_and_perf import mixed, perf
from vitrine_measure.service.two_families import families

HELP = "measure the service, compared with the old service (eager torch) and with the engine alone"
EXAMPLES = """\
examples:
  vitrine-export bench                           everything, about 20 minutes
  vitrine-export bench --quick                   every part briefly, about 2 minutes; the figures mean nothing
  vitrine-export bench --only alone together     these parts

Parts: engine (the floor by threads and rows), alone (one request), together (eight at once), wardrobe (one
person, ten garments), curve (latency by load), steady (70 % of capacity, 5 minutes), overload (3 x capacity,
2 minutes), mixed (faulty clients, 2 minutes), perf (perf_analyzer), families (IDM-VTON and FASHN VTON, each
alone and both mixed, with their pictures' errors), ads (pictures from prompts), one-scene (ten
ads in one scene beside ten with a scene each, photographs new and known).
Prints a table; writes bench.json, bench-load.png and
bench-stages.png into --out. Exit code 1 when a part failed, whatever the figures are."""

PARTS: dict[str, Part] = {
    "engine": engine,
    "alone": alone,
    "together": together,
    "wardrobe": wardrobe,
    "curve": curve,
    "steady": steady,
    "overload": overload,
    "mixed": mixed,
    "perf": perf,
    "families": families,
    "ads": ads,
    "one-scene": one_scene,
}
"""Name → part, in the order in which they run."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--only", nargs="+", choices=PARTS, metavar="PART", help="parts to run (default: all)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="run every part briefly; the figures mean nothing"
    )
    parser.add_argument(
        "--repository", type=Path, default=Path("model_repository"), help="model repository to serve"
    )
    parser.add_argument(
        "--checkpoint",
        type=Path,
        default=Path("checkpoints/paper-doll"),
        help="checkpoint of the old service",
    )
    parser.add_argument(
        "--loras",
        type=Path,
        default=Path("checkpoints/paper-shop/loras"),
        help="registry of adapters for pictures",
    )
    parser.add_argument("--steps", type=int, default=20, help="denoising steps of a try-on (default 20)")
    parser.add_argument(
        "--out", type=Path, default=Path("build"), help="folder of the results (default build)"
    )


def run(args: argparse.Namespace) -> int:
    """Measure, print and save; return 0, or 1 if a part failed."""
    loras = args.loras if args.loras.is_dir() else None
    options = Options(args.repository, args.checkpoint, args.steps, args.quick, loras)
    report = Report({"steps": args.steps, "quick": args.quick, "repository": args.repository.name})
    styles = {"VITRINE_LORA_FOLDER": str(loras.resolve())} if loras else {}
    environment = {**os.environ, **styles}
    with EmbeddedTriton(args.repository, ports=ANY_PORTS, environment=environment) as server:
        failed = asyncio.run(_measure(options, report, server, args.only or list(PARTS), args.out))
    _save(report, args.out)
    print(f"written: {', '.join(str(path) for path in sorted(args.out.glob('bench*')))}")
    return int(bool(failed))


async def _measure(
    options: Options, report: Report, server: EmbeddedTriton, names: list[str], out: Path
) -> list[str]:
    """Run the parts and return the names of those that failed; print and save after each part."""
    failed = []
    vitrine = client_of(server)
    bench = Bench(options, report, server, vitrine)
    try:
        for name in PARTS:
            if name not in names:
                continue
            start, known = time.monotonic(), len(report.figures)
            try:
                await PARTS[name](bench)
            except (VitrineError, AssertionError) as error:
                failed.append(name)
                print(f"{name}: {error}", file=sys.stderr)
            print(f"-- {name}, {time.monotonic() - start:.0f} s", flush=True)
            print(table(report.figures[known:]), flush=True)
            _save(report, out)
    finally:
        await vitrine.close()
    return failed


def _save(report: Report, out: Path) -> None:
    report.save(out / "bench.json")
    draw(report, out)
