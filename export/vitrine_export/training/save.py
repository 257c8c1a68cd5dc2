"""Writes trained nets as a checkpoint folder in the released layout, in float16."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
import torch
from diffusers import AutoencoderKL
from onnx import helper, numpy_helper

from vitrine_export.checkpoint.fashn import DWPOSE_FILES
from vitrine_export.nets import released_config, released_state_dict
from vitrine_export.person_nets import BodyPose, DensePose, DollDetector, DollJoints, Parsing
from vitrine_export.training.files import write_json, write_onnx, write_weights
from vitrine_export.training.recipe import PICTURE, SCHEDULER
from vitrine_export.training.tokenizers import END, write_tokenizer
from vitrine_export.training.tryon import Nets

DIFFUSERS_FILE, TRANSFORMERS_FILE = "diffusion_pytorch_model.safetensors", "model.safetensors"

LARGE = 64
"""Numbers of a tensor from which float16 saves more than its node costs."""

SETTINGS = {
    "picture": {"width": PICTURE[0], "height": PICTURE[1]},
    "default_steps": 20,
    "default_guidance": 1.0,
    "license": "Apache-2.0",
}
"""vitrine.json. Guidance is 1, which is off, because the nets' predictions need none on these pictures."""


def save_nets(nets: Nets, vae: AutoencoderKL, folder: Path) -> None:
    """Write both UNets, the encoders, the VAE, tokenizers, scheduler and settings."""
    for name in ("unet", "unet_encoder"):
        net = getattr(nets, name)
        write_weights(released_state_dict(net), folder / name / DIFFUSERS_FILE)
        write_json(released_config(net), folder / name / "config.json")
    write_weights(vae.state_dict(), folder / "vae" / DIFFUSERS_FILE)
    vae.save_config(folder / "vae")
    for name in ("text_encoder", "text_encoder_2", "image_encoder"):
        model = getattr(nets, name)
        write_weights(model.state_dict(), folder / name / TRANSFORMERS_FILE)
        model.config.architectures = [type(model).__name__]
        model.config.save_pretrained(folder / name)
    for name, pad in (("tokenizer", END), ("tokenizer_2", "!")):
        write_tokenizer(folder / name, pad)
    write_json(SCHEDULER, folder / "scheduler" / "scheduler_config.json")
    write_json(SETTINGS, folder / "vitrine.json")


def save_pose(net: BodyPose, folder: Path) -> None:
    """Write the body network under the released parameter names."""
    write_weights(net.state_dict(), folder / "openpose" / "ckpts" / "body_pose_model.safetensors")


def save_parsing(name: str, net: Parsing, side: int, folder: Path) -> None:
    """Write parsing_atr.onnx or parsing_lip.onnx with SCHP's input name and output order."""
    write_onnx(
        net,
        torch.zeros(2, 3, side, side),
        folder / "humanparsing" / f"{name}.onnx",
        "input.1",
        ["edges", "logits"],
    )


def save_densepose(net: DensePose, folder: Path) -> None:
    """Write the body-part network in the form of the DensePose contract."""
    picture = torch.zeros(2, 512, 384, 3, dtype=torch.uint8)
    write_onnx(net, picture, folder / "densepose" / "densepose.onnx", "image", ["parts"])


def save_people(detector: DollDetector, joints: DollJoints, folder: Path) -> None:
    """Write the networks that find people and their joints, under the names of YOLOX's and DWPose's files."""
    square, crop = torch.zeros(2, 3, 640, 640), torch.zeros(2, 3, 384, 288)
    files = [folder / DWPOSE_FILES[stage] for stage in ("yolox", "dwpose")]
    write_onnx(detector, square, files[0], "images", ["output"])
    write_onnx(joints, crop, files[1], "input", ["simcc_x", "simcc_y"])
    for path in files:
        model = onnx.load(path)
        halve(model.graph)
        onnx.save(model, path)


def halve(graph: onnx.GraphProto) -> None:
    """Store a graph's large weights in float16, each with a node that makes float32 of it again."""
    casts = []
    for stored in graph.initializer:
        if stored.data_type != onnx.TensorProto.FLOAT or math.prod(stored.dims) < LARGE:
            continue
        name, half = stored.name, f"{stored.name}_half"
        stored.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(stored).astype(np.float16), half))
        casts.append(helper.make_node("Cast", [half], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
