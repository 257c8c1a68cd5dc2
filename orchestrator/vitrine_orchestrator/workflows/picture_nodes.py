"""Nodes between the models: a picture that was sent, one for the answer, another size, no background."""

from __future__ import annotations

import asyncio
import io
import re
from base64 import b16decode
from collections.abc import Mapping
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from vitrine.errors import BadRequest
from vitrine.photos.kinds import kind_of

from vitrine_orchestrator.images.fitting import middle_box
from vitrine_orchestrator.pictures import (
    AlphaFormat,
    Format,
    Limits,
    Picture,
    decode,
    decode_layer,
    encode,
    encode_with_alpha,
)
from vitrine_orchestrator.pipeline.request_context import read_report
from vitrine_orchestrator.workflows.node_classes import (
    NodeAnswer,
    NodeClass,
    NodeContext,
    NodeInput,
    NodeOutput,
)
from vitrine_orchestrator.workflows.values import Given, Image

MAX_SIDE = 8192  # pixels of a resized picture
HOW = ("fit", "crop", "squash")
COLOUR = re.compile(r"#([0-9a-fA-F]{6})")
NAMED = {"white": (255, 255, 255), "black": (0, 0, 0)}
TRANSPARENT = "transparent"
LEAST = 1e-3
"""The alpha below which a scaled pixel has no colour of its own."""
FORMATS: dict[str, Format] = {"png": "png", "jpg": "jpeg", "jpeg": "jpeg", "webp": "webp"}
"""By the ending of a file's name."""

IMAGE_IN = NodeInput("image", "IMAGE", required=True, literal=False)
IMAGE_OUT = NodeOutput("image", "IMAGE")
Levels = tuple[Picture, NDArray[np.uint8] | None]
"""A picture (height, width, 3) and its alpha (height, width), if it has one."""


async def _load(context: NodeContext, given: Mapping[str, Given]) -> NodeAnswer:
    return NodeAnswer((Image(context.pictures[str(given["image"])]),))


async def _save(context: NodeContext, given: Mapping[str, Given]) -> NodeAnswer:
    name, image = str(given["name"]), _image(given)
    kind = FORMATS[name.rpartition(".")[2].lower()]
    encoded = await asyncio.to_thread(_converted, image, kind, context.limits)
    return NodeAnswer((), files={name: encoded})


def _converted(image: Image, kind: Format, limits: Limits) -> bytes:
    """The file in that format: the same bytes where it has it already, on white where JPEG needs it."""
    if kind_of(image.encoded, "image").lower() == kind:
        return image.encoded
    limits = replace(limits, min_side=1)  # a small picture is only too small for networks
    if kind == "jpeg":
        return encode(decode(image.encoded, "image", limits), kind)
    return _encoded(decode_layer(image.encoded, "image", limits), kind)


async def _resize(context: NodeContext, given: Mapping[str, Given]) -> NodeAnswer:
    wanted = (int(str(given["width"])), int(str(given["height"])))
    how = str(given.get("how", HOW[0]))

    def work() -> bytes:
        levels = decode_layer(_image(given).encoded, "image", context.limits)
        return _encoded(_resized(levels, wanted, how, context.limits.max_pixels))

    return NodeAnswer((Image(await asyncio.to_thread(work)),))


def _resized(levels: Levels, wanted: tuple[int, int], how: str, most: int) -> Levels:
    """The levels in another size; BadRequest for more than `most` pixels, which no later node would take."""
    picture, alpha = levels
    height, width = picture.shape[:2]
    left, top, right, bottom = middle_box(width, height, *wanted) if how == "crop" else (0, 0, width, height)
    if how == "fit":
        scale = min(wanted[0] / width, wanted[1] / height)
        wanted = (max(round(width * scale), 1), max(round(height * scale), 1))
    if wanted[0] * wanted[1] > most:
        raise BadRequest(f"width and height must give at most {most} pixels, got {wanted[0]}x{wanted[1]}")
    part = slice(top, bottom), slice(left, right)
    if alpha is not None:
        return _layer_in(picture[part], alpha[part], wanted)
    smaller = wanted[0] < right - left and wanted[1] < bottom - top
    way = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(np.ascontiguousarray(picture[part]), wanted, interpolation=way)), None


def _layer_in(colours: Picture, alpha: NDArray[np.uint8], wanted: tuple[int, int]) -> Levels:
    """Colours and alpha in another size. Colours count by their alpha, as where a composition scales them.

    So no colour of transparent pixels gets into the edge; the filter has no negative weights.
    """

    def scaled(levels: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(Pillow.fromarray(levels).resize(wanted, Pillow.Resampling.HAMMING))

    weights = alpha.astype(np.float32)
    shares = scaled(weights)
    channels = [scaled(colours[..., index] * weights) / np.maximum(shares, LEAST) for index in range(3)]
    return _whole(np.dstack(channels)), _whole(shares)


def _whole(levels: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.rint(np.clip(levels, 0, 255)).astype(np.uint8)


async def _remove_background(context: NodeContext, given: Mapping[str, Given]) -> NodeAnswer:
    """The product by `cut_out`, on a colour or on a transparent ground."""
    colour = _colour(str(given.get("colour", TRANSPARENT)))
    inputs = {"image": np.array([_image(given).encoded], np.object_)}
    answer = await context.stages("cut_out", inputs)
    cut, digest = Image(answer["image"].reshape(-1)[0]), read_report(answer).get("pipeline_digest")
    if colour is None:
        return NodeAnswer((cut,), digest)

    def work() -> bytes:
        image = Pillow.open(io.BytesIO(cut.encoded)).convert("RGBA")
        ground = Pillow.new("RGB", image.size, colour)
        ground.paste(image, mask=image.getchannel("A"))
        return encode(np.asarray(ground))

    return NodeAnswer((Image(await asyncio.to_thread(work)),), digest)


def _colour(text: str) -> tuple[int, int, int] | None:
    """The levels of a colour; None for a transparent ground."""
    if text == TRANSPARENT:
        return None
    if text in NAMED:
        return NAMED[text]
    if not (found := COLOUR.fullmatch(text)):
        raise BadRequest(f"colour must be {TRANSPARENT}, {', '.join(NAMED)} or #rrggbb, got {text[:20]!r}")
    red, green, blue = b16decode(found[1].upper())
    return red, green, blue


async def _text(context: NodeContext, given: Mapping[str, Given]) -> NodeAnswer:
    return NodeAnswer((str(given["text"]),))


def _image(given: Mapping[str, Given]) -> Image:
    image = given["image"]
    assert isinstance(image, Image)
    return image


def _encoded(levels: Levels, kind: AlphaFormat = "png") -> bytes:
    picture, alpha = levels
    return encode(picture, kind) if alpha is None else encode_with_alpha(picture, alpha, kind)


LOAD, SAVE = "load_image", "save_image"

ROWS = (
    NodeClass(
        LOAD,
        "a picture that was sent with the request, by its name",
        (NodeInput("image", "TEXT", required=True, linked=False),),
        (IMAGE_OUT,),
        _load,
    ),
    NodeClass(
        SAVE,
        "puts a picture into the answer as a file; its name's ending is the format",
        (IMAGE_IN, NodeInput("name", "TEXT", linked=False)),
        (),
        _save,
    ),
    NodeClass(
        "resize",
        "the picture in other pixels: `fit` inside the size, `crop` its middle, or `squash` it",
        (
            IMAGE_IN,
            NodeInput("width", "INT", required=True, low=1, high=MAX_SIDE),
            NodeInput("height", "INT", required=True, low=1, high=MAX_SIDE),
            NodeInput("how", "TEXT", words=HOW),
        ),
        (IMAGE_OUT,),
        _resize,
    ),
    NodeClass(
        "remove_background",
        "the product on a transparent ground, on `white`, `black` or `#rrggbb`",
        (IMAGE_IN, NodeInput("colour", "TEXT")),
        (IMAGE_OUT,),
        _remove_background,
        models=("cut_out",),
        keeps=True,
    ),
    NodeClass(
        "text",
        "a text that several nodes use",
        (NodeInput("text", "TEXT", required=True),),
        (NodeOutput("text", "TEXT"),),
        _text,
    ),
)
