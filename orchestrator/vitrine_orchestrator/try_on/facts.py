"""The facts in the manifests of the IDM-VTON family."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from vitrine_orchestrator.manifest import Manifest
from vitrine_orchestrator.stages.idm_vton import FAMILY


@dataclass(frozen=True)
class TryOnFacts:
    """Sizes, prompts and defaults of one exported checkpoint."""

    width: int  # width of the pictures in pixels
    height: int
    channels: int  # channels of the latents
    factor: int  # picture pixels of one latent pixel
    context_width: int
    pooled_width: int
    image_tokens: int
    image_size: int  # side of the image encoder's input, in pixels
    default_steps: int
    default_guidance: float
    person_prompt: str  # "{}" is the description, in this and the next
    garment_prompt: str
    negative_prompt: str
    pad_ids: tuple[int, ...]  # padding tokens of text_encoder and text_encoder_2
    scheduler: Mapping[str, Any]  # scheduler_config.json


def read_facts(manifest: Manifest) -> TryOnFacts:
    """The facts of a try-on's manifest; Unavailable for another family or for missing or unknown facts."""
    facts = manifest.facts_of(FAMILY, {field.name for field in fields(TryOnFacts)})
    return TryOnFacts(**{**facts, "pad_ids": tuple(facts["pad_ids"])})
