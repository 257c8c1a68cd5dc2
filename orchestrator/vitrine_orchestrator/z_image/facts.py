"""The facts in the manifests of the Z-Image family."""

from __future__ import annotations

from dataclasses import dataclass, fields

from vitrine.errors import BadRequest

from vitrine_orchestrator.drawing.facts import PictureFacts
from vitrine_orchestrator.manifest import Manifest
from vitrine_orchestrator.stages.z_image import FAMILY

TRANSFORMER = "z_image_transformer.onnx"  # in a version folder of `denoise`
TOKENIZER = "tokenizer.json"  # in a version folder of `prepare_prompt`
TOKENS = 32  # the tokens of a picture and of a caption are filled up to a multiple of this


@dataclass(frozen=True)
class ZImageFacts(PictureFacts):
    """Sizes, prompt form and defaults of one exported checkpoint; tokens of a prompt include its frame."""

    caption_positions: int  # positions of the axis that counts caption tokens, from 0
    prompt_before: str  # the frame: the chat template's text before
    prompt_after: str  # and after the prompt

    @property
    def longest_caption(self) -> int:
        """The most tokens of a caption; filled up, it must leave one position for the picture."""
        return min(self.prompt_tokens, (self.caption_positions - 2) // TOKENS * TOKENS)

    def negative_prompt(self, guidance: float, given: str) -> str | None:
        """See PictureFacts. With guidance an omitted negative prompt is the empty one, as released."""
        if given and not guidance:
            raise BadRequest("negative_prompt must be given with a guidance of more than 0, got guidance 0")
        return given if guidance else None


def read_facts(manifest: Manifest) -> ZImageFacts:
    """The facts of a Z-Image manifest; Unavailable for another family or for missing or unknown facts."""
    names = {field.name for field in fields(ZImageFacts)}
    return ZImageFacts(**manifest.facts_of(FAMILY, names))
