"""The commands `vitrine-export publish` and `withdraw`: what they write. Serving releases: tests/serving."""

import pytest
from exported_repository import exported
from vitrine_export.command import main
from vitrine_export.errors import ReleaseFailed
from vitrine_export.release import folders
from vitrine_orchestrator.manifest import read_manifest, read_manifests
from vitrine_orchestrator.stages import stages_of

OURS = ("prepare_person", "prepare_garment", "prepare_text", "denoise", "try_on", "try_on_stream")
NETWORKS = tuple(row.name for row in stages_of("idm_vton") if row.backend == "onnxruntime")


@pytest.fixture
def served(tmp_path):
    """A repository with release 1."""
    return exported(tmp_path / "served")


def publish(source, served):
    """Publish through the command; returns the try_on manifest of the release."""
    assert main(["publish", str(source), "--into", str(served)]) == 0
    return read_manifest(served / "try_on" / str(max(folders.releases(served))), "idm_vton")


def test_a_release_brings_what_changed_and_shares_the_rest(served, tmp_path):
    """The manifest names the version of each stage; code is the served repository's own."""
    manifest = publish(exported(tmp_path / "new", vae_decoder="better"), served)
    assert manifest.version_of("vae_decoder") == manifest.version_of("prepare_person") == 2
    assert manifest.version_of("pose") == manifest.version_of("denoise") == 1
    assert (served / "vae_decoder" / "2" / "model.onnx").read_text() == "better"
    assert (served / "try_on" / "2" / "model.py").read_text() == "code"
    assert not (served / "pose" / "2").exists()
    assert manifest.files.keys() >= {"vae_decoder/2/model.onnx", "pose/1/model.onnx"}
    assert manifest.pipeline_digest != read_manifest(served / "try_on" / "1", "idm_vton").pipeline_digest


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
    (left,) = (families["idm_vton"] for families in folders.releases(served).values())
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


@pytest.fixture
def both(served, tmp_path):
    """Release 1 of one family, and release 2 that adds another."""
    folders.add(folders.planned(exported(tmp_path / "f", "fashn"), served), tmp_path / "f", served)
    return served


def test_a_release_of_another_family_leaves_the_first_as_it_is(both):
    """Its networks stay where they are, its pipelines go along, and its digest, the key of caches, stays."""
    before, after = (read_manifests(both / "try_on" / version) for version in "12")
    assert before.keys() == {"idm_vton"}
    assert after.keys() == {"idm_vton", "fashn"}
    assert after["idm_vton"].pipeline_digest == before["idm_vton"].pipeline_digest
    assert after["idm_vton"].version_of("denoise") == after["idm_vton"].version_of("pose") == 1
    assert after["fashn"].version_of("denoise") == 2
    assert not (both / "pose" / "2").exists()
    names = {path.name for path in (both / "denoise" / "2").iterdir()}
    assert names == {"fashn_step.onnx", "manifest.json", "model.py"}
    assert read_manifests(both / "denoise" / "2").keys() == {"fashn"}
    for manifest in after.values():  # what the pipelines call is there
        for row in stages_of(manifest.family):
            assert (both / row.name / str(manifest.version_of(row.name))).is_dir()
        assert all((both / path).is_file() for path in manifest.files)


def test_a_family_is_changed_without_the_other(both, tmp_path):
    """The third release changes the first family; the second one's program stays where it is."""
    folders.add(folders.planned(exported(tmp_path / "n", vae_decoder="better"), both), tmp_path / "n", both)
    third = read_manifests(both / "try_on" / "3")
    assert third["idm_vton"].version_of("vae_decoder") == 3
    assert third["idm_vton"].version_of("denoise") == 1
    assert third["fashn"].version_of("denoise") == 2
    assert (both / "prepare_person" / "3").is_dir()
    assert not (both / "denoise" / "3").exists()


@pytest.mark.parametrize(("version", "left"), [(2, {"idm_vton"}), (1, {"idm_vton", "fashn"})])
def test_a_family_comes_and_goes_with_its_release(both, version, left):
    """Rolling back removes the new family only; retiring the first release keeps what the second calls."""
    folders.withdraw(version, both)
    (families,) = folders.releases(both).values()
    assert families.keys() == left
    for manifest in families.values():
        for row in stages_of(manifest.family):
            assert (both / row.name / str(manifest.version_of(row.name))).is_dir()
    assert (both / "denoise" / "1" / "unet.onnx").exists()
    assert (both / "denoise" / "2").exists() == ("fashn" in left)


def test_families_of_one_export_share_a_version_of_the_denoiser(tmp_path):
    """Both are published from one repository; each gets its own files only."""
    served = exported(exported(tmp_path / "served"), "fashn")
    source = exported(exported(tmp_path / "new", denoise="better"), "fashn", denoise="better too")
    folders.add(folders.planned(source, served), source, served)
    assert read_manifests(served / "denoise" / "2").keys() == {"idm_vton", "fashn"}
    again = exported(exported(tmp_path / "again", denoise="better"), "fashn", denoise="best")
    folders.add(folders.planned(again, served), again, served)
    assert read_manifests(served / "denoise" / "3").keys() == {"fashn"}
    assert not (served / "denoise" / "3" / "unet.onnx").exists()
    found = read_manifests(served / "try_on" / "3")
    assert {family: manifest.version_of("denoise") for family, manifest in found.items()} == {
        "idm_vton": 2,
        "fashn": 3,
    }
