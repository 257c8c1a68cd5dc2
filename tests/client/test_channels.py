"""The client chooses when a call uses a proxy, and its errors name that proxy."""

import asyncio

import pytest
from vitrine import AsyncVitrine, Retry, Unavailable, Vitrine, VitrineError
from vitrine.channels import channel_options, directly_here, grpc_proxy, is_here

PROXY = "http://user:secret@127.0.0.1:9"
ELSEWHERE = "192.0.2.1:8001"  # of no machine


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST",
        "127.0.0.1",
        "127.8.9.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
        "a.localhost",
    ],
)
def test_addresses_of_this_machine(host):
    """Calls to this machine never use a proxy."""
    assert is_here(f"{host}:8001")
    assert ("grpc.enable_http_proxy", 0) in channel_options(f"{host}:8001")
    assert grpc_proxy(f"{host}:8001", {"http_proxy": PROXY}) is None


@pytest.mark.parametrize("host", ["example.org", "10.0.0.1", "localhost.example.org", "[2001:db8::1]"])
def test_addresses_of_others(host):
    """For other machines gRPC reads the proxy from the environment."""
    assert not is_here(f"{host}:8001")
    assert "grpc.enable_http_proxy" not in dict(channel_options(f"{host}:8001"))


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({"http_proxy": PROXY}, "http_proxy"),
        ({"http_proxy": PROXY, "https_proxy": PROXY}, "https_proxy"),
        ({"http_proxy": PROXY, "https_proxy": PROXY, "grpc_proxy": PROXY}, "grpc_proxy"),
        ({"HTTP_PROXY": PROXY}, None),
        ({"http_proxy": PROXY, "no_proxy": "example.com, .example.org"}, None),
        ({"http_proxy": PROXY, "no_proxy": "example.com"}, "http_proxy"),
        ({"http_proxy": PROXY, "no_proxy": "a.example.org", "no_grpc_proxy": "other"}, "http_proxy"),
    ],
)
def test_grpc_takes_the_first_of_its_variables(environment, name):
    """Only the lowercase variables count, and hosts in no_grpc_proxy or no_proxy are called directly."""
    said = grpc_proxy("a.example.org:8001", environment)
    assert said == (name and f"the proxy http://127.0.0.1:9 that {name} names")


def test_a_network_may_be_called_directly():
    """An entry of no_proxy can be a range of addresses."""
    assert grpc_proxy("10.1.2.3:8001", {"http_proxy": PROXY, "no_proxy": "10.0.0.0/8"}) is None


@pytest.mark.parametrize(
    "proxy",
    ["http://[bad", "ann:secret@proxy:3128", "socks5://proxy:1", "https://proxy:1", "http://", "proxy"],
)
def test_an_address_that_grpc_cannot_use_is_no_proxy(proxy):
    """gRPC then calls directly, so no error blames the proxy, or tells what is in its address."""
    assert grpc_proxy(ELSEWHERE, {"http_proxy": proxy}) is None


def test_a_proxy_is_named_by_its_place_alone():
    """Neither user and password nor what follows the place is told."""
    told = grpc_proxy(ELSEWHERE, {"http_proxy": "http://ann:s%40cret@proxy:3128/path?key=secret"})
    assert told == "the proxy http://proxy:3128 that http_proxy names"


def test_a_program_is_kept_from_proxies_to_this_machine():
    """This machine is added to the program's no_proxy, whose other entries stay."""
    made = directly_here({"no_proxy": "example.org", "http_proxy": PROXY})
    assert made["no_proxy"] == "example.org,localhost,127.0.0.1,::1"
    assert made["NO_PROXY"] == "localhost,127.0.0.1,::1"
    assert made["http_proxy"] == PROXY


def test_an_error_names_the_proxy_but_no_password(monkeypatch):
    """When the proxy does not answer, both clients name it without its password."""
    for name in ("grpc_proxy", "https_proxy", "no_grpc_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", PROXY)

    async def ask():
        async with AsyncVitrine(ELSEWHERE, timeout_s=10, retry=Retry(tries=1)) as vitrine:
            await vitrine.prepare_text(description="a shirt")

    with pytest.raises(VitrineError) as waited:
        asyncio.run(ask())
    with (
        Vitrine(ELSEWHERE, timeout_s=10, retry=Retry(tries=1)) as vitrine,
        pytest.raises(Unavailable) as called,
    ):
        vitrine.prepare_text(description="a shirt")
    for caught in (waited, called):
        assert "through the proxy http://127.0.0.1:9 that http_proxy names" in str(caught.value)
        assert "no_proxy" in str(caught.value)
        assert "secret" not in str(caught.value)
