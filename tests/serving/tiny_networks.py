"""Networks of a few weights with the stages' tensors, quick to write, load and run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CONTEXT = 8  # cross-attention width
POOLED = 6
TOKENS = 16
WORDS = 600  # of the vocabularies

Nodes = list[onnx.NodeProto]
Weights = dict[str, np.ndarray]


def _random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32) * 0.1


def save(path: Path, nodes: Nodes, weights: Weights, inputs: dict, outputs: dict) -> None:
    """Write a graph; `inputs` and `outputs` are {name: (type, shape with names for varying sizes)}."""
    graph = helper.make_graph(
        nodes,
        path.stem,
        [helper.make_tensor_value_info(name, *info) for name, info in inputs.items()],
        [helper.make_tensor_value_info(name, *info) for name, info in outputs.items()],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)


def _picture(channels: int) -> tuple[int, list]:
    return TensorProto.FLOAT, ["n", channels, "h", "w"]


def _conv(
    source: str, target: str, weights: Weights, out: int, size: int, channels: int = 3
) -> onnx.NodeProto:
    weights[f"{target}_w"] = _random(out, 3, size, size, seed=out)
    return helper.make_node("Conv", [source, f"{target}_w"], [target], strides=[size, size])


def _pose(path: Path) -> None:
    weights: Weights = {}
    nodes = [_conv("image", "pafs", weights, 38, 8), _conv("image", "heatmaps", weights, 19, 8)]
    save(path, nodes, weights, {"image": _picture(3)}, {"pafs": _picture(38), "heatmaps": _picture(19)})


def _parsing(labels: int):
    def write(path: Path) -> None:
        weights: Weights = {}
        node = _conv("image", "logits", weights, labels, 4)
        save(path, [node], weights, {"image": _picture(3)}, {"logits": _picture(labels)})

    return write


def _densepose(path: Path) -> None:
    """DensePose labels: part 2 wherever the picture is not white."""
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMin", ["float", "last"], ["least"], keepdims=0),
        helper.make_node("Less", ["least", "white"], ["body"]),
        helper.make_node("Cast", ["body"], ["bits"], to=TensorProto.UINT8),
        helper.make_node("Add", ["bits", "bits"], ["parts"]),
    ]
    weights = {"last": np.array([3], np.int64), "white": np.array(250, np.float32)}
    byte = TensorProto.UINT8
    save(
        path,
        nodes,
        weights,
        {"image": (byte, ["n", 512, 384, 3])},
        {"parts": (byte, ["n", 512, 384])},
    )


def _text(width: int, pooled: int):
    def write(path: Path) -> None:
        weights = {"table": _random(WORDS, width, seed=1)}
        nodes = [helper.make_node("Gather", ["table", "input_ids"], ["hidden_states"])]
        outputs = {"hidden_states": (TensorProto.FLOAT, ["n", 77, width])}
        if pooled:
            weights |= {"mix": _random(width, pooled), "middle": np.array([1], np.int64)}
            nodes += [
                helper.make_node("ReduceMean", ["hidden_states", "middle"], ["mean"], keepdims=0),
                helper.make_node("MatMul", ["mean", "mix"], ["pooled"]),
            ]
            outputs["pooled"] = (TensorProto.FLOAT, ["n", pooled])
        save(path, nodes, weights, {"input_ids": (TensorProto.INT64, ["n", 77])}, outputs)

    return write


def _image_encoder(path: Path) -> None:
    weights: Weights = {"flat": np.array([0, CONTEXT, TOKENS], np.int64)}
    nodes = [
        _conv("pixel_values", "cells", weights, CONTEXT, 56),
        helper.make_node("Reshape", ["cells", "flat"], ["rows"]),
        helper.make_node("Transpose", ["rows"], ["image_tokens"], perm=[0, 2, 1]),
    ]
    outputs = {"image_tokens": (TensorProto.FLOAT, ["n", TOKENS, CONTEXT])}
    save(path, nodes, weights, {"pixel_values": _picture(3)}, outputs)


def _vae_encoder(path: Path) -> None:
    """Means of 8×8 blocks: R, G, B and their average."""
    mix = np.zeros((4, 3, 8, 8), np.float32)
    mix[[0, 1, 2], [0, 1, 2]] = 1 / 64
    mix[3] = 1 / 192
    nodes = [
        helper.make_node("Conv", ["pixels", "mix"], ["mean"], strides=[8, 8]),
        helper.make_node("Mul", ["mean", "zero"], ["std"]),
    ]
    weights = {"mix": mix, "zero": np.array(0, np.float32)}
    save(path, nodes, weights, {"pixels": _picture(3)}, {"mean": _picture(4), "std": _picture(4)})


def _vae_decoder(path: Path) -> None:
    """Decoded blocks of 8×8 in the encoder's colours, clipped."""
    spread = np.zeros((4, 3, 8, 8), np.float32)
    spread[[0, 1, 2], [0, 1, 2]] = 1
    nodes = [
        helper.make_node("ConvTranspose", ["latents", "spread"], ["wide"], strides=[8, 8]),
        helper.make_node("Clip", ["wide", "low", "high"], ["pixels"]),
    ]
    weights = {"spread": spread, "low": np.array(-1, np.float32), "high": np.array(1, np.float32)}
    save(path, nodes, weights, {"latents": _picture(4)}, {"pixels": _picture(3)})


FLOAT = TensorProto.FLOAT
LATENTS = (FLOAT, ["n", 4, "h", "w"])
PROMPT = (FLOAT, ["n", 77, CONTEXT])


def _garment(path: Path) -> None:
    """Keys and values that depend on the garment, its prompt and the timestep."""
    nodes = [
        helper.make_node("Reshape", ["garment_latents", "tokens"], ["rows"]),
        helper.make_node("Transpose", ["rows"], ["cells"], perm=[0, 2, 1]),
        helper.make_node("Sin", ["timestep"], ["wave"]),
        helper.make_node("Unsqueeze", ["wave", "axes"], ["waves"]),
        helper.make_node("ReduceMean", ["garment_prompt_embeds", "axes"], ["said"]),
        helper.make_node("Sum", ["cells", "waves", "said"], ["garment_kv_0"]),
    ]
    weights = {"tokens": np.array([0, 4, -1], np.int64), "axes": np.array([1, 2], np.int64)}
    inputs = {"garment_latents": LATENTS, "timestep": (FLOAT, ["n"]), "garment_prompt_embeds": PROMPT}
    save(path, nodes, weights, inputs, {"garment_kv_0": (FLOAT, ["n", "tokens", 4])})


def _conditioning(path: Path) -> None:
    """The masked picture and the pose, mixed; the rest is passed on."""
    nodes = [
        helper.make_node("Concat", ["mask_latent", "masked_latents", "pose_latents"], ["nine"], axis=1),
        helper.make_node("Conv", ["nine", "mix"], ["base"]),
        helper.make_node("ReduceMean", ["time_ids", "last"], ["sizes"]),
        helper.make_node("Unsqueeze", ["sizes", "last"], ["size"]),
        helper.make_node("Mul", ["size", "little"], ["small"]),
        helper.make_node("Add", ["pooled_prompt_embeds", "small"], ["added"]),
        helper.make_node("Identity", ["prompt_embeds"], ["text_kv"]),
        helper.make_node("Identity", ["image_tokens"], ["image_kv"]),
    ]
    weights = {
        "mix": _random(4, 9, 1, 1),
        "last": np.array([1], np.int64),
        "little": np.array(1e-4, np.float32),
    }
    inputs = {
        "mask_latent": (FLOAT, ["n", 1, "h", "w"]),
        "masked_latents": LATENTS,
        "pose_latents": LATENTS,
        "prompt_embeds": (FLOAT, ["n", 2, 77, CONTEXT]),
        "pooled_prompt_embeds": (FLOAT, ["n", 2, POOLED]),
        "image_tokens": (FLOAT, ["n", 2, TOKENS, CONTEXT]),
        "time_ids": (FLOAT, ["n", 6]),
    }
    outputs = {
        "base": LATENTS,
        "added": (FLOAT, ["n", 2, POOLED]),
        "text_kv": inputs["prompt_embeds"],
        "image_kv": inputs["image_tokens"],
    }
    save(path, nodes, weights, inputs, outputs)


def _unet(path: Path) -> None:
    """A bounded mixture of the latents and the means of all other inputs."""
    means = {"added": [1, 2], "text_kv": [1, 2, 3], "image_kv": [1, 2, 3], "garment_kv_0": [1, 2]}
    nodes, weights = [], {"flat": np.array([-1, 1, 1, 1], np.int64), "half": np.array(0.5, np.float32)}
    for name, axes in means.items():
        weights[f"{name}_axes"] = np.array(axes, np.int64)
        nodes += [
            helper.make_node("ReduceMean", [name, f"{name}_axes"], [f"{name}_mean"]),
            helper.make_node("Reshape", [f"{name}_mean", "flat"], [f"{name}_one"]),
        ]
    nodes += [
        helper.make_node("Sin", ["timestep"], ["wave"]),
        helper.make_node("Mul", ["wave", "guidance"], ["strong"]),
        helper.make_node("Reshape", ["strong", "flat"], ["time"]),
        helper.make_node("Mul", ["latents", "half"], ["halved"]),
        helper.make_node("Sum", ["halved", "base", "time", *(f"{name}_one" for name in means)], ["sum"]),
        helper.make_node("Tanh", ["sum"], ["prediction"]),
    ]
    inputs = {
        "latents": LATENTS,
        "timestep": (FLOAT, ["n"]),
        "guidance": (FLOAT, ["n"]),
        "base": LATENTS,
        "added": (FLOAT, ["n", 2, POOLED]),
        "text_kv": (FLOAT, ["n", 2, 77, CONTEXT]),
        "image_kv": (FLOAT, ["n", 2, TOKENS, CONTEXT]),
        "garment_kv_0": (FLOAT, ["n", "tokens", 4]),
    }
    save(path, nodes, weights, inputs, {"prediction": LATENTS})


WRITERS = {
    "pose/1/model.onnx": _pose,
    "parsing_atr/1/model.onnx": _parsing(18),
    "parsing_lip/1/model.onnx": _parsing(20),
    "densepose/1/model.onnx": _densepose,
    "text_encoder/1/model.onnx": _text(CONTEXT - POOLED // 2, 0),
    "text_encoder_2/1/model.onnx": _text(POOLED // 2, POOLED),
    "image_encoder/1/model.onnx": _image_encoder,
    "vae_encoder/1/model.onnx": _vae_encoder,
    "vae_decoder/1/model.onnx": _vae_decoder,
    "denoise/1/garment.onnx": _garment,
    "denoise/1/conditioning.onnx": _conditioning,
    "denoise/1/unet.onnx": _unet,
}


def write_networks(repository: Path) -> None:
    """Write every network into a model repository."""
    for path, write in WRITERS.items():
        write(repository / path)
