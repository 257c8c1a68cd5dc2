"""The commands `vitrine-export publish` and `withdraw`: what they write. Serving releases: tests/serving."""

import hashlib
import json

import pytest
from vitrine_export.command import main
from vitrine_export.errors import ReleaseFailed
from vitrine_export.release import folders
from vitrine_orchestrator.manifest import read_manifest
from vitrine_orchestrator.stages import STAGES

OURS = ("prepare_person", "prepare_garment", "prepare_text", "denoise", "try_on", "try_on_stream")
NETWORKS = tuple(row.name for row in STAGES if row.backend == "onnxruntime")
FACTS = {
    "format": 2,
    "family": "idm_vton",
    "exporter": "test",
    "facts": {"scheduler": {"beta_start": 0.1}},
}


def exported(folder, **changed):
    """A repository like an export's, with contents by stage; facts of the manifest can be changed."""
    facts = {key: changed.pop(key, value) for key, value in FACTS.items()}
    files = {f"{name}/1/model.onnx": changed.get(name, "network") for name in NETWORKS}
    files["denoise/1/unet.onnx"] = changed.get("denoise", "network")
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    for name in OURS:
        (folder / name / "1").mkdir(parents=True, exist_ok=True)
        digests = {path: hashlib.sha256(text.encode()).hexdigest() for path, text in files.items()}
        manifest = facts | {"digest": str(sorted(changed.items())), "files": digests}
        (folder / name / "1" / "manifest.json").write_text(json.dumps(manifest))
        (folder / name / "1" / "model.py").write_text("code")
    return folder


@pytest.fixture
def served(tmp_path):
    """A repository with release 1."""
    return exported(tmp_path / "served")


def publish(source, served):
    """Publish through the command; returns the try_on manifest of the release."""
    assert main(["publish", str(source), "--into", str(served)]) == 0
    return read_manifest(served / "try_on" / str(max(folders.releases(served))))


def test_a_release_brings_what_changed_and_shares_the_rest(served, tmp_path):
    """The manifest names the version of each stage; code is the served repository's own."""
    manifest = publish(exported(tmp_path / "new", vae_decoder="better"), served)
    assert manifest.version_of("vae_decoder") == manifest.version_of("prepare_person") == 2
    assert manifest.version_of("pose") == manifest.version_of("denoise") == 1
    assert (served / "vae_decoder" / "2" / "model.onnx").read_text() == "better"
    assert (served / "try_on" / "2" / "model.py").read_text() == "code"
    assert not (served / "pose" / "2").exists()
    assert manifest.files.keys() >= {"vae_decoder/2/model.onnx", "pose/1/model.onnx"}
    assert manifest.pipeline_digest != read_manifest(served / "try_on" / "1").pipeline_digest


def test_a_third_release_shares_with_the_second(served, tmp_path):
    """Shared versions are those of the newest release, whichever release brought them."""
    publish(exported(tmp_path / "two", vae_decoder="better"), served)
    third = publish(exported(tmp_path / "three", vae_decoder="better", pose="better"), served)
    assert [third.version_of(name) for name in ("vae_decoder", "pose", "denoise")] == [2, 3, 1]


def test_a_changed_scheduler_makes_another_denoiser(served, tmp_path):
    """A changed scheduler makes a new denoiser version, although its files are the same."""
    manifest = publish(exported(tmp_path / "new", facts={"scheduler": {"beta_start": 0.2}}), served)
    assert manifest.version_of("denoise") == 2
    assert manifest.version_of("vae_decoder") == 1


def test_nothing_new_is_no_release(served, tmp_path):
    """Publishing the same export twice is refused."""
    with pytest.raises(ReleaseFailed, match=r"is what release 1 of .* is: nothing has changed"):
        folders.planned(exported(tmp_path / "same"), served)


def test_an_incomplete_export_is_no_release(served, tmp_path):
    """An export must have every stage that is served."""
    source = exported(tmp_path / "new", pose="better")
    (source / "vae_decoder" / "1" / "model.onnx").unlink()
    with pytest.raises(ReleaseFailed, match="lacks vae_decoder"):
        folders.planned(source, served)


@pytest.mark.parametrize("version", [1, 2])
def test_withdrawing_leaves_what_the_other_release_needs(served, tmp_path, version):
    """Either of two releases can be withdrawn, and the other keeps its stages."""
    publish(exported(tmp_path / "new", vae_decoder="better"), served)
    gone = folders.withdraw(version, served)
    assert list(gone)[:2] == ["try_on_stream", "try_on"]
    assert gone["vae_decoder"] == [version]
    assert "denoise" not in gone
    (left,) = folders.releases(served).values()
    for name in (*NETWORKS, *OURS):
        assert (served / name / str(left.version_of(name))).is_dir()


def test_the_only_release_stays(served):
    """The only release cannot be withdrawn; the error for an unknown one lists the releases."""
    with pytest.raises(ReleaseFailed, match="release 1 is the only one"):
        folders.withdraw(1, served)
    with pytest.raises(ReleaseFailed, match="has no release 7, only 1"):
        folders.withdraw(7, served)


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda path: path.write_text("cut"), "is not the file that was exported"),
        (lambda path: path.unlink(), "which its manifest names"),
    ],
)
def test_a_source_that_is_not_as_exported_is_refused(served, tmp_path, harm, words):
    """A file damaged or lost after the export is named, and nothing is added."""
    source = exported(tmp_path / "new", vae_decoder="better")
    harm(source / "denoise" / "1" / "unet.onnx")
    with pytest.raises(ReleaseFailed, match=words):
        folders.planned(source, served)
    assert list(folders.releases(served)) == [1]
