"""Fake stages of FASHN VTON: a detector with given boxes, a pose network with given joints, a painter."""

from dataclasses import fields
from types import SimpleNamespace

import numpy as np
import pytest
from vitrine_orchestrator.fashn import dwpose
from vitrine_orchestrator.fashn.context import FashnContext
from vitrine_orchestrator.fashn.facts import FashnFacts
from vitrine_orchestrator.fashn.prepare_garment import prepare_garment
from vitrine_orchestrator.fashn.prepare_person import prepare_person
from vitrine_orchestrator.manifest import Manifest
from vitrine_orchestrator.pipeline.memo import NoMemo
from vitrine_orchestrator.pipeline.request_context import text_array

WIDTH, HEIGHT = 96, 144
STANDING = np.array(
    [
        (0.50, 0.15), (0.52, 0.13), (0.48, 0.13), (0.55, 0.14), (0.45, 0.14),  # nose, eyes, ears
        (0.60, 0.30), (0.40, 0.30), (0.66, 0.42), (0.34, 0.42), (0.68, 0.52), (0.32, 0.52),  # arms
        (0.56, 0.55), (0.44, 0.55), (0.57, 0.72), (0.43, 0.72), (0.57, 0.88), (0.43, 0.88),  # legs
    ]
)  # fmt: skip
"""COCO's joints of somebody who stands, in shares of the crop."""


def detected(boxes, width, height):
    """YOLOX's answer (1, 8400, 6) for boxes (left, top, right, bottom) in px of a picture of that size."""
    scale = min(dwpose.DETECTOR_SIDE / height, dwpose.DETECTOR_SIDE / width)
    cells = np.zeros((1, 8400, 6), np.float32)
    for number, box in enumerate(boxes):
        left, top, right, bottom = (side * scale / 32 for side in box)
        column, row = int((left + right) / 2), int((top + bottom) / 2)
        cells[0, 8000 + 20 * row + column] = (
            (left + right) / 2 - column,
            (top + bottom) / 2 - row,
            np.log(right - left),
            np.log(bottom - top),
            0.9 - 0.01 * number,
            1.0,
        )
    return cells


def simcc(joints, score=1.0):
    """SimCC scores (133, 576) and (133, 768) of 17 joints in shares of the crop; the rest is not seen."""
    across, down = np.zeros((133, 576), np.float32), np.zeros((133, 768), np.float32)
    for number, (x, y) in enumerate(joints):
        across[number, round(x * 576)] = score
        down[number, round(y * 768)] = score
    return across, down


class World:
    """All stages of the family: fake networks, and the real prepare models over them.

    boxes: of the people in every picture, in shares of it. seen: the score of their joints.
    paint: (person's canvas, garment's canvas, category) → the painted canvas.
    labels: the segmenter's answer for (576, 384); None: there is none.
    """

    def __init__(self, boxes=((0.2, 0.05, 0.8, 0.95),), seen=1.0, paint=None, labels=None, memo=None):
        self.boxes, self.seen, self.labels = boxes, seen, labels
        self.paint = paint or (lambda person, garment, category: person)
        self.calls, self.inputs, self.joints = [], [], lambda: STANDING
        files = {} if labels is None else {"garment_parser/1/model.onnx": "0" * 64}
        known = {"width": WIDTH, "height": HEIGHT, "default_steps": 4, "default_guidance": 1.5}
        facts = {field.name: known.get(field.name, 1) for field in fields(FashnFacts)}
        manifest = Manifest("fashn", facts, "0" * 64, "test", files)
        self.context = FashnContext(self, manifest, memo or NoMemo())

    async def __call__(self, name, inputs):
        self.calls.append(name)
        self.inputs.append(inputs)
        return await getattr(self, name)(inputs)

    async def yolox(self, inputs):
        """The boxes, in a picture whose size is read from the grey of the letterbox."""
        inside = (inputs["image"][0] != dwpose.DETECTOR_GREY).any(axis=0)
        height, width = (
            np.flatnonzero(inside.any(axis=1)).max() + 1,
            np.flatnonzero(inside.any(axis=0)).max() + 1,
        )
        boxes = [np.array(box) * (width, height, width, height) for box in self.boxes]
        return {"boxes": detected(boxes, 640, 640)}

    async def dwpose(self, inputs):
        """The same joints in each crop."""
        across, down = simcc(self.joints(), self.seen)
        rows = len(inputs["image"])
        return {"simcc_x": np.stack([across] * rows), "simcc_y": np.stack([down] * rows)}

    async def garment_parser(self, inputs):
        """The given labels."""
        return {"labels": self.labels[None]}

    async def prepare_person(self, inputs):
        """The model itself."""
        return await prepare_person(self.context, inputs)

    async def prepare_garment(self, inputs):
        """The model itself."""
        return await prepare_garment(self.context, inputs)

    async def denoise(self, inputs):
        """The painter's canvas as the network's state."""
        category = inputs["category"][0].decode()
        made = self.paint(inputs["person_picture"], inputs["garment_picture"], category)
        state = (made.astype(np.float32) + 0.5) / 127.5 - 1  # as_picture truncates
        return {"latents": state.transpose(2, 0, 1), "report": text_array("{}")}


@pytest.fixture
def fashn():
    """The fakes of this file."""
    return SimpleNamespace(
        World=World, width=WIDTH, height=HEIGHT, standing=STANDING, detected=detected, simcc=simcc
    )
