"""`make soak-gateway`: gateways and workers are killed by SIGKILL under load; prints what was found.

The server is the client's fake unless --triton names one. `--victims gateway,worker,triton,database` kills
the embedded Triton under its supervisor and a PostgreSQL of its own too.
"""

from __future__ import annotations

import argparse
import asyncio
import sys

from vitrine_measure.gateway_soak.soak import VICTIMS, Plan, run_soak


def main() -> int:
    """Run the soak; return 0 if nothing was wrong."""
    parser = argparse.ArgumentParser(prog="python -m vitrine_measure.gateway_soak", description=__doc__)
    parser.add_argument("--kills", type=int, default=40, help="of all victims together (default 40)")
    parser.add_argument(
        "--victims", type=_victims, default=("gateway", "worker"), help=f"of {','.join(VICTIMS)}"
    )
    parser.add_argument("--seconds", type=float, default=120, help="over which they are spread (default 120)")
    parser.add_argument("--clients", type=int, default=4, help="clients that submit jobs (default 4)")
    parser.add_argument("--database", default="", help="URL of an empty PostgreSQL database; default: SQLite")
    parser.add_argument("--triton", default="", help="host:port of a Vitrine server; default: the fake")
    parser.add_argument(
        "--lease", dest="lease_s", type=float, default=2, help="seconds; more on a busy machine (default 2)"
    )
    parser.add_argument(
        "--settle", dest="settle_s", type=float, default=120, help="time after the last kill (default 120)"
    )
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    report = asyncio.run(run_soak(Plan(**vars(args))))
    print(report.text())
    return 1 if report.wrong else 0


def _victims(text: str) -> tuple[str, ...]:
    named = tuple(text.split(","))
    if unknown := set(named) - set(VICTIMS):
        raise argparse.ArgumentTypeError(f"victims are {', '.join(VICTIMS)}, got {sorted(unknown)}")
    return named


if __name__ == "__main__":
    sys.exit(main())
