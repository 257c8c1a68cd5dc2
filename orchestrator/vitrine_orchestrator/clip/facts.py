"""The facts in the manifests of the CLIP family."""

from __future__ import annotations

from dataclasses import dataclass, fields

from vitrine_orchestrator.manifest import Manifest
from vitrine_orchestrator.stages.clip import FAMILY

TOKENIZER = "tokenizer.json"  # in a version folder of `score`


@dataclass(frozen=True)
class ClipFacts:
    """What is told of one exported checkpoint."""

    model: str  # its name, such as clip-vit-large-patch14: cosines of different models cannot be compared
    width: int  # of the space in which pictures and texts are compared
    pad_id: int  # fills a text's ids up to 77


def read_facts(manifest: Manifest) -> ClipFacts:
    """The facts of a CLIP manifest; Unavailable for another family or for missing or unknown facts."""
    return ClipFacts(**manifest.facts_of(FAMILY, {field.name for field in fields(ClipFacts)}))
