"""Addresses and headers are read, or refused, before any connection."""

import pytest
from vitrine import AsyncVitrine, BadRequest, Vitrine, call_headers
from vitrine.transport import Endpoint, read_endpoint


@pytest.mark.parametrize(
    ("url", "options", "endpoint"),
    [
        ("localhost:8001", {}, Endpoint("localhost:8001", "grpc")),
        ("localhost:8000", {"protocol": "http"}, Endpoint("localhost:8000", "http")),
        ("http://h:1/", {}, Endpoint("h:1", "http")),
        ("https://h:1", {}, Endpoint("h:1", "http", tls=True)),
        ("HTTP://my_host.org.:1", {}, Endpoint("my_host.org.:1", "http")),
        ("grpcs://[::1]:1", {"headers": {"a": "b"}}, Endpoint("[::1]:1", "grpc", True, {"a": "b"})),
    ],
)
def test_an_address_says_how_to_connect(url, options, endpoint):
    """An address gives scheme, host and port; without a scheme it is gRPC."""
    assert read_endpoint(url, **options) == endpoint


@pytest.mark.parametrize(
    ("url", "protocol", "says"),
    [
        ("localhost", None, "url must be host:port"),
        ("localhost:port", None, "url must be host:port"),
        ("ftp://h:1", None, "protocol must be grpc or http, got 'ftp'"),
        ("h:1", "rest", "protocol must be grpc or http, got 'rest'"),
        ("http://h:1", "grpc", "contradict each other"),
        ("h:65536", None, "a port of 1 to 65535"),
        ("h:0", None, "a port of 1 to 65535"),
        ("h:٨٠", None, "url must be host:port"),
        ("ho st:1", None, "url must be host:port"),
        (" h:1", None, "url must be host:port"),
        ("a..b:1", None, "url must be host:port"),
        ("a" * 64 + ".org:1", None, "url must be host:port"),
        ("::1:1", None, "url must be host:port"),
        ("[x]:1", None, "url must be host:port"),
        ("h\0:1", None, "url must be host:port"),
        (None, None, "url must be host:port"),
        (5, None, "url must be host:port"),
    ],
)
def test_a_wrong_address_is_refused(url, protocol, says):
    """A wrong address is refused before any connection."""
    with pytest.raises(BadRequest, match=says):
        Vitrine(url, protocol=protocol)


def test_an_address_with_a_password_is_refused_without_it():
    """An address has no user; a message may be logged."""
    with pytest.raises(BadRequest, match="without user and password") as caught:
        Vitrine("http://ann:secret@h:1")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("kind", [Vitrine, AsyncVitrine])
@pytest.mark.parametrize("url", ["grpc://h:1", "http://h:1"])
@pytest.mark.parametrize("value", ["secret\n", "secret\r\na: b", "secret ключ", b"secret", None])
def test_a_header_that_cannot_be_sent_is_refused_without_its_value(kind, url, value):
    """The error names the header. Its value may be a key, and is not told."""
    with pytest.raises(BadRequest, match="the header authorization must be") as caught:
        kind(url, headers={"Authorization": value})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["a b", "", "ключ", 1, "grpc-timeout", "x-bin", "Content-Length"])
def test_a_header_s_name_is_one_that_every_protocol_sends(name):
    """Other names, and those of the connection itself, are refused, for a client and for a block."""
    with pytest.raises(BadRequest, match="a header's name must be"):
        Vitrine("h:1", headers={name: "x"})
    with pytest.raises(BadRequest, match="a header's name must be"), call_headers({name: "x"}):
        pass
