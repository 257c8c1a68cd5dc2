"""Facts that are almost a sample's: what a judge of pictures and prompts must not confuse with it."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from vitrine_world.shop.sampling import TABLES_OF_FACTS, Facts

SEVEN = {"kind": 2, "colour": 2, "trade": 2, "light": 1}
"""Near misses of a choice of 8 prompts, by the fact that is wrong."""


def near_misses(facts: Facts, counts: Mapping[str, int], rng: np.random.Generator) -> list[Facts]:
    """Return facts that differ from these in one: `counts[name]` of them in the fact `name`, all different.

    Raises ValueError where a fact has too few other values.
    """
    found = []
    for name, count in counts.items():
        others = [value for value in TABLES_OF_FACTS[name] if value != getattr(facts, name)]
        if count > len(others):
            raise ValueError(f"{name} has {len(others)} other values, asked for {count}")
        chosen = rng.choice(len(others), count, replace=False)
        found += [replace(facts, **{name: others[index]}) for index in chosen]
    return found
