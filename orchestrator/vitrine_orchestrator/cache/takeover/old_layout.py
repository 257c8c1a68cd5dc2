"""The object layout of the old service: the objects of each set, and the arrays they become.

users/{user}/vton-cache/{upper|lower|dresses}/  human_img.png mask.png mask_gray.png pose_tensor.pkl
users/{user}/vton-cache/garments/               {clothing}_img.png {clothing}_tensor.pkl
users/{user}/vton-cache/text/                   {clothing}_{one of five embeddings}.pkl
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from vitrine_orchestrator.cache.codec import Array, Schema
from vitrine_orchestrator.cache.key import IMPORTED, Key, owner
from vitrine_orchestrator.cache.layout import BadEntry, check_png
from vitrine_orchestrator.cache.objects import Listed
from vitrine_orchestrator.cache.takeover.restricted_pickle import load_tensor

_PICTURE, _GREY = Array("U8", (-1, -1, 3)), Array("U8", (-1, -1))
_PERSON = {
    "human_img.png": ("image", _PICTURE),  # fitted to 768 x 1024 on white
    "mask.png": ("mask", _GREY),  # 255: to be repainted
    "mask_gray.png": ("mask_grey", _PICTURE),  # the person with the mask filled in grey
    "pose_tensor.pkl": ("pose_pixels", Array("F32", (3, -1, -1))),  # DensePose picture in [-1, 1]
}
_GARMENT = {
    "img.png": ("image", _PICTURE),
    "tensor.pkl": ("garment_pixels", Array("F32", (3, -1, -1))),  # the picture in [-1, 1]
}
_TEXT = {  # longest ending first, because each may be the end of another one
    "negative_pooled_prompt_embeds.pkl": ("negative_pooled_prompt_embeds", Array("F32", (-1,))),
    "negative_prompt_embeds.pkl": ("negative_prompt_embeds", Array("F32", (77, -1))),
    "pooled_prompt_embeds.pkl": ("pooled_prompt_embeds", Array("F32", (-1,))),
    "prompt_embeds_c.pkl": ("garment_prompt_embeds", Array("F32", (77, -1))),
    "prompt_embeds.pkl": ("prompt_embeds", Array("F32", (77, -1))),
}
_PEOPLE = {"upper": "upper_body", "lower": "lower_body", "dresses": "dresses"}
_THINGS = {"garments": ("garment", _GARMENT), "text": ("text", _TEXT)}

_PATH = re.compile(
    r"(?:.*/)?users/(?P<user>[^/]+)/vton-cache/(?P<folder>upper|lower|dresses|garments|text)/(?P<file>[^/]+)"
)


def _schema(files: Mapping[str, tuple[str, Array]]) -> Schema:
    return dict(files.values())


IMPORTED_SCHEMAS: dict[str, Schema] = {category: _schema(_PERSON) for category in _PEOPLE.values()} | {
    category: _schema(files) for category, files in _THINGS.values()
}


@dataclass
class OldSet:
    """The objects of one value: one person in one category, one garment, or one garment's text."""

    key: Key
    source: str  # the folder, and the id where one folder holds many sets
    files: dict[str, Listed] = field(default_factory=dict)  # by the name of the array that each becomes

    @property
    def missing(self) -> list[str]:
        """Names of the arrays whose objects are missing."""
        return sorted(set(IMPORTED_SCHEMAS[self.key.category]) - set(self.files))


def find_sets(listed: Iterable[Listed]) -> tuple[list[OldSet], list[str]]:
    """The sets among these objects, and the paths that belong to none."""
    sets: dict[str, OldSet] = {}
    others = []
    for one in listed:
        if found := _place(one.path):
            key, source, array = found
            sets.setdefault(source, OldSet(key, source)).files[array] = one
        else:
            others.append(one.path)
    return list(sets.values()), others


def to_array(name: str, want: Array, path: str, data: bytes) -> np.ndarray:
    """The array of one object; raises BadEntry or pickle_opcodes.Refused."""
    array = _from_picture(data, want) if path.endswith(".png") else load_tensor(data)
    while array.ndim > len(want.shape) and array.shape[0] == 1:
        array = array[0]  # the batch of one that torch keeps
    if want.dtype == "F32" and array.dtype.kind == "f":
        array = array.astype(np.float32)
    return array


def _place(path: str) -> tuple[Key, str, str] | None:
    """(key, source, array name) of an object of the old layout, or None."""
    if not (found := _PATH.fullmatch(path)):
        return None
    folder, file = found["folder"], found["file"]
    parent = path.removesuffix(f"/{file}")
    if folder in _PEOPLE:
        if file not in _PERSON:
            return None
        return Key(_PEOPLE[folder], owner("person", found["user"]), IMPORTED), parent, _PERSON[file][0]
    category, files = _THINGS[folder]
    for ending, (array, _) in files.items():
        if file.endswith(f"_{ending}"):
            name = file.removesuffix(f"_{ending}")
            return Key(category, owner("garment", name), IMPORTED), f"{parent}/{name}", array
    return None


def _from_picture(data: bytes, want: Array) -> np.ndarray:
    """(H, W, 3) or (H, W) uint8; size checked before decoding, palettes and alpha resolved."""
    check_png(data)
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            return np.asarray(picture.convert("RGB" if len(want.shape) == 3 else "L"))
    except (OSError, ValueError, SyntaxError) as error:
        raise BadEntry(f"picture cannot be decoded: {error}") from error
