"""The calls of advertisements, `product_ad` and `compose`: their inputs and their answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
from PIL import Image

from vitrine.answers import Progress, read_event_progress, read_part, read_report
from vitrine.errors import BadRequest, VitrineError
from vitrine.frozen import FrozenDict
from vitrine.inputs import Tensors, byte_tensor, picture_tensors, utf8
from vitrine.picture_inputs import lora_tensor
from vitrine.pictures import Picture, decode_picture, encode_picture, encode_pictures
from vitrine.tensors import as_json, listed, number, texts_to_set
from vitrine.tensors import texts as one_text


class Placement(TypedDict, total=False):
    """Where one product stands, in shares of the scene; what is omitted is found."""

    x: float  # of its middle
    y: float  # of its base line
    scale: float  # its height
    height_cm: float  # its real height: products that have one keep their true proportions
    order: int  # higher ones are nearer to the viewer


class ComposeSettings(TypedDict, total=False):
    """The settings of a composition; an omitted one has the server's default (docs/product-ads.md)."""

    placements: Sequence[Placement]  # one for each product of the picture
    margin: float  # 0 to 0.4: what found places leave free at the edges
    height: float  # of the tallest product whose size is found, as a share of the scene's
    ground: float  # the base line of products without a y
    max_overlap: float  # 0 to 1: the largest alpha-IoU of two products
    shadow: str  # "cast", "contact", "floating" or "none"
    shadow_strength: float  # 0 to 2
    light: str  # "auto", "left", "right" or "centre"
    match: float  # 0 to 1: how far colours move towards the scene's; 0 leaves every level as it is
    match_bound: float  # the most that they move, in delta E


class AdOptions(TypedDict, total=False):
    """The options of an advertisement; an omitted option has the server's default."""

    product: Picture | Sequence[Picture]  # photographs, or cut-outs with a transparent ground
    each: bool  # one ad for each product, all in the same scene; else one ad with all of them
    scene: Picture | None  # where the product stands, as a picture; or drawn, from
    prompt: str | None  # a prompt of the drawing model, or
    sentence: str | None  # a sentence of the shop's owner, Korean or English
    trade: str | None  # with sentence: "cafe", "카페", …
    style: str | None  # with sentence: "realistic", "anime", …
    theme: str | None  # with sentence: "spring", …
    negative_prompt: str | None
    sizes: str | Sequence[str] | None  # "1:1", "4:5", "16:9", …: one layout for each
    width: int | None  # instead: in pixels, with height
    height: int | None
    settings: ComposeSettings | None  # of the composition
    enlarge: int | None  # 1 to 8: a drawn scene so many times as large, before products and texts
    harmonise: float | None  # 0 to 0.25: a pass of the drawing model over all but the product
    texts: str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]] | None  # see Text of vitrine.texts
    steps: int | None
    seed: int | None
    guidance: float | None
    scheduler: str | None
    lora: str | Mapping[str, float] | None
    model: str | None
    format: str | None  # "png", "jpeg" or "webp"


@dataclass(frozen=True)
class Ad:
    """One advertisement."""

    image: Image.Image  # RGB
    origin: Image.Image  # the same without text
    alpha: Image.Image  # mode L: the alpha of its products
    size: str  # as it was asked for: "1:1", "640x480", or "" for the usual size
    products: tuple[int, ...]  # places of its products among those that were sent
    encoded: bytes  # the picture as the server encoded it
    encoded_origin: bytes


@dataclass(frozen=True)
class ProductAd:
    """The advertisements of a request, with the server's report on how they were made."""

    ads: tuple[Ad, ...]  # of the first size all, then of the next
    seed: int  # gives the same scene again
    timings: Mapping[str, float]  # seconds by stage
    sources: Mapping[str, str]
    report: Mapping[str, Any]  # `nodes` has name, time and status of every call of a stage

    @property
    def image(self) -> Image.Image:
        """The first ad."""
        return self.ads[0].image

    @property
    def encoded(self) -> bytes:
        """The first ad as the server encoded it."""
        return self.ads[0].encoded


@dataclass(frozen=True)
class Composed:
    """Products in a scene, with the server's report on what was found."""

    image: Image.Image  # RGB
    alpha: Image.Image  # mode L: of all products
    shadow: Image.Image  # mode L: the share of light that their shadows take
    timings: Mapping[str, float]  # seconds by stage
    report: Mapping[str, Any]  # light, ground, and box, placement and colour match of each product
    encoded: bytes  # the picture as the server encoded it


def compose_inputs(
    *,
    scene: Picture,
    product: Picture | Sequence[Picture],
    settings: ComposeSettings | None = None,
    format: str | None = None,
) -> dict[str, np.ndarray]:
    """Return the inputs of the model `compose`; the server checks the settings."""
    inputs = {
        "scene": byte_tensor([encode_picture(scene, "scene")]),
        "product": byte_tensor(encode_pictures(product, "product")),
    }
    return inputs | _settings(settings) | one_text("format", format)


def product_ad_inputs(
    *,
    product: Picture | Sequence[Picture] | None = None,
    each: bool = False,
    scene: Picture | None = None,
    sizes: str | Sequence[str] | None = None,
    settings: ComposeSettings | None = None,
    enlarge: int | None = None,
    harmonise: float | None = None,
    texts: str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]] | None = None,
    sentence: str | None = None,
    trade: str | None = None,
    style: str | None = None,
    theme: str | None = None,
    **drawing: Any,
) -> dict[str, np.ndarray]:
    """Return the inputs of the model `product_ad`; see AdOptions. `drawing`: options of text_to_image."""
    if product is None:
        raise BadRequest("product must be given: one picture, or several")
    inputs = {"product": byte_tensor(encode_pictures(product, "product"))}
    if each:
        inputs["each"] = np.array([True])
    if scene is not None:
        inputs["scene"] = byte_tensor([encode_picture(scene, "scene")])
    said = {"sentence": sentence, "trade": trade, "style": style, "theme": theme}
    for name, value in said.items():
        inputs |= one_text(name, value)
    inputs |= number("enlarge", enlarge, np.int32) | number("harmonise", harmonise, np.float32)
    inputs |= _sizes(sizes) | _settings(settings)
    if texts is not None:
        inputs |= as_json("texts", texts_to_set("texts", texts) or None)
    return inputs | picture_tensors(**drawing)


def product_ad_stream_inputs(*, previews: bool = False, **options: Any) -> dict[str, np.ndarray]:
    """Return the inputs of the model `product_ad_stream`."""
    return product_ad_inputs(**options) | {"previews": np.array([bool(previews)])}


def describe_inputs(*, model: str | None = None, loras: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """Return the request that asks for the digest alone; it counts all models that a server has."""
    return {"describe": np.array([True])} | lora_tensor(loras)


def read_product_ad(outputs: Tensors) -> ProductAd:
    """Read the outputs of `product_ad`; VitrineError for outputs that are missing or damaged."""
    report = read_report(outputs)
    try:
        rows = zip(
            *([bytes(one) for one in outputs[name].reshape(-1)] for name in ("image", "origin", "alpha")),
            report["ads"],
            strict=True,
        )
        ads = tuple(_ad(*row) for row in rows)
        seed = int(outputs["seed"].flat[0])
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise VitrineError(f"the server's answer cannot be read: {error!r}") from error
    if not ads:
        raise VitrineError("the server's answer has no ads")
    return ProductAd(
        ads=ads,
        seed=seed,
        timings=read_part(report, "timings"),
        sources=read_part(report, "sources"),
        report=FrozenDict(report),
    )


def read_product_ad_event(outputs: Tensors) -> Progress | ProductAd:
    """Read one response of `product_ad_stream`; raises VitrineError for an event that cannot be read."""
    return read_event_progress(outputs) or read_product_ad(outputs)


def read_composed(outputs: Tensors) -> Composed:
    """Read the outputs of `compose`; VitrineError for outputs that are missing or damaged."""
    report = read_report(outputs)
    try:
        files = {name: bytes(outputs[name].flat[0]) for name in ("image", "alpha", "shadow")}
    except (KeyError, IndexError, TypeError) as error:
        raise VitrineError(f"the server's answer lacks {error!r}") from error
    return Composed(
        **{name: decode_picture(encoded, name) for name, encoded in files.items()},
        timings=read_part(report, "timings"),
        report=FrozenDict(report),
        encoded=files["image"],
    )


def _ad(image: bytes, origin: bytes, alpha: bytes, told: Mapping[str, Any]) -> Ad:
    return Ad(
        image=decode_picture(image, "image"),
        origin=decode_picture(origin, "origin"),
        alpha=decode_picture(alpha, "alpha"),
        size=str(told["size"]),
        products=tuple(told["products"]),
        encoded=image,
        encoded_origin=origin,
    )


def _sizes(sizes: str | Sequence[str] | None) -> dict[str, np.ndarray]:
    if sizes is None:
        return {}
    given = [utf8("sizes", one) for one in listed("sizes", sizes)]
    if not given:
        raise BadRequest("sizes must be at least one, got none")
    return {"sizes": byte_tensor(given)}


def _settings(settings: ComposeSettings | None) -> dict[str, np.ndarray]:
    if settings is not None and not isinstance(settings, Mapping):
        raise BadRequest(f"settings must be values by name, got {type(settings).__name__}")
    return as_json("settings", settings)
