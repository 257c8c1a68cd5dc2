"""The layout of values in the object store: paths and file formats that people can read (docs/cache.md).

    {prefix}/v1/forgotten/{time}-{host}-{random}      one for each invalidation; see invalidation_feed.py
    {prefix}/v1/generation                            rewritten by each invalidation of everything
    {prefix}/v1/{kind}/{id}/                          everything of one owner
        generation                                    rewritten by each invalidation of this owner
        {category}/{digest of name}/manifest.json     written last: lists the objects next to it
        {category}/{digest of name}/{array}-{digest}.png, tensors-{digest}.safetensors
Object names contain the digest of the content, so an object is never overwritten with other content.
"""

from __future__ import annotations

import builtins
import hashlib
import io
import json
import re
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from PIL import Image

from vitrine_orchestrator.cache.codec import BadArrays, decode, encode
from vitrine_orchestrator.cache.key import EVERYTHING, Key, digest_of
from vitrine_orchestrator.cache.objects import ranges

ROOT = "v1"
FEED = f"{ROOT}/forgotten"  # invalidations by time; see invalidation_feed.py
MANIFEST = "manifest.json"
FORMAT = 1
MAX_PIXELS = 40_000_000  # a larger picture is rejected before it is decoded
_PLAIN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_OBJECT_NAME = re.compile(r"[a-z0-9_]{1,48}-[0-9a-f]{16}\.[a-z]{3,11}")
_PLAIN_NAME = re.compile(r"[a-z0-9_]{1,48}")


class BadEntry(ValueError):
    """Objects or a manifest are not as expected; the message names the difference."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One object of an entry.

    parts: hexadecimal SHA-256 of each part (see `objects.ranges`), so that each part is checked as it
    arrives. array: the name of the array, for a picture; None for the file with all other arrays.
    """

    bytes: int
    parts: list[str]
    tag: str | None = None
    array: str | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """The description of an entry: its key, its generation, and its objects by name.

    source: the folder of the old layout that the entry was imported from, if any.
    """

    category: str
    owner: str
    name: str
    generation: str
    objects: Mapping[str, Stored]
    source: str | None = None

    def to_json(self) -> builtins.bytes:
        """The manifest as JSON."""
        return json.dumps({"format": FORMAT} | asdict(self), indent=1, sort_keys=True).encode()


def owner_folder(owner: str) -> str:
    """The folder of all values of `owner` (or EVERYTHING); ids that are not plain become digests."""
    if owner == EVERYTHING:
        return ROOT
    kind, _, name = owner.partition(":")
    return f"{ROOT}/{_segment(kind)}/{_segment(name)}"


def entry_folder(key: Key) -> str:
    """The folder of one entry."""
    return f"{owner_folder(key.owner)}/{_segment(key.category)}/{digest_of(key.name)}"


def generation_path(owner: str) -> str:
    """The object whose content changes with each invalidation of `owner`."""
    return f"{owner_folder(owner)}/generation"


def read_manifest(data: bytes, key: Key) -> Manifest:
    """The manifest in `data`; BadEntry unless it is complete and of exactly this key."""
    try:
        row = json.loads(data)
        if row.pop("format") != FORMAT:
            raise BadEntry("manifest of another format")
        objects = {name: Stored(**stored) for name, stored in row.pop("objects").items()}
        manifest = Manifest(**row, objects=objects)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BadEntry(f"manifest cannot be read: {error}") from error
    if (manifest.category, manifest.owner, manifest.name) != (key.category, key.owner, key.name):
        raise BadEntry("manifest of another key")
    others = [name for name, one in objects.items() if one.array is None]
    if len(others) != 1 or not all(_is_possible(*item) for item in objects.items()):
        raise BadEntry("manifest with impossible objects")
    return manifest


def split(value: bytes) -> dict[str, tuple[str | None, bytes]]:
    """The objects of a value: {object name: (name of the array that a picture holds or None, bytes)}.

    Picture arrays, (H, W) or (H, W, 3) uint8, become PNG files; all others become one safetensors file.
    A value that could not be rebuilt byte for byte is stored unchanged as one object.
    """
    try:
        arrays = decode(value)
    except BadArrays:
        arrays = {}
    pictures = {name: _to_png(array) for name, array in arrays.items() if _is_picture(name, array)}
    rest = encode({name: array for name, array in arrays.items() if name not in pictures})
    if not arrays or join(rest, {name: from_png(png) for name, png in pictures.items()}) != value:
        return {_named("value", "bin", value): (None, value)}
    objects: dict[str, tuple[str | None, bytes]] = {
        _named(name, "png", png): (name, png) for name, png in pictures.items()
    }
    return objects | {_named("tensors", "safetensors", rest): (None, rest)}


def join(rest: bytes, pictures: Mapping[str, np.ndarray]) -> bytes:
    """The value, from the safetensors file `rest` and the pictures by array name. Raises BadEntry."""
    if not pictures:
        return rest
    try:
        return encode(decode(rest) | dict(pictures))
    except BadArrays as error:
        raise BadEntry(f"tensors cannot be read: {error}") from error


def stored(data: bytes, tag: str | None, array: str | None) -> Stored:
    """The manifest's row for an object."""
    view = memoryview(data)
    parts = [hashlib.sha256(view[start:end]).hexdigest() for start, end in ranges(len(data))]
    return Stored(len(data), parts, tag, array)


def _named(word: str, ending: str, data: bytes) -> str:
    return f"{word}-{hashlib.sha256(data).hexdigest()[:16]}.{ending}"


def _segment(text: str) -> str:
    """A path segment for `text`: readable if `text` is plain, and different for every text."""
    return text if _PLAIN_ID.fullmatch(text) else f"sha256.{digest_of(text)}"


def _is_possible(name: str, stored: Stored) -> bool:
    words = (stored.tag, stored.array)
    return (
        type(stored.bytes) is int
        and 0 <= stored.bytes < 2**32
        and isinstance(stored.parts, list)
        and len(stored.parts) == len(ranges(stored.bytes))
        and all(word is None or isinstance(word, str) for word in words)
        and _OBJECT_NAME.fullmatch(name) is not None
    )


def _is_picture(name: str, array: np.ndarray) -> bool:
    shaped = array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3)
    return bool(array.dtype == np.uint8 and shaped and array.size and _PLAIN_NAME.fullmatch(name))


def _to_png(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(array).save(out, "PNG", compress_level=1)
    return out.getvalue()


def from_png(data: bytes) -> np.ndarray:
    """(H, W) or (H, W, 3) uint8; BadEntry if it is too large or cannot be decoded."""
    check_png(data)
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            return np.asarray(picture)
    except (OSError, ValueError, SyntaxError) as error:
        raise BadEntry(f"picture cannot be decoded: {error}") from error


def check_png(data: bytes) -> None:
    """BadEntry unless `data` starts with the header of a PNG of at most MAX_PIXELS; decodes nothing."""
    if len(data) < 33 or not data.startswith(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"):
        raise BadEntry("not a PNG file")
    width, height = struct.unpack(">II", data[16:24])
    if width * height > MAX_PIXELS:
        raise BadEntry(f"a picture of {width} x {height}, at most {MAX_PIXELS} pixels are decoded")
