"""`vitrine up`: Triton and the gateway together on this machine, until Ctrl-C."""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from vitrine.errors import Unavailable

from vitrine_gateway import command
from vitrine_gateway.settings import Settings

HELP = "start Triton and the gateway on this machine and keep them until Ctrl-C"
EXAMPLES = """\
examples:
  vitrine gateway key --account me --credits 100    make a key first
  vitrine up                                        then http://127.0.0.1:8080
  vitrine up -- --profile cuda                      options of `vitrine serve` after --"""
START_S = 600.0  # longest time until Triton's models are loaded
STOP_S = 60.0
NICE = 15
"""How far Triton's priority is below the gateway's, whose many brief answers must not wait for networks that
take every core."""
# Has Linux send a SIGTERM when this process is killed, then becomes `vitrine serve`.
_LAUNCHER = (
    "import ctypes, os, signal, sys; PR_SET_PDEATHSIG = 1; "
    "ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM); "
    "os.execv(sys.executable, [sys.executable, '-m', 'vitrine', 'serve', *sys.argv[1:]])"
)
_ADDRESSES = {  # of a setting: the line that tells it; the last one ends the start
    "triton": re.compile(r"gRPC\s+(\S+:\d+)"),
    "triton_metrics": re.compile(r"metrics\s+(http://\S+)"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to `parser`."""
    parser.add_argument("serve_options", nargs="*", metavar="-- OPTION", help="options of `vitrine serve`")


def run(args: argparse.Namespace) -> int:
    """Start both, serve until a signal, and stop both. Raises Unavailable if Triton does not start."""
    settings = Settings.from_environment(os.environ)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # a closed terminal; nohup has it ignored
        signal.signal(signal.SIGHUP, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    with triton(args.serve_options) as addresses:
        command.serve(settings.model_copy(update=addresses))
    return 0


@contextmanager
def triton(options: list[str]) -> Iterator[dict[str, str]]:
    """Run `vitrine serve` as a process of its own; give its addresses, by the settings that name them."""
    server = subprocess.Popen(
        [sys.executable, "-c", _LAUNCHER, *options],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C reaches the gateway first, which then stops the server
    )
    os.setpriority(os.PRIO_PROCESS, server.pid, NICE)  # its own processes inherit it
    output = _Output(server)
    try:
        yield output.addresses()
    finally:
        server.terminate()  # SIGINT is ignored where the command runs in a shell's background
        try:
            server.wait(STOP_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        output.close()


class _Output:
    """Passes on what the server prints, and finds its addresses in it."""

    def __init__(self, server: subprocess.Popen[str]) -> None:
        self._server, self._ready = server, threading.Event()
        self._addresses: dict[str, str] = {}
        self._thread = threading.Thread(target=self._read, daemon=True, name="output of vitrine serve")
        self._thread.start()

    def addresses(self) -> dict[str, str]:
        """Return the addresses when the server is ready. Raises Unavailable if it does not start."""
        self._ready.wait(START_S)
        if "triton" not in self._addresses:
            raise Unavailable("Triton did not start: see the lines above")
        return dict(self._addresses)

    def close(self) -> None:
        """Wait for the last line of a server that has ended."""
        self._thread.join(STOP_S)

    def _read(self) -> None:
        assert self._server.stdout, "it is a pipe"
        with self._server.stdout as lines:
            for line in lines:
                print(line, end="", flush=True)
                for name, form in _ADDRESSES.items():
                    if name not in self._addresses and (found := form.search(line)):
                        self._addresses[name] = found[1]
                if len(self._addresses) == len(_ADDRESSES):
                    self._ready.set()
        self._ready.set()  # the server has ended
