"""Checkpoints of the advertising families: shards, dtypes, known gaps and refused folders."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from vitrine_export.check.report import check
from vitrine_export.checkpoint.ads import open_ads
from vitrine_export.errors import BadCheckpoint

WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture
def copy(folder, tmp_path) -> Path:
    return shutil.copytree(folder / "tiny", tmp_path / "tiny")


def changed(path: Path, **settings: object) -> None:
    """Set settings of a JSON file; None removes one."""
    config = {**json.loads(path.read_text()), **settings}
    path.write_text(json.dumps({key: value for key, value in config.items() if value is not None}))


def test_shards_and_dtypes_are_read(copy):
    """A network in two shards, one of them bfloat16, equals the network of one file."""
    whole = open_ads(copy).load("transformer").state_dict()
    state = load_file(copy / "transformer" / WEIGHTS)
    (copy / "transformer" / WEIGHTS).unlink()
    names = sorted(state)
    shards = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, keys in shards.items():
        dtype = torch.bfloat16 if file[0] == "b" else torch.float32
        save_file({key: state[key].to(dtype) for key in keys}, copy / "transformer" / file)
    index = {"weight_map": {key: file for file, keys in shards.items() for key in keys}}
    (copy / "transformer" / f"{WEIGHTS}.index.json").write_text(json.dumps(index))
    found = open_ads(copy).load("transformer").state_dict()
    assert found.keys() == whole.keys()
    assert {tensor.dtype for tensor in found.values()} == {torch.float32}
    assert all(torch.allclose(found[key], whole[key], rtol=1e-2) for key in whole)
    assert open_ads(copy).load("transformer", torch.bfloat16).x_pad_token.dtype == torch.bfloat16


def test_known_gaps_are_filled_and_reported(copy, caplog):
    """A config without norm_type and qk_norm and a VAE without its shift load, and a line reports it."""
    changed(copy / "transformer" / "config.json", qk_norm=None)
    changed(copy / "vae" / "config.json", shift_factor=None)
    checkpoint = open_ads(copy)
    checkpoint.verify()
    assert "their released values are used: norm_type = 'rms_norm', qk_norm = True" in caplog.text
    assert "vae/config.json lacks settings of the released model" in caplog.text
    assert "are used: shift_factor" in caplog.text
    assert checkpoint.load("vae").config.shift_factor == 0.1159


def test_the_encoder_is_loaded_without_what_is_not_read(copy):
    """An encoder of 3 layers is loaded with 2 and without the last norm."""
    net = open_ads(copy).load("text_encoder")
    assert len(net.layers) == 2
    assert not any(name.startswith("norm") for name in net.state_dict())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"siglip_feat_dim": 8}, "siglip_feat_dim must be None, got 8"),
        ({"all_patch_size": [4]}, r"all_patch_size must be \[2\], got \[4\]"),
        ({"norm_type": "layer_norm"}, "norm_type must be 'rms_norm'"),
        ({"colour": "red"}, r"unknown settings \['colour'\]"),
        ({"axes_dims": [8, 8, 6]}, "axes_dims must sum to dim / n_heads"),
        ({"n_layers": 2}, r"keys missing \(layers.1."),
        ({"n_refiner_layers": 0}, "keys unknown"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(copy, settings, said):
    """The error names the file, the setting and its value, and missing or extra keys."""
    changed(copy / "transformer" / "config.json", **settings)
    with pytest.raises(BadCheckpoint, match=said):
        open_ads(copy).verify()


def test_other_folders_are_refused(copy, tmp_path):
    """A missing folder, another pipeline and a missing part are refused."""
    with pytest.raises(BadCheckpoint, match="there is no folder"):
        open_ads(tmp_path / "none")
    shutil.rmtree(copy / "vae")
    with pytest.raises(BadCheckpoint, match="has no folder vae/"):
        open_ads(copy)
    changed(copy / "model_index.json", _class_name="StableDiffusionPipeline")
    with pytest.raises(BadCheckpoint, match="must be one of ZImagePipeline"):
        open_ads(copy)


@pytest.mark.parametrize("name", ["decay", "optimization_step", "use_ema_warmup", "a_newer_one"])
def test_settings_that_say_nothing_of_the_network_are_ignored(copy, name):
    """Those of EMA have values of a training; any other unknown one must be null."""
    path = copy / "transformer" / "config.json"
    value = None if name == "a_newer_one" else 1
    path.write_text(json.dumps(json.loads(path.read_text()) | {name: value}))
    open_ads(copy).verify(["transformer"])


def test_a_quantised_transformer_is_refused(copy):
    """The message names the method and what to fetch instead."""
    changed(copy / "transformer" / "config.json", quantization_config={"quant_method": "torchao"})
    with pytest.raises(BadCheckpoint, match="quantization_config must not be set, got 'torchao'; fetch"):
        open_ads(copy).verify(["transformer"])


def test_a_half_file_is_checked_too(copy):
    """An export in fp16 would read it."""
    (copy / "vae" / "diffusion_pytorch_model.fp16.safetensors").write_bytes(b"<html>")
    with pytest.raises(BadCheckpoint, match=r"vae/diffusion_pytorch_model\.fp16\.safetensors is a web page"):
        open_ads(copy).verify(["vae"])


def test_a_pointer_for_a_tokenizer_is_a_problem_of_the_check(copy, tmp_path):
    """The tokenizers are opened, as an export does first."""
    assert check(copy, None, tmp_path).problems == []
    for path in (copy / "tokenizer").iterdir():
        path.write_text("version https://git-lfs.github.com/spec/v1\n")
    assert any("tokenizer/" in told and "git-lfs" in told for told in check(copy, None, tmp_path).problems)


def test_a_sampler_of_another_kind_is_refused(copy):
    """These families are sampled along a flow only."""
    (copy / "scheduler" / "scheduler_config.json").write_text(json.dumps({"_class_name": "DDPMScheduler"}))
    with pytest.raises(BadCheckpoint, match=r"_class_name must be one of \['FlowMatchEuler"):
        _ = open_ads(copy).scheduler
