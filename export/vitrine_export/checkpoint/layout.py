"""The layout of a checkpoint folder, that of yisol/IDM-VTON on Hugging Face. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from vitrine_export.checkpoint.diagnosis import ensure_present, ensure_real
from vitrine_export.checkpoint.place import optional_file
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
"""The required parts of a try-on: a checkpoint that lacks one is refused when it is opened."""

PERSON_PARTS = ("densepose", "humanparsing", "openpose")
"""The folders of the person networks: each is required only when its network is read."""

SETTINGS_FILE = "vitrine.json"
"""Optional file with the picture size and the defaults of requests."""

PARSING_FILES = {name: f"humanparsing/{name}.onnx" for name in ("parsing_atr", "parsing_lip")}
POSE_FILES = ("body_pose_model.safetensors", "body_pose_model.pth")  # in openpose/ckpts
DENSEPOSE_SUFFIXES = (".onnx", ".pt", ".ts", ".torchscript")


COMPLAINTS, STATUS = {"error", "message", "detail"}, {"errors", "status", "statusCode", "code", "path"}
"""The keys of a server's error message; an object of these alone is none of a checkpoint's configs."""


def read_json(path: Path, label: str) -> dict[str, Any]:
    """Read a JSON object from a file in UTF-8 or UTF-16, with or without a byte order mark.

    Raises BadCheckpoint with `label`, which names the file, if it is missing or no JSON object.
    """
    ensure_present(path, label)
    ensure_real(path, label)
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise BadCheckpoint(f"{label} cannot be read as JSON: {error}; fetch it again") from error
    if not isinstance(value, dict):
        raise BadCheckpoint(f"{label} must hold a JSON object, got {type(value).__name__}; fetch it again")
    if value.keys() & COMPLAINTS and value.keys() <= COMPLAINTS | STATUS:
        raise BadCheckpoint(f"{label} is a server's error message instead of the file; fetch it again")
    return value


def pose_file(folder: Path) -> Path:
    """Return the file of the body network's weights. Raises BadCheckpoint if there is none."""
    inside = folder / "openpose" / "ckpts"
    for name in POSE_FILES:
        if (inside / name).is_file():
            return inside / name
    for name in POSE_FILES:
        if (inside / name).is_symlink():
            ensure_present(inside / name, f"openpose/ckpts/{name}")
    raise BadCheckpoint(f"openpose/ckpts/{POSE_FILES[-1]} (or {POSE_FILES[0]}) is missing")


def parsing_file(folder: Path, stage: str) -> Path:
    """Return the ONNX file of `parsing_atr` or `parsing_lip`. Raises BadCheckpoint if it is missing."""
    path = folder / PARSING_FILES[stage]
    ensure_present(path, PARSING_FILES[stage])
    return path


def densepose_file(folder: Path) -> Path:
    """Return the DensePose network, ONNX before TorchScript. Raises BadCheckpoint without either.

    Names that begin with a dot are other programs' (as macOS's `._` files) and are never chosen.
    """
    found = sorted(path for path in (folder / "densepose").glob("*") if not path.name.startswith("."))
    for suffix in DENSEPOSE_SUFFIXES:
        for path in found:
            if path.suffix == suffix:
                ensure_present(path, f"densepose/{path.name}")
                return path
    there = ", ".join(path.name for path in found) or "nothing"
    raise BadCheckpoint(
        "densepose/ needs an ONNX or TorchScript file (picture (R, 512, 384, 3) uint8 RGB in, part labels "
        f"(R, 512, 384) uint8 out), has {there}; detectron2's .pkl cannot be read without detectron2: "
        "docs/checkpoints.md says how to convert it once"
    )


def files_that_count(folder: Path, unet: Path) -> Iterator[tuple[str, Path]]:
    """Yield every file that can change a result, with its name in the layout; `unet` replaces unet/.

    Links are followed, to folders too. Names that begin with a dot do not count.
    """
    roots = {part: folder / part for part in (*TRY_ON_PARTS, *PERSON_PARTS)} | {"unet": unet}
    for part in sorted(roots):
        yield from _named_files(part, roots[part])
    if settings := optional_file(folder, SETTINGS_FILE):
        yield SETTINGS_FILE, settings


def files_in(folder: Path, parts: Iterable[str]) -> Iterator[tuple[str, Path]]:
    """Yield the files in these folders of a checkpoint and below, with their names in the layout."""
    for part in sorted(parts):
        yield from _named_files(part, folder / part)


def _named_files(part: str, folder: Path) -> Iterator[tuple[str, Path]]:
    found = [(path.relative_to(folder), path) for path in _files_below(folder, ())]
    for inside, path in sorted(found):
        yield f"{part}/{inside.as_posix()}", path


def _files_below(folder: Path, above: tuple[Path, ...]) -> Iterator[Path]:
    """Yield the files in a folder and below; a link back to a folder in `above` is not followed."""
    if not folder.is_dir() or (real := folder.resolve()) in above:
        return
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if path.is_dir():
            yield from _files_below(path, (*above, real))
        elif path.is_file():
            yield path
