"""Checkpoint folders are read in each of the forms that people have them in."""

import json
import re
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from vitrine_export.checkpoint import open_checkpoint

NETWORKS = ("tryon", "garment", "vae", "text_encoder", "text_encoder_2", "image_encoder", "pose")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_loads_in_either_precision(tiny_checkpoint, name, dtype):
    """All floating values have the requested dtype, and every parameter has values."""
    net = getattr(open_checkpoint(tiny_checkpoint), name)(dtype)
    state = {**dict(net.named_parameters()), **dict(net.named_buffers())}
    assert {tensor.dtype for tensor in state.values() if tensor.is_floating_point()} == {dtype}
    assert not any(tensor.is_meta for tensor in state.values())


def test_loaded_weights_are_the_files(tiny_checkpoint):
    """TryonNet's weights under the released names equal those of unet/."""
    net = open_checkpoint(tiny_checkpoint).tryon()
    stored = load_file(tiny_checkpoint / "unet" / "diffusion_pytorch_model.safetensors")
    assert stored.keys() == net.unet.state_dict().keys()
    assert all(torch.equal(net.unet.state_dict()[name], tensor) for name, tensor in stored.items())


def test_the_image_projection_loads_without_its_unet(tiny_checkpoint):
    """The resampler loaded alone equals the one inside TryonNet."""
    checkpoint = open_checkpoint(tiny_checkpoint)
    hidden = torch.randn(2, 5, 16)
    assert torch.equal(checkpoint.image_projection()(hidden), checkpoint.tryon().image_tokens(hidden))


def test_a_text_encoder_gives_what_transformers_gives(tiny_checkpoint):
    """The encoder equals transformers', with the positions that no file holds computed again."""
    from transformers import CLIPTextModel

    ids = torch.arange(77)[None]
    ours = open_checkpoint(tiny_checkpoint).text_encoder()(ids).last_hidden_state
    theirs = CLIPTextModel.from_pretrained(tiny_checkpoint / "text_encoder").eval()(ids).last_hidden_state
    assert torch.allclose(ours, theirs, atol=1e-6)


def test_pickled_weights_load(own_checkpoint):
    """The released unet/ is a .bin whose tensors are read without running any code."""
    path = own_checkpoint / "unet" / "diffusion_pytorch_model.safetensors"
    state = load_file(path)
    torch.save(state, path.with_suffix(".bin"))
    path.unlink()
    loaded = open_checkpoint(own_checkpoint).tryon().unet.state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in state.items())


def test_weights_in_the_oldest_format_load(own_checkpoint):
    """body_pose_model.pth was written before torch 1.6, in a format that cannot be mapped."""
    path = own_checkpoint / "openpose" / "ckpts" / "body_pose_model.pth"
    state = torch.load(path, weights_only=True)
    torch.save(state, path, _use_new_zipfile_serialization=False)
    assert torch.equal(
        open_checkpoint(own_checkpoint).pose().state_dict()["conv1_1.weight"], state["conv1_1.weight"]
    )


@pytest.mark.parametrize(
    ("index", "shard"),
    [
        ("{}.safetensors.index.json", "{}-0000{}-of-00002.safetensors"),
        ("{}.safetensors.index.fp16.json", "{}.fp16-0000{}-of-00002.safetensors"),
    ],
)
def test_sharded_weights_load(own_checkpoint, index, shard):
    """A network in several files is found by its index, whichever way the index is named."""
    stem = "diffusion_pytorch_model"
    path = own_checkpoint / "unet_encoder" / f"{stem}.safetensors"
    state = load_file(path)
    path.unlink()
    places = {name: shard.format(stem, 1 + number % 2) for number, name in enumerate(sorted(state))}
    for file in set(places.values()):
        save_file({name: state[name] for name in state if places[name] == file}, path.with_name(file))
    path.with_name(index.format(stem)).write_text(json.dumps({"weight_map": places}))
    loaded = open_checkpoint(own_checkpoint).garment().unet.state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in state.items())


def test_float16_is_read_from_the_smaller_file(own_checkpoint):
    """Where both forms are there, float16 comes from the file marked so, float32 from the other."""
    path = own_checkpoint / "vae" / "diffusion_pytorch_model.safetensors"
    halves = {name: torch.zeros_like(tensor, dtype=torch.float16) for name, tensor in load_file(path).items()}
    save_file(halves, path.with_name("diffusion_pytorch_model.fp16.safetensors"))
    checkpoint = open_checkpoint(own_checkpoint)
    assert checkpoint.vae(torch.float16).state_dict()["encoder.conv_in.weight"].abs().max() == 0
    assert checkpoint.vae().state_dict()["encoder.conv_in.weight"].abs().max() > 0


def test_known_extra_keys_are_ignored(own_checkpoint):
    """A full SDXL UNet's add_embedding and CLIP's stored positions are leftovers, not errors."""
    extras = {
        "unet_encoder/diffusion_pytorch_model": {"add_embedding.linear_1.weight": torch.zeros(2, 2)},
        "text_encoder/model": {"embeddings.position_ids": torch.arange(77)[None]},
        "image_encoder/model": {"vision_model.embeddings.position_ids": torch.arange(5)},
    }
    for name, extra in extras.items():
        path = own_checkpoint / f"{name}.safetensors"
        save_file(load_file(path) | extra, path)
    open_checkpoint(own_checkpoint).verify(["unet_encoder", "text_encoder", "image_encoder"])


def test_older_names_are_understood(own_checkpoint):
    """CLIP-L's keys begin with text_model, and an old VAE's attention has other names."""
    text, vae = (
        own_checkpoint / name
        for name in ("text_encoder/model.safetensors", "vae/diffusion_pytorch_model.safetensors")
    )
    save_file({f"text_model.{name}": tensor for name, tensor in load_file(text).items()}, text)
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    rename = lambda name: re.sub(r"(?<=attentions\.0\.)(to_[qkv]|to_out\.0)", lambda m: old[m[0]], name)  # noqa: E731
    save_file({rename(name): tensor for name, tensor in load_file(vae).items()}, vae)
    open_checkpoint(own_checkpoint).verify(["text_encoder", "vae"])


@pytest.mark.parametrize("inside", ["", "unet"])
def test_another_unet_replaces_the_checkpoints(own_checkpoint, tmp_path, inside):
    """The DressCode variant is a folder with unet/ alone; either path may be given."""
    other = tmp_path / "dc"
    shutil.copytree(own_checkpoint / "unet", other / "unet")
    path = other / "unet" / "diffusion_pytorch_model.safetensors"
    save_file({name: torch.zeros_like(tensor) for name, tensor in load_file(path).items()}, path)
    usual, replaced = open_checkpoint(own_checkpoint), open_checkpoint(own_checkpoint, other / inside)
    assert replaced.tryon().unet.conv_in.weight.abs().max() == 0
    assert usual.digest() != replaced.digest()


def test_settings_fall_back_to_the_released_ones(own_checkpoint):
    """Without vitrine.json a checkpoint is IDM-VTON's size: 768×1024, 30 steps, guidance 2."""
    assert open_checkpoint(own_checkpoint).settings.width == 192
    (own_checkpoint / "vitrine.json").unlink()
    settings = open_checkpoint(own_checkpoint).settings
    assert (settings.width, settings.height) == (768, 1024)
    assert (settings.default_steps, settings.default_guidance) == (30, 2.0)


def test_the_digest_covers_what_changes_an_export(own_checkpoint):
    """The digest does not depend on the path or a readme, and changes with any weight or setting."""
    before = open_checkpoint(own_checkpoint).digest()
    (own_checkpoint / "README.md").write_text("about it")
    (own_checkpoint / "unet" / ".cache").write_text("of a download")
    moved = own_checkpoint.rename(own_checkpoint.with_name("elsewhere"))
    assert open_checkpoint(moved).digest() == before
    (moved / "vitrine.json").write_text("{}")
    assert open_checkpoint(moved).digest() != before
