"""A second family for the tiny repository: FASHN VTON with networks of a few weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper
from tiny_networks import save
from vitrine_orchestrator.fashn.schedule import times
from vitrine_orchestrator.manifest import manifest_text, read_releases
from vitrine_orchestrator.sampling.noise import initial_noise
from vitrine_orchestrator.stages import stages_of
from vitrine_orchestrator.stages.fashn import FAMILY

WIDTH, HEIGHT = 96, 144
ENTRY = {
    "facts": {
        "width": WIDTH,
        "height": HEIGHT,
        "default_steps": 4,
        "default_guidance": 1.5,
        "prediction_type": "velocity",
        "shift": 1.5,
        "unguided_steps": 1,
    },
    "digest": "1" * 64,
    "precision": {},
    "tokens": {},
    "exporter": "tiny",
    "files": {},
}
FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
STANDING = (  # COCO's joints of somebody who stands, in shares of the crop
    *((0.50, 0.15), (0.52, 0.13), (0.48, 0.13), (0.55, 0.14), (0.45, 0.14)),
    *((0.60, 0.30), (0.40, 0.30), (0.66, 0.42), (0.34, 0.42), (0.68, 0.52), (0.32, 0.52)),
    *((0.56, 0.55), (0.44, 0.55), (0.57, 0.72), (0.43, 0.72), (0.57, 0.88), (0.43, 0.88)),
)


def add_fashn(repository: Path) -> Path:
    """Add the family to a repository of another one; returns it."""
    _yolox(repository / "yolox" / "1" / "model.onnx")
    _dwpose(repository / "dwpose" / "1" / "model.onnx")
    _fixed_tokens(repository / "denoise" / "1" / "fashn_fixed_tokens.onnx")
    _modulations(repository / "denoise" / "1" / "fashn_modulations.onnx")
    _step(repository / "denoise" / "1" / "fashn_step.onnx")
    for row in stages_of(FAMILY):
        if row.needs_manifest:
            folder = repository / row.name / "1"
            (folder / "manifest.json").write_text(manifest_text(read_releases(folder) | {FAMILY: ENTRY}))
    return repository


def painted(pictures: tuple[np.ndarray, ...], category: int, seed: int, steps: int) -> np.ndarray:
    """The state (3, H, W) of a job with guidance 1.5, by a plain loop: both branches in every step.

    pictures: person, its pose, garment, its pose, as uint8 on the canvas.
    """
    person, pose, garment, garment_pose = (one.astype(np.float32) / 127.5 - 1 for one in pictures)
    mark = person.mean((0, 1)) + garment.mean((0, 1)) + pose.mean() + garment_pose.mean()
    state, at = initial_noise(seed, (3, HEIGHT, WIDTH)), times(steps)
    for step in range(steps):
        branches = [
            np.tanh(state) * 0.5 + one.reshape(3, 1, 1) + (at[step] + number) * 0.1
            for one, number in ((mark, category), (0 * mark, 0))
        ]
        guidance = 1.5 if step < steps - 1 else 1.0
        state = state + (at[step + 1] - at[step]) * (branches[1] + guidance * (branches[0] - branches[1]))
    return state.astype(np.float32)


def _same_for_all(path: Path, channels: int, size: tuple[int, int], answers: dict[str, np.ndarray]) -> None:
    """A network whose answers do not depend on its picture."""
    weights = {"axes": np.array([1, 2, 3], np.int64), "zero": np.array(0, np.float32)}
    weights["flat"] = np.array([-1, 1, 1], np.int64)
    nodes = [
        helper.make_node("ReduceMean", ["image", "axes"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Reshape", ["nothing", "flat"], ["row"]),
    ]
    for name, answer in answers.items():
        weights[f"{name}_w"] = answer[None]
        nodes.append(helper.make_node("Add", ["row", f"{name}_w"], [name]))
    outputs = {name: (FLOAT, ["n", *answer.shape]) for name, answer in answers.items()}
    save(path, nodes, weights, {"image": (FLOAT, ["n", channels, *size])}, outputs)


def _yolox(path: Path) -> None:
    """One person in the middle of the detector's square."""
    cells = np.zeros((8400, 6), np.float32)
    cells[8000 + 20 * 10 + 7] = (0.0, 0.0, np.log(12.0), np.log(18.0), 0.9, 1.0)
    _same_for_all(path, 3, (640, 640), {"boxes": cells})


def _dwpose(path: Path) -> None:
    """Somebody who stands in every crop."""
    across, down = np.zeros((133, 576), np.float32), np.zeros((133, 768), np.float32)
    for number, (x, y) in enumerate(STANDING):
        across[number, round(x * 576)] = down[number, round(y * 768)] = 1
    _same_for_all(path, 3, (384, 288), {"simcc_x": across, "simcc_y": down})


def _fixed_tokens(path: Path) -> None:
    """The mean colours of a picture and the mean of its pose."""
    weights = {"sides": np.array([2, 3], np.int64), "all": np.array([1, 2, 3], np.int64)}
    weights["last"] = np.array([2], np.int64)
    weights["flat"] = np.array([-1, 1], np.int64)
    nodes, inputs = [], {}
    for name, output in (("person", "image_fixed"), ("garment", "garment_tokens")):
        inputs |= {
            name: (FLOAT, ["n", 3, HEIGHT, WIDTH]),
            f"{name}_pose": (FLOAT, ["n", 1, HEIGHT, WIDTH]),
        }
        nodes += [
            helper.make_node("ReduceMean", [name, "sides"], [f"{name}_colour"], keepdims=0),
            helper.make_node("ReduceMean", [f"{name}_pose", "all"], [f"{name}_drawn"], keepdims=0),
            helper.make_node("Reshape", [f"{name}_drawn", "flat"], [f"{name}_line"]),
            helper.make_node("Add", [f"{name}_colour", f"{name}_line"], [f"{name}_sum"]),
            helper.make_node("Unsqueeze", [f"{name}_sum", "last"], [output]),
        ]
    outputs = {name: (FLOAT, ["n", 3, 1]) for name in ("image_fixed", "garment_tokens")}
    save(path, nodes, weights, inputs, outputs)


def _modulations(path: Path) -> None:
    """The time and the category."""
    nodes = [
        helper.make_node("Cast", ["category"], ["number"], to=FLOAT),
        helper.make_node("Unsqueeze", ["number", "last"], ["right"]),
        helper.make_node("Unsqueeze", ["times", "last"], ["left"]),
        helper.make_node("Concat", ["left", "right"], ["mods"], axis=1),
    ]
    inputs = {"times": (FLOAT, ["n"]), "category": (INT64, ["n"])}
    save(path, nodes, {"last": np.array([1], np.int64)}, inputs, {"mods": (FLOAT, ["n", 2])})


def _step(path: Path) -> None:
    """A bounded part of the state, the mean colours, the time and the category."""
    weights = {
        "half": np.array(0.5, np.float32),
        "tenth": np.array(0.1, np.float32),
        "second": np.array([1], np.int64),
        "colour": np.array([-1, 3, 1, 1], np.int64),
        "number": np.array([-1, 1, 1, 1], np.int64),
    }
    nodes = [
        helper.make_node("Tanh", ["state"], ["bounded"]),
        helper.make_node("Mul", ["bounded", "half"], ["part"]),
        helper.make_node("Add", ["image_fixed", "garment_tokens"], ["tokens"]),
        helper.make_node("Reshape", ["tokens", "colour"], ["mark"]),
        helper.make_node("ReduceSum", ["mods", "second"], ["moment"], keepdims=0),
        helper.make_node("Mul", ["moment", "tenth"], ["little"]),
        helper.make_node("Reshape", ["little", "number"], ["time"]),
        helper.make_node("Sum", ["part", "mark", "time"], ["velocity"]),
    ]
    canvas = (FLOAT, ["n", 3, HEIGHT, WIDTH])
    inputs = {
        "state": canvas,
        "image_fixed": (FLOAT, ["n", 3, 1]),
        "garment_tokens": (FLOAT, ["n", 3, 1]),
        "mods": (FLOAT, ["n", 2]),
    }
    save(path, nodes, weights, inputs, {"velocity": canvas})
