"""Images, manifests and dashboards agree with the code in names, ports, profiles and users.

None of it is run.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from vitrine_gateway.routers import health
from vitrine_gateway.settings import Settings
from vitrine_gateway.telemetry.metrics import Metrics
from vitrine_orchestrator.configs import PROFILES
from vitrine_orchestrator.embedded.ports import USUAL
from vitrine_orchestrator.shared_memory import MAX_ACTIVE, need
from vitrine_orchestrator.stages import STAGES
from vitrine_orchestrator.stages.idm_vton import HEIGHT, WIDTH

DOCKER = Path(__file__).parents[2] / "docker"
YAMLS = sorted(DOCKER.rglob("*.yaml"))
DOCKERFILES = sorted(DOCKER.glob("Dockerfile*[!e]"))  # not the .dockerignore files
PORTS = {"http": USUAL.http, "grpc": USUAL.grpc, "metrics": USUAL.metrics}
FULL_NEED = need([row.name for row in STAGES], HEIGHT.usual, WIDTH.usual).of(MAX_ACTIVE)
GATEWAY_PORT = Settings.of().port
RESTRICTED = {"model-repository", "model-config", "shared-memory", "statistics", "trace", "logging"}


def _read(name):
    return yaml.safe_load((DOCKER / name).read_text())


@pytest.fixture
def container():
    """The one container of the Deployment."""
    (found,) = _read("kubernetes/deployment.yaml")["spec"]["template"]["spec"]["containers"]
    return found


@pytest.mark.parametrize("path", YAMLS, ids=lambda path: path.name)
def test_a_yaml_file_is_of_mappings(path):
    """Each YAML file parses into one mapping, or several, and no key is there twice."""
    assert all(isinstance(one, dict) for one in yaml.load_all(path.read_text(), _Strict))


class _Strict(yaml.SafeLoader):
    """A YAML loader that refuses duplicate keys."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value]
        assert len(keys) == len(set(keys)), keys
        return super().construct_mapping(node, deep)


def _instructions(path):
    """(instruction, arguments) of a Dockerfile, continued lines joined."""
    text = re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n", "", path.read_text(), flags=re.MULTILINE))
    return [tuple(line.split(None, 1)) for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_an_image_starts_from_a_digest(path):
    """Every first stage is pinned by digest, since a tag can change; later stages build on it."""
    stages = set()
    for word, rest in _instructions(path):
        if word == "FROM":
            source, *named = rest.split()
            assert source in stages or re.search(r"@\$\{\w+_DIGEST\}$", source), source
            stages |= {named[-1]} if named else set()


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_an_image_does_not_run_as_root(path):
    """The last USER is a number other than 0, so that Kubernetes can check it."""
    (*_, user) = [rest for word, rest in _instructions(path) if word == "USER"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_an_image_copies_only_what_is_there(path, root):
    """Sources exist and pass the .dockerignore next to the Dockerfile; ADD fetches nothing."""
    allowed = path.with_name(f"{path.name}.dockerignore").read_text().split()
    for word, rest in _instructions(path):
        assert word != "ADD"
        if word == "COPY" and "--from" not in rest:
            *sources, _ = [part for part in rest.split() if not part.startswith("--")]
            for source in sources:
                assert (root / source).exists(), source
                assert f"!{source}" in allowed, source


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_an_image_says_how_its_health_is_known(path):
    """Each image has a probe, or states that it has none."""
    assert "HEALTHCHECK" in [word for word, _ in _instructions(path)]


def test_the_servers_image_opens_tritons_ports():
    """The image exposes Triton's three usual ports."""
    (ports,) = [rest for word, rest in _instructions(DOCKER / "Dockerfile") if word == "EXPOSE"]
    assert {int(port) for port in ports.split()} == set(PORTS.values())


def test_the_gpus_onnxruntime_is_the_version_that_the_cpu_has(root):
    """Both packages of onnxruntime have the same version."""
    text = (root / "pyproject.toml").read_text()
    assert (
        re.search(r'"onnxruntime==([\d.]+)"', text)[1] == re.search(r'"onnxruntime-gpu==([\d.]+)"', text)[1]
    )


@pytest.mark.parametrize(("file", "extras"), [("Dockerfile", "server,gpu"), ("Dockerfile.export", "export")])
def test_the_images_install_from_the_extras(file, extras):
    """Pins are pyproject.toml's, and the CPU's onnxruntime is removed for the GPU's."""
    text = (DOCKER / file).read_text()
    assert f"ARG EXTRAS={extras}\n" in text
    assert '".[${EXTRAS}]"' in text
    assert "onnxruntime_gpu-*.whl; then rm -f /wheels/onnxruntime-*.whl" in text


def _serve(tmp_path, server='printf "%s\\n" "$@"', before="true", **environment):
    """The arguments that serve.sh passes to tritonserver, printed by a stand-in."""
    program = tmp_path / "tritonserver"
    program.write_text(f"#!/bin/sh\n{server}\n")
    python = tmp_path / "python3"
    models = 'case "$2" in *.embedded.repository) echo try_on; echo denoise; exit;; esac'
    python.write_text(f'#!/bin/sh\n{models}\nexec {sys.executable} "$@"\n')
    for made in (program, python):
        made.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    return subprocess.run(
        ["sh", "-c", f'{before}; exec "$@"', "sh", "sh", DOCKER / "serve.sh", "--log-verbose=1"],
        env={"PATH": path, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_server_restricts_what_callers_do_not_need(tmp_path):
    """The key of the file restricts the six kinds of administration calls on both protocols."""
    key = tmp_path / "key"
    key.write_text("secret")
    printed = _serve(tmp_path, ADMIN_KEY_FILE=str(key), PROFILE="tensorrt").stdout.splitlines()
    given = dict(line.removeprefix("--").partition("=")[::2] for line in printed)
    for option in ("http-restricted-api", "grpc-restricted-protocol"):
        kinds, _, header = given[option].partition(":")
        assert set(kinds.split(",")) == RESTRICTED
        assert header == "vitrine-admin=secret"
    assert given["model-config-name"] == "tensorrt"
    assert given["log-verbose"] == "1"
    assert [line for line in printed if "load-model" in line] == [
        "--load-model=try_on",
        "--load-model=denoise",
    ]
    assert given["grpc-http2-max-ping-strikes"] == "0"


def test_the_servers_stack_fits_the_largest_body_twice(tmp_path):
    """Triton's HTTP library copies a form's body there two times; a lower hard limit is a warning."""
    key = tmp_path / "key"
    key.write_text("secret")
    body = int(re.search(r"--http-max-input-size=(\d+)", (DOCKER / "serve.sh").read_text())[1])
    done = _serve(tmp_path, 'ulimit -s; printf "%s\\n" "$@"', ADMIN_KEY_FILE=str(key))
    assert int(done.stdout.splitlines()[0]) * 1024 > 2 * body
    limited = _serve(tmp_path, "ulimit -s", before="ulimit -s 8192", ADMIN_KEY_FILE=str(key))
    assert limited.stdout.split() == ["8192"]
    assert "a large HTTP body ends the server" in limited.stderr


def test_the_server_does_not_start_without_a_key(tmp_path):
    """The error names the missing file."""
    done = _serve(tmp_path, ADMIN_KEY_FILE=str(tmp_path / "none"))
    assert done.returncode == 1
    assert "none is missing or empty" in done.stderr


def test_compose_opens_ports_to_this_machine_only():
    """Ports are on loopback, for a gateway; Prometheus reads the metrics inside."""
    for service in _read("compose.yaml")["services"].values():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:")
    triton = _read("compose.yaml")["services"]["triton"]
    assert {int(port.rpartition(":")[2]) for port in triton["ports"]} == {USUAL.http, USUAL.grpc}


def test_compose_gives_triton_a_gpu_shared_memory_and_a_read_only_repository():
    """The service has a GPU, shared memory and a read-only repository, and no more."""
    triton = _read("compose.yaml")["services"]["triton"]
    (device,) = triton["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]
    assert int(triton["shm_size"].removesuffix("gb")) * 2**30 >= FULL_NEED
    assert "models:/models:ro" in triton["volumes"]
    assert triton["read_only"]


def test_the_default_profile_exists(container):
    """The default profile exists in the image, under compose and in Kubernetes."""
    compose = _read("compose.yaml")["services"]["triton"]["environment"]["PROFILE"]
    (kubernetes,) = [one["value"] for one in container["env"] if one["name"] == "PROFILE"]
    image = re.search(r"PROFILE=(\w+)", (DOCKER / "Dockerfile").read_text())[1]
    assert {re.fullmatch(r"\$\{PROFILE:-(\w+)\}", compose)[1], kubernetes, image} <= set(PROFILES)


def test_the_pod_has_tritons_ports_and_the_service_leads_to_them(container):
    """The Service names the pod's ports."""
    assert {port["name"]: port["containerPort"] for port in container["ports"]} == PORTS
    service = _read("kubernetes/service.yaml")["spec"]
    assert {port["targetPort"]: port["port"] for port in service["ports"]} == PORTS
    template = _read("kubernetes/deployment.yaml")["spec"]["template"]
    assert service["selector"].items() <= template["metadata"]["labels"].items()


def test_the_pod_is_confined(container):
    """The pod is not root, writes to its volumes only and has no capability."""
    _confined(_read("kubernetes/deployment.yaml")["spec"]["template"]["spec"], container)


def _confined(pod, container):
    context = container["securityContext"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert context["readOnlyRootFilesystem"]
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert not context["allowPrivilegeEscalation"]


def test_every_mount_has_its_volume_and_the_repository_is_read_only(container):
    """Mounts and volumes are the same names; /dev/shm is memory."""
    pod = _read("kubernetes/deployment.yaml")["spec"]["template"]["spec"]
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert mounts.keys() == volumes.keys()
    assert mounts["models"]["readOnly"]
    assert volumes["shared-memory"]["emptyDir"]["medium"] == "Memory"
    assert int(volumes["shared-memory"]["emptyDir"]["sizeLimit"].removesuffix("Gi")) * 2**30 >= FULL_NEED


def test_a_pod_gets_no_variables_of_services():
    """Service variables are off, since they would look like settings."""
    assert _read("kubernetes/deployment.yaml")["spec"]["template"]["spec"]["enableServiceLinks"] is False


def test_the_probes_ask_models_that_exist(container):
    """The probes name models of the stage table."""
    names = {row.name for row in STAGES}
    for probe in ("startupProbe", "readinessProbe"):
        path = container[probe]["httpGet"]["path"]
        assert re.fullmatch(r"/v2/models/(\w+)/ready", path)[1] in names


def test_replicas_follow_a_metric_that_exists(metric_names):
    """The autoscaler uses a metric of ours that the adapter offers, and scales the Deployment above."""
    scaler, rules = _read("kubernetes/hpa.yaml")["spec"], _read("kubernetes/adapter-rules.yaml")
    (metric,) = [one["pods"]["metric"]["name"] for one in scaler["metrics"]]
    (rule,) = rules["rules"]["custom"]
    assert metric == rule["name"]["as"]
    assert metric in metric_names
    assert rule["seriesQuery"].startswith(f"{metric}{{")
    assert scaler["scaleTargetRef"]["name"] == _read("kubernetes/deployment.yaml")["metadata"]["name"]


def test_prometheus_scrapes_the_metrics_port():
    """Prometheus scrapes the ports of the services by their names in compose."""
    jobs = {job["job_name"]: job["static_configs"] for job in _read("prometheus.yaml")["scrape_configs"]}
    ports = {"triton": USUAL.metrics, "gateway": GATEWAY_PORT}
    assert jobs == {name: [{"targets": [f"{name}:{port}"]}] for name, port in ports.items()}
    assert ports.keys() <= _read("compose.yaml")["services"].keys()


def test_the_dashboard_shows_metrics_that_exist(metric_names):
    """Every metric of the dashboard is ours or begins with nv_, as Triton's do."""
    shown = _shown("grafana-dashboard.json", r"\b(?:vitrine|nv)_\w+")
    assert {name for name in shown if name.startswith("vitrine_")} <= metric_names


def _shown(file, names):
    """What a dashboard's expressions find of a pattern; no panel hides another one."""
    panels = json.loads((DOCKER / file).read_text())["panels"]
    assert len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}) == len(panels)
    expressions = [one["expr"] for panel in panels for one in panel["targets"]]
    return {name for expression in expressions for name in re.findall(names, expression)}


def test_the_gateways_dashboard_shows_metrics_that_exist():
    """Every metric of it is in what a gateway tells Prometheus."""
    found = _shown("grafana-gateway.json", r"\b(?:gateway|process)_\w+")
    shown = {name.removesuffix("_bucket") for name in found}
    told = {line.split()[2] for line in Metrics().text().decode().splitlines() if line.startswith("# TYPE")}
    assert shown <= told
    assert len(shown) >= 8


@pytest.fixture
def gateway_pod():
    """What a pod of the gateway is."""
    deployment, service = yaml.safe_load_all((DOCKER / "kubernetes/gateway.yaml").read_text())
    template = deployment["spec"]["template"]
    assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
    return template["spec"]


def test_the_gateways_settings_are_known(gateway_pod):
    """Variables of compose, Kubernetes and the image: a misspelt one would stop the start."""
    compose = _read("compose.yaml")["services"]["gateway"]["environment"]
    kubernetes = {one["name"]: one["value"] for one in gateway_pod["containers"][0]["env"]}
    image = dict(re.findall(r"(GATEWAY_\w+)=(\S+)", (DOCKER / "Dockerfile.gateway").read_text()))
    secret = re.findall(r"literal=(GATEWAY_\w+)=(\S+)", (DOCKER / "kubernetes/gateway.yaml").read_text())
    for given in (compose, kubernetes, image, dict(secret)):
        assert given
        values = {name: re.sub(r"\$\{\w+:-(.*)\}", r"\1", value.rstrip("…")) for name, value in given.items()}
        Settings.from_environment(values)
    assert compose["GATEWAY_TRITON"] == f"triton:{USUAL.grpc}"
    service = _read("kubernetes/service.yaml")
    assert kubernetes["GATEWAY_TRITON"] == f"{service['metadata']['name']}:{USUAL.grpc}"
    assert image["GATEWAY_HOST"] == "0.0.0.0"


def test_the_gateways_pod_is_confined_and_its_probes_are_routes(gateway_pod):
    """It is not root, writes to its volumes only, and is asked what it answers."""
    (container,) = gateway_pod["containers"]
    _confined(gateway_pod, container)
    assert gateway_pod["enableServiceLinks"] is False
    assert {one["name"] for one in container["volumeMounts"]} == {
        one["name"] for one in gateway_pod["volumes"]
    }
    assert container["ports"] == [{"name": "http", "containerPort": GATEWAY_PORT}]
    routes = {route.path for route in health.router.routes}
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["path"] in routes
    assert f"http://127.0.0.1:{GATEWAY_PORT}/healthz" in (DOCKER / "Dockerfile.gateway").read_text()


@pytest.mark.parametrize("path", sorted(DOCKER.glob("*.sh")), ids=lambda path: path.name)
def test_a_script_is_a_shells(path):
    """Each script parses, stops at the first failure and is executable."""
    subprocess.run(["sh", "-n", path], check=True)
    assert "\nset -eu\n" in path.read_text()
