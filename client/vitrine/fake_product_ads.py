"""The fake's answers of `compose` and `product_ad`; see vitrine.fake."""

from __future__ import annotations

import json

import numpy as np
from PIL import Image

from vitrine.errors import BadRequest
from vitrine.fake_rules import SIDE, encoded, format_of, opened, pixels_of, sizes_of
from vitrine.inputs import Tensors, byte_tensor


def compose(inputs: Tensors) -> dict[str, np.ndarray]:
    """Answer with the products in the middle of the scene, half as high as it is."""
    scene = opened(inputs["scene"][0], "scene").convert("RGB")
    picture, alpha = _pasted(scene, list(inputs["product"]))
    report = {"timings": {}, "sources": {}, "light": {"side": "centre"}, "products": []}
    return {
        "image": byte_tensor([encoded(picture, format_of(inputs))]),
        "alpha": byte_tensor([encoded(alpha, "png")]),
        "shadow": byte_tensor([encoded(Image.new("L", scene.size), "png")]),
        "report": byte_tensor([json.dumps(report).encode()]),
    }


def product_ad(inputs: Tensors, digest: str) -> dict[str, np.ndarray]:
    """Answer with the products on the scene, or on one colour, which the seed sets; texts are left out."""
    report = {"timings": {}, "sources": {}, "pipeline_digest": digest, "steps": 3}
    if "describe" in inputs:
        return {"report": byte_tensor([json.dumps(report).encode()])}
    if not {"scene", "prompt", "sentence"} & inputs.keys():
        raise BadRequest("scene, prompt or sentence must be given: say where the product stands")
    seed = int(inputs["seed"][0]) if "seed" in inputs else 0
    sizes = sizes_of(inputs)
    sent = list(inputs["product"])
    groups = [[one] for one in range(len(sent))] if "each" in inputs else [list(range(len(sent)))]
    plain = Image.new("RGB", (SIDE, SIDE), (seed % 256, 0, 0))
    scene = opened(inputs["scene"][0], "scene") if "scene" in inputs else plain
    made, alphas = [], []
    for size in sizes:
        for group in groups:
            picture, alpha = _pasted(scene.convert("RGB").resize(pixels_of(size)), [sent[i] for i in group])
            made.append(encoded(picture, format_of(inputs)))
            alphas.append(encoded(alpha, "png"))
    told = [{"size": size, "products": group} for size in sizes for group in groups]
    more = {"seed": seed, "ads": told, "total_time": 0.0, "nodes": []}
    return {
        "image": byte_tensor(made),
        "origin": byte_tensor(made),
        "alpha": byte_tensor(alphas),
        "seed": np.array([seed], np.uint64),
        "report": byte_tensor([json.dumps(report | more).encode()]),
    }


def _pasted(scene: Image.Image, products: list[bytes]) -> tuple[Image.Image, Image.Image]:
    picture, alpha = scene.copy(), Image.new("L", scene.size)
    for one in products:
        cut = opened(one, "product").convert("RGBA").resize((scene.width // 2, scene.height // 2))
        place = (scene.width // 4, scene.height // 4)
        picture.paste(cut, place, cut)
        alpha.paste(cut.getchannel("A"), place)
    return picture, alpha
