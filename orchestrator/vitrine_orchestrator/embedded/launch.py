"""Starts tritonserver through a small launcher, which sets limits and then becomes the server."""

from __future__ import annotations

import logging
import os
import resource
import signal
import sys
from pathlib import Path

STACK_BYTES = 576 * 2**20
"""Stack of each server thread. Triton's HTTP library copies a body with a form's content type onto the
stack, twice: with the default of 8 MiB a body of 4.2 MB crashes the server. This is enough for bodies of
256 MiB; only the used part takes memory."""
STRICT_OVERCOMMIT = "2"  # the kernel then counts the whole stack as used memory from the start

OPEN_FILES = 65_536
"""Files that the server and its models may open, where the hard limit allows it: each connection is one, and
below some 200 models cannot be loaded."""
FEW_FILES = 256

# Has Linux send a SIGTERM when the thread that starts the server ends, sets both limits, and becomes the
# server. SIGCHLD is set to its default: where it is ignored (by some shells and containers), a dead stub
# disappears like a stopped one, and the supervisor cannot distinguish them.
LAUNCHER = (
    "import ctypes, os, resource, signal, sys; PR_SET_PDEATHSIG = 1; "
    "signal.signal(signal.SIGCHLD, signal.SIG_DFL); "
    "ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM); "
    "STACK, FILES = resource.RLIMIT_STACK, resource.RLIMIT_NOFILE; "
    "resource.setrlimit(STACK, (int(sys.argv[1]), resource.getrlimit(STACK)[1])); "
    "resource.setrlimit(FILES, (int(sys.argv[2]), resource.getrlimit(FILES)[1])); "
    "os.execv(sys.argv[3], sys.argv[3:])"
)

KEEPALIVE = ("--grpc-http2-max-ping-strikes=0", "--grpc-keepalive-permit-without-calls=1")
"""Clients may ping at any rate, during long calls and between calls. By default gRPC disconnects a client
that pings more often than every five minutes (GOAWAY, "too_many_pings")."""

logger = logging.getLogger(__name__)


def launch_command(server: Path, *options: str) -> list[str]:
    """The command that starts a server with these options; it ends when the starting thread ends."""
    limits = [str(stack_bytes()), str(open_files())]
    return [sys.executable, "-I", "-S", "-c", LAUNCHER, *limits, str(server), *options]


def open_files() -> int:
    """How many files the server may open: OPEN_FILES, or what is allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if allowed < FEW_FILES:
        logger.warning("the server may open %d files only (ulimit -H -n): models may not load", allowed)
    return soft if soft == resource.RLIM_INFINITY else max(soft, allowed)


def stack_bytes() -> int:
    """The stack size of the server's threads in bytes; logs a warning if less than STACK_BYTES is allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
    usual = 8 * 2**20 if soft == resource.RLIM_INFINITY else soft
    allowed = STACK_BYTES if hard == resource.RLIM_INFINITY else min(STACK_BYTES, hard)
    if _counts_whole_stacks():
        allowed = min(allowed, usual)
    if allowed < STACK_BYTES:
        logger.warning(
            "the stack of the server's threads is limited to %d MiB (wanted: %d MiB): an HTTP body of more "
            "than %d MiB whose content type is application/x-www-form-urlencoded ends the server. Callers "
            "must say Content-Type: application/octet-stream; or raise the hard limit (ulimit -H -s %d)",
            allowed // 2**20,
            STACK_BYTES // 2**20,
            allowed // 2**21,
            STACK_BYTES // 2**10,
        )
    return allowed


def _counts_whole_stacks() -> bool:
    """Whether the full size of a stack, not its used part, counts against a memory limit."""
    if resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY:
        return True
    try:
        return Path("/proc/sys/vm/overcommit_memory").read_text(encoding="utf-8").strip() == STRICT_OVERCOMMIT
    except OSError:
        return False


def kill_group(group: int) -> None:
    """Kill the processes that are left of the server's group."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return
