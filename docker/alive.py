"""Checks that every loaded Python model of the local server answers; exit code 0 or 1, for container probes.

Triton's own health endpoint stays 200 when the process of a Python model is dead. So each model gets an empty
request with the highest priority: an answer, or the model's own error, proves that its process runs.

A server has only the models of its checkpoints' families, and with a memory budget it unloads some: a model
that Triton does not report as ready is not asked. A server that reports none fails the check.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
import urllib.request
from urllib.error import HTTPError, URLError

from vitrine_orchestrator.stages import STAGES, Stage

FIRST = 1  # the highest priority
WAIT_US = 1_000_000  # how long the request waits in a model's process, which then says that it is busy
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the server is local: no proxy
# Parts of Triton's error messages
RUNS = (  # of a model that runs: its own errors, and a full queue
    '"bad request: ',
    '"busy: ',
    "Exceeds maximum queue size",
)
DEAD = "is not healthy"  # the process is dead; only a restart or a reload restores it


def main() -> int:
    """Check every model, and print the problems of those that do not answer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://localhost:8000", help="Triton's HTTP address")
    parser.add_argument("--timeout", type=float, default=10.0, help="seconds for one model's answer")
    parser.add_argument("--tries", type=int, default=2, help="a model counts as dead after so many failures")
    parser.add_argument("--pause", type=float, default=2.0, help="seconds between two tries")
    parser.add_argument(
        "--end", type=int, metavar="PID", help="end the server, this process, for a dead model"
    )
    args = parser.parse_args()
    dead = [one for one in STAGES if one.backend == "python" and is_loaded(one, args.url, args.timeout)]
    if not dead:
        print(f"no Python model is loaded at {args.url}", file=sys.stderr)
        return 1
    wrong: dict[str, str] = {}
    for again in range(args.tries):
        time.sleep(args.pause if again else 0)
        wrong = {stage.name: text for stage in dead if (text := problem_of(stage, args.url, args.timeout))}
        dead = [stage for stage in dead if stage.name in wrong]
    for name, text in wrong.items():
        print(f"{name}: {text}", file=sys.stderr)
    if args.end and any(DEAD in text for text in wrong.values()):
        os.kill(args.end, signal.SIGTERM)
    return 1 if wrong else 0


def is_loaded(stage: Stage, url: str, timeout_s: float) -> bool:
    """Whether Triton reports the model as ready; it does so for a dead process too."""
    try:
        with DIRECT.open(f"{url}/v2/models/{stage.name}/ready", timeout=timeout_s):
            return True
    except HTTPError as error:
        error.close()
        return False
    except (URLError, TimeoutError):
        return False


def problem_of(stage: Stage, url: str, timeout_s: float) -> str:
    """The reason why the model seems dead; empty if it answers or its queue is full."""
    way = "generate" if stage.decoupled else "infer"
    empty = [
        {"name": tensor.name, "datatype": "BYTES", "shape": [1], "data": [""]}
        for tensor in stage.inputs
        if not tensor.optional
    ]
    parameters = {"priority": FIRST, **({"timeout": WAIT_US} if stage.waits_in_process else {})}
    body = {} if stage.decoupled else {"inputs": empty, "parameters": parameters}
    request = urllib.request.Request(f"{url}/v2/models/{stage.name}/{way}", json.dumps(body).encode())
    try:
        with DIRECT.open(request, timeout=timeout_s):
            return ""  # an empty prompt is a prompt
    except HTTPError as error:
        with error:
            text = error.read(2000).decode(errors="replace")
    except (URLError, TimeoutError) as error:
        return f"no answer: {error}"
    return "" if any(words in text for words in RUNS) else text


if __name__ == "__main__":
    sys.exit(main())
