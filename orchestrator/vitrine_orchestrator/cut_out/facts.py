"""The facts in the manifests of the cut-out family: how the adopted network's input and output are read."""

from __future__ import annotations

from dataclasses import dataclass, fields

from vitrine_orchestrator.manifest import Manifest
from vitrine_orchestrator.stages.cut_out import FAMILY

__all__ = ["FAMILY", "CutOutFacts", "read_facts"]


@dataclass(frozen=True)
class CutOutFacts:
    """The network's name, and its input and output in numbers."""

    network: str  # a row of the exporter's table of networks
    side: int  # of its square input, in pixels
    mean: tuple[float, float, float]  # of the colours in 0 to 1: subtracted,
    std: tuple[float, float, float]  # and then divided by
    output: str  # what it answers: a row of alphas.FORMS


def read_facts(manifest: Manifest) -> CutOutFacts:
    """The facts of a manifest; Unavailable for another family or for missing or unknown facts."""
    return CutOutFacts(**manifest.facts_of(FAMILY, {field.name for field in fields(CutOutFacts)}))
