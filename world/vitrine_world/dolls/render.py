"""Draws layers as pixels: colours with antialiased edges, labels without mixing.

Both are painted on a canvas of three times the size. Colours are averaged; the label of a pixel is that of
the layer at its centre.
"""

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray
from vitrine_orchestrator.person.labels import Category

from vitrine_world.dolls.figure import ASPECT, figure, placement
from vitrine_world.dolls.garment import FORMS, Garment
from vitrine_world.dolls.layers import Layer, Print
from vitrine_world.dolls.palette import GARMENT_COLOURS, PAPER
from vitrine_world.dolls.person import Person, Pose
from vitrine_world.dolls.scene import bare_body, product, scene
from vitrine_world.dolls.shapes import Frame, Points

Image = NDArray[np.uint8]
Size = tuple[int, int]

SIZE: Size = (192, 256)
"""Width and height in px of the paper-doll checkpoint's pictures."""

FILL = 0.9
"""Share of a product picture's width or height that the garments of a category together cover."""

_OVERSAMPLING = 3
_SUBPIXEL_BITS = 4  # fillPoly takes fixed-point corners

FLAT_POSE = Pose(1.0, (0.0, 0.0), 0.0, (24.0, 24.0), (20.0, 20.0), (2.5, 2.5), (1.5, 1.5))
"""The pose in which a garment lies in its product picture."""


def draw_person(person: Person, size: Size = SIZE) -> Image:
    """Return the dressed person, (height, width, 3) uint8 RGB; `size` is (width, height) in px."""
    canvas = _canvas(size, person.background.wall)
    floor = canvas[round(person.background.floor_line * len(canvas)) :]
    cv2.rectangle(floor, (0, 0), floor.shape[1::-1], person.background.floor, cv2.FILLED)
    _paint(canvas, scene(person), placement(person.pose))
    return _averaged(canvas, size)


def draw_garment(garment: Garment, size: Size = SIZE) -> Image:
    """Return the product picture: the garment on PAPER, (height, width, 3) uint8 RGB.

    All garments of a category have the same scale, so a short one looks short.
    """
    canvas = _canvas(size, PAPER)
    _paint(canvas, _flat(garment), _flat_frame(garment.category))
    return _averaged(canvas, size)


def labels(person: Person, size: Size = SIZE) -> Image:
    """Return the ATR label of every pixel, (height, width) uint8, 0 to 18, where 18 is the neck."""
    return _labelled(scene(person), placement(person.pose), size)


def parts(person: Person, size: Size = SIZE) -> Image:
    """Return the DensePose label of every pixel of the undressed body, (height, width) uint8, 0 to 24."""
    return _labelled(bare_body(person), placement(person.pose), size)


def _canvas(size: Size, colour: tuple[int, ...]) -> Image:
    """Return a canvas of one colour, _OVERSAMPLING times `size`; ValueError for a size below 1x1."""
    width, height = size
    if width < 1 or height < 1:
        raise ValueError(f"size must be at least 1x1 px, got {width}x{height}")
    canvas = np.empty((height * _OVERSAMPLING, width * _OVERSAMPLING, len(colour)), np.uint8)
    cv2.rectangle(canvas, (0, 0), canvas.shape[1::-1], colour, cv2.FILLED)
    return canvas


def _averaged(canvas: Image, size: Size) -> Image:
    return np.asarray(cv2.resize(canvas, size, interpolation=cv2.INTER_AREA), np.uint8)


def _labelled(layers: list[Layer], frame: Frame, size: Size) -> Image:
    canvas = _canvas(size, (0,))
    for layer in layers:
        cv2.fillPoly(
            canvas, [_corners(layer.outline, frame, canvas)], (int(layer.label),), shift=_SUBPIXEL_BITS
        )
    middle = _OVERSAMPLING // 2
    return np.ascontiguousarray(canvas[middle::_OVERSAMPLING, middle::_OVERSAMPLING, 0])


def _flat(garment: Garment) -> list[Layer]:
    return product(garment, figure(FLAT_POSE, 1.0))


@cache
def _flat_frame(category: Category) -> Frame:
    """Return the frame of a category: its garments together are centred and span FILL of the picture."""
    colour = next(iter(GARMENT_COLOURS))
    forms = [form for form in FORMS if form.category == category]
    garments = [Garment(category, form.kind, form.sleeve, form.length, colour) for form in forms]
    corners = np.concatenate([layer.outline for garment in garments for layer in _flat(garment)])
    low, high = corners.min(axis=0), corners.max(axis=0)
    stretch = np.array([1.0 / ASPECT, 1.0])
    scale = FILL / float(((high - low) * stretch).max()) * stretch
    return Frame(0.5 - scale * (low + high) / 2.0, np.diag(scale))


def _corners(points: Points, frame: Frame, canvas: Image) -> NDArray[np.int32]:
    """Convert body units to fixed-point canvas pixels; pixel centres are at integers."""
    height, width = canvas.shape[:2]
    pixels = frame.place(points) * (width, height) - 0.5
    return np.rint(pixels * (1 << _SUBPIXEL_BITS)).astype(np.int32)


def _paint(canvas: Image, layers: list[Layer], frame: Frame) -> None:
    for layer in layers:
        outline = _corners(layer.outline, frame, canvas)
        cv2.fillPoly(canvas, [outline], layer.colour, shift=_SUBPIXEL_BITS)
        if layer.print:
            _print(canvas, outline, layer.print, frame)


def _print(canvas: Image, outline: NDArray[np.int32], print_: Print, frame: Frame) -> None:
    """Paint the print inside the layer's outline, which is in fixed-point canvas pixels."""
    height, width = canvas.shape[:2]
    left, top = np.clip((outline.min(axis=0) >> _SUBPIXEL_BITS) - 1, 0, (width, height))
    right, bottom = np.clip((outline.max(axis=0) >> _SUBPIXEL_BITS) + 2, 0, (width, height))
    window = canvas[top:bottom, left:right]
    if not window.size:
        return
    moved = np.array((left, top), np.int32) << _SUBPIXEL_BITS
    shapes = _corners(print_.shapes.reshape(-1, 2), frame, canvas).reshape(print_.shapes.shape) - moved
    inside, printed = (np.zeros(window.shape[:2], np.uint8) for _ in range(2))
    cv2.fillPoly(inside, [outline - moved], (1,), shift=_SUBPIXEL_BITS)
    cv2.fillPoly(printed, list(shapes), (1,), shift=_SUBPIXEL_BITS)
    cv2.copyTo(np.full_like(window, print_.colour), inside & printed, window)
