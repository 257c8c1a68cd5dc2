"""`vitrine serve`: runs Triton on this machine until Ctrl-C."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from tqdm import tqdm
from vitrine.errors import BadRequest

from vitrine_orchestrator.configs import PROFILES
from vitrine_orchestrator.embedded.budget import server_of
from vitrine_orchestrator.embedded.options import add_named, options_of
from vitrine_orchestrator.embedded.ports import HIGHEST, USUAL, Ports
from vitrine_orchestrator.embedded.server import SOURCE, EmbeddedTriton
from vitrine_orchestrator.embedded.supervisor import Supervisor
from vitrine_orchestrator.embedded.watching import CHECK_S
from vitrine_orchestrator.residency.amounts import check_budget
from vitrine_orchestrator.settings import Settings

HELP = "start Triton on this machine and keep it until Ctrl-C"
EXAMPLES = """\
examples:
  vitrine serve                                          on the usual ports, until Ctrl-C
  vitrine serve --trace trace.json                       with a trace of every request
  vitrine serve --memory 24GiB                           pipelines that do not fit together take turns
  vitrine serve --keepalive 30                           for routers that drop quiet connections
  vitrine serve -- --log-format=ISO8601 --log-info=false any option of tritonserver after --

Options that vitrine serve sets itself (repository, ports, backends, model control, ...) are refused after --
by name. Limits of pictures, caches and more are environment variables: VITRINE_MAX_PIXELS=20000000
VITRINE_MAX_PICTURE_BYTES=5000000 vitrine serve."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to `parser`."""
    parser.add_argument(
        "--repository", type=Path, default=SOURCE / "model_repository", help="model repository to serve"
    )
    parser.add_argument("--profile", choices=PROFILES, default="cpu", help="which configs to use")
    for name in ("http", "grpc", "metrics"):
        usual = getattr(USUAL, name)
        meaning = f"{name} port (default {usual}; another free one if it is taken)"
        parser.add_argument(f"--{name}-port", type=_port, default=usual, help=meaning)
    parser.add_argument(
        "--memory",
        type=_amount,
        metavar="BYTES",
        help="memory budget, such as 24GiB: models that do not fit are loaded and unloaded by need",
    )
    parser.add_argument("--log", type=Path, help="file for Triton's own log (default: none is kept)")
    add_named(parser)


def run(args: argparse.Namespace) -> int:
    """Serve until a signal, stop cleanly and return 0. Raises Unavailable if Triton cannot start."""
    for name in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(name) is not signal.SIG_IGN:  # nohup has a hangup ignored
            signal.signal(name, signal.default_int_handler)
    settings, options = Settings.from_environment(os.environ), options_of(args)
    try:
        with LoadingBar() as bar:
            triton = server_of(
                args.memory or settings.memory,
                args.repository,
                ports=Ports(args.http_port, args.grpc_port, args.metrics_port),
                profile=args.profile,
                wheel=settings.triton_dir,
                log=args.log,
                options=options,
                progress=bar,
            )
            triton.start()
        _serve(triton)
    except KeyboardInterrupt:
        print("Triton is stopped.", file=sys.stderr)
    return 0


def _serve(triton: EmbeddedTriton) -> None:
    """Print the addresses and supervise the server until a signal."""
    try:
        print(f"Triton is ready with {len(triton.models)} models. Ctrl-C stops it.")
        print(f"  gRPC     {triton.grpc}")
        print(f"  HTTP     http://{triton.http}")
        print(f"  metrics  http://{triton.metrics}/metrics", flush=True)
        supervisor = Supervisor(triton, report=_say)
        while True:
            time.sleep(CHECK_S)
            supervisor.check()
    finally:
        triton.stop()


def _say(text: str) -> None:
    """Print a sentence of the supervisor, which goes on when nobody reads it any more."""
    with suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > HIGHEST:
        raise argparse.ArgumentTypeError(f"must be a port from 1 to {HIGHEST}, or 0 for any, got {text!r}")
    return int(text)


def _amount(text: str) -> str:
    try:
        check_budget(text)
    except BadRequest as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


class LoadingBar:
    """A progress bar of the models that are loaded."""

    def __init__(self) -> None:
        self._bar = tqdm(desc="starting Triton", unit="model", file=sys.stderr, leave=False)

    def __enter__(self) -> LoadingBar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def __call__(self, model: str, loaded: int, total: int) -> None:
        """Advance the bar to `loaded` models; `model` is the last one."""
        self._bar.total = total
        self._bar.set_description(f"loaded {model}")
        self._bar.update(loaded - self._bar.n)
