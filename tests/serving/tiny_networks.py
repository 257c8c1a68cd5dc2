"""Networks of a few weights with the stages' tensor names and shapes: quick to write, load and run."""

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


def _save(path: Path, nodes: Nodes, weights: Weights, inputs: dict, outputs: dict) -> None:
    """Write a graph; `inputs` and `outputs` are {name: (type, shape with names for what varies)}."""
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
    _save(path, nodes, weights, {"image": _picture(3)}, {"pafs": _picture(38), "heatmaps": _picture(19)})


def _parsing(labels: int):
    def write(path: Path) -> None:
        weights: Weights = {}
        node = _conv("image", "logits", weights, labels, 4)
        _save(path, [node], weights, {"image": _picture(3)}, {"logits": _picture(labels)})

    return write


def _densepose(path: Path) -> None:
    """Body part 2 wherever the picture is not white."""
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMin", ["float", "last"], ["least"], keepdims=0),
        helper.make_node("Less", ["least", "white"], ["body"]),
        helper.make_node("Cast", ["body"], ["bits"], to=TensorProto.UINT8),
        helper.make_node("Add", ["bits", "bits"], ["parts"]),
    ]
    weights = {"last": np.array([3], np.int64), "white": np.array(250, np.float32)}
    byte = TensorProto.UINT8
    _save(
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
        _save(path, nodes, weights, {"input_ids": (TensorProto.INT64, ["n", 77])}, outputs)

    return write


def _image_encoder(path: Path) -> None:
    weights: Weights = {"flat": np.array([0, CONTEXT, TOKENS], np.int64)}
    nodes = [
        _conv("pixel_values", "cells", weights, CONTEXT, 56),
        helper.make_node("Reshape", ["cells", "flat"], ["rows"]),
        helper.make_node("Transpose", ["rows"], ["image_tokens"], perm=[0, 2, 1]),
    ]
    outputs = {"image_tokens": (TensorProto.FLOAT, ["n", TOKENS, CONTEXT])}
    _save(path, nodes, weights, {"pixel_values": _picture(3)}, outputs)


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
    _save(path, nodes, weights, {"pixels": _picture(3)}, {"mean": _picture(4), "std": _picture(4)})


def _vae_decoder(path: Path) -> None:
    """Blocks of 8×8 in the colour that the encoder took; clipped."""
    spread = np.zeros((4, 3, 8, 8), np.float32)
    spread[[0, 1, 2], [0, 1, 2]] = 1
    nodes = [
        helper.make_node("ConvTranspose", ["latents", "spread"], ["wide"], strides=[8, 8]),
        helper.make_node("Clip", ["wide", "low", "high"], ["pixels"]),
    ]
    weights = {"spread": spread, "low": np.array(-1, np.float32), "high": np.array(1, np.float32)}
    _save(path, nodes, weights, {"latents": _picture(4)}, {"pixels": _picture(3)})


WRITERS = {
    "pose": _pose,
    "parsing_atr": _parsing(18),
    "parsing_lip": _parsing(20),
    "densepose": _densepose,
    "text_encoder": _text(CONTEXT - POOLED // 2, 0),
    "text_encoder_2": _text(POOLED // 2, POOLED),
    "image_encoder": _image_encoder,
    "vae_encoder": _vae_encoder,
    "vae_decoder": _vae_decoder,
}


def write_networks(repository: Path) -> None:
    """Write 1/model.onnx of every network stage into a model repository."""
    for name, write in WRITERS.items():
        write(repository / name / "1" / "model.onnx")
