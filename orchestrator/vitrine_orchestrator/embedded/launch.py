"""The way from `vitrine serve` to the tritonserver process: a small launcher, which becomes the server."""

from __future__ import annotations

import logging
import resource
import sys
from pathlib import Path

STACK_BYTES = 576 * 2**20
"""Of each thread of the server. Triton's HTTP library copies a body of a form's content type onto the stack,
twice: with the usual 8 MiB a body of 4.2 MB ends the server. This is enough for 256 MiB; memory is taken only
as far as it is used."""
STRICT_OVERCOMMIT = "2"  # the kernel then counts a stack as used memory from the start

# Asks Linux for a SIGTERM when we (the thread that starts the server) die, sets the size of the stack, then
# becomes the server. Where SIGCHLD is ignored (some shells and containers do), a dead stub would vanish as a
# stopped one does, and the supervisor could not tell them apart.
LAUNCHER = (
    "import ctypes, os, resource, signal, sys; PR_SET_PDEATHSIG = 1; "
    "signal.signal(signal.SIGCHLD, signal.SIG_DFL); "
    "ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM); STACK = resource.RLIMIT_STACK; "
    "resource.setrlimit(STACK, (int(sys.argv[1]), resource.getrlimit(STACK)[1])); "
    "os.execv(sys.argv[2], sys.argv[2:])"
)

KEEPALIVE = ("--grpc-http2-max-ping-strikes=0", "--grpc-keepalive-permit-without-calls=1")
"""Clients may ping as often as they like, during long quiet calls and between calls. By default gRPC cuts a
client off that pings more often than every five minutes (GOAWAY, "too_many_pings")."""

logger = logging.getLogger(__name__)


def launched(server: Path, *options: str) -> list[str]:
    """The command that starts a server with these options and ends it with the thread that started it."""
    return [sys.executable, "-I", "-S", "-c", LAUNCHER, str(stack_bytes()), str(server), *options]


def stack_bytes() -> int:
    """The stack of the server's threads; a warning says so where less than STACK_BYTES is allowed."""
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
    """Whether a stack takes of a limit what it could grow to, not what is used of it."""
    if resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY:
        return True
    try:
        return Path("/proc/sys/vm/overcommit_memory").read_text().strip() == STRICT_OVERCOMMIT
    except OSError:
        return False
