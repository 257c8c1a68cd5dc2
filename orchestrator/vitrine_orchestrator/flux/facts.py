"""The facts in the manifests of the FLUX.1 family."""

from __future__ import annotations

from dataclasses import dataclass, fields

from vitrine.errors import BadRequest

from vitrine_orchestrator.drawing.facts import PictureFacts
from vitrine_orchestrator.manifest import Manifest
from vitrine_orchestrator.stages.flux import FAMILY

TRANSFORMER = "flux_transformer.onnx"  # in a version folder of `denoise`
TOKENIZER = "flux_tokenizer.json"  # CLIP's, in a version folder of `prepare_prompt`
TOKENIZER_2 = "flux_tokenizer_2.json"  # T5's


@dataclass(frozen=True)
class FluxFacts(PictureFacts):
    """Sizes, prompt form and defaults of one exported checkpoint.

    Every caption has `prompt_tokens` tokens: the network was trained with T5's padding, which is attended.
    """

    pooled_width: int  # of CLIP's answer
    pad_id: int  # of CLIP's tokenizer,
    pad_id_2: int  # and of T5's
    embedded_guidance: bool  # whether the network takes guidance as an input: dev does, schnell does not

    def negative_prompt(self, guidance: float, given: str) -> None:
        """See PictureFacts. FLUX.1 never computes a second row."""
        self.check_guidance(guidance)
        if given:
            raise BadRequest(
                f"negative_prompt must not be given for the model {FAMILY}: its guidance needs none, "
                f"got {given[:40]!r}"
            )

    def check_guidance(self, guidance: float) -> None:
        """BadRequest for guidance where the network has no input for it."""
        if guidance and not self.embedded_guidance:
            raise BadRequest(f"guidance must be 0: this checkpoint was made without it, got {guidance:g}")


def read_facts(manifest: Manifest) -> FluxFacts:
    """The facts of a FLUX manifest; Unavailable for another family or for missing or unknown facts."""
    names = {field.name for field in fields(FluxFacts)}
    return FluxFacts(**manifest.facts_of(FAMILY, names))
