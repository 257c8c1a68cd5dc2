"""Opens the connection of one HTTP request: within the request's time, and until its cancellation."""

from __future__ import annotations

import errno
import os
import selectors
import socket
import ssl
import time
from typing import Any

from vitrine.cancellation import Cancellation
from vitrine.endpoint import Endpoint

_LOOK_S = 0.05  # how often a cancellation is looked for


def open_socket(endpoint: Endpoint, deadline: float, cancellation: Cancellation) -> socket.socket:
    """Return a connection to the first of the host's addresses that answers, with TLS if the endpoint has it.

    `deadline` is a time of `time.monotonic`. Raises OSError: TimeoutError after the deadline.
    """
    host, _, port = endpoint.address.rpartition(":")
    host = host.strip("[]")
    failed = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM):
        opened = socket.socket(family, kind, protocol)
        try:
            _connect(opened, address, deadline, cancellation)
            opened.settimeout(max(deadline - time.monotonic(), 1e-3))
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if not endpoint.tls:
                return opened
            return ssl.create_default_context().wrap_socket(opened, server_hostname=host)
        except BaseException as error:
            opened.close()
            if not isinstance(error, OSError) or cancellation.cancelled:
                raise
            failed = error
    raise failed


def _connect(opened: socket.socket, address: Any, deadline: float, cancellation: Cancellation) -> None:
    opened.setblocking(False)
    if (number := opened.connect_ex(address)) not in (0, errno.EINPROGRESS):
        raise OSError(number, os.strerror(number))
    with selectors.DefaultSelector() as selector:
        selector.register(opened, selectors.EVENT_WRITE)
        while not selector.select(_LOOK_S):
            if cancellation.cancelled:
                raise ConnectionAbortedError("cancelled")
            if time.monotonic() >= deadline:
                raise TimeoutError("timed out")
    if number := opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        raise OSError(number, os.strerror(number))
