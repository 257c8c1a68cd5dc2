"""The arguments of `generate_ad_image` as the pipeline and the inputs of a job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vitrine import BadRequest

from vitrine_gateway.jobs.ad_words import words_of

NOT_WITH_PRODUCT = {
    "strength": "the scene of a product is taken as it is",
    "negative_prompt": "say in prompt what is around the product",
    "width": "use aspect_ratio",
    "height": "use aspect_ratio",
}
"""Arguments that an advertisement of products has not, and what to do instead."""


@dataclass(frozen=True)
class Words:
    """The words to set on a picture, where, and in which font."""

    text: str | None
    position: str
    font: str | None


def picture_of(text: str) -> str | dict[str, str]:
    """Return a picture as a request names it."""
    return {"file_id": text} if text.startswith("file_") else text


def ad_inputs(
    options: Mapping[str, Any], image: str | None, product: str | list[str] | None, words: Words
) -> tuple[str, dict[str, Any]]:
    """Return the pipeline and the inputs. Raises BadRequest for arguments that do not go together."""
    inputs = {name: value for name, value in options.items() if value is not None}
    if words.text is None and (words.font is not None or words.position != "auto"):
        raise BadRequest("font and text_position go with text: send the words too")
    if product is not None:
        return "product_ad", _of_product(inputs, image, product, words)
    if words.text is not None:
        raise BadRequest("text and font go with product: send the photo of a product too")
    if image is not None:
        return "image_to_image", inputs | {"image": picture_of(image)}
    if "strength" in inputs:
        raise BadRequest("strength goes with image: send the picture to change too")
    return "text_to_image", inputs


def _of_product(
    inputs: dict[str, Any], image: str | None, product: str | list[str], words: Words
) -> dict[str, Any]:
    for name, instead in NOT_WITH_PRODUCT.items():
        if name in inputs:
            raise BadRequest(f"{name} does not go with product: {instead}")
    several = [product] if isinstance(product, str) else product
    inputs |= words_of(inputs.pop("prompt")) | {"product": [picture_of(one) for one in several]}
    if image is not None:
        inputs["scene"] = picture_of(image)
    if words.text is not None:
        font = {"font": words.font} if words.font else {}
        inputs["texts"] = [{"text": words.text, "anchor": words.position, **font}]
    return inputs
