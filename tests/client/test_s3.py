"""Addresses of object stores: which are refused, how others are read, and what a prefix means."""

import os

import numpy as np
import pytest
from odd_store import answering
from vitrine import BadRequest, FakeTransport, Shelf, Unavailable, Vitrine, open_store
from vitrine.aws_config import root_certificates
from vitrine.results import Results
from vitrine.s3 import (
    Patience,
    Place,
    checked_endpoint,
    completed,
    environment_endpoint,
    open_bucket,
    place_of,
)

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


@pytest.mark.parametrize(
    "endpoint",
    ["https://AKIA:wJal/XUtn+word@minio:9000", "AKIA:word@minio:9000", "minio:9000?secret=word"],
)
def test_no_secret_of_an_address_is_in_its_message(endpoint):
    """What is before the last "@" and what follows "?" is left out."""
    for check in (checked_endpoint, place_of, lambda address: place_of(f"s3://{address}")):
        with pytest.raises(BadRequest) as told:
            check(endpoint)
        assert "word" not in str(told.value)
        assert "wJal" not in str(told.value)


@pytest.mark.parametrize("region", ["eu west 1", "eu-west-1\n", "régión", "http://x"])
def test_a_region_is_one_word(region):
    """Another region is refused before it reaches a signature."""
    with pytest.raises(BadRequest, match="must be one word"):
        open_bucket(Place("b", endpoint="http://127.0.0.1:9", region=region, keys=("k", "s")), Patience())


@pytest.mark.parametrize("keys", [("k\n", "s"), ("k", "secret word"), (" k", "s"), ("", "")])
def test_keys_that_no_header_can_hold_are_refused(keys):
    """obstore would panic at each call; the message does not have the secret."""
    with pytest.raises(BadRequest, match="must be ASCII without spaces and line breaks") as told:
        open_bucket(Place("b", endpoint="http://127.0.0.1:9", region="r", keys=keys), Patience())
    assert "word" not in str(told.value)


def configured(monkeypatch, tmp_path, text="", **variables):
    """Set the whole configuration of AWS: the text of its file, and variables."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    (tmp_path / "config").write_text(text)
    files = {
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
    }
    for name, value in {**files, "AWS_EC2_METADATA_DISABLED": "true", **variables}.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("text", "variables", "given", "said"),
    [
        ("", {"AWS_PROFILE": "nope"}, {}, r"profile \(nope\) could not be found"),
        (
            "",
            {"AWS_PROFILE": "nope"},
            {"endpoint": "http://127.0.0.1:9", "region": "r"},
            r"profile \(nope\) could not be found",
        ),
        ("[default", {}, {}, "Unable to parse"),
        ("[default]\nendpoint_url = minio:9000\n", {}, {}, "endpoint_url of the AWS profile must be http"),
        ("", {"AWS_ENDPOINT_URL": "minio:9000"}, {}, "AWS_ENDPOINT_URL must be http"),
        ("", {"AWS_DEFAULT_REGION": "eu west"}, {}, "must be one word"),
        (
            "[profile p]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = gone\n",
            {"AWS_PROFILE": "p"},
            {"endpoint": "http://127.0.0.1:9", "region": "r"},
            "source_profile",
        ),
        ("", {}, {"endpoint": "http://127.0.0.1:9", "region": "r"}, "no S3 credentials found"),
        (
            "",
            {"AWS_ACCESS_KEY_ID": "k ", "AWS_SECRET_ACCESS_KEY": "s"},
            {"endpoint": "http://127.0.0.1:9", "region": "r"},
            "AWS_ACCESS_KEY_ID must be ASCII",
        ),
        (
            "[default]\naws_access_key_id = k k\naws_secret_access_key = s\n",
            {},
            {"endpoint": "http://127.0.0.1:9", "region": "r"},
            "the access key id must be ASCII",
        ),
        (
            "",
            {"AWS_CA_BUNDLE": "/nowhere.pem"},
            {"endpoint": "https://127.0.0.1:9", **KEYS},
            "AWS_CA_BUNDLE must name a file",
        ),
    ],
)
def test_a_configuration_that_cannot_be_used_costs_no_picture(
    monkeypatch, tmp_path, text, variables, given, said
):
    """Errors of boto3 and obstore are the reason that each call of the store raises."""
    configured(monkeypatch, tmp_path, text, **variables)
    shelf = Shelf(open_store("s3://b", **given))
    kept = Results(Vitrine(transport=FakeTransport()), shelf).try_on(
        user="ada", person=PICTURE, garment=PICTURE, seed=1
    )
    assert kept.encoded
    with pytest.raises(Unavailable, match=said):
        raise kept.trouble


@pytest.mark.parametrize(
    ("variables", "endpoint"),
    [
        ({"AWS_REGION": "us-east-1"}, "https://s3.us-east-1.amazonaws.com"),
        ({"AWS_REGION": "cn-north-1"}, "https://s3.cn-north-1.amazonaws.com.cn"),
        ({"AWS_REGION": "eusc-de-east-1"}, "https://s3.eusc-de-east-1.amazonaws.eu"),
        (
            {"AWS_REGION": "us-east-2", "AWS_USE_FIPS_ENDPOINT": "true"},
            "https://s3-fips.us-east-2.amazonaws.com",
        ),
        (
            {"AWS_REGION": "us-east-2", "AWS_USE_DUALSTACK_ENDPOINT": "true"},
            "https://s3.dualstack.us-east-2.amazonaws.com",
        ),
    ],
)
def test_amazons_address_is_that_of_the_partition(monkeypatch, tmp_path, variables, endpoint):
    """boto3 knows it, and the forms for FIPS and dual stack."""
    configured(monkeypatch, tmp_path, **variables)
    assert completed(Place("b", keys=("k", "s"))).endpoint == endpoint


@pytest.mark.parametrize(("word", "sent"), [(None, True), ("when_supported", True), ("when_required", False)])
def test_a_checksum_is_left_out_where_boto3_leaves_it_out(monkeypatch, word, sent):
    """Some stores refuse its header."""
    if word:
        monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", word)
    seen = []

    def answer(method, path, headers):
        seen.extend(name.lower() for name in headers)
        return 200, ""

    with answering(answer) as endpoint:
        shelf = Shelf(open_store("s3://b", endpoint=endpoint, **KEYS))
        shelf.keep(user="ada", key="0" * 64, encoded=b"x", story={})
    assert ("x-amz-checksum-sha256" in seen) == sent


def test_the_companys_own_authority_is_trusted(monkeypatch, tmp_path):
    """The certificates of AWS_CA_BUNDLE go to obstore, as they do to boto3."""
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    (tmp_path / "ca.pem").write_bytes(b"a certificate")
    assert root_certificates() == b"a certificate"
    with pytest.raises(BadRequest, match="cannot be opened"):
        open_bucket(Place("b", endpoint="https://127.0.0.1:9", region="r", keys=("k", "s")), Patience())
