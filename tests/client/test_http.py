"""HTTP answers that are not Triton's: of proxies, of other servers, of servers that never end."""

import asyncio
import json
import socket
import threading
import time

import numpy as np
import pytest
from vitrine import (
    AsyncVitrine,
    Busy,
    Cancellation,
    Cancelled,
    Retry,
    TimedOut,
    Unavailable,
    Vitrine,
    VitrineError,
)

ONCE = Retry(tries=1)
LOGIN = b"<html>Sign in</html>"
kinds = pytest.mark.parametrize("kind", ["sync", "async"])


class Canned:
    """A server that sends the same bytes to everyone, `pause_s` seconds between them; keeps what it heard."""

    def __init__(self, answer, pause_s=0.0):
        self.answer, self.pause_s, self.heard = answer, pause_s, []
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listening.getsockname()[1]}"
        self.thread = threading.Thread(target=self.serve)

    def serve(self):
        while True:
            try:
                one, _ = self.listening.accept()
            except OSError:
                return
            with one:
                self.reply(one)

    def reply(self, one):
        try:
            self.heard.append(one.recv(65536))
            if not self.pause_s:
                one.sendall(self.answer)
                return
            for byte in self.answer:
                one.sendall(bytes([byte]))
                time.sleep(self.pause_s)
        except OSError:  # the caller has gone
            return

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()
        self.thread.join()


def answer(status, body, *headers):
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "Connection: close", "", ""]
    return "\r\n".join(lines).encode() + body


def called(kind, url, *, call=lambda vitrine: vitrine.prepare_text(description="x"), **options):
    """Call once with a client of this kind."""
    if kind == "sync":
        with Vitrine(url, retry=ONCE, **options) as vitrine:
            return call(vitrine)

    async def run():
        async with AsyncVitrine(url, retry=ONCE, **options) as vitrine:
            return await call(vitrine)

    return asyncio.run(run())


@kinds
def test_a_redirection_is_an_error_and_nobody_else_gets_the_headers(kind):
    """A client's headers, such as its key, go to its own server alone."""
    with Canned(answer("200 OK", b"{}")) as other:
        moved = answer("307 Temporary Redirect", b"", f"Location: {other.url}/x")
        with Canned(moved) as server, pytest.raises(VitrineError, match="status 307"):
            called(kind, server.url, headers={"vitrine-admin": "SECRET"})
        assert other.heard == []


@kinds
@pytest.mark.parametrize(
    ("status", "error"), [("502 Bad Gateway", Unavailable), ("429 Too Many Requests", Busy)]
)
def test_a_proxy_s_refusal_can_be_tried_again(kind, status, error):
    """These are as temporary as Triton's own 503."""
    with Canned(answer(status, LOGIN)) as server, pytest.raises(error, match="Sign in"):
        called(kind, server.url)


OUTPUT = {"name": "report", "datatype": "BYTES", "shape": [1]}


@kinds
@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (LOGIN, ()),
        (b"", ()),
        (b"[]", ()),
        (b"{}", ()),
        (json.dumps({"outputs": [OUTPUT]}).encode(), ()),
        (b"{}", ("Inference-Header-Content-Length: abc",)),
    ],
)
def test_an_answer_that_is_not_triton_s_is_an_error_that_quotes_it(kind, body, headers):
    """Whatever came with 200, the caller gets a VitrineError with its beginning."""
    with Canned(answer("200 OK", body, *headers)) as server, pytest.raises(VitrineError) as caught:
        called(kind, server.url)
    assert "not Triton's" in str(caught.value)
    assert repr(body[:20])[:-1] in str(caught.value)


@kinds
@pytest.mark.parametrize("body", [LOGIN, b"{}", b"[1]"])
def test_a_list_of_models_that_is_none_is_an_error_that_quotes_it(kind, body):
    """The same for the status of the models."""
    with Canned(answer("200 OK", body)) as server, pytest.raises(VitrineError, match="not Triton's"):
        called(kind, server.url, call=lambda vitrine: vitrine.models())


@kinds
def test_a_trickled_answer_ends_at_the_time_limit(kind):
    """The time limit is of the whole request, not of each packet."""
    started = time.monotonic()
    with Canned(answer("200 OK", b"x" * 1000), pause_s=0.1) as server, pytest.raises(TimedOut):
        called(kind, server.url, timeout_s=0.5)
    assert time.monotonic() - started < 10


def test_a_cancellation_reaches_a_call_that_still_connects():
    """A host that does not answer holds nobody who has cancelled."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        waiting = [socket.socket() for _ in range(4)]  # fill the backlog: further callers wait
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        cancellation = Cancellation()
        timer = threading.Timer(0.3, cancellation.cancel)
        timer.start()
        with Vitrine(f"http://127.0.0.1:{full.getsockname()[1]}") as vitrine, pytest.raises(Cancelled):
            vitrine.infer("slow", {"x": np.zeros(1, np.uint8)}, cancellation=cancellation, timeout_s=30)
        timer.join()
        for one in waiting:
            one.close()
