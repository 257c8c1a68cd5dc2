"""Whether every Python model of the server here answers: exit code 0 or 1. For probes of containers.

Triton's own health stays 200 when the process of a Python model is dead. So each model gets an empty request,
first in its queue: it costs next to nothing, and the model's own refusal proves that its process lives.
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
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the server is here: through no proxy
# Triton's sentences
BUSY = "Exceeds maximum queue size"  # whoever is that busy lives
DEAD = "is not healthy"  # the process is dead, and only a new server or a new load brings it back


def main() -> int:
    """Ask every model; say what is wrong with those that do not answer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://localhost:8000", help="Triton's HTTP address")
    parser.add_argument("--timeout", type=float, default=10.0, help="seconds for one model's answer")
    parser.add_argument("--tries", type=int, default=2, help="a model is dead that fails so often")
    parser.add_argument("--pause", type=float, default=2.0, help="seconds between two tries")
    parser.add_argument(
        "--end", type=int, metavar="PID", help="end the server, this process, for a dead model"
    )
    args = parser.parse_args()
    dead = [stage for stage in STAGES if stage.backend == "python"]
    wrong: dict[str, str] = {}
    for again in range(args.tries):
        time.sleep(args.pause if again else 0)
        wrong = {stage.name: text for stage in dead if (text := complaint(stage, args.url, args.timeout))}
        dead = [stage for stage in dead if stage.name in wrong]
    for name, text in wrong.items():
        print(f"{name}: {text}", file=sys.stderr)
    if args.end and any(DEAD in text for text in wrong.values()):
        os.kill(args.end, signal.SIGTERM)
    return 1 if wrong else 0


def complaint(stage: Stage, url: str, timeout_s: float) -> str:
    """Why the model seems dead; empty when it answers, or is too busy to."""
    way = "generate" if stage.decoupled else "infer"
    empty = [
        {"name": tensor.name, "datatype": "BYTES", "shape": [1], "data": [""]}
        for tensor in stage.inputs
        if not tensor.optional
    ]
    body = {} if stage.decoupled else {"inputs": empty, "parameters": {"priority": FIRST}}
    request = urllib.request.Request(f"{url}/v2/models/{stage.name}/{way}", json.dumps(body).encode())
    try:
        with DIRECT.open(request, timeout=timeout_s) as answer:
            return f"answered an empty request with {answer.status}"
    except HTTPError as error:
        with error:
            text = error.read(2000).decode(errors="replace")
    except (URLError, TimeoutError) as error:
        return f"no answer: {error}"
    return "" if '"bad request: ' in text or BUSY in text else text


if __name__ == "__main__":
    sys.exit(main())
