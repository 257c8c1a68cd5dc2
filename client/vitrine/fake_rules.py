"""The rules of requests that the fake refuses by, in the server's words; see vitrine.fake."""

from __future__ import annotations

import io
import json
import math
from typing import Any

from PIL import Image

from vitrine.errors import BadRequest
from vitrine.photos.reading import Limits, read
from vitrine.photos.sides import LONGEST_JPEG, LONGEST_WEBP
from vitrine.tensors import Tensors

SIDE = 64  # pixels of a usual picture
MAX_SEED = 2**64 - 1
MAX_SIDE = 2**31 - 1
MAX_PIXELS = 2048 * 2048  # of a drawn picture
MULTIPLE = 16  # of the sides of a drawn picture
FORMATS = ("png", "jpeg", "webp")
WITH_ALPHA = ("png", "webp")
LONGEST = {"png": 1_000_000, "jpeg": LONGEST_JPEG, "webp": LONGEST_WEBP}
RATIOS = ("1:1", "4:5", "5:4", "3:4", "4:3", "2:3", "3:2", "9:16", "16:9", "21:9")
SCHEDULERS = ("checkpoint", "flow")
MAX_SIZES = 4
MAX_TEXTS = 16
ANY_SIZE = Limits(min_side=1)
"""The fake takes pictures smaller than the server's 32 pixels, as tests like them."""
NUMBERS: dict[str, tuple[float, float]] = {
    "steps": (1, 100),
    "seed": (0, MAX_SEED),
    "guidance": (0, 20),
    "n": (1, 8),
    "width": (1, MAX_SIDE),
    "height": (1, MAX_SIDE),
    "strength": (0, 1),
    "product_side": (32, 16_384),
    "enlarge": (1, 8),
    "harmonise": (0, 0.25),
}
"""The lowest and the highest value of each input that is one number."""


def check_numbers(inputs: Tensors) -> None:
    """Raise BadRequest for a number out of its range."""
    for name in NUMBERS.keys() & inputs.keys():
        low, high = NUMBERS[name]
        value = inputs[name].reshape(-1)[0]
        if not math.isfinite(value) or not low <= value.item() <= high:
            raise BadRequest(f"{name} must be {low} to {high}, got {str(value).removesuffix('.0')}")


def word_of(inputs: Tensors, name: str, words: tuple[str, ...], default: str) -> str:
    """Return the text of an input that must be one of `words`; the default where it is absent or empty."""
    return one_of(name, inputs[name][0].decode() if name in inputs else "", words) or default


def one_of(name: str, value: str, words: tuple[str, ...]) -> str:
    """Return the value, which must be empty or one of `words`."""
    if value and value not in words:
        raise BadRequest(f"{name} must be one of {', '.join(words)}, got {value[:40]!r}")
    return value


def format_of(inputs: Tensors, formats: tuple[str, ...] = FORMATS) -> str:
    """Return the format that was asked for; BadRequest for one that the server does not write."""
    return word_of(inputs, "format", formats, "png")


def size_of(inputs: Tensors) -> str:
    """Return the size that was asked for: "640x480", a ratio such as "4:5", or "" for the usual one."""
    ratio = word_of(inputs, "aspect_ratio", RATIOS, "")
    given = [name for name in ("width", "height") if name in inputs]
    if given and ratio:
        raise BadRequest(f"aspect_ratio must not be given together with {given[0]}")
    if len(given) == 1:
        raise BadRequest(f"width and height must be given together, got {given[0]} only")
    return "x".join(str(inputs[name][0]) for name in given) or ratio


def pixels_of(size: str) -> tuple[int, int]:
    """Return width and height of a size that was asked for; BadRequest for one that no model draws."""
    if "x" not in size:
        wide, tall = map(int, (size or "1:1").split(":"))
        return SIDE, SIDE * tall // wide
    width, height = map(int, size.split("x"))
    for name, side in (("width", width), ("height", height)):
        if side % MULTIPLE:
            raise BadRequest(f"{name} must be a multiple of {MULTIPLE}, got {side}")
    if width * height > MAX_PIXELS:
        raise BadRequest(
            f"width x height must be at most {MAX_PIXELS} pixels, got {width}x{height} = {width * height}"
        )
    return width, height


def sizes_of(inputs: Tensors) -> list[str]:
    """Return the names of the sizes of ads: ratios, a size in pixels, or "" for the usual one."""
    names = [one.decode() for one in inputs.get("sizes", ()) if one]
    given = size_of(inputs)
    if names and given:
        raise BadRequest("sizes must not be given together with width")
    if len(names) > MAX_SIZES or len(set(names)) < len(names):
        raise BadRequest(f"sizes must be at most {MAX_SIZES} different names, got {', '.join(names)[:80]}")
    return [one_of("sizes", name, RATIOS) for name in names] or [given]


def texts_of(inputs: Tensors) -> list[Any]:
    """Return the texts to set on a picture; BadRequest for none and for too many."""
    given = json.loads(inputs["texts"][0])
    if not 1 <= len(given) <= MAX_TEXTS:
        raise BadRequest(f"texts must be a JSON list of 1 to {MAX_TEXTS} texts, got {len(given)} texts")
    return given


def opened(encoded: bytes, name: str) -> Image.Image:
    """Return a picture of a request, of mode L, RGB or RGBA; BadRequest for what the server cannot read."""
    return read(encoded, name, ANY_SIZE)


def encoded(image: Image.Image, kind: str) -> bytes:
    """Return the file of an answer's picture; BadRequest for one that is too long for its format."""
    if max(image.size) > LONGEST[kind]:
        raise BadRequest(
            f"the answer's picture must be at most {LONGEST[kind]} pixels wide and high for {kind}, "
            f"got {image.width}x{image.height}"
        )
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()
