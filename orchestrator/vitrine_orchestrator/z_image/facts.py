"""The facts in the manifests of the Z-Image family."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from vitrine_orchestrator.manifest import Manifest
from vitrine_orchestrator.stages.z_image import FAMILY

TRANSFORMER = "z_image_transformer.onnx"  # in a version folder of `denoise`
TOKENIZER = "tokenizer.json"  # in a version folder of `prepare_prompt`
PATCH = 2  # latent pixels per side of a picture token
TOKENS = 32  # the tokens of a picture and of a caption are filled up to a multiple of this


@dataclass(frozen=True)
class ZImageFacts:
    """Sizes, prompt form and defaults of one exported checkpoint."""

    width: int  # of the pictures when the caller gives no size, in pixels
    height: int
    channels: int  # of the latents
    factor: int  # picture pixels of one latent pixel
    caption_width: int
    caption_positions: int  # positions of the axis that counts caption tokens, from 0
    rows: int  # most picture tokens above each other,
    columns: int  # and next to each other
    prompt_tokens: int  # most tokens of a prompt, with those of its frame
    prompt_before: str  # the frame: the chat template's text before
    prompt_after: str  # and after the prompt
    default_steps: int
    default_guidance: float
    scheduler: Mapping[str, Any]  # scheduler_config.json
    lora_rank: int  # of a slot
    lora_inputs: int  # the sum of the inputs of all linears that take adapters,
    lora_outputs: int  # and of their outputs

    @property
    def multiple(self) -> int:
        """Sides of pictures are multiples of this many pixels."""
        return PATCH * self.factor

    @property
    def longest_caption(self) -> int:
        """The most tokens of a caption; filled up, it must leave one position for the picture."""
        return min(self.prompt_tokens, (self.caption_positions - 2) // TOKENS * TOKENS)


def read_facts(manifest: Manifest) -> ZImageFacts:
    """The facts of a Z-Image manifest; Unavailable for another family or for missing or unknown facts."""
    names = {field.name for field in fields(ZImageFacts)}
    return ZImageFacts(**manifest.facts_of(FAMILY, names))
