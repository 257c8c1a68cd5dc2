"""CLIP's two towers: how each is built from the model's config, and its keys in the model's file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from transformers import (
    CLIPTextConfig,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

from vitrine_export.checkpoint.components import Component

PREFIXES = {"vision": ("vision_model.", "visual_projection."), "text": ("text_model.", "text_projection.")}
"""Beginnings of the keys of each tower; the other keys are the other tower's, and logit_scale."""

_BUILD: Mapping[str, tuple[type[Any], type[Any]]] = {
    "vision": (CLIPVisionConfig, CLIPVisionModelWithProjection),
    "text": (CLIPTextConfig, CLIPTextModelWithProjection),
}


def tower_of(tower: str, config: Mapping[str, Any]) -> tuple[Component, dict[str, Any]]:
    """Return the component and the config of a tower.

    The towers' configs in released files have a projection_dim of their own, which CLIP does not read: both
    projections end in the width of the model's own projection_dim (512 where it is not given).
    """
    own = {**config.get(f"{tower}_config", {}), "projection_dim": config.get("projection_dim", 512)}
    settings, model = _BUILD[tower]
    build: Callable[[Mapping[str, Any], Any], Any] = lambda found, state: model(  # noqa: E731
        settings.from_dict(dict(found))
    )
    return Component(build, partial(_name, PREFIXES[tower])), own


def _name(prefixes: tuple[str, ...], key: str) -> str | None:
    return key if key.startswith(prefixes) and not key.endswith("position_ids") else None
