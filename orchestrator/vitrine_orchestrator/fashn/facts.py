"""The facts in the manifests of the FASHN VTON family."""

from __future__ import annotations

from dataclasses import dataclass, fields

from vitrine_orchestrator.manifest import Manifest
from vitrine_orchestrator.stages.fashn import FAMILY

__all__ = ["FAMILY", "FashnFacts", "read_facts"]


@dataclass(frozen=True)
class FashnFacts:
    """Sizes and defaults of one exported checkpoint."""

    width: int  # of the canvas, in pixels
    height: int
    default_steps: int
    default_guidance: float
    prediction_type: str  # what the network answers with: a row of schedule.PREDICTIONS
    shift: float  # of the sampler's times: see schedule.times
    unguided_steps: int  # the last steps, which have no guidance


def read_facts(manifest: Manifest) -> FashnFacts:
    """The facts of a manifest; Unavailable for another family or for missing or unknown facts."""
    return FashnFacts(**manifest.facts_of(FAMILY, {field.name for field in fields(FashnFacts)}))
