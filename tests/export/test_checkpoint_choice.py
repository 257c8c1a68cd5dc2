"""Which of several files is read, which files count in a digest, and words for files of another kind."""

import json
import pickle
import shutil

import onnx
import pytest
import torch
from safetensors.torch import load_file, save_file
from small_checkpoints import write_graph
from vitrine_export.check.report import check
from vitrine_export.checkpoint import open_checkpoint
from vitrine_export.checkpoint.clip import ClipCheckpoint
from vitrine_export.checkpoint.cut_out import open_cut_out
from vitrine_export.checkpoint.onnx_source import read_onnx
from vitrine_export.checkpoint.weight_files import weight_files
from vitrine_export.errors import BadCheckpoint

VAE, TEXT = "diffusion_pytorch_model", "model"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:a\nsize 1\n"


def in_shards_too(folder, stem):
    """Write twice the weights of the single file in a shard next to it; returns the shard."""
    state = load_file(folder / f"{stem}.safetensors")
    shard = folder / f"{stem}-00001-of-00001.safetensors"
    save_file({name: tensor * 2 for name, tensor in state.items()}, shard)
    index = {"metadata": {"total_size": 1}, "weight_map": dict.fromkeys(state, shard.name)}
    (folder / f"{stem}.safetensors.index.json").write_text(json.dumps(index))
    return shard


def test_diffusers_reads_shards_before_a_single_file(own_checkpoint):
    """So do we: the loaded weights are those of diffusers' own loader."""
    from diffusers import AutoencoderKL

    shard = in_shards_too(own_checkpoint / "vae", VAE)
    assert weight_files(own_checkpoint / "vae", half=False) == (shard,)
    name = "encoder.conv_in.weight"
    theirs = AutoencoderKL.from_pretrained(own_checkpoint / "vae").state_dict()[name]
    assert torch.equal(open_checkpoint(own_checkpoint).vae().state_dict()[name], theirs)


def test_transformers_reads_a_single_file_before_shards(own_checkpoint):
    """So do we: the loaded weights are those of transformers' own loader."""
    from transformers import CLIPTextModelWithProjection

    in_shards_too(own_checkpoint / "text_encoder_2", TEXT)
    (chosen,) = weight_files(own_checkpoint / "text_encoder_2", half=False)
    assert chosen.name == "model.safetensors"
    name = "text_projection.weight"
    theirs = CLIPTextModelWithProjection.from_pretrained(own_checkpoint / "text_encoder_2").state_dict()[name]
    assert torch.equal(open_checkpoint(own_checkpoint).text_encoder_2().state_dict()[name], theirs)


def test_a_cut_out_networks_second_file_counts(tmp_path):
    """Other weights next to the same graph are another checkpoint."""
    real = onnx.TensorProto.FLOAT
    weights = {"w": torch.ones(8, 3, 1, 1).numpy()}
    node = onnx.helper.make_node("Conv", ["x", "w"], ["y"])
    path = tmp_path / "net.onnx"
    write_graph(path, [node], weights, {"x": (real, [1, 3, 8, 8])}, {"y": (real, [1, 8, 8, 8])})
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location="net.data", size_threshold=0)
    before = open_cut_out(path, network="u2net")
    assert [name for name, _ in before.files()] == ["u2net.onnx", "net.data"]
    digest, data = before.digest(), tmp_path / "net.data"
    data.write_bytes(bytes(data.stat().st_size))
    assert open_cut_out(path, network="u2net").digest() != digest


@pytest.fixture
def clip(tmp_path):
    """A CLIP folder with its weights in both precisions, though without a network that fits them."""
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "clip"}))
    for name in ("model.safetensors", "model.fp16.safetensors"):
        save_file({"a": torch.zeros(1)}, tmp_path / name)
    return ClipCheckpoint(tmp_path)


def test_clips_half_file_counts(clip):
    """An export in fp16 reads it, so other weights in it are another checkpoint."""
    before = clip.digest()
    save_file({"a": torch.ones(1)}, clip.folder / "model.fp16.safetensors")
    assert clip.digest() != before
    (clip.folder / "model.fp16.safetensors").unlink()
    assert [name for name, _ in clip.files()] == ["config.json", "model.safetensors"]


@pytest.mark.parametrize("spoil", ["half", "no length", "negative", "no number"])
def test_external_data_that_is_not_all_there_is_a_problem_of_the_check(own_checkpoint, tmp_path, spoil):
    """Sizes and places are compared without reading the weights."""
    path = own_checkpoint / "humanparsing" / "parsing_atr.onnx"
    model = onnx.load(path)
    path.unlink()
    onnx.save(model, path, save_as_external_data=True, location="atr.data", size_threshold=0)
    data = path.with_name("atr.data")
    if spoil in ("half", "no length"):
        data.write_bytes(data.read_bytes()[:100])
    change(path, spoil)
    with pytest.raises(BadCheckpoint, match=r"humanparsing/atr\.data"):
        read_onnx(path, weights=False)
    assert any("humanparsing/atr.data" in told for told in check(own_checkpoint, None, tmp_path).problems)


def change(path, spoil):
    """Change where an ONNX file says that its weights are."""
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        given = {entry.key: entry.value for entry in tensor.external_data}
        if spoil == "no length":
            del given["length"]
        if spoil in ("negative", "no number"):
            given["offset"] = "-5" if spoil == "negative" else "five"
        del tensor.external_data[:]
        for key, value in given.items():
            tensor.external_data.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())


def test_external_data_without_a_length_is_read_by_its_shape(own_checkpoint):
    """The length may be omitted: it follows from type and shape."""
    path = own_checkpoint / "humanparsing" / "parsing_atr.onnx"
    whole = onnx.load(path)
    wanted = {tensor.name: tensor.raw_data for tensor in whole.graph.initializer}
    path.unlink()
    onnx.save(whole, path, save_as_external_data=True, location="atr.data", size_threshold=0)
    change(path, "no length")
    assert {tensor.name: tensor.raw_data for tensor in read_onnx(path).graph.initializer} == wanted


@pytest.mark.parametrize(
    ("name", "write", "words"),
    [
        (f"{VAE}.safetensors", torch.save, "is a file of torch.save under another name; rename it to .bin"),
        (f"{VAE}.bin", save_file, "is a safetensors file under another name; rename it to .safetensors"),
        (
            f"{VAE}.bin",
            lambda state, path: path.write_bytes(pickle.dumps({"a": 1}, protocol=4)),
            "is a pickle of protocol 4",
        ),
    ],
)
def test_weights_under_another_name_are_told_so(own_checkpoint, name, write, words):
    """The remedy is a new name or a new file, not the same download."""
    state = load_file(own_checkpoint / "vae" / f"{VAE}.safetensors")
    (own_checkpoint / "vae" / f"{VAE}.safetensors").unlink()
    write(state, own_checkpoint / "vae" / name)
    with pytest.raises(BadCheckpoint) as fault:
        open_checkpoint(own_checkpoint).verify(["vae"])
    assert f"vae/{name} {words}" in str(fault.value)


def test_weights_with_inverse_scales_are_quantised(own_checkpoint):
    """fp8 in blocks has a tensor of scales next to each weight."""
    path = own_checkpoint / "vae" / f"{VAE}.safetensors"
    save_file(load_file(path) | {"encoder.conv_in.weight_scale_inv": torch.ones(1)}, path)
    with pytest.raises(BadCheckpoint, match="holds quantised weights, fp8 in blocks"):
        open_checkpoint(own_checkpoint).verify(["vae"])


def test_a_quantised_config_is_refused(own_checkpoint):
    """Whatever its weights are named."""
    path = own_checkpoint / "vae" / "config.json"
    config = json.loads(path.read_text()) | {"quantization_config": {"quant_method": "torchao"}}
    path.write_text(json.dumps(config))
    with pytest.raises(BadCheckpoint, match=r"vae/config\.json: quantization_config .* got 'torchao'"):
        open_checkpoint(own_checkpoint).verify(["vae"])


def test_odd_names_and_loops_do_not_stop_the_digest(own_checkpoint, tmp_path):
    """A name that is no UTF-8, and a folder that links to itself."""
    import os

    before = open_checkpoint(own_checkpoint).digest()
    with open(os.fsencode(own_checkpoint) + b"/vae/caf\xe9.txt", "wb"):
        pass
    assert open_checkpoint(own_checkpoint).digest() != before
    shutil.rmtree(own_checkpoint / "densepose")
    (own_checkpoint / "densepose").symlink_to("densepose")
    open_checkpoint(own_checkpoint).digest()
    assert any("densepose" in told for told in check(own_checkpoint, None, tmp_path).problems)


@pytest.mark.parametrize(
    ("part", "field"),
    [
        ("vae", {"act_fn": None}),
        ("vae", {"norm_num_groups": 0}),
        ("vae", {"block_out_channels": 8}),
        ("text_encoder", {"hidden_act": None}),
        ("text_encoder", {"hidden_size": "eight"}),
        ("unet", {"image_projection": 3}),
        ("unet", {"cross_attention_dim": [16]}),
    ],
)
def test_values_of_another_type_are_problems(own_checkpoint, tmp_path, part, field):
    """Each is one sentence about its part, never another exception."""
    path = own_checkpoint / part / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | field))
    told = check(own_checkpoint, None, tmp_path).problems
    assert any(problem.startswith(part) for problem in told)


def test_the_next_command_is_quoted(own_checkpoint, tmp_path):
    """It can be pasted into a shell."""
    spaced = own_checkpoint.rename(tmp_path / "my checkpoint")
    assert check(spaced, None, tmp_path / "o u t").next == (
        f"vitrine-export onnx --checkpoint '{spaced}' --out '{tmp_path / 'o u t'}'"
    )
