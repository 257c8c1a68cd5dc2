"""`vitrine-export residency`: how models share a memory that does not hold all of them."""

from __future__ import annotations

import argparse
from pathlib import Path

from vitrine.commands.models import table

from vitrine_measure.residency.simulate import rows

HELP = "measure how models share a memory: by simulation, or on a real server by a shop's requests"
EXAMPLES = """\
examples:
  vitrine-export residency --simulate                    eviction policies on drawn requests, in seconds
  vitrine-export residency --loads                       what a load of each model costs, a minute
  vitrine-export residency --seconds 600                 a shop's requests at 100, 60 and 35 % of the memory
  vitrine-export residency --seconds 60 --shares 0.6     one budget, briefly

A budget of 60 % is what is always loaded (server and pipelines), the reserve, and 60 % of what the models
that the requests use take. The repository must hold IDM-VTON, Z-Image and cut-outs (make shop cut-out)."""

BUDGETS_GB = (24, 32, 40, 48, 64)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--simulate", action="store_true", help="compare policies, without a server")
    parser.add_argument("--loads", action="store_true", help="measure loads of each model")
    parser.add_argument("--jobs", type=int, default=3000, help="simulated requests (default 3000)")
    parser.add_argument("--seeds", type=int, default=3, help="drawn sequences of each mix (default 3)")
    parser.add_argument(
        "--repository", type=Path, default=Path("model_repository"), help="model repository to serve"
    )
    parser.add_argument("--seconds", type=float, default=600.0, help="of requests at each budget")
    parser.add_argument(
        "--rate", type=float, default=0.0, help="requests a second (default: 60 %% of capacity)"
    )
    parser.add_argument(
        "--new", type=float, default=0.0, help="share of try-ons of a new person in a new garment (default 0)"
    )
    parser.add_argument("--steps", type=int, default=8, help="denoising steps of a request (default 8)")
    parser.add_argument(
        "--shares", type=float, nargs="+", default=[1.0, 0.6, 0.35], help="parts of the models' memory"
    )
    parser.add_argument("--out", type=Path, default=Path("build"), help="folder of measured sizes")


def run(args: argparse.Namespace) -> int:
    """Simulate or measure, and print a table; return 1 if a request was lost or memory exceeded."""
    if args.simulate:
        print("mean ms of loading per use of a model")
        print(table(rows(BUDGETS_GB, args.jobs, range(args.seeds))))
        return 0
    if args.loads:
        from vitrine_measure.residency import loads

        print(table(loads.rows(args.repository, times=3)))
        return 0
    from vitrine_measure.residency.shop import measure

    return measure(args)
