"""Addresses of object stores: which are refused, how others are read, and what a prefix means."""

import numpy as np
import pytest
from vitrine import BadRequest, FakeTransport, Shelf, Unavailable, Vitrine, open_store
from vitrine.results import Results
from vitrine.s3 import Place, checked_endpoint, completed, environment_endpoint, place_of

KEYS = {"access_key_id": "test", "secret_access_key": "test", "region": "us-east-1"}
PICTURE = np.full((20, 16, 3), 200, np.uint8)
NO_ADDRESSES = (
    "minio:9000",
    "127.0.0.1:9",
    "http://",
    "//minio:9000",
    "ftp://minio",
    "http://exa mple",
    "http://minio:99999",
    "http://minio:port",
    "http://minio:9000?x=1",
    "http://user:word@minio:9000",
    "http://[::1",
)


@pytest.mark.parametrize("endpoint", NO_ADDRESSES)
def test_an_address_without_its_form_is_refused_in_one_sentence(endpoint):
    """The message gives the expected form and no password."""
    with pytest.raises(BadRequest, match="must be http://host:port or https://host:port") as told:
        checked_endpoint(endpoint)
    assert "word" not in str(told.value)


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("http://minio:9000", "http://minio:9000"),
        ("HTTP://minio:9000/", "http://minio:9000"),
        ("https://store.example/s3/", "https://store.example/s3"),
        ("http://[::1]:9000", "http://[::1]:9000"),
        ("http://10.0.0.1", "http://10.0.0.1"),
    ],
)
def test_addresses_are_taken(given, taken):
    """Addresses with a path, a port, a last slash or an IPv6 host are accepted."""
    assert checked_endpoint(given) == taken


@pytest.mark.parametrize("endpoint", NO_ADDRESSES)
def test_a_picture_is_returned_although_the_store_has_no_address(endpoint):
    """Results report the fault and return the picture."""
    shelf = Shelf(open_store("s3://b", endpoint=endpoint, **KEYS))
    kept = Results(Vitrine(transport=FakeTransport()), shelf).try_on(
        user="ada", person=PICTURE, garment=PICTURE, seed=1
    )
    assert kept.encoded
    assert "must be http://" in str(kept.trouble)


def test_a_panic_of_the_library_is_unavailable():
    """A panic of obstore is no Exception; the shelf raises Unavailable instead."""

    class PanicException(BaseException):
        """A panic under the name that pyo3 gives it."""

    class Panics:
        def get(self, path):
            raise PanicException("request valid")

    with pytest.raises(Unavailable, match="request valid"):
        Shelf(Panics()).find(user="ada", key="0" * 64)


@pytest.mark.parametrize(
    ("variables", "endpoint"),
    [
        ({"AWS_ENDPOINT_URL": "http://a:1"}, "http://a:1"),
        ({"AWS_ENDPOINT_URL": "http://a:1", "AWS_ENDPOINT_URL_S3": "http://b:2/"}, "http://b:2"),
        ({"AWS_ENDPOINT_URL": "http://a:1", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, None),
        ({"AWS_ENDPOINT_URL": ""}, None),
    ],
)
def test_boto3s_variables_name_the_address(variables, endpoint):
    """The variable of S3 goes before the general one, and neither counts where they are to be ignored."""
    assert environment_endpoint(variables) == endpoint


PROFILE = """
[default]
region = eu-west-3
endpoint_url = http://general:1
[profile services]
services = mine
region = eu-west-3
[services mine]
s3 =
  endpoint_url = http://service:2
"""


@pytest.mark.parametrize(
    ("variables", "endpoint", "region"),
    [
        ({}, "http://general:1", "eu-west-3"),
        ({"AWS_PROFILE": "services"}, "http://service:2", "eu-west-3"),
        ({"AWS_ENDPOINT_URL": "http://a:1", "AWS_PROFILE": "services"}, "http://a:1", "eu-west-3"),
        ({"AWS_DEFAULT_REGION": "ap-east-1"}, "http://general:1", "ap-east-1"),
        ({"AWS_REGION": "ap-east-2"}, "http://general:1", "ap-east-2"),
        (
            {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
            "https://s3.eu-west-3.amazonaws.com",
            "eu-west-3",
        ),
    ],
)
def test_address_and_region_come_as_boto3_finds_them(monkeypatch, tmp_path, variables, endpoint, region):
    """The environment goes first, then the profile's services, then the profile."""
    (tmp_path / "config").write_text(PROFILE)
    for name in (
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_PROFILE",
    ):
        monkeypatch.delenv(name, raising=False)
    for name, text in {"AWS_CONFIG_FILE": str(tmp_path / "config"), **variables}.items():
        monkeypatch.setenv(name, text)
    found = completed(Place("b", keys=("k", "s")))
    assert (found.endpoint, found.region) == (endpoint, region)


def test_arguments_override_the_environment(monkeypatch, bucket):
    """A given address wins over AWS_ENDPOINT_URL_S3, which obstore would read first."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of somebody else")
    name, client, _ = bucket
    shelf = Shelf(open_store(f"s3://{name}", endpoint=client.meta.endpoint_url, **KEYS))
    assert shelf.entries(user="ada") == []


@pytest.mark.parametrize(
    ("url", "prefix"),
    [("s3://b", ""), ("s3://b/", ""), ("s3://b/a/", "a"), ("s3://b/pre fix%20/#x?y", "pre fix%20/#x?y")],
)
def test_a_prefix_is_read_literally(url, prefix):
    """A prefix is read literally, as by the AWS command line."""
    assert place_of(url).prefix == prefix


@pytest.mark.parametrize("url", ["s3://b//x", "s3://b/a//x", "s3://b/../x", "s3://b/./x", "s3://b/a\nb"])
def test_a_prefix_that_no_path_can_have_is_refused(url):
    """The error gives the reason."""
    with pytest.raises(BadRequest, match="must be a plain path"):
        place_of(url)


def test_odd_keys_do_not_stop_a_list(bucket):
    """A listing skips keys that cannot be results."""
    name, client, shelf = bucket
    shelf.keep(user="ada", key="0" * 64, encoded=b"picture", story={})
    for key in ("vto/ada//x.png", "vto/ada/./x.png", "vto/ada/"):
        client.put_object(Bucket=name, Key=key, Body=b"odd")
    assert [entry.key for entry in shelf.entries(user="ada")] == ["0" * 64]
    assert shelf.purge(user="ada") == 1
