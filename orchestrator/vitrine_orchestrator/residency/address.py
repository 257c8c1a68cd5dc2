"""Where the owner of a server's memory is found by the server's processes."""

from __future__ import annotations

AGAIN_S = 0.1  # pause before connecting again


def socket_name(server: int) -> str:
    """The owner's address among Linux's abstract sockets; `server` is the process id of tritonserver."""
    return f"\0vitrine-residency-{server}"
