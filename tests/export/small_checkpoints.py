"""Makes a random checkpoint in the released layout, small enough to be written in a second."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file

CONTEXT = 16
UNET = {
    "sample_size": 32,
    "out_channels": 4,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
    "mid_block_type": "UNetMidBlock2DCrossAttn",
    "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
    "block_out_channels": [8, 16],
    "layers_per_block": 1,
    "transformer_layers_per_block": [1, 1],
    "attention_head_dim": [1, 2],
    "cross_attention_dim": CONTEXT,
    "use_linear_projection": True,
    "norm_num_groups": 4,
}
TRYON = UNET | {
    "in_channels": 13,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 4,
    "projection_class_embeddings_input_dim": 8 + 6 * 4,
    "encoder_hid_dim": 16,
    "encoder_hid_dim_type": "ip_image_proj",
    "decay": 0.9999,  # a stray key of training, as in the released config
    "image_projection": {"dim": 16, "depth": 1, "dim_head": 8, "heads": 2, "num_queries": 16},
}
GARMENT = UNET | {"in_channels": 4, "addition_embed_type": None}
VAE = {
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "block_out_channels": [8, 8, 8, 8],
    "layers_per_block": 1,
    "latent_channels": 4,
    "norm_num_groups": 4,
    "scaling_factor": 0.5,
    "force_upcast": False,
}
VISION = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "projection_dim": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 16,
}
SCHEDULER = {"_class_name": "DDPMScheduler", "beta_schedule": "scaled_linear", "prediction_type": "epsilon"}
START, END = "<|startoftext|>", "<|endoftext|>"


def write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def write_tensors(path: Path, state: dict[str, torch.Tensor]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, path, metadata={"format": "pt"})


def write_unets(folder: Path) -> None:
    from vitrine_export.nets import build_garment, build_tryon, released_state_dict

    for part, net, config in (
        ("unet", build_tryon(TRYON), TRYON),
        ("unet_encoder", build_garment(GARMENT), GARMENT),
    ):
        write_json(folder / part / "config.json", config)
        write_tensors(folder / part / "diffusion_pytorch_model.safetensors", released_state_dict(net))


def write_vae(folder: Path) -> None:
    from diffusers import AutoencoderKL

    write_json(folder / "vae" / "config.json", VAE | {"_class_name": "AutoencoderKL"})
    write_tensors(folder / "vae" / "diffusion_pytorch_model.safetensors", AutoencoderKL(**VAE).state_dict())


def write_encoders(folder: Path, words: int) -> None:
    from transformers import (
        CLIPTextConfig,
        CLIPTextModel,
        CLIPTextModelWithProjection,
        CLIPVisionConfig,
        CLIPVisionModelWithProjection,
    )

    text = {"hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    text |= {"vocab_size": words, "projection_dim": 8, "bos_token_id": words - 2, "eos_token_id": words - 1}
    models = {
        "text_encoder": CLIPTextModel(CLIPTextConfig(**text)),
        "text_encoder_2": CLIPTextModelWithProjection(CLIPTextConfig(**text, hidden_act="gelu")),
        "image_encoder": CLIPVisionModelWithProjection(CLIPVisionConfig(**VISION)),
    }
    for part, model in models.items():
        write_json(folder / part / "config.json", model.config.to_dict())
        write_tensors(folder / part / "model.safetensors", model.state_dict())


def write_tokenizers(folder: Path) -> int:
    """Write both tokenizers, with a token for each letter; returns the number of tokens."""
    from vitrine_export.training.tokenizers import byte_characters

    letters = byte_characters()
    words = [*letters, *(letter + "</w>" for letter in letters), START, END]
    for part, pad in (("tokenizer", END), ("tokenizer_2", "!")):
        specials = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": pad}
        write_json(folder / part / "vocab.json", {word: index for index, word in enumerate(words)})
        (folder / part / "merges.txt").write_text("#version: 0.2\n")
        write_json(folder / part / "special_tokens_map.json", specials)
        config = specials | {"model_max_length": 77, "tokenizer_class": "CLIPTokenizer"}
        write_json(folder / part / "tokenizer_config.json", config)
    return len(words)


def write_graph(path: Path, nodes: list, weights: dict, inputs: dict, outputs: dict) -> None:
    """Write an ONNX file; inputs and outputs are {name: (type, shape)}."""
    graph = helper.make_graph(
        nodes,
        path.stem,
        [helper.make_tensor_value_info(name, *what) for name, what in inputs.items()],
        [helper.make_tensor_value_info(name, *what) for name, what in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)


def write_parsing(folder: Path, stage: str, labels: int, side: int, one_picture: bool = False) -> None:
    """A stand-in for SCHP with edges and logits; with `one_picture` the graph takes no batch."""
    draw = np.random.default_rng(labels)
    weights = {"w": draw.standard_normal((labels, 3, 8, 8), np.float32), "edge": np.float32([2.0])}
    small = (side - 8) // 8 + 1
    nodes = [helper.make_node("Conv", ["input.1", "w"], ["before"], strides=[8, 8])]
    if one_picture:
        weights["shape"] = np.array([1, labels, small, small], np.int64)
    weights["shape_or_same"] = weights.pop("shape", np.array([0, 0, 0, 0], np.int64))
    nodes += [
        helper.make_node("Reshape", ["before", "shape_or_same"], ["logits.2"]),
        helper.make_node("Mul", ["logits.2", "edge"], ["edges.1"]),
    ]
    real, rows = TensorProto.FLOAT, 1 if one_picture else "n"
    shape = (real, [rows, labels, small, small])
    write_graph(
        folder / "humanparsing" / f"{stage}.onnx",
        nodes,
        weights,
        {"input.1": (real, [rows, 3, side, side])},
        {"edges.1": shape, "logits.2": shape},
    )


def write_densepose(folder: Path) -> None:
    """The body part is the darkest channel's value over 11."""
    nodes = [
        helper.make_node("Cast", ["picture"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMin", ["real", "last"], ["least"], keepdims=0),
        helper.make_node("Div", ["least", "eleven"], ["part"]),
        helper.make_node("Cast", ["part"], ["labels"], to=TensorProto.UINT8),
    ]
    weights = {"last": np.array([3], np.int64), "eleven": np.array(11, np.float32)}
    byte = TensorProto.UINT8
    write_graph(
        folder / "densepose" / "densepose.onnx",
        nodes,
        weights,
        {"picture": (byte, ["n", 512, 384, 3])},
        {"labels": (byte, ["n", 512, 384])},
    )


def write_pose(folder: Path) -> None:
    from vitrine_export.person_nets import BodyPose
    from vitrine_export.person_nets.body_pose import SMALL_WIDTHS

    net = BodyPose(dict.fromkeys(SMALL_WIDTHS, 4), stages=2, branch=(4, 4), later=4)
    path = folder / "openpose" / "ckpts" / "body_pose_model.pth"
    path.parent.mkdir(parents=True)
    torch.save(net.state_dict(), path)


def write_checkpoint(folder: Path) -> None:
    """Every part of a checkpoint."""
    torch.manual_seed(0)
    write_unets(folder)
    write_vae(folder)
    write_encoders(folder, write_tokenizers(folder))
    write_json(folder / "scheduler" / "scheduler_config.json", SCHEDULER)
    write_parsing(folder, "parsing_atr", 18, 512)
    write_parsing(folder, "parsing_lip", 20, 473, one_picture=True)
    write_densepose(folder)
    write_pose(folder)
    write_json(folder / "vitrine.json", {"picture": {"width": 192, "height": 256}, "default_steps": 20})


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory) -> Path:
    """A whole checkpoint, which tests must not change."""
    folder = tmp_path_factory.mktemp("tiny-checkpoint")
    write_checkpoint(folder)
    return folder


@pytest.fixture(scope="session")
def denoise_onnx(tiny_checkpoint, tmp_path_factory) -> dict:
    """The denoise networks of that checkpoint by name, each with its ONNX file: (network, path)."""
    from vitrine_export.checkpoint import open_checkpoint
    from vitrine_export.exporting.denoise import graphs_of
    from vitrine_export.exporting.onnx_file import write

    checkpoint, repository = open_checkpoint(tiny_checkpoint), tmp_path_factory.mktemp("denoise")
    made = {}
    for network in graphs_of(checkpoint.tryon(), checkpoint.garment(), torch.float32, cond=True):
        write("denoise", network, repository)
        path = repository / network.file
        made[path.stem] = (network, path)
    return made


@pytest.fixture
def own_checkpoint(tiny_checkpoint, tmp_path) -> Path:
    """A copy of the checkpoint that a test may change."""
    return Path(shutil.copytree(tiny_checkpoint, tmp_path / "checkpoint"))


@pytest.fixture
def unet_configs() -> tuple[dict, dict]:
    """The configs of a small TryonNet and its GarmentNet."""
    return TRYON, GARMENT
