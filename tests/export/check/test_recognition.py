"""A folder is recognised by what is there: the error names the file that is wrong, not another family's."""

import json
import os

import pytest
import torch
from safetensors.torch import save_file
from vitrine_export.check.report import check
from vitrine_export.checkpoint import open_checkpoint
from vitrine_export.errors import BadCheckpoint
from vitrine_export.exporting.families import open_any

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:a\nsize 1\n"


def write_config(path, **values):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values))


def told(folder, unet=None):
    """What the commands `onnx` and `check` say of a folder."""
    with pytest.raises(BadCheckpoint) as fault:
        open_any(folder, unet)
    return str(fault.value), "\n".join(check(folder, unet, folder).problems)


@pytest.mark.parametrize(
    ("content", "words"),
    [(POINTER, "is a git-lfs pointer"), (b"<!DOCTYPE html>", "is a web page"), (None, "is missing")],
)
def test_a_fashn_folder_with_wrong_weights_is_still_one(tmp_path, content, words):
    """DWPose's folder tells whose file of weights is wrong."""
    (tmp_path / "dwpose").mkdir()
    if content is not None:
        (tmp_path / "model.safetensors").write_bytes(content)
    for said in told(tmp_path):
        assert f"model.safetensors {words}" in said
        assert "unet" not in said


def test_a_header_that_is_no_object_is_no_fashn(tmp_path):
    """A number for the header of names is looked at without an error of its own."""
    (tmp_path / "model.safetensors").write_bytes((1).to_bytes(8, "little") + b"5")
    assert "of unknown kind" in told(tmp_path)[1] or "single file" in told(tmp_path)[1]


@pytest.mark.parametrize("kind", ["FluxTransformer2DModel", "ZImageTransformer2DModel"])
def test_a_missing_model_index_is_named(tmp_path, kind):
    """The transformer's class says the family, and that family says what it lacks."""
    write_config(tmp_path / "transformer" / "config.json", _class_name=kind)
    for said in told(tmp_path):
        assert "model_index.json is missing" in said
        assert "unet" not in said


def test_the_pipeline_tells_the_kind_where_the_transformer_does_not(tmp_path):
    """transformer/config.json may lack its class, which nothing reads."""
    write_config(tmp_path / "model_index.json", _class_name="FluxPipeline")
    write_config(tmp_path / "transformer" / "config.json")
    assert check(tmp_path, None, tmp_path).kind.name == "FLUX.1"


@pytest.mark.parametrize("name", ["sdxl.safetensors", "sdxl.ckpt"])
def test_a_single_file_is_told_as_one(tmp_path, name):
    """A file in place of a folder is no missing folder."""
    save_file({"model.diffusion_model.x": torch.zeros(1)}, tmp_path / name)
    for said in told(tmp_path / name):
        assert f"{name} is a file, a checkpoint is a folder" in said


@pytest.mark.parametrize("replaced", [False, True])
def test_the_snapshot_of_main_is_named(own_checkpoint, tmp_path, replaced):
    """Of a hub's cache for the checkpoint or its UNet: the one of refs/main, though another is newer."""
    cache = tmp_path / "models--a--b"
    for revision in ("0123", "4567"):
        (cache / "snapshots" / revision).mkdir(parents=True)
    os.utime(cache / "snapshots" / "4567", (2_000_000_000, 2_000_000_000))
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text("0123")
    for said in told(own_checkpoint, cache) if replaced else told(cache):
        assert f"its snapshot of main is one: {cache / 'snapshots' / '0123'}" in said


def test_a_broken_link_of_an_optional_file_is_told(own_checkpoint, tmp_path):
    """vitrine.json as a link to nothing does not give the defaults."""
    (own_checkpoint / "vitrine.json").unlink()
    (own_checkpoint / "vitrine.json").symlink_to("../../blobs/x")
    (problem,) = check(own_checkpoint, None, tmp_path).problems
    assert "vitrine.json is a link to ../../blobs/x, which is not there" in problem
    with pytest.raises(BadCheckpoint, match=r"vitrine\.json is a link to"):
        _ = open_checkpoint(own_checkpoint).settings
    with pytest.raises(BadCheckpoint, match=r"vitrine\.json is a link to"):
        open_checkpoint(own_checkpoint).digest()


def test_a_broken_link_of_the_garment_parser_is_a_problem(tmp_path):
    """An optional network that was not fetched is told, not left out."""
    (tmp_path / "dwpose").mkdir()
    (tmp_path / "garment_parser").mkdir()
    (tmp_path / "garment_parser" / "garment_parser.onnx").symlink_to("../blobs/x")
    told = check(tmp_path, None, tmp_path).problems
    assert any("garment_parser.onnx is a link to ../blobs/x" in problem for problem in told)


def test_a_number_beyond_floats_is_refused(own_checkpoint):
    """vitrine.json may hold a whole number of any length."""
    (own_checkpoint / "vitrine.json").write_text(json.dumps({"default_guidance": 10**400}))
    with pytest.raises(BadCheckpoint, match="default_guidance must be a number from 0 to 20"):
        _ = open_checkpoint(own_checkpoint).settings
