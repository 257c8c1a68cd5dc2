"""Where things lie in a checkpoint folder: the layout of yisol/IDM-VTON on Hugging Face. No torch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vitrine_export.errors import BadCheckpoint

TRY_ON_PARTS = (
    "unet",
    "unet_encoder",
    "image_encoder",
    "text_encoder",
    "text_encoder_2",
    "tokenizer",
    "tokenizer_2",
    "vae",
    "scheduler",
)
"""Without these there is no try-on: a checkpoint that lacks one is refused when it is opened."""

PERSON_PARTS = ("densepose", "humanparsing", "openpose")
"""The person networks: asked for when one of them is."""

SETTINGS_FILE = "vitrine.json"
"""Optional: the picture size and the defaults of requests."""

PARSING_FILES = {name: f"humanparsing/{name}.onnx" for name in ("parsing_atr", "parsing_lip")}
POSE_FILES = ("body_pose_model.safetensors", "body_pose_model.pth")  # in openpose/ckpts
DENSEPOSE_SUFFIXES = (".onnx", ".pt", ".ts", ".torchscript")

STEMS = ("diffusion_pytorch_model", "model", "pytorch_model")
"""What diffusers and transformers call their weight files."""


def read_json(path: Path, label: str) -> dict[str, Any]:
    """The JSON object in a file; `label` names the file in errors."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadCheckpoint(f"{label} is missing") from None
    except (ValueError, OSError) as error:
        raise BadCheckpoint(f"{label} cannot be read as JSON: {error}") from error
    if not isinstance(value, dict):
        raise BadCheckpoint(f"{label} must hold a JSON object, got {type(value).__name__}")
    return value


def weight_files(folder: Path, half: bool) -> tuple[Path, ...]:
    """The files with a network's weights: one, or the shards of an index.

    safetensors go before pickles; files marked `.fp16` go first where `half`, else last.
    Raises BadCheckpoint where there is none, or where a shard is missing.
    """
    for extension in ("safetensors", "bin"):
        for variant in (".fp16", "") if half else ("", ".fp16"):
            for stem in STEMS:
                single = folder / f"{stem}{variant}.{extension}"
                if single.is_file():
                    return (single,)
                for index in (
                    f"{stem}{variant}.{extension}.index.json",
                    f"{stem}.{extension}.index{variant}.json",
                ):
                    if (folder / index).is_file():
                        return _shards(folder, index)
    names = ", ".join(f"{stem}.safetensors" for stem in STEMS)
    raise BadCheckpoint(f"{folder.name}/ has no weights: none of {names}, nor the same as .bin or with .fp16")


def _shards(folder: Path, index: str) -> tuple[Path, ...]:
    label = f"{folder.name}/{index}"
    names = sorted(set(read_json(folder / index, label).get("weight_map", {}).values()))
    if not names:
        raise BadCheckpoint(f"{label} names no weight file")
    for name in names:
        if Path(name).name != name or not (folder / name).is_file():
            raise BadCheckpoint(f"{label} names {name}, which is not beside it")
    return tuple(folder / name for name in names)


def pose_file(folder: Path) -> Path:
    """The body network's weights. Raises BadCheckpoint where there are none."""
    inside = folder / "openpose" / "ckpts"
    for name in POSE_FILES:
        if (inside / name).is_file():
            return inside / name
    raise BadCheckpoint(f"openpose/ckpts/{POSE_FILES[-1]} (or {POSE_FILES[0]}) is missing")


def parsing_file(folder: Path, stage: str) -> Path:
    """The ONNX file of `parsing_atr` or `parsing_lip`. Raises BadCheckpoint where it is missing."""
    path = folder / PARSING_FILES[stage]
    if not path.is_file():
        raise BadCheckpoint(f"{PARSING_FILES[stage]} is missing")
    return path


def densepose_file(folder: Path) -> Path:
    """The DensePose network, ONNX before TorchScript. Raises BadCheckpoint where there is neither."""
    found = sorted((folder / "densepose").glob("*"))
    for suffix in DENSEPOSE_SUFFIXES:
        for path in found:
            if path.suffix == suffix:
                return path
    there = ", ".join(path.name for path in found) or "nothing"
    raise BadCheckpoint(
        "densepose/ needs an ONNX or TorchScript file (picture (R, 512, 384, 3) uint8 RGB in, part labels "
        f"(R, 512, 384) uint8 out), has {there}; detectron2's .pkl cannot be read without detectron2"
    )


def files_that_count(folder: Path, unet: Path) -> Iterator[tuple[str, Path]]:
    """Every file that can change a result, by its name in the layout, in order; `unet` stands for unet/."""
    roots = {part: folder / part for part in (*TRY_ON_PARTS, *PERSON_PARTS)} | {"unet": unet}
    for part in sorted(roots):
        for path in sorted(roots[part].rglob("*")):
            inside = path.relative_to(roots[part])
            if path.is_file() and not any(name.startswith(".") for name in inside.parts):
                yield f"{part}/{inside.as_posix()}", path
    if (folder / SETTINGS_FILE).is_file():
        yield SETTINGS_FILE, folder / SETTINGS_FILE
