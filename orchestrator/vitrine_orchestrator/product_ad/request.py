"""Reads a request of `product_ad`, and checks its limits before any work."""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from vitrine.errors import BadRequest

from vitrine_orchestrator.ad_prompts.request import ad_prompt_request
from vitrine_orchestrator.compose.settings_json import MAX_JSON, read_settings
from vitrine_orchestrator.composition.products import product_of
from vitrine_orchestrator.composition.settings import MAX_PRODUCTS
from vitrine_orchestrator.drawing.asked_loras import lora_names, named_weights
from vitrine_orchestrator.drawing.picture_request import MAX_SIDE, RATIOS, SCHEDULERS
from vitrine_orchestrator.drawing.prepare_prompt import MAX_PROMPT
from vitrine_orchestrator.images.fitting import middle_box
from vitrine_orchestrator.lettering.options import MAX_BYTES as MAX_TEXTS_BYTES
from vitrine_orchestrator.lettering.options import read_texts
from vitrine_orchestrator.loras.registry import find_card
from vitrine_orchestrator.pictures import SAVING, Format, Limits, Picture, decode, transparent_layer
from vitrine_orchestrator.pipeline.request_context import PlainContext
from vitrine_orchestrator.product_ad.places import Frame, check_places
from vitrine_orchestrator.stages.cut_out import MOST_PRODUCT_SIDE
from vitrine_orchestrator.wire.fields import (
    MAX_GUIDANCE,
    MAX_SEED,
    MAX_STEPS,
    Inputs,
    as_text,
    flag,
    number,
    one_of,
    pictures,
    text,
    texts,
    word,
)

MAX_SIZES = 4  # of one request
MAX_ADS = 16
MAX_ENLARGE = 8
MAX_HARMONISE = 0.25
"""The most strength of the harmonising pass: more would draw other things than it was given."""
USUAL_SIDE = 2048
"""The longest side of a drawn scene whose size only the checkpoint knows, at most, in pixels."""
LEAST_SIDE = 1024
"""Cut-outs are not made smaller than this."""
OF_SENTENCE = ("trade", "style", "theme")
"""What only the prompt processor reads."""
PASSED_ON = ("steps", "guidance", "scheduler", "lora", "lora_weight", "model")
"""The inputs that the picture pipelines get as they are."""


@dataclass(frozen=True)
class AdSize:
    """One size of the ads: a ratio by name, a size in pixels, or neither."""

    name: str = ""
    width: int | None = None
    height: int | None = None

    @property
    def told(self) -> str:
        """The size in words; empty for the usual one."""
        return self.name or (f"{self.width}x{self.height}" if self.width else "")


@dataclass(frozen=True, eq=False)
class Photo:
    """A picture of a product as it was sent."""

    encoded: bytes
    wide: float | None  # width by height of the product on its transparent ground; None: to be cut out

    @property
    def cut(self) -> bool:
        """Whether its ground is transparent already."""
        return self.wide is not None


@dataclass(frozen=True, eq=False)
class AdRequest:
    """A checked request."""

    photos: tuple[Photo, ...]
    each: bool  # one ad for each product, or one with all of them
    sizes: tuple[AdSize, ...]
    scene: Picture | None  # (height, width, 3); None: drawn
    prompt: str | None  # of a drawn scene and of the harmonising pass
    negative_prompt: str | None
    sentence: str | None  # instead of a prompt; trade, style and theme belong to it
    trade: str | None
    style: str | None
    theme: str | None
    seed: int
    drawing: Inputs  # further inputs of the picture pipelines
    loras: tuple[str, ...]  # the digests of the adapters in them
    enlarge: int  # times that a drawn scene is enlarged, before products and texts come onto it
    settings: str | None  # JSON of the composition
    harmonise: float  # 0: no pass
    texts: str | None  # JSON of the texts; None: no text
    format: Format
    as_text: bool  # whether the answer's pictures are base64 text
    previews: bool

    @property
    def product_side(self) -> int:
        """The most pixels of a cut-out's longer side: as many as any of its scenes can show.

        A power of two, so that ads of nearly the same size share the kept cut-outs.
        """
        given = [0] if self.scene is None else [max(self.scene.shape[:2])]
        asked = [max(one.width, one.height) for one in self.sizes if one.width and one.height]
        scales = [one.scale or 1.0 for one in read_settings(self.settings).placements]
        side = max(given + asked) or USUAL_SIDE
        needed = math.ceil(side * self.enlarge * max([1.0, *scales]))
        return min(max(1 << (needed - 1).bit_length(), LEAST_SIDE), MOST_PRODUCT_SIDE)

    @property
    def groups(self) -> list[list[int]]:
        """The products of each ad of one size."""
        everyone = list(range(len(self.photos)))
        return [[one] for one in everyone] if self.each else [everyone]


def ad_request(context: PlainContext, inputs: Inputs) -> AdRequest:
    """The request in the inputs of `product_ad`; BadRequest names the input, the rule and the value."""
    settings, each = text(inputs, "settings", MAX_JSON), flag(inputs, "each", False)
    sizes = _sizes(inputs, context.limits.min_side)
    sent = pictures(inputs, "product")
    most = MAX_ADS if each else MAX_PRODUCTS
    if not 1 <= len(sent) <= most:
        raise BadRequest(f"product must be 1 to {most} pictures, got {len(sent)}")
    _check_counts(len(sent), each, sizes, len(read_settings(settings).placements))
    _check_drawing(inputs)
    harmonise = number(inputs, "harmonise", 0, MAX_HARMONISE, 0.0)
    request = AdRequest(
        photos=tuple(_photo(one, f"product[{i}]", context.limits) for i, one in enumerate(sent)),
        each=each,
        sizes=sizes,
        scene=_scene(inputs, context.limits),
        prompt=text(inputs, "prompt", MAX_PROMPT),
        negative_prompt=text(inputs, "negative_prompt", MAX_PROMPT),
        sentence=text(inputs, "sentence"),
        trade=text(inputs, "trade"),
        style=text(inputs, "style"),
        theme=text(inputs, "theme"),
        seed=int(number(inputs, "seed", 0, MAX_SEED, secrets.randbits(63))),
        drawing={name: inputs[name] for name in PASSED_ON if name in inputs},
        loras=lora_digests(context, inputs),
        settings=settings,
        enlarge=int(number(inputs, "enlarge", 1, MAX_ENLARGE, 1)),
        harmonise=harmonise,
        texts=_texts(inputs),
        format=word(inputs, "format", tuple(SAVING), "png"),
        as_text=as_text(inputs),
        previews=flag(inputs, "previews", False),
    )
    _check_words(request, inputs)
    ads = [[request.photos[index].wide for index in group] for group in request.groups]
    check_places(read_settings(settings), ads, [_frame(request, size) for size in sizes])
    return request


def _photo(encoded: bytes, name: str, limits: Limits) -> Photo:
    """The picture; BadRequest for a transparent one that shows no object."""
    layer = transparent_layer(encoded, name, limits)
    if layer is None:
        return Photo(encoded, None)
    product = product_of(*layer, name)
    return Photo(encoded, product.width / product.height)


def _frame(request: AdRequest, size: AdSize) -> Frame:
    """What is known of the size of a scene."""
    if size.width and size.height:
        return Frame(size.width / size.height, size.height * request.enlarge)
    width, height = RATIOS[size.name] if size.name else (0, 0)
    if request.scene is None:
        return Frame(width / height if height else None)
    tall, wide = request.scene.shape[:2]
    left, top, right, bottom = middle_box(wide, tall, width, height) if height else (0, 0, wide, tall)
    return Frame((right - left) / (bottom - top), bottom - top)


def _scene(inputs: Inputs, limits: Limits) -> Picture | None:
    sent = pictures(inputs, "scene")
    if len(sent) > 1:
        raise BadRequest(f"scene must be one picture, got {len(sent)}")
    return decode(sent[0], "scene", limits) if sent else None


def _sizes(inputs: Inputs, least: int) -> tuple[AdSize, ...]:
    """The sizes by name, or the one in pixels, or the usual one."""
    names = [name for name in texts(inputs, "sizes") if name]
    given = [name for name in ("width", "height") if name in inputs]
    if names and given:
        raise BadRequest(f"sizes must not be given together with {given[0]}")
    if len(given) == 1:
        raise BadRequest(f"width and height must be given together, got {given[0]} only")
    if given:
        width, height = (int(number(inputs, name, 1, MAX_SIDE, 0)) for name in given)
        if min(width, height) < least:
            raise BadRequest(f"width and height must be at least {least}, got {width}x{height}")
        return (AdSize(width=width, height=height),)
    if len(names) > MAX_SIZES or len(set(names)) < len(names):
        raise BadRequest(f"sizes must be at most {MAX_SIZES} different names, got {', '.join(names)[:80]}")
    return tuple(AdSize(one_of("sizes", name, tuple(RATIOS))) for name in names) or (AdSize(),)


def _check_counts(products: int, each: bool, sizes: Sequence[AdSize], placements: int) -> None:
    """BadRequest for too many ads, and for placements that do not fit the products of an ad."""
    ads = len(sizes) * (products if each else 1)
    if ads > MAX_ADS:
        raise BadRequest(f"sizes and products must give at most {MAX_ADS} ads, got {ads}")
    shown = 1 if each else products
    if placements and placements != shown:
        raise BadRequest(
            f"placements must be one for each of {shown} products of an ad, or none, got {placements}"
        )


def _check_drawing(inputs: Inputs) -> None:
    """BadRequest for what the picture pipelines would refuse after the first networks have run."""
    number(inputs, "steps", 1, MAX_STEPS, 1)
    number(inputs, "guidance", 0, MAX_GUIDANCE, 0)
    word(inputs, "scheduler", SCHEDULERS, "checkpoint")
    named_weights(inputs)


def lora_digests(context: PlainContext, inputs: Inputs) -> tuple[str, ...]:
    """The digests of the adapters that a request names; NotFound for an unknown one."""
    return tuple(find_card(context.lora_folder, name).digest for name in lora_names(inputs))


def _texts(inputs: Inputs) -> str | None:
    """The JSON of the texts, checked but for what fonts and picture decide; None for null and for none."""
    given = text(inputs, "texts", MAX_TEXTS_BYTES)
    if given is None:
        return None
    try:
        found = json.loads(given)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"texts must be JSON, got {given[:40]!r}: {error}") from error
    if found is None or found == []:
        return None
    read_texts(given.encode())
    return given


def _check_words(request: AdRequest, inputs: Inputs) -> None:
    """BadRequest unless the words say what a scene needs, and nothing is given in vain."""
    said = [name for name in ("prompt", "sentence") if getattr(request, name)]
    if len(said) > 1:
        raise BadRequest("prompt and sentence must not both be given")
    for name in OF_SENTENCE:
        if getattr(request, name) and not request.sentence:
            raise BadRequest(f"{name} must be given with sentence: only the prompt processor reads it")
    if request.sentence:
        ad_prompt_request(inputs)
    needed = request.scene is None or request.harmonise > 0
    if needed and not said:
        raise BadRequest(
            "scene, prompt or sentence must be given: say where the product stands"
            if request.scene is None
            else "harmonise must be given with a prompt or a sentence that says what the scene shows"
        )
    if request.enlarge > 1 and (request.scene is not None or request.harmonise > 0):
        raise BadRequest(
            "enlarge must not be given with scene or harmonise: only a drawn scene is enlarged, and the"
            " drawing model has its own sizes"
        )
    if said and not needed:
        raise BadRequest(f"{said[0]} must not be given with scene: nothing is drawn without harmonise")
