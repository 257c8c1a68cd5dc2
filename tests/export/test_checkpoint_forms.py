"""Checkpoints in other forms are read like plain files, or refused with file and remedy."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import onnx
import pytest
import torch
from safetensors.torch import load_file, save_file
from vitrine_export.checkpoint import open_checkpoint
from vitrine_export.checkpoint.layout import files_that_count
from vitrine_export.checkpoint.onnx_source import read_onnx
from vitrine_export.checkpoint.weight_files import weight_files
from vitrine_export.errors import BadCheckpoint
from vitrine_export.exporting.order import Order
from vitrine_export.exporting.stage_files import export_files

STEM = "diffusion_pytorch_model"
VAE = f"vae/{STEM}.safetensors"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 167335342\n"


def as_hub_cache(source: Path, root: Path) -> Path:
    """A copy in the form of a hub's cache: a snapshot of links to blobs whose names have no suffix."""
    blobs, snapshot = root / "blobs", root / "snapshots" / "0123abcd"
    blobs.mkdir(parents=True)
    for path in filter(Path.is_file, source.rglob("*")):
        blob = blobs / hashlib.sha256(path.read_bytes()).hexdigest()
        shutil.copyfile(path, blob)
        link = snapshot / path.relative_to(source)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(blob, link.parent))
    return snapshot


def in_two_files(path: Path) -> Path:
    """Move every weight of the ONNX file into a second one; returns its path."""
    model = onnx.load(path)
    path.unlink()
    onnx.save(model, path, save_as_external_data=True, location=f"{path.name}.data", size_threshold=0)
    return path.with_name(f"{path.name}.data")


def recast(folder: Path, change, name: str = VAE) -> None:
    """Replace the VAE's file by one named `name` with each tensor changed."""
    state = load_file(folder / VAE)
    (folder / VAE).unlink()
    save_file({key: change(tensor) for key, tensor in state.items()}, folder / name)


def refused(folder: Path, message: str, network: str = "vae") -> None:
    with pytest.raises(BadCheckpoint, match=message):
        open_checkpoint(folder).verify([network])


def test_a_hub_cache_exports_like_plain_files(tiny_checkpoint, tmp_path):
    """A graph with its weights in a second file, both links to blobs, is exported and computes the same."""
    plain = Path(shutil.copytree(tiny_checkpoint, tmp_path / "plain"))
    in_two_files(plain / "humanparsing" / "parsing_atr.onnx")
    snapshot = as_hub_cache(plain, tmp_path / "models--a--b")
    checkpoint = open_checkpoint(snapshot)
    checkpoint.verify(["unet", "vae", "pose"])
    assert checkpoint.digest() == open_checkpoint(plain).digest()
    done = export_files(Order(checkpoint, tmp_path / "out"), "parsing_atr", ("parsing_atr/1/model.onnx",))
    assert done[0].proof.worst <= done[0].proof.allowed


def test_the_root_of_a_hub_cache_names_its_snapshot(tiny_checkpoint, tmp_path):
    """The folder above the snapshots is refused, and the error has the right path."""
    snapshot = as_hub_cache(tiny_checkpoint, tmp_path / "models--a--b")
    refused(tmp_path / "models--a--b", f"is a hub's cache.*{snapshot}$")


def test_a_link_whose_blob_was_not_fetched_is_named(own_checkpoint):
    """A link to a missing blob is reported as such, not as a missing file."""
    (own_checkpoint / VAE).unlink()
    (own_checkpoint / VAE).symlink_to("../../blobs/abc")
    refused(own_checkpoint, rf"{VAE} is a link to \.\./\.\./blobs/abc, which is not there: fetch the file")


@pytest.mark.parametrize("spoil", ["missing", "cut short", "git-lfs pointer"])
def test_external_data_that_is_spoilt_is_named(own_checkpoint, spoil):
    """The error names the second file of an ONNX graph, not the first."""
    path = own_checkpoint / "humanparsing" / "parsing_atr.onnx"
    data = in_two_files(path)
    whole = data.read_bytes()
    data.write_bytes(POINTER if spoil == "git-lfs pointer" else whole[: len(whole) // 2])
    if spoil == "missing":
        data.unlink()
    with pytest.raises(BadCheckpoint, match=rf"humanparsing/parsing_atr\.onnx\.data.*{spoil}"):
        read_onnx(path)


def test_external_data_outside_the_folder_is_refused(own_checkpoint):
    """A graph whose weights are outside its folder is refused."""
    path = own_checkpoint / "humanparsing" / "parsing_atr.onnx"
    in_two_files(path)
    model = onnx.load(path, load_external_data=False)
    for entry in model.graph.initializer[0].external_data:
        if entry.key == "location":
            entry.value = "../../secret"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(BadCheckpoint, match=r"must lie next to the file, not in \.\./\.\./secret"):
        read_onnx(path)


@pytest.mark.parametrize("part", ["openpose/ckpts", "vae", "unet"])
def test_the_digest_follows_linked_folders(own_checkpoint, tmp_path, part):
    """New weights behind a link change the digest."""
    before = open_checkpoint(own_checkpoint).digest()
    shutil.move(own_checkpoint / part, tmp_path / "elsewhere")
    (own_checkpoint / part).symlink_to(tmp_path / "elsewhere")
    assert open_checkpoint(own_checkpoint).digest() == before
    (tmp_path / "elsewhere" / "more.safetensors").write_bytes(b"x")
    assert open_checkpoint(own_checkpoint).digest() != before


def test_links_in_a_loop_end(own_checkpoint):
    """A link to a folder above it adds nothing."""
    before = [name for name, _ in files_that_count(own_checkpoint, own_checkpoint / "unet")]
    (own_checkpoint / "vae" / "again").symlink_to(own_checkpoint / "vae")
    (own_checkpoint / "vae" / "nowhere").symlink_to("nowhere")
    assert [name for name, _ in files_that_count(own_checkpoint, own_checkpoint / "unet")] == before


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float8_e4m3fn])
def test_smaller_floats_load(own_checkpoint, dtype):
    """bf16, fp16 and unscaled fp8 are cast; the values are the stored ones."""
    wanted = load_file(own_checkpoint / VAE)["encoder.conv_in.weight"].to(dtype).float()
    recast(own_checkpoint, lambda tensor: tensor.to(dtype))
    loaded = open_checkpoint(own_checkpoint).vae().state_dict()
    assert torch.equal(loaded["encoder.conv_in.weight"], wanted)


@pytest.mark.parametrize("variant", ["fp16", "bf16", "fp32", "ema", "non_ema"])
@pytest.mark.parametrize("extension", ["safetensors", "bin"])
def test_variants_load_where_they_are_alone(own_checkpoint, variant, extension):
    """A variant is read where there is no file without one."""
    state = load_file(own_checkpoint / VAE)
    (own_checkpoint / VAE).unlink()
    name = own_checkpoint / "vae" / f"{STEM}.{variant}.{extension}"
    (save_file if extension == "safetensors" else torch.save)(state, name)
    assert weight_files(own_checkpoint / "vae", half=False) == (name,)
    open_checkpoint(own_checkpoint).verify(["vae"])


def test_a_whole_bin_goes_before_a_half_safetensors(own_checkpoint):
    """As in diffusers, a variant is not read without being requested, whatever its extension."""
    torch.save(load_file(own_checkpoint / VAE), own_checkpoint / "vae" / f"{STEM}.bin")
    recast(own_checkpoint, torch.Tensor.half, f"vae/{STEM}.fp16.safetensors")
    chosen = {half: weight_files(own_checkpoint / "vae", half)[0].name for half in (False, True)}
    assert chosen == {False: f"{STEM}.bin", True: f"{STEM}.fp16.safetensors"}


@pytest.mark.parametrize(
    ("key", "writer"),
    [
        ("encoder.conv_in.scale_weight", "scaled fp8"),
        ("scaled_fp8", "scaled fp8"),
        ("encoder.conv_in.weight.absmax", "bitsandbytes"),
        ("encoder.conv_in.qweight", "packed integers"),
    ],
)
def test_quantised_weights_are_refused_by_name(own_checkpoint, key, writer):
    """Quantised weights are refused; the error names the file and the tool that wrote it."""
    save_file(load_file(own_checkpoint / VAE) | {key: torch.ones(1)}, own_checkpoint / VAE)
    refused(own_checkpoint, rf"{VAE} holds quantised weights, {writer}.*fetch the same file in fp32")


def test_whole_numbers_are_no_weights(own_checkpoint):
    """The error names an int8 tensor in place of a float."""
    recast(own_checkpoint, lambda tensor: tensor.to(torch.int8))
    refused(own_checkpoint, r"keys of whole numbers \(decoder\.conv_in\.bias torch\.int8")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (POINTER, "is a git-lfs pointer instead of the file: run `git lfs install` and `git lfs pull`"),
        (
            b"/annex/objects/SHA256E-s1--a\n",
            "is a git-annex pointer instead of the file: run `git annex get`",
        ),
        (b"\n<!DOCTYPE html>\n<html>", "is a web page instead of the file"),
        (b'{"error":"Access to model a/b is restricted"}', "is a server's error message"),
        (b"Entry not found", 'is a server\'s "not found"'),
        (b"", r"is empty \(0 bytes\); fetch it again"),
    ],
)
@pytest.mark.parametrize(
    ("name", "network"),
    [(VAE, "vae"), ("openpose/ckpts/body_pose_model.pth", "pose"), (f"vae/{STEM}.bin", "vae")],
)
def test_what_is_no_weight_file_is_named_with_its_remedy(own_checkpoint, content, message, name, network):
    """A pointer, a web page or an empty file in place of weights is refused with its remedy."""
    (own_checkpoint / VAE).unlink()
    (own_checkpoint / name).write_bytes(content)
    refused(own_checkpoint, f"{name} {message}", network)


@pytest.mark.parametrize("name", ["vae/config.json", "scheduler/scheduler_config.json"])
def test_a_pointer_for_a_config_is_named(own_checkpoint, name):
    """A clone without git-lfs may have them for configs too."""
    (own_checkpoint / name).write_bytes(POINTER)
    with pytest.raises(BadCheckpoint, match=f"{name} is a git-lfs pointer"):
        _ = open_checkpoint(own_checkpoint).config("vae"), open_checkpoint(own_checkpoint).scheduler


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_configs_with_a_byte_order_mark_are_read(own_checkpoint, encoding):
    """Configs with a byte order mark and unknown fields are read."""
    path = own_checkpoint / "vae" / "config.json"
    config = json.loads(path.read_text()) | {"a_newer_field": {"with": "values"}}
    path.write_bytes(json.dumps(config).encode(encoding))
    open_checkpoint(own_checkpoint).verify(["vae"])


def test_shards_without_their_index_name_it(own_checkpoint):
    """The error names the index that is missing."""
    (own_checkpoint / VAE).rename(own_checkpoint / "vae" / f"{STEM}.fp16-00001-of-00002.safetensors")
    refused(own_checkpoint, rf"no index of shards: fetch {STEM}\.safetensors\.index\.fp16\.json")


@pytest.mark.parametrize(
    "index", [f"{STEM}.safetensors.index.bf16.json", f"{STEM}.bf16.safetensors.index.json"]
)
def test_either_name_of_an_index_is_known(own_checkpoint, index):
    """Old and new versions of diffusers name the index of a variant differently; both are read."""
    shard = own_checkpoint / "vae" / f"{STEM}.bf16-00001-of-00001.safetensors"
    (own_checkpoint / VAE).rename(shard)
    places = dict.fromkeys(load_file(shard), shard.name)
    (own_checkpoint / "vae" / index).write_text(json.dumps({"weight_map": places}))
    open_checkpoint(own_checkpoint).verify(["vae"])


@pytest.mark.parametrize("name", [f"{STEM}.q4.safetensors", "vae.ckpt", f"{STEM}.safetensors.incomplete"])
def test_files_under_other_names_are_reported(own_checkpoint, name):
    """The error names other files of a folder instead of calling it empty."""
    (own_checkpoint / VAE).rename(own_checkpoint / "vae" / name)
    refused(own_checkpoint, rf"vae/ has .*{name}")
