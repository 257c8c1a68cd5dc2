"""Z-Image's rows for the cache."""

from __future__ import annotations

from vitrine_orchestrator.drawing.cache_rows import prompt_rows
from vitrine_orchestrator.stages.z_image import PROMPT_CONDITIONING
from vitrine_orchestrator.z_image.context import ZImageContext

ROWS = prompt_rows(ZImageContext.networks, PROMPT_CONDITIONING)
