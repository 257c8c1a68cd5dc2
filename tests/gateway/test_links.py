"""Links and redirects can be followed by the caller: behind proxies, and from commands without HTTP."""

import base64
import socket
import threading
import time
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx2
import pytest
import structlog
import uvicorn
from gateway_in_process import SlowFake
from vitrine import AsyncVitrine
from vitrine_gateway import command, serving
from vitrine_gateway.app import create_app
from vitrine_gateway.errors import BadSettings
from vitrine_gateway.settings import Settings

ENDS_S = 20  # longest time in which a server must have ended
WANTED = {"pipeline": "text_to_image", "inputs": {"prompt": "x"}}
PROXIED = {"Host": "shop.example", "X-Forwarded-Proto": "https"}


@contextmanager
def as_the_command_serves(tmp_path, **values):
    """A real server with the command's options: its address."""
    settings = Settings.of(data=tmp_path / "data", port=0, **values)
    app = create_app(settings, lambda _: AsyncVitrine(transport=SlowFake()))
    server = uvicorn.Server(serving.server_config(app, settings))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the gateway has not started"
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(ENDS_S)
        assert not thread.is_alive(), "the gateway has not ended"


@pytest.mark.parametrize(
    ("values", "base"),
    [
        ({}, "https://shop.example"),
        ({"trusted_proxies": "10.0.0.0/8"}, "http://shop.example"),
        ({"trusted_proxies": "*"}, "https://shop.example"),
        (
            {"trusted_proxies": "", "public_url": "https://pictures.example/shop/"},
            "https://pictures.example/shop",
        ),
    ],
)
def test_links_have_the_address_that_callers_use(tmp_path, shop_key, values, base):
    """The public one, else the request's, whose scheme counts from trusted proxies; redirects name none."""
    headers = {"Authorization": f"Bearer {shop_key}", **PROXIED}
    with (
        as_the_command_serves(tmp_path, **values) as address,
        httpx2.Client(base_url=address, headers=headers) as http,
    ):
        answer = http.post("/v1/jobs", json=WANTED)
        assert answer.headers["location"] == answer.json()["urls"]["self"]
        assert answer.json()["urls"]["self"].startswith(f"{base}/v1/jobs/")
        slash = http.get("/v1/jobs/?limit=1")
        assert (slash.status_code, slash.headers["location"]) == (307, "/v1/jobs?limit=1")


async def test_links_of_mcp_have_the_public_address(start, person):
    """A tool's links over HTTP, as those of REST."""
    async with start(public_url="https://shop.example") as gateway:
        shop = await gateway.account()
        arguments = {"image": base64.b64encode(person).decode(), "prompt": "a hat", "wait_s": 20}
        call = {"name": "generate_ad_image", "arguments": arguments}
        answer = await shop.post(
            "/mcp",
            json={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call},
            headers={"Accept": "application/json, text/event-stream"},
        )
        assert "https://shop.example/v1/files/" in answer.text
        assert "http://gateway" not in answer.text


def test_an_idle_connection_outlives_a_proxys_and_does_not_delay_the_end(tmp_path):
    """Proxies keep theirs for 60 s; the server ends although one is open."""
    assert serving.server_config(None, Settings.of()).timeout_keep_alive > 60
    with as_the_command_serves(tmp_path) as address:
        parts = urlsplit(address)
        idle = socket.create_connection((parts.hostname, parts.port))
        idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle.recv(100).startswith(b"HTTP/1.1 200")
    idle.close()


@pytest.mark.parametrize(
    ("values", "base"),
    [
        ({"host": "::1"}, "http://[::1]:8080"),
        ({"host": "::"}, "http://[::1]:8080"),
        ({"host": "0.0.0.0", "port": 9000}, "http://127.0.0.1:9000"),
        ({"host": "shop.local"}, "http://shop.local:8080"),
        ({"host": "0.0.0.0", "public_url": "https://shop.example/x/"}, "https://shop.example/x"),
    ],
)
def test_links_of_commands_have_an_address_that_can_be_called(values, base):
    """IPv6 in brackets, and loopback where the gateway listens on every address."""
    assert Settings.of(**values).base_url == base


def test_a_guessed_address_is_told():
    """A command whose links name loopback although it listens on every address asks for the public one."""
    with structlog.testing.capture_logs() as logs:
        command._warn_of_guessed_links(Settings.of(host="127.0.0.1"))
        command._warn_of_guessed_links(Settings.of(host="0.0.0.0", public_url="https://shop.example"))
        assert logs == []
        command._warn_of_guessed_links(Settings.of(host="0.0.0.0"))
    assert "GATEWAY_PUBLIC_URL" in logs[0]["event"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PUBLIC_URL", "shop.example"),
        ("PUBLIC_URL", "shop.example:8443/"),
        ("PUBLIC_URL", "https://shop.example:99999"),
        ("PUBLIC_URL", "https://ada:secret@shop.example"),
        ("TRUSTED_PROXIES", "proxy"),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
        ("REDIS", "localhost"),
        ("REDIS", "127.0.0.1:6379"),
        ("REDIS", "http://:secret@127.0.0.1:6379"),
        ("REDIS", "redis://:secret@127.0.0.1:99999"),
        ("REDIS", "redis://:secret/@127.0.0.1:6379"),
        ("REDIS", "redis://:secret#@127.0.0.1:6379"),
        ("REDIS", "redis://127.0.0.1:6379/three"),
    ],
)
def test_an_address_that_cannot_be_used_stops_the_start(name, value):
    """One line that names the setting and the form, and no password of a Redis."""
    with pytest.raises(BadSettings, match=f"^GATEWAY_{name}: must be ") as refused:
        Settings.from_environment({f"GATEWAY_{name}": value})
    assert name != "REDIS" or "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["redis://h", "rediss://u:p%2F@h:1/3", "redis://[::1]:6379/", "unix:///run/redis", ""]
)
def test_addresses_of_redis(url):
    """Those that Redis' client knows."""
    assert Settings.of(redis=url).redis == url
