"""Sends generated requests to every route of the OpenAPI for --seconds, with all checks of schemathesis.

A gateway is started on loopback for it, with the client's fake in place of a server, in a folder that is
thrown away. What follows -- goes to `schemathesis run`. Returns its status: 0 if nothing was found.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path

from vitrine_gateway.openapi import NOT_SERVED

from vitrine_measure.gateway_fuzz.serving import fuzzed_gateway


def main(arguments: Sequence[str] | None = None) -> int:
    """Run schemathesis against a gateway of its own and return its status."""
    parser = argparse.ArgumentParser(prog="python -m vitrine_measure.gateway_fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=600, help="0: as long as the examples take")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("rest", nargs="*", help="options of `schemathesis run`")
    args = parser.parse_args(arguments)
    program = Path(sysconfig.get_path("scripts")) / "schemathesis"
    with (
        tempfile.TemporaryDirectory(prefix="vitrine-schemathesis-") as folder,
        fuzzed_gateway() as (address, key),
    ):
        config = Path(__file__).with_name("schemathesis.toml")
        command = [str(program), "--config-file", str(config)]
        command += ["run", f"{address}/v1/openapi.json", "--header", f"Authorization: Bearer {key}"]
        command += ["--checks", "all", "--exclude-tag", NOT_SERVED, "--continue-on-failure"]
        command += ["--max-response-time", "300"]  # times are measured elsewhere
        command += ["--max-time", str(args.seconds)] if args.seconds else []
        command += ["--seed", str(args.seed), *args.rest]
        return subprocess.run(command, check=False, cwd=folder).returncode


if __name__ == "__main__":
    sys.exit(main())
