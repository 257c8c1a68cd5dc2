"""The family's words for categories of garments."""

from __future__ import annotations

from vitrine_orchestrator.person.labels import Category

CATEGORY_WORDS: dict[Category, str] = {"upper_body": "tops", "lower_body": "bottoms", "dresses": "one-pieces"}
"""A category of a request → a row of `masks.RULES`."""
