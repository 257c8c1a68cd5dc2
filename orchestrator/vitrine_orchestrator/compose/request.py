"""Reads a request of `compose`, and checks its limits before any work."""

from __future__ import annotations

from dataclasses import dataclass

from vitrine.errors import BadRequest

from vitrine_orchestrator.compose.settings_json import MAX_JSON, read_settings
from vitrine_orchestrator.composition.products import Product, product_of
from vitrine_orchestrator.composition.seen_scenes import SeenScene, SeenScenes, seen
from vitrine_orchestrator.composition.settings import MAX_PRODUCTS, Settings
from vitrine_orchestrator.pictures import SAVING, Format, Limits, Picture, check_sides, decode_layer
from vitrine_orchestrator.pipeline.request_context import PlainContext, one_picture
from vitrine_orchestrator.wire.fields import Inputs, as_text, pictures, text, word


@dataclass(frozen=True, eq=False)
class ComposeRequest:
    """A checked request."""

    scene: SeenScene
    products: tuple[Product, ...]
    settings: Settings
    format: Format
    as_text: bool  # whether the answer's pictures are base64 text


def compose_request(context: PlainContext, inputs: Inputs, scenes: SeenScenes) -> ComposeRequest:
    """The request in the inputs of `compose`; BadRequest names the input, the rule and the value."""
    settings = read_settings(text(inputs, "settings", MAX_JSON))
    kind = word(inputs, "format", tuple(SAVING), "png")
    sent = pictures(inputs, "product")
    if not 1 <= len(sent) <= MAX_PRODUCTS:
        raise BadRequest(f"product must be 1 to {MAX_PRODUCTS} pictures, got {len(sent)}")
    scene = _scene(context, inputs, scenes)
    check_sides(scene.picture, "scene", kind)
    return ComposeRequest(
        scene=scene,
        products=tuple(
            _product(encoded, f"product[{index}]", context.limits) for index, encoded in enumerate(sent)
        ),
        settings=settings,
        format=kind,
        as_text=as_text(inputs),
    )


def _scene(context: PlainContext, inputs: Inputs, scenes: SeenScenes) -> SeenScene:
    """The scene, known from another request or read now."""

    def read() -> Picture:
        picture = one_picture(inputs, "scene", context.limits)
        if picture is None:
            raise BadRequest("scene or scene_raw must be given")
        return picture

    sent = pictures(inputs, "scene")
    return scenes.get(sent[0], read) if len(sent) == 1 and "scene_raw" not in inputs else seen(read())


def _product(encoded: bytes, name: str, limits: Limits) -> Product:
    colours, alpha = decode_layer(encoded, name, limits)
    if alpha is None:
        raise BadRequest(f"{name} must have a transparent ground (RGBA), got none: cut_out makes it")
    return product_of(colours, alpha, name)
