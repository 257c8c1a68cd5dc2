"""The facts that the manifests of all picture families have."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vitrine.errors import BadRequest

PATCH = 2  # latent pixels per side of a picture token
MAX_PIXELS = 2048 * 2048
"""Of a picture: twice the side that the released models were trained on; a call's memory grows with it."""


@dataclass(frozen=True)
class PictureFacts(ABC):
    """Sizes and defaults of one exported checkpoint; each family adds its own."""

    width: int  # of the pictures when the caller gives no size, in pixels
    height: int
    channels: int  # of the latents
    factor: int  # picture pixels of one latent pixel
    caption_width: int
    rows: int  # most picture tokens above each other,
    columns: int  # and next to each other
    prompt_tokens: int  # most tokens of a prompt
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
        """The most tokens of a caption that the network takes."""
        return self.prompt_tokens

    def check_size(self, width: int, height: int) -> None:
        """BadRequest for a picture of that many pixels when the network cannot draw it."""
        check_size(width, height, self.columns, self.rows, self.multiple)

    @abstractmethod
    def negative_prompt(self, guidance: float, given: str) -> str | None:
        """The prompt that guidance is computed against; None where no second row is computed.

        BadRequest for a guidance or a negative prompt that the checkpoint cannot take.
        """


def check_size(width: int, height: int, columns: int, rows: int, multiple: int) -> None:
    """BadRequest for a picture of that many pixels that a network cannot draw.

    columns, rows: the most picture tokens next to and above each other. multiple: pixels of one token's side.
    """
    for name, side, tokens in (("width", width, columns), ("height", height, rows)):
        if side % multiple or not 0 < side <= tokens * multiple:
            raise BadRequest(f"{name} must be a multiple of {multiple} up to {tokens * multiple}, got {side}")
    if width * height > MAX_PIXELS:
        raise BadRequest(
            f"width x height must be at most {MAX_PIXELS} pixels, got {width}x{height} = {width * height}"
        )
