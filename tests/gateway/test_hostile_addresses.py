"""More than 1,000 hostile addresses of webhooks: none is called, by whichever spelling, name or redirect."""

import ipaddress
import itertools
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from vitrine.errors import BadRequest, Unavailable
from vitrine_gateway.webhooks import guard

PUBLIC = "93.184.215.14"
PRIVATE = (
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.254", "100.64.0.1", "127.0.0.1", "127.8.9.10",
    "169.254.169.254",
    "172.16.0.1", "172.31.255.254", "192.0.0.1", "192.0.2.7", "192.88.99.1", "192.168.0.1", "192.168.255.255",
    "198.18.0.1", "198.51.100.3", "203.0.113.9", "224.0.0.1", "239.255.255.250", "240.0.0.1",
    "255.255.255.255",
)  # fmt: skip
ODD_IPV6 = (
    "::", "::1", "0:0:0:0:0:0:0:1", "fe80::1", "fe80::1%25eth0", "fe80::1%eth0", "fec0::1", "fc00::1",
    "fdff::1",
    "ff02::1", "ff0e::1", "100::1", "2001:db8::1", "3fff::1", "2001::1", "2001:10::1", "2001:20::1",
    "5f00::1",
    "64:ff9b:1::7f00:1", "fd00:ec2::254", "::ffff:0:7f00:1", "4000::1", "e000::1",
)  # fmt: skip


def spellings(address):
    """The ways in which an IPv4 address can be written as a host."""
    number = int(ipaddress.IPv4Address(address))
    parts = [int(part) for part in address.split(".")]
    high, low = number >> 16, number & 0xFFFF
    tail = f"{high:x}:{low:x}"
    return [
        address, f"{address}.", str(number), hex(number), f"0{number:o}",
        hex(number).upper().replace("X", "x"),
        ".".join(map(hex, parts)), ".".join(f"0{part:o}" for part in parts),
        ".".join(f"000{part:o}" for part in parts), f"{parts[0]}.{number & 0xFFFFFF}",
        f"{parts[0]}.{parts[1]}.{low}", f"0x{parts[0]:x}.{parts[1]}.0{parts[2]:o}.{parts[3]}",
        "".join(f"%{ord(one):02x}" for one in address), address.replace(".", "%2e"),
        address.replace(".", "。"),
        "".join(chr(ord(one) + 0xFEE0) if one.isdigit() else one for one in address),
        f"[::ffff:{address}]", f"[::ffff:{tail}]", f"[0:0:0:0:0:ffff:{tail}]", f"[::{address}]",
        f"[::{tail}]",
        f"[64:ff9b::{address}]", f"[64:ff9b::{tail}]", f"[2002:{tail}::1]", f"[2002:{tail}::]",
        f"[2001:0:{tail}::1]", f"[2001:0:5db8:d70e:0:ffff:{high ^ 0xFFFF:x}:{low ^ 0xFFFF:x}]",
        f"[2606:2800::5efe:{tail}]", f"[2606:2800::200:5efe:{tail}]",
    ]  # fmt: skip


FORMS = ("https://{}/", "https://{}:8443/hook?a=b", "HTTPS://{}/#@example.org")
"""Addresses around a host; those that hold a user are refused whatever the host is."""
HOSTS = [host for address in PRIVATE for host in spellings(address)] + [f"[{one}]" for one in ODD_IPV6]
TRICKS = [
    f"https://{before}{host}{after}"
    for host in ("127.0.0.1", "169.254.169.254", "[::1]")
    for before, after in (
        ("example.org@", "/"), ("example.org:443@", "/"), ("user:word@", "/"), ("@", "/"), (":@", "/"),
        ("", "@example.org/"), ("example.org%40", "/"), ("", ":443@example.org/"), ("example.org\\@", "/"),
        ("", "\\@example.org/"), ("example.org#@", "/"), ("", ":0/"), ("", ":22/"), ("", ":6379/"),
        ("", ":80/"), ("", ":/"), ("\t", "/"), ("\r\n", "/"), ("\0", "/"), (" ", "/"), ("", "\n/"),
        ("/", "/"),
    )
]  # fmt: skip
SCHEMES = [
    f"{scheme}{rest}"
    for scheme in (
        "file://", "file:", "FILE://", "ftp://", "gopher://", "dict://", "ldap://", "tftp://", "sftp://", "smb://",
        "jar:http://", "netdoc://", "data:", "javascript:", "vbscript:", "about:", "blob:https://", "http://",
        "ws://", "wss://", "unix:", "view-source:https://", "//", "///", "https:", "https:/", "\\\\", "url:https://",
    )
    for rest in ("/etc/passwd", "127.0.0.1/", "example.org/hook")
]  # fmt: skip
URLS = [form.format(host) for host in HOSTS for form in FORMS] + TRICKS + SCHEMES


@pytest.fixture
def no_names(monkeypatch):
    """Names have no address, except `names`; numbers are read as the system reads them."""
    names, looked = {}, socket.getaddrinfo

    def look(host, port, *rest, **named):
        if host in names:
            found = next(names[host])
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in found]
        return looked(host, port, flags=socket.AI_NUMERICHOST, type=socket.SOCK_STREAM)

    monkeypatch.setattr(guard.socket, "getaddrinfo", look)
    return names


def test_no_hostile_address_gets_through(no_names):
    """Private addresses in every spelling, odd IPv6, users, ports and schemes."""
    assert len(set(URLS)) > 1900
    got = []
    for url in URLS:
        try:
            got.append((url, guard.check_url(url)))
        except BadRequest:
            continue
    assert got == []


def test_public_addresses_get_through(no_names):
    """The same check lets public addresses pass, those behind NAT64 too: it does not refuse everything."""
    no_names["example.org"] = itertools.repeat([PUBLIC])
    for host in ("example.org", PUBLIC, "[2606:2800:21f:cb07:6820:80da:af6b:8b2c]", f"[64:ff9b::{PUBLIC}]"):
        assert guard.check_url(f"https://{host}/hook").port == 443


@pytest.mark.parametrize("turn", range(4))
def test_a_name_that_changes_its_address_is_called_where_it_was_checked(no_names, monkeypatch, turn):
    """DNS rebinding: whichever look-up is the private one, no connection goes there."""
    answers = [[PUBLIC]] * 4
    answers[turn] = [PRIVATE[turn * 5]]
    no_names["rebinding.example"] = itertools.cycle(answers)
    called = []

    def connect(address, timeout):
        called.append(address[0])
        raise OSError("no network in tests")

    monkeypatch.setattr(guard.socket, "create_connection", connect)
    for _ in range(20):
        try:
            target = guard.check_url("https://rebinding.example/")
        except BadRequest:
            continue
        with pytest.raises(Unavailable):
            guard.post(target, b"{}", {})
    assert set(called) == {PUBLIC}


def test_a_name_with_one_private_address_among_many_is_refused(no_names):
    """Wherever it stands among the answers."""
    for address in PRIVATE:
        for place in range(4):
            answer = [PUBLIC] * 4
            answer[place] = address
            no_names["mixed.example"] = iter([answer])
            with pytest.raises(BadRequest, match="not public"):
                guard.check_url("https://mixed.example/")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(status):
    """The receiver that redirects into the private network is called, what it names is not."""
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(self.path)
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/secret")
            self.end_headers()

        do_GET = do_POST

        def log_message(self, *_):
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        target = guard.check_url(f"http://127.0.0.1:{server.server_port}/hook", private=("127.0.0.1",))
        assert guard.post(target, b"{}", {}) == status
        assert got == ["/hook"]
    finally:
        server.shutdown()
        server.server_close()


async def test_no_route_takes_a_hostile_address(shop, monkeypatch):
    """Such webhooks are refused, and pictures by address, by every contract; nothing is kept."""
    monkeypatch.setattr(guard.socket, "getaddrinfo", lambda *_, **__: [])
    for url in TRICKS[::9] + SCHEMES[::9]:
        body = {"pipeline": "text_to_image", "inputs": {"prompt": "x"}, "webhook": url}
        assert (await shop.post("/v1/jobs", json=body)).status_code in (400, 422), url
        picture = {"inputs": {"person": url, "garment": url}}
        assert (await shop.post("/v1/jobs", json=picture)).status_code in (400, 415), url
        fashn = {"model_name": "tryon-v1.6", "inputs": {"model_image": url, "garment_image": url}}
        assert (await shop.post("/v1/run", json=fashn)).status_code == 400, url
    assert (await shop.get("/v1/jobs")).json()["data"] == []
