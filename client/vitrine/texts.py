"""The model `text_overlay`: text on a picture, and what a server and a picture offer for texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
from PIL import Image

from vitrine.answers import read_part, read_report
from vitrine.errors import VitrineError
from vitrine.frozen import FrozenDict
from vitrine.inputs import Tensors, byte_tensor, utf8
from vitrine.photos.reading import Limits, read
from vitrine.pictures import Picture, decode_picture, encode_picture
from vitrine.tensors import as_json, texts_to_set

_MASK_LIMITS = Limits(min_side=1)
"""A mask is as large as its picture, whose size the server checks."""

Box = Sequence[float]
"""Left, top, right and bottom as shares of the picture, 0 to 1."""


class Text(TypedDict, total=False):
    """One text; an omitted field has the server's default. docs/text.md says more of each."""

    text: str  # required, unless html is given
    anchor: str  # "auto" finds the best free place; or "top-left", "top", … "bottom-right"
    box: Box  # the part of the picture in which it stands
    candidates: Sequence[Box] | str  # boxes to try first; "model" asks the server's vision model for them
    size: int  # the largest size in pixels; the largest that fits is used
    min_size: int
    lines: int  # 1 to 20
    margin: float  # kept free at the picture's edges, of its shorter side
    font: str  # "sans", "serif", "round", or a family's name
    weight: str  # "regular" or "bold"
    align: str  # "left", "center" or "right"
    spacing: float  # from line to line, in sizes
    colour: str  # "auto", "#rrggbb" or a name
    opacity: float
    outline: bool | Mapping[str, Any]  # width, colour
    shadow: bool | Mapping[str, Any]  # dx, dy, blur, opacity, colour
    background: bool | Mapping[str, Any]  # padding, radius, opacity, colour
    contrast: str  # "auto" or "scrim", "outline", "off"
    rotation: float  # degrees against the clock
    vertical: bool
    language: str  # "ko", "ja", "zh-Hans", "zh-Hant", "zh-HK" or "en"; guessed if omitted
    template: str  # "headline", "price-tag", "ribbon", "caption-bar", "card" or "vertical": set as HTML
    subline: str  # a template's second, smaller text
    accent: str  # the colour of a template's ground
    html: str  # a page of your own instead of a text, where the server allows it
    page: Sequence[int]  # its width and height in pixels


@dataclass(frozen=True)
class Lettered:
    """A picture with texts, and how each was set."""

    image: Image.Image  # RGB
    texts: tuple[Mapping[str, Any], ...]  # for each text its lines, box, size, colour, contrast and more
    timings: Mapping[str, float]  # seconds by step
    report: Mapping[str, Any]  # the whole report of the server
    encoded: bytes  # the picture as the server encoded it


@dataclass(frozen=True)
class Described:
    """The fonts of a server, and what a picture offers for texts; docs/text.md says the fields."""

    families: tuple[str, ...]  # what a text's `font` may name
    kinds: Mapping[str, Sequence[str]]  # the families behind "sans", "serif" and "round", the first is used
    picture: Mapping[str, Any] | None  # size, luminance, colours, free, places; None without a picture
    timings: Mapping[str, float]  # seconds by step
    report: Mapping[str, Any]  # the whole report of the server


def text_overlay_inputs(
    *,
    image: Picture,
    texts: str | Text | Sequence[str | Text],
    keep_clear: Picture | None = None,
    format: str | None = None,
) -> dict[str, np.ndarray]:
    """Return the inputs of the model `text_overlay`; see Vitrine.text_overlay. The server checks the texts.

    keep_clear: what texts must not cover: a cut-out's alpha, or a grey mask.
    """
    written = as_json("texts", texts_to_set("texts", texts))
    inputs = {
        "image": byte_tensor([encode_picture(image, "image")]),
        **written,
    }
    if keep_clear is not None:
        inputs["keep_clear"] = _mask(keep_clear)
    if format is not None:
        inputs["format"] = byte_tensor([utf8("format", format)])
    return inputs


def text_description_inputs(
    *, image: Picture | None = None, keep_clear: Picture | None = None
) -> dict[str, np.ndarray]:
    """Return the inputs of `text_overlay` that ask for a report alone: of the fonts, and of a picture."""
    inputs = {"describe": np.array([True])}
    if image is not None:
        inputs["image"] = byte_tensor([encode_picture(image, "image")])
    if keep_clear is not None:
        inputs["keep_clear"] = _mask(keep_clear)
    return inputs


def read_described(outputs: Tensors) -> Described:
    """Read that report; VitrineError for an answer that cannot be read."""
    report = read_report(outputs)
    try:
        families, kinds = tuple(report["fonts"]["families"]), dict(report["fonts"]["kinds"])
    except (KeyError, TypeError, ValueError) as error:
        raise VitrineError(f"the server's answer lacks {error!r}") from error
    return Described(
        families=families,
        kinds=FrozenDict(kinds),
        picture=FrozenDict(report["picture"]) if report.get("picture") else None,
        timings=read_part(report, "timings"),
        report=FrozenDict(report),
    )


def read_lettered(outputs: Tensors) -> Lettered:
    """Read the outputs of `text_overlay`; VitrineError for an answer that cannot be read."""
    report = read_report(outputs)
    try:
        encoded, texts = bytes(outputs["image"].reshape(-1)[0]), tuple(map(FrozenDict, report["texts"]))
    except (KeyError, IndexError, TypeError) as error:
        raise VitrineError(f"the server's answer lacks {error!r}") from error
    return Lettered(
        image=decode_picture(encoded, "image"),
        texts=texts,
        timings=read_part(report, "timings"),
        report=FrozenDict(report),
        encoded=encoded,
    )


def _mask(picture: Picture) -> np.ndarray:
    """Return a mask (height, width) uint8: a picture's alpha where it has one, else its brightness.

    An array of that form is returned as it is; a picture is read as the server reads pictures, upright.
    """
    if isinstance(picture, np.ndarray) and picture.dtype == np.uint8 and picture.ndim == 2:
        return np.ascontiguousarray(picture)
    plain = read(encode_picture(picture, "keep_clear"), "keep_clear", _MASK_LIMITS)
    return np.array(plain.getchannel("A") if plain.mode == "RGBA" else plain.convert("L"))
