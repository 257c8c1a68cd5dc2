"""What the fake transports answer to each model: plain pictures that show what was asked for."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from vitrine.errors import BadRequest
from vitrine.fake_rules import (
    MAX_SEED,
    SCHEDULERS,
    WITH_ALPHA,
    encoded,
    format_of,
    opened,
    pixels_of,
    size_of,
    texts_of,
    word_of,
)
from vitrine.tensors import Tensors, byte_tensor

FAKE_DIGEST = "fake" * 16  # the pipeline digest in every report
DEFAULT_STEPS = 30
RELEASE = "1"  # the only version of every model


def try_on(inputs: Tensors) -> dict[str, np.ndarray]:
    person = _picture(inputs, "person")
    seed = int(inputs["seed"][0]) if "seed" in inputs else 0
    steps = int(inputs["steps"][0]) if "steps" in inputs else DEFAULT_STEPS
    mask = _dress(person, inputs.get("garment", np.array([])), seed)
    report = {
        "seed": seed,
        "steps": steps,
        "timings": {"denoise": 0.0},
        "sources": {"person": "fresh", "garment": "fresh", "text": "fresh"},
        "size": list(person.size),
        "versions": {"release": RELEASE},
        "pipeline_digest": FAKE_DIGEST,
    }
    kind = format_of(inputs)
    return {
        "image": byte_tensor([encoded(person, kind)]),
        "mask": byte_tensor([encoded(mask, "png")]),
        "seed": np.array([seed], np.uint64),
        "report": byte_tensor([json.dumps(report).encode()]),
    }


def draw(inputs: Tensors) -> dict[str, np.ndarray]:
    """Answer with a picture of one colour, which the seed sets; image_to_image blends it in by strength."""
    seed = int(inputs["seed"][0]) if "seed" in inputs else 0
    size, count = pixels_of(size_of(inputs)), int(inputs["n"][0]) if "n" in inputs else 1
    if seed + count > MAX_SEED + 1:
        raise BadRequest(f"seed + n - 1 must be at most {MAX_SEED}, got seed {seed} and n {count}")
    word_of(inputs, "scheduler", SCHEDULERS, "checkpoint")
    if not inputs["prompt"][0].strip():
        raise BadRequest("prompt must be given: say what the picture shows")
    picture = _picture(inputs, "image").resize(size)
    strength = float(inputs["strength"][0]) if "strength" in inputs else 1.0
    if not strength:
        raise BadRequest("strength must be more than 0 and at most 1, got 0: 0 would change nothing")
    steps = int(inputs["steps"][0]) if "steps" in inputs else 8
    report = {"seed": seed, "steps": steps, "timings": {"denoise": 0.0}, "size": list(size)}
    kind = format_of(inputs)
    seeds = range(seed, seed + count)
    drawn = [encoded(Image.blend(picture, _tint(size, one), strength), kind) for one in seeds]
    return {
        "image": np.array(drawn, np.object_),
        "seed": np.array(seeds, np.uint64),
        "report": byte_tensor([json.dumps(report | {"pipeline_digest": FAKE_DIGEST}).encode()]),
    }


def _tint(size: tuple[int, int], seed: int) -> Image.Image:
    """Return a picture of the seed's colour."""
    return Image.new("RGB", size, (seed % 256, seed // 256 % 256, seed // 65536 % 256))


def score(inputs: Tensors) -> dict[str, np.ndarray]:
    """Answer with cosines that fall from prompt to prompt, the same for each picture."""
    prompts = [one.decode() for one in inputs["prompt"]]
    row = [round(0.3 / (1 + index), 6) for index in range(len(prompts))]
    cosine = np.array([row] * len(inputs["image"]), np.float32)
    report = {
        "timings": {},
        "sources": {},
        "model": "fake",
        "preprocessing": "none",
        "prompts": [{"prompt": one, "scored": one, "tokens": 2, "cut": "no"} for one in prompts],
        "variants": {"clipscore": (2.5 * cosine).tolist(), "torchmetrics": (100 * cosine).tolist()},
        "pipeline_digest": FAKE_DIGEST,
    }
    return {"cosine": cosine, "report": byte_tensor([json.dumps(report).encode()])}


def cut_out(inputs: Tensors) -> dict[str, np.ndarray]:
    """Answer with the picture in an ellipse; the rest is transparent."""
    picture = _picture(inputs, "image")
    alpha = Image.new("L", picture.size)
    ImageDraw.Draw(alpha).ellipse((0, 0, *picture.size), fill=255)
    picture.putalpha(alpha)
    report = {"timings": {"cut_out_network": 0.0}, "size": list(picture.size), "network": "fake"}
    kind = format_of(inputs, WITH_ALPHA)
    return {
        "image": byte_tensor([encoded(picture, kind)]),
        "alpha": byte_tensor([encoded(alpha, "png")]),
        "report": byte_tensor([json.dumps(report | {"pipeline_digest": FAKE_DIGEST}).encode()]),
    }


def text_overlay(inputs: Tensors) -> dict[str, np.ndarray]:
    """Answer with a white bar for each text, from the top down; or with one font and one free place."""
    if "describe" in inputs:
        return {"report": byte_tensor([json.dumps(_described(inputs)).encode()])}
    picture, texts = _picture(inputs, "image"), texts_of(inputs)
    told = []
    for index, one in enumerate(texts):
        box = (0, min(4 * index, picture.height - 1), picture.width, picture.height)
        ImageDraw.Draw(picture).rectangle((*box[:3], min(box[1] + 2, picture.height)), fill="white")
        told.append({"text": one if isinstance(one, str) else one.get("text", ""), "box": list(box)})
    report = {"timings": {"texts": 0.0}, "sources": {}, "size": list(picture.size), "texts": told}
    kind = format_of(inputs)
    return {
        "image": byte_tensor([encoded(picture, kind)]),
        "report": byte_tensor([json.dumps(report).encode()]),
    }


def _described(inputs: Tensors) -> dict[str, object]:
    fonts = {"families": ["Fake Sans"], "kinds": {"sans": ["Fake Sans"], "serif": [], "round": []}}
    if "image" not in inputs:
        return {"timings": {"total": 0.0}, "sources": {}, "fonts": fonts}
    place = {"shape": "banner", "box": [0.1, 0.05, 0.9, 0.21], "anchor": "top", "ink": "#ffffff"}
    told = {"size": list(_picture(inputs, "image").size), "luminance": 0.2, "colours": [], "free": 1.0}
    picture = {**told, "places": [{**place, "contrast_p5": 8.0, "busy": 0.0}]}
    return {"timings": {"total": 0.0}, "sources": {}, "fonts": fonts, "picture": picture}


def _dress(person: Image.Image, garments: np.ndarray, seed: int) -> Image.Image:
    """Paste the garments on the person's middle; return the place."""
    w, h = person.size
    box = (w // 4, h // 4, max(w * 3 // 4, w // 4 + 1), max(h * 3 // 4, h // 4 + 1))
    size = (box[2] - box[0], box[3] - box[1])
    for garment in garments:
        worn = opened(garment, "garment").convert("RGB").resize(size)
        person.paste(Image.blend(worn, _tint(size, seed), 0.1), box)
    mask = Image.new("L", person.size)
    mask.paste(255, box)
    return mask


def prepare(kind: str, source: str) -> Callable[[Tensors], dict[str, np.ndarray]]:
    """Return a function that answers prepare_<kind>: a key from its first input, and no tensors."""

    def answer(inputs: Tensors) -> dict[str, np.ndarray]:
        if source not in ("description", "prompt"):
            _picture(inputs, source)
        report = {"timings": {}, "sources": {kind: "fresh"}, "pipeline_digest": FAKE_DIGEST}
        return {
            f"{kind}_key": byte_tensor([f"fake-{kind}".encode()]),
            "report": byte_tensor([json.dumps(report).encode()]),
        }

    return answer


def cache_control(inputs: Tensors) -> dict[str, np.ndarray]:
    """Answer as an empty cache does."""
    counted = ("total_requests", "l1_hits", "l2_hits", "l3_hits", "misses", "evictions")
    numbers = dict.fromkeys(counted, 0) | dict.fromkeys(("l1_hit_rate", "l2_hit_rate", "l3_hit_rate"), 0.0)
    cleared = {"cleared": "everything"}
    return {
        "answer": byte_tensor([json.dumps(numbers if inputs["action"][0] == b"stats" else cleared).encode()])
    }


def _picture(inputs: Tensors, name: str) -> Image.Image:
    """Return the first picture of an input; a small white one if the caller sent an id only."""
    if name not in inputs:
        return Image.new("RGB", (48, 64), "white")
    return opened(inputs[name][0], name).convert("RGB")
