"""The row of a picture family for the cache: the features of its prompts."""

from __future__ import annotations

from vitrine_orchestrator.cache.key import Category
from vitrine_orchestrator.cache.schemas import CacheRow
from vitrine_orchestrator.stages.table import Tensor

# A prompt of 512 tokens with a released encoder's 2560 to 4096 numbers each is 5 to 8 MB.
LIMIT = Category(max_entries=200, max_bytes=256 * 2**20)


def prompt_category(networks: str) -> str:
    """The category of a family's prompts; `networks` is what the names of its stages begin with."""
    return f"{networks}_prompt"


def prompt_rows(networks: str, conditioning: tuple[Tensor, ...]) -> dict[str, CacheRow]:
    """The family's rows; `conditioning` are the outputs of its `prepare_prompt`."""
    return {prompt_category(networks): CacheRow(conditioning, LIMIT)}
