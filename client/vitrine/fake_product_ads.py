"""The fake's answers of `compose` and `product_ad`; see vitrine.fake."""

from __future__ import annotations

import io
import json

import numpy as np
from PIL import Image

from vitrine.errors import BadRequest
from vitrine.fake_answers import format_of
from vitrine.inputs import Tensors, byte_tensor

SIDE = 64


def compose(inputs: Tensors) -> dict[str, np.ndarray]:
    """Answer with the products in the middle of the scene, half as high as it is."""
    scene = _opened(inputs["scene"][0]).convert("RGB")
    picture, alpha = _pasted(scene, list(inputs["product"]))
    report = {"timings": {}, "sources": {}, "light": {"side": "centre"}, "products": []}
    return {
        "image": byte_tensor([_encoded(picture, format_of(inputs))]),
        "alpha": byte_tensor([_encoded(alpha, "png")]),
        "shadow": byte_tensor([_encoded(Image.new("L", scene.size), "png")]),
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
    sizes = [one.decode() for one in inputs["sizes"]] if "sizes" in inputs else [""]
    sent = list(inputs["product"])
    groups = [[one] for one in range(len(sent))] if "each" in inputs else [list(range(len(sent)))]
    plain = Image.new("RGB", (SIDE, SIDE), (seed % 256, 0, 0))
    scene = _opened(inputs["scene"][0]) if "scene" in inputs else plain
    made, alphas = [], []
    for size in sizes:
        for group in groups:
            picture, alpha = _pasted(scene.convert("RGB").resize(_pixels(size)), [sent[i] for i in group])
            made.append(_encoded(picture, format_of(inputs)))
            alphas.append(_encoded(alpha, "png"))
    told = [{"size": size, "products": group} for size in sizes for group in groups]
    more = {"seed": seed, "ads": told, "total_time": 0.0, "nodes": []}
    return {
        "image": byte_tensor(made),
        "origin": byte_tensor(made),
        "alpha": byte_tensor(alphas),
        "seed": np.array([seed], np.uint64),
        "report": byte_tensor([json.dumps(report | more).encode()]),
    }


def _pixels(size: str) -> tuple[int, int]:
    wide, _, tall = (size or "1:1").partition(":")
    return SIDE, max(1, SIDE * int(tall) // int(wide))


def _pasted(scene: Image.Image, products: list[bytes]) -> tuple[Image.Image, Image.Image]:
    picture, alpha = scene.copy(), Image.new("L", scene.size)
    for encoded in products:
        cut = _opened(encoded).convert("RGBA").resize((scene.width // 2, scene.height // 2))
        place = (scene.width // 4, scene.height // 4)
        picture.paste(cut, place, cut)
        alpha.paste(cut.getchannel("A"), place)
    return picture, alpha


def _opened(encoded: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(encoded))
    except OSError as error:
        raise BadRequest(f"a picture is {len(encoded)} bytes of another kind") from error


def _encoded(image: Image.Image, kind: str) -> bytes:
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()
