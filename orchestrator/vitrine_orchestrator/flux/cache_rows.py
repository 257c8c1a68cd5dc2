"""FLUX.1's rows for the cache."""

from __future__ import annotations

from vitrine_orchestrator.drawing.cache_rows import prompt_rows
from vitrine_orchestrator.flux.context import FluxContext
from vitrine_orchestrator.stages.flux import PROMPT_CONDITIONING

ROWS = prompt_rows(FluxContext.networks, PROMPT_CONDITIONING)
