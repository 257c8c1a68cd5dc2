"""Fakes of the stages that an ad is made of; their pictures tell what they were asked for."""

from __future__ import annotations

import asyncio
import io
import json

import numpy as np
from PIL import Image
from vitrine_orchestrator.compose.pipeline import compose
from vitrine_orchestrator.pipeline.request_context import PlainContext
from vitrine_orchestrator.product_ad.pipeline import product_ad
from vitrine_orchestrator.stages.calls import FakeStages

STEPS = 4
NOISE = 40  # what the fake of image_to_image adds to every level


def texted(*values):
    """A BYTES tensor."""
    return np.array([value.encode() if isinstance(value, str) else value for value in values], object)


def report(**more):
    """A report's tensor."""
    return texted(json.dumps({"timings": {}, "sources": {}, **more}))


def png(levels):
    """An encoded picture."""
    file = io.BytesIO()
    Image.fromarray(levels).save(file, "PNG")
    return file.getvalue()


def opened(encoded):
    """The levels of an encoded picture."""
    return np.array(Image.open(io.BytesIO(encoded)))


def photo(colour=(200, 30, 40), height=60, width=40):
    """A photograph without transparency."""
    return png(np.full((height, width, 3), colour, np.uint8))


def cut(colour=(200, 30, 40), height=60, width=40):
    """A product with a transparent rim."""
    levels = np.zeros((height, width, 4), np.uint8)
    levels[5:-5, 5:-5] = (*colour, 255)
    return png(levels)


def cut_out(inputs):
    """The photograph with a transparent rim of five pixels."""
    levels = opened(inputs["image"][0])
    alpha = np.zeros(levels.shape[:2], np.uint8)
    alpha[5:-5, 5:-5] = 255
    return {
        "image": texted(png(np.dstack([levels, alpha]))),
        "alpha": texted(png(alpha)),
        "report": report(versions={"release": "2"}),
    }


def sides(inputs):
    """Width and height of a drawn scene."""
    if "width" in inputs:
        return int(inputs["width"][0]), int(inputs["height"][0])
    ratio = inputs.get("aspect_ratio", texted("1:1"))[0].decode().split(":")
    return 96, 96 * int(ratio[1]) // int(ratio[0])


def text_to_image(inputs):
    """A wall above a table; the seed is in its first pixel."""
    width, height = sides(inputs)
    scene = np.full((height, width, 3), 210, np.uint8)
    scene[round(0.6 * height) :] = 110
    scene[0, 0] = int(inputs["seed"][0]) % 256
    return {
        "image": texted(png(scene)),
        "seed": inputs["seed"],
        "report": report(sources={"prompt": "fresh"}, versions={"release": "3"}),
    }


def image_to_image(inputs):
    """The picture, a little brighter everywhere, of the size that was asked for."""
    levels = opened(inputs["image"][0])
    assert levels.shape[:2] == (int(inputs["height"][0]), int(inputs["width"][0]))
    brighter = np.minimum(levels.astype(int) + NOISE, 255).astype(np.uint8)
    return {"image": texted(png(brighter)), "seed": inputs["seed"], "report": report()}


def prepare_ad_prompt(inputs):
    """The sentence in brackets."""
    said = b"[" + inputs["sentence"][0] + b"]"
    return {"prompt": texted(said), "negative_prompt": texted("words"), "report": report(way="tables")}


def text_overlay(inputs):
    """A white line in the first row; with `describe` the check of the texts alone."""
    if "describe" in inputs:
        assert inputs.keys() == {"describe", "texts"}
        return {"report": report(fonts={})}
    levels = opened(inputs["image"][0])
    assert inputs["keep_clear"].shape == levels.shape[:2]
    levels[0] = 255
    return {"image": texted(png(levels)), "report": report(texts=[{"lines": 1}])}


def denoise(inputs):
    """The progress of a job that goes on by one step a poll."""
    if "cancel" in inputs:
        return {"report": report(state="cancelled")}
    step = int(inputs["after_step"][0]) + 1
    state = "running" if step < STEPS else "done"
    return {"report": report(job="x", state=state, step=step, steps=STEPS)}


class AdStages(FakeStages):
    """The fakes, with the real composition."""

    def __init__(self, **other):
        answers = (cut_out, text_to_image, image_to_image, prepare_ad_prompt, text_overlay, denoise)
        super().__init__(**{one.__name__: one for one in answers} | other)

    async def __call__(self, name, inputs):
        if name != "compose":
            return await super().__call__(name, inputs)
        self.calls.append((name, inputs))
        return await compose(PlainContext(self), inputs)

    def sent(self, name):
        """The inputs of the calls of a stage."""
        return [inputs for called, inputs in self.calls if called == name]

    def counts(self, *names):
        """How often each stage was called."""
        return {name: len(self.sent(name)) for name in names}


TEXTS = '["신메뉴 4,500원"]'
DTYPES = {int: np.int32, float: np.float32, bool: np.bool_}


def asked(*products, **more):
    """A request's inputs: texts, numbers and lists of texts become tensors."""
    inputs = {"product": texted(*(products or (photo(),))), "seed": np.array([7], np.uint64)}
    for name, value in more.items():
        if isinstance(value, list):
            inputs[name] = texted(*value)
        elif isinstance(value, str | bytes):
            inputs[name] = texted(value)
        else:
            inputs[name] = np.array([value], DTYPES[type(value)])
    return inputs


def run(stages, inputs):
    """The outputs, with the pictures opened and the report read."""
    outputs = asyncio.run(product_ad(PlainContext(stages), inputs))
    pictures = {name: [opened(one) for one in outputs[name]] for name in ("image", "origin", "alpha")}
    return pictures | {"report": json.loads(outputs["report"][0]), "seed": outputs["seed"]}
