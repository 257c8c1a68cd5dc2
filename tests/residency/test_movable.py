"""Which models of a repository can be unloaded, how large they are, and the repository that they need."""

import json
import os

import pytest
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig
from vitrine.errors import BadRequest
from vitrine_orchestrator.configs import config_pbtxt
from vitrine_orchestrator.embedded.processes import Slot, Stub
from vitrine_orchestrator.manifest import FILE, manifest_text
from vitrine_orchestrator.residency import meter
from vitrine_orchestrator.residency.amounts import check_budget, read_bytes
from vitrine_orchestrator.residency.layout import name_of, write_model, write_owner
from vitrine_orchestrator.residency.meter import ProcessMeter, peak_bytes, resident_bytes
from vitrine_orchestrator.residency.movable import movables
from vitrine_orchestrator.residency.sizes import (
    PROCESS_BYTES,
    KeptSizes,
    Size,
    estimate,
    read_sizes,
    write_sizes,
)
from vitrine_orchestrator.stages import stage

ENTRY = {"facts": {}, "digest": "0" * 64, "exporter": "tiny", "files": {}}


@pytest.fixture
def repository(tmp_path):
    """A repository of one network, one pipeline and `denoise`, whose weights are bytes."""
    for name in ("denoise", "try_on", "vae_decoder"):
        (tmp_path / name / "1").mkdir(parents=True)
        (tmp_path / name / "config.pbtxt").write_text(config_pbtxt(stage(name), "cpu"))
    (tmp_path / "vae_decoder" / "1" / "model.onnx").write_bytes(b"v" * 1000)
    for name, size in (("unet.onnx", 3000), ("z_image_transformer.onnx", 5000), ("model.py", 70)):
        (tmp_path / "denoise" / "1" / name).write_bytes(b"w" * size)
    return tmp_path


def hold(repository, *families):
    """Write the manifest of `denoise`."""
    manifest = repository / "denoise" / "1" / FILE
    manifest.write_text(manifest_text(dict.fromkeys(families, ENTRY)))


def found(repository):
    """The models that can be unloaded, by name."""
    return {one.name: one for one in movables(repository, ["denoise", "try_on", "vae_decoder"])}


def test_networks_and_denoise_can_be_unloaded_pipelines_cannot(repository):
    """With one family `denoise` stays what it is."""
    hold(repository, "idm-vton")
    held = found(repository)
    assert set(held) == {"denoise", "vae_decoder"}
    assert held["denoise"].file_bytes == 8000
    assert held["vae_decoder"].file_bytes == 1000


def test_each_family_of_denoise_is_a_model_of_its_own(repository):
    """With its own weights: those of its name, or for one family those of nobody's."""
    hold(repository, "idm-vton", "z-image")
    held = found(repository)
    assert held["denoise_z_image"].file_bytes == 5000
    assert held["denoise_idm_vton"].file_bytes == 3000
    assert "denoise" not in held


def test_a_digest_changes_with_the_weights_and_the_profile(repository):
    """Sizes that were measured for other weights do not count."""
    hold(repository, "idm-vton")
    before = found(repository)["vae_decoder"].digest("cpu")
    assert found(repository)["vae_decoder"].digest("cpu") == before
    assert found(repository)["vae_decoder"].digest("cuda") != before
    (repository / "vae_decoder" / "1" / "model.onnx").write_bytes(b"u" * 1000)
    assert found(repository)["vae_decoder"].digest("cpu") != before


def config(folder):
    """The config of a model, as Triton reads it."""
    return text_format.Parse((folder / "config.pbtxt").read_text(), ModelConfig())


def test_the_owners_config_is_one_of_triton_with_what_it_is_told(repository, tmp_path):
    """Triton's own message reads it."""
    write_owner(tmp_path / "second", repository, ["denoise"], "localhost:1", "processes", "cpu", "")
    told = config(tmp_path / "second" / "residency").parameters
    assert told["repository"].string_value == str(repository)
    assert told["address"].string_value == "localhost:1"


def test_a_model_made_of_another_has_its_config_and_its_versions(repository, tmp_path):
    """Versions that come later are linked at the next call, those that went are not."""
    hold(repository, "idm-vton", "z-image")
    one, second = found(repository)["denoise_z_image"], tmp_path / "second"
    write_model(second, repository, one)
    made = config(second / "denoise_z_image")
    assert (made.name, made.parameters["family"].string_value) == ("denoise_z_image", "z-image")
    assert (second / "denoise_z_image" / "1" / "unet.onnx").exists()
    (repository / "denoise" / "1").rename(repository / "denoise" / "2")
    write_model(second, repository, one)
    assert {path.name for path in (second / "denoise_z_image").iterdir()} == {"2", "config.pbtxt"}


def test_a_lost_name_is_followed_by_another(repository, tmp_path):
    """The first name is the repository's own, for which nothing is written."""
    hold(repository, "idm-vton")
    one, second = found(repository)["vae_decoder"], tmp_path / "second"
    write_model(second, repository, one)
    assert not second.exists()
    write_model(second, repository, one, 2)
    assert config(second / name_of(one, 2)).name == "vae_decoder_again_2"


def test_sizes_are_kept_by_digest_and_a_broken_file_is_none(tmp_path):
    """A whole file or none; what cannot be read is estimated again."""
    path = tmp_path / "sizes.json"
    assert read_sizes(path) == {}
    write_sizes(path, {"a": Size(1000, 2.5)})
    assert read_sizes(path) == {"a": Size(1000, 2.5)}
    assert [one.name for one in tmp_path.iterdir()] == ["sizes.json"]
    path.write_text(json.dumps({"format": 1, "sizes": {"a": 3}}))
    assert read_sizes(path) == {}


def test_servers_of_other_weights_share_the_file(tmp_path):
    """Each finds its own sizes again."""
    path = tmp_path / "sizes.json"
    KeptSizes(path, {"pose": "1"}).keep({"pose": Size(10, 1.0)})
    other = KeptSizes(path, {"pose": "2"})
    assert other.of("pose") is None
    other.keep({"pose": Size(20, 1.0)})
    assert KeptSizes(path, {"pose": "1"}).of("pose") == Size(10, 1.0)
    assert KeptSizes(path, {"pose": "2"}).of("pose") == Size(20, 1.0)


def test_an_estimate_grows_with_the_files():
    """A process is counted where there is one."""
    assert estimate(10**9).bytes == 1_250_000_000 + PROCESS_BYTES
    assert estimate(10**9, 0).bytes == 1_250_000_000
    assert estimate(10**9).load_s > estimate(10**6).load_s


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("24GiB", 24 * 2**30),
        ("1.5 GB", 1_500_000_000),
        ("800mib", 800 * 2**20),
        ("1000", 1000),
        ("24Gi", 24 * 2**30),
        ("24G", 24 * 10**9),
        ("64k", 64_000),
    ],
)
def test_amounts_of_memory_are_read(text, amount):
    """Binary and decimal units, in any case, and those of Kubernetes."""
    assert read_bytes(text) == amount


@pytest.mark.parametrize("text", ["", "many", "-1GiB", "0", "24 GiBs", "off ", "1m", "9" * 400, "9999999TiB"])
def test_bad_amounts_are_refused(text):
    """The message has the rule: a number with one of the units, or what fits."""
    with pytest.raises(BadRequest, match="an amount of memory must be"):
        check_budget(text)


def test_a_process_is_measured_and_an_ended_one_takes_nothing():
    """The peak is at least what is taken now."""
    mine = os.getpid()
    assert 0 < resident_bytes(mine) <= peak_bytes(mine) + 2**20
    assert resident_bytes(2**22 + 1) == peak_bytes(2**22 + 1) == 0
    assert ProcessMeter(mine).read().total == pytest.approx(resident_bytes(mine), rel=0.05)


def test_the_peak_of_two_processes_of_one_place_is_the_larger_one(monkeypatch):
    """One of them is ending. Two instances of a model count both."""
    old, new, other = (Stub(Slot("a", "1", name), False, 0) for name in ("a_0_0", "a_0_0", "a_1_0"))
    monkeypatch.setattr(meter, "look", lambda server: {1: old, 2: new, 3: other})
    monkeypatch.setattr(meter, "resident_bytes", lambda process: 100)
    monkeypatch.setattr(meter, "peak_bytes", lambda process: 100 * process)
    reading = ProcessMeter(0).read()
    assert (reading.total, reading.models, reading.peaks) == (400, {"a": 300}, {"a": 500})
