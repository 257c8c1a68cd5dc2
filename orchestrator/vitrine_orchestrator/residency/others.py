"""Brings the books up to date with loads and unloads of models that others asked Triton for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vitrine_orchestrator.residency.policy import Residency
from vitrine_orchestrator.residency.resident import State

READY = "READY"
"""Triton's word for a model that answers."""
MOVING = (State.LOADING, State.LEAVING)


@dataclass
class Others:
    """Tells what others did to models from what the owner of the memory does itself.

    Triton's answer is older than the moment at which it is read. So it counts only for models of which no
    load or unload of the owner's was under way when Triton was asked, and none has begun since.
    """

    residency: Residency
    begun: dict[str, int] = field(default_factory=dict)  # loads and unloads of the owner's, by model

    def begin(self, model: str) -> None:
        """Note that the owner begins to load or to unload a model."""
        self.begun[model] = self.begun.get(model, 0) + 1

    def still(self) -> dict[str, int]:
        """The models that the owner is not moving now, with its loads and unloads of each until now."""
        models = self.residency.models.values()
        return {one.name: self.begun.get(one.name, 0) for one in models if one.state not in MOVING}

    def moved(
        self, before: Mapping[str, int], states: Mapping[str, str], names: Mapping[str, str]
    ) -> dict[str, bool]:
        """The models whose place the books have wrong, and whether each is loaded.

        before: what `still` was when Triton was asked for `states`. names: Triton's name of each model.
        """
        now = self.still()
        found = {
            name: states.get(names[name]) == READY
            for name, begun in before.items()
            if now.get(name, -1) == begun
        }
        models = self.residency.models
        return {name: inside for name, inside in found.items() if inside is (models[name].state is State.OUT)}
