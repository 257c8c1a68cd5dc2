"""Files that are no adapter of a net, or of no slot, are refused with the rule and the remedy."""

import json

import pytest
import torch
from safetensors.torch import save_file
from vitrine_export.checkpoint.ad_layout import LORA_RANK
from vitrine_export.command import main
from vitrine_export.errors import BadCheckpoint
from vitrine_export.lora.command import register
from vitrine_export.lora.file import adapter_of, read_adapter
from vitrine_export.nets.z_image import ZImageConfig, ZImageNet

NAME = "layers.0.attention.to_q"
WIDTH = 48


@pytest.fixture(scope="module")
def sites():
    """The linears of a small transformer."""
    with torch.device("meta"):
        return ZImageNet(
            ZImageConfig(dim=WIDTH, n_layers=1, n_refiner_layers=1, n_heads=2, axes_dims=(8, 8, 8))
        ).sites


def pair(rank=4, prefix="", **more):
    """The tensors of one linear's term."""
    state = {"lora_down.weight": torch.ones(rank, WIDTH), "lora_up.weight": torch.ones(WIDTH, rank)} | more
    return {f"{prefix}{NAME}.{key}": tensor for key, tensor in state.items()}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "is a git-lfs pointer .* git lfs pull"),
        (b"<!DOCTYPE html>", "is a web page .* fetch it again"),
        (b"", "is empty .* fetch it again"),
        (None, "is missing"),
    ],
)
def test_what_is_no_adapter_is_named_before_the_checkpoint_is_read(tmp_path, capsys, content, words):
    """Also where the checkpoint is not there: the file is looked at first."""
    if content is not None:
        (tmp_path / "night.safetensors").write_bytes(content)
    command = ["lora", "--checkpoint", str(tmp_path / "none"), "--file", str(tmp_path / "night.safetensors")]
    assert main([*command, "--name", "night", "--licence", "MIT", "--registry", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert "night.safetensors" in told
    assert all(part in told for part in words.split(" .* "))


def test_a_rank_above_the_slots_is_not_registered(sites, tmp_path, capsys):
    """The message has the rank and the remedy, no folder is written, and --help names the rank."""
    adapter = adapter_of(pair(rank=LORA_RANK + 1), sites, "file")
    with pytest.raises(BadCheckpoint, match=r"night: its rank must be 1 to 16, .* got 17; resize it to 16"):
        register(adapter, sites, tmp_path / "night", family="z-image", base="0", licence="MIT")
    assert not list(tmp_path.iterdir())
    with pytest.raises(SystemExit):
        main(["lora", "--help"])
    assert f"rank {LORA_RANK} or less" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (pair(alpha=torch.tensor(float("nan"))), "one finite number as alpha, got nan"),
        (pair(alpha=torch.tensor(float("inf"))), "one finite number as alpha, got inf"),
        (pair(alpha=torch.ones(2)), r"one finite number as alpha, got \[1\.0, 1\.0\]"),
        (pair(alpha=torch.tensor(1e38), **{"lora_up.weight": torch.full((WIDTH, 4), 1e38)}), "not finite"),
        (pair(rank=0), "of a rank from 1 on, got"),
        (pair(**{"lora_down.weight": torch.tensor(1.0)}), r"of a rank from 1 on, got \(\)"),
        (pair(prefix="transformer.") | pair(prefix="diffusion_model."), "in it twice, under different pref"),
    ],
)
def test_numbers_and_names_that_cannot_be_are_refused(sites, state, words):
    """Each gives a sentence with the linear; none gives NaN, a division by zero, or one of two terms."""
    with pytest.raises(BadCheckpoint, match=words):
        adapter_of(state, sites, "file")


def test_a_header_whose_alpha_is_not_finite_is_refused(sites, tmp_path):
    """JSON of Python's may say NaN."""
    header = {"lora_adapter_metadata": json.dumps({"transformer.lora_alpha": float("nan")})}
    save_file(pair(), tmp_path / "night.safetensors", metadata=header)
    with pytest.raises(BadCheckpoint, match="in its header: lora_alpha must be a finite number, got nan"):
        read_adapter(tmp_path / "night.safetensors", sites)


def peft_file(folder, name="adapter_model.safetensors", **settings):
    """An adapter of rank 4 as PEFT saves it, with its settings beside it unless there are none."""
    state = pair(prefix="base_model.model.")
    state = {
        key.replace("lora_down", "lora_A").replace("lora_up", "lora_B"): one for key, one in state.items()
    }
    save_file(state, folder / name, metadata={"format": "pt"})
    if settings:
        (folder / "adapter_config.json").write_text(json.dumps({"r": 4, "lora_alpha": 16} | settings))
    return folder / name


@pytest.mark.parametrize("name", ["adapter_model.safetensors", "night.safetensors"])
def test_the_alpha_of_peft_is_in_its_settings(sites, tmp_path, name):
    """lora_alpha / r scales the term, as PEFT does; also where the file of weights got another name."""
    adapter = read_adapter(peft_file(tmp_path, name, use_rslora=False, init_lora_weights=True), sites)
    (term,) = adapter.pairs.values()
    assert (term.up == 4).all()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "adapter_config.json, which has the alpha of adapter_model.safetensors, is missing"),
        ({"use_rslora": True}, "adapter_config.json: use_rslora must not be set"),
        ({"use_dora": True}, "adapter_config.json: use_dora must not be set"),
        ({"alpha_pattern": {NAME: 2}}, "adapter_config.json: alpha_pattern must not be set"),
        ({"init_lora_weights": "pissa_niter_16"}, "init_lora_weights must not be 'pissa_niter_16'"),
        ({"lora_alpha": "much"}, "adapter_config.json cannot be read"),
    ],
    ids=str,
)
def test_settings_of_peft_that_are_not_computed_are_refused(sites, tmp_path, settings, words):
    """None is left out silently."""
    with pytest.raises(BadCheckpoint, match=words):
        read_adapter(peft_file(tmp_path, **settings), sites)


def test_whole_numbers_are_no_terms(sites):
    """Quantised weights need a scale, which the file's form does not have."""
    state = pair(**{"lora_up.weight": torch.ones(WIDTH, 4, dtype=torch.int8)})
    with pytest.raises(BadCheckpoint, match=r"must hold floating-point numbers, got torch\.int8"):
        adapter_of(state, sites, "file")
