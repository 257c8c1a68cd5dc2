"""Settings are read once and refused early."""

import os
from pathlib import Path

import pytest
from vitrine_orchestrator.settings import BadSettings, Settings


def test_nothing_set_gives_the_defaults():
    """Variables of other programs are ignored."""
    assert Settings.from_environment({"PATH": "/bin"}) == Settings()


def test_values_are_read_by_their_type():
    """A number becomes a number, a folder a path."""
    settings = Settings.from_environment({"VITRINE_MAX_PIXELS": "1000", "VITRINE_TRITON_DIR": "/opt/triton"})
    assert settings.max_pixels == 1000
    assert settings.triton_dir == Path("/opt/triton")


def links(service, ports):
    """The variables that Kubernetes sets for a Service, with the protocol of each port."""
    name, host = service.upper().replace("-", "_"), "10.0.48.109"
    made = {
        f"{name}_SERVICE_HOST": host,
        f"{name}_SERVICE_PORT": "8000",
        f"{name}_PORT": f"tcp://{host}:8000",
    }
    for (label, number), protocol in ports.items():
        one = f"{name}_PORT_{number}_{protocol.upper()}"
        made |= {
            f"{name}_SERVICE_PORT_{label.upper()}": str(number),
            one: f"{protocol}://{host}:{number}",
            f"{one}_PROTO": protocol,
            f"{one}_PORT": str(number),
            f"{one}_ADDR": host,
        }
    return made


@pytest.mark.parametrize("service", ["vitrine", "vitrine-triton", "vitrine-cache", "vitrine-2-grpc"])
def test_kubernetes_variables_are_no_settings(service):
    """Variables of a Service whose name begins like our settings are ignored."""
    ports = {("http", 8000): "tcp", ("grpc_web", 8001): "udp", ("other", 9): "sctp"}
    assert Settings.from_environment(links(service, ports) | {"VITRINE_AT_ONCE": "3"}).at_once == 3


def test_a_wrong_setting_is_not_called_internal():
    """The message begins with the word of BadSettings."""
    assert BadSettings.word == "bad settings"


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("VITRINE_CACHE_PORT", "9000", "unknown settings"),
        ("VITRINE_SERVICE_PORTS", "9000", "unknown settings"),
        ("VITRINE_TRITON_SERVICE_HOSTNAME", "10.0.0.1", "unknown settings"),
        ("VITRINE_MAX_PIXEL", "5", "unknown settings"),
        ("VITRINE_MAX_PIXELS", "many", "must be int, got 'many'"),
        ("VITRINE_MAX_PIXELS", "0", "must be at least 1, got 0"),
        ("VITRINE_MEMORY_WAIT_S", "nan", "must be a finite number, got nan"),
        ("VITRINE_CACHE_REGION", "eu west", "VITRINE_CACHE_REGION: .* must be one word"),
        (
            "VITRINE_CACHE_STORE",
            "s3://AKIA:secret@b",
            "must be s3://bucket or s3://bucket/prefix, got 's3://…@b'",
        ),
    ],
)
def test_a_wrong_setting_stops_the_server(name, value, complaint):
    """A misspelt name or a bad value stops the start."""
    with pytest.raises(BadSettings, match=complaint):
        Settings.from_environment({name: value})


def test_an_empty_variable_is_not_set():
    """An empty folder would be the working directory."""
    given = {"VITRINE_CACHE_FOLDER": "", "VITRINE_CACHE_STORE": "", "VITRINE_MAX_PIXELS": ""}
    assert Settings.from_environment(given) == Settings()
    with pytest.raises(BadSettings, match="unknown settings"):
        Settings.from_environment({"VITRINE_CACHE_FOLDERS": ""})


@pytest.mark.parametrize(
    ("text", "variables", "said"),
    [
        ("[default]\nendpoint_url = minio:9000\n", {}, "endpoint_url of the AWS profile must be http"),
        ("", {"AWS_PROFILE": "nope"}, r"profile \(nope\) could not be found"),
        ("", {"AWS_DEFAULT_REGION": "eu west"}, "must be one word"),
        ("[default", {}, "Unable to parse config file"),
        (
            "",
            {"AWS_ACCESS_KEY_ID": "k\n", "AWS_SECRET_ACCESS_KEY": "s"},
            "AWS_ACCESS_KEY_ID must be ASCII without spaces and line breaks",
        ),
    ],
)
@pytest.mark.parametrize("endpoint", [None, "http://127.0.0.1:9"])
def test_a_configuration_of_aws_that_cannot_be_used_stops_the_server(
    monkeypatch, tmp_path, text, variables, said, endpoint
):
    """It would otherwise be found at the first request, and cost every value of the store."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    (tmp_path / "config").write_text(text)
    for name, value in {"AWS_CONFIG_FILE": str(tmp_path / "config"), **variables}.items():
        monkeypatch.setenv(name, value)
    given = {"VITRINE_CACHE_STORE": "s3://b", "VITRINE_CACHE_ENDPOINT": endpoint or ""}
    if endpoint and "endpoint_url" in text:
        assert Settings.from_environment(given).cache_endpoint == endpoint
        return
    with pytest.raises(BadSettings, match=said):
        Settings.from_environment(given)
