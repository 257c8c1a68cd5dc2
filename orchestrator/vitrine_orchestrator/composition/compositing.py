"""Puts shadows and products over a scene, in linear light. What needs no mixing is copied, never computed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vitrine_orchestrator.composition.linear_light import levels_of, light_of
from vitrine_orchestrator.composition.products import Alpha, Placed
from vitrine_orchestrator.composition.shadows import Shadow
from vitrine_orchestrator.images.bands import bands
from vitrine_orchestrator.pictures import Picture


def shaded(scene: Picture, shadow: Shadow) -> Picture:
    """The scene (height, width, 3) with less light where `shadow` takes some; all else is as it was."""
    picture = scene.copy()
    for part in bands(0, len(scene)):
        dark = shadow[part] > 0
        left_over = 1 - shadow[part][dark][:, None].astype(np.float32) / np.float32(255)
        picture[part][dark] = levels_of(light_of(scene[part][dark]) * left_over)
    return picture


def put_over(picture: Picture, one: Placed) -> None:
    """Put a product over a picture, in place. Opaque pixels become the product's own, level by level."""
    scene, own = one.inside(*picture.shape[:2])
    picture[scene] = mixed(one.product.colours[own], picture[scene], one.product.alpha[own])


def mixed(front: Picture, back: Picture, alpha: Alpha) -> Picture:
    """`front` over `back` by its alpha, all of one size: in linear light where it is neither 0 nor 255."""
    picture = np.where((alpha == 255)[..., None], front, back)
    for part in bands(0, len(alpha)):
        soft = (alpha[part] > 0) & (alpha[part] < 255)
        share = alpha[part][soft][:, None].astype(np.float32) / np.float32(255)
        light = share * light_of(front[part][soft]) + (1 - share) * light_of(back[part][soft])
        picture[part][soft] = levels_of(light)
    return picture


def alpha_of_all(all_placed: list[Placed], height: int, width: int) -> NDArray[np.uint8]:
    """The alpha of all products together, (height, width)."""
    whole = np.zeros((height, width), np.uint8)
    for one in all_placed:
        np.maximum(whole, one.alpha_in(height, width), out=whole)
    return whole
