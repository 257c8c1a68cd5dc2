"""Pictures by their addresses: whole, from where it is allowed, in time; and hosts that answer slowly."""

import asyncio
import base64
import socket
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from vitrine.errors import BadRequest, Unavailable
from vitrine_gateway.errors import TooLarge
from vitrine_gateway.pictures import fetching
from vitrine_gateway.pictures.fetching import PictureFetcher
from vitrine_gateway.webhooks import guard

LIMIT = 100_000


class Host(BaseHTTPRequestHandler):
    """A host of pictures, some of which never come."""

    picture = b""

    def do_GET(self):
        name = self.path.partition("?")[0]
        if name == "/moved":
            self.redirected("/picture.png")
        elif name == "/moved/there":
            self.redirected("http://169.254.169.254/latest/meta-data/")
        elif name == "/round":
            self.redirected("/round")
        elif name == "/moved/nowhere":
            self.redirected("https://[")
        elif name == "/none":
            self.send_error(404)
        elif name == "/slow-headers":
            self.trickle(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000)
        elif name == "/slow":
            self.begin(500)
            self.trickle(b"." * 500)
        elif name == "/cut":
            self.begin(500)
            self.wfile.write(b"." * 100)
        elif name == "/large":
            self.begin(None)
            self.wfile.write(b"." * (LIMIT + 1))
        else:
            self.begin(len(self.picture))
            self.wfile.write(self.picture)

    do_POST = do_GET

    def begin(self, length):
        self.send_response(200)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def redirected(self, where):
        self.send_response(302)
        self.send_header("Location", where)
        self.end_headers()

    def trickle(self, content):
        for byte in content:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            time.sleep(0.05)

    def log_message(self, *args):
        """Log nothing."""


@contextmanager
def hosted(picture):
    """Serve a picture; yields the address of the server."""
    handler = type("Handler", (Host,), {"picture": picture})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.handle_error = lambda *_: None  # callers leave
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def fetched(url, private=("127.0.0.1",), allowed=True):
    """Fetch one picture."""
    return asyncio.run(PictureFetcher(LIMIT, allowed, private).picture(url, "model_image"))


def test_a_picture_is_fetched_also_after_redirects(person):
    """The whole bytes; base64 is read as ever."""
    with hosted(person) as host:
        assert fetched(f"{host}/picture.png?size=2") == person
        assert fetched(f"{host}/moved") == person
    assert fetched(base64.b64encode(person).decode()) == person


@pytest.mark.parametrize(
    ("path", "error", "says"),
    [
        ("/moved/there", BadRequest, "model_image must be an https address"),
        ("/moved/nowhere", BadRequest, "redirected to none"),
        ("/round", BadRequest, "redirects more than 3 times"),
        ("/none", BadRequest, "answered 404"),
        ("/slow", Unavailable, "no whole answer within 1 s"),
        ("/slow-headers", Unavailable, "no whole answer within 1 s"),
        ("/cut", Unavailable, "IncompleteRead"),
        ("/large", TooLarge, "model_image must have at most 100,000 bytes"),
    ],
)
def test_what_is_no_whole_picture_is_refused(monkeypatch, path, error, says):
    """Redirects into other networks, errors, slow hosts, half a picture, too much: each is told, and ends."""
    monkeypatch.setattr(fetching, "WITHIN_S", 1.0)
    with hosted(b"") as host, pytest.raises(error, match=says):
        fetched(host + path)


def test_redirects_share_the_time_of_a_picture(monkeypatch):
    """A host that redirects does not begin it anew."""
    given = []

    def redirected(target, most, within_s):
        given.append(within_s)
        return guard.Answer(302, "/round", b"")

    monkeypatch.setattr(fetching, "get", redirected)
    clock = SimpleNamespace(monotonic=lambda: 1000.0 + 7.0 * len(given))
    monkeypatch.setattr(fetching, "time", clock)
    with pytest.raises(Unavailable, match="model_image: no whole answer within 20 s"):
        fetched("http://127.0.0.1/round")
    assert given == [20.0, 13.0, 6.0]


def test_a_handshake_that_ends_too_late_is_followed_by_no_request(monkeypatch):
    """It has no more time than the whole call, and the connection that it made is not used."""
    over, timeouts = threading.Event(), []
    shut = guard._Pinned.shut

    def ended(connection):
        shut(connection)
        over.set()

    class Slow:
        def wrap_socket(self, sock, server_hostname):
            timeouts.append(sock.gettimeout())
            assert over.wait(30)
            return sock

    monkeypatch.setattr(guard._Pinned, "shut", ended)
    monkeypatch.setattr(guard.ssl, "create_default_context", Slow)
    with socket.create_server(("127.0.0.1", 0)) as host:
        target = guard.Target("localhost", host.getsockname()[1], "127.0.0.1", "/", tls=True)
        with pytest.raises(Unavailable, match=r"no whole answer within 0\.2 s"):
            guard.get(target, LIMIT, within_s=0.2)
        called, _ = host.accept()
        with called:
            assert called.recv(100) == b""
    assert timeouts[0] <= 0.2


@pytest.mark.parametrize("path", ["/slow", "/slow-headers"])
def test_a_receiver_of_webhooks_cannot_hold_its_sender(path):
    """An answer that trickles in is given up in time."""
    with hosted(b"") as host:
        target = guard.check_url(f"{host}{path}", ["127.0.0.1"])
        with pytest.raises(Unavailable, match="no whole answer within 1 s"):
            guard.post(target, b"{}", {}, within_s=1.0)


def test_private_hosts_are_not_asked(person):
    """Without the setting this machine is not called; with fetching switched off nothing is."""
    with hosted(person) as host:
        with pytest.raises(BadRequest, match="model_image must be an https address"):
            fetched(f"{host}/picture.png", private=())
        with pytest.raises(BadRequest, match="addresses are not fetched"):
            fetched(f"{host}/picture.png", allowed=False)
    with pytest.raises(BadRequest, match="not public"):
        fetched("https://localhost/picture.png", private=())


async def test_fashns_pictures_by_address(start, person, garment):
    """A try-on of two addresses, as FASHN's clients send them; one that is not there is their error."""
    with hosted(person) as host:
        async with start(picture_hosts=("127.0.0.1",)) as gateway:
            shop = await gateway.account()
            inputs = {"model_image": f"{host}/me.png", "garment_image": f"{host}/coat.png"}
            run = (await shop.post("/v1/run", json={"model_name": "tryon-v1.6", "inputs": inputs})).json()
            job = (await shop.get(f"/v1/jobs/{run['id']}", headers={"Prefer": "wait=30"})).json()
            assert job["status"] == "succeeded"
            inputs["garment_image"] = f"{host}/none"
            answer = await shop.post("/v1/run", json={"model_name": "tryon-v1.6", "inputs": inputs})
            assert (answer.status_code, answer.json()["error"]) == (400, "BadRequest")
            assert "garment_image: 127.0.0.1 answered 404" in answer.json()["message"]
