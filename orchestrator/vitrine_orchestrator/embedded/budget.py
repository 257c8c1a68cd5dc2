"""A server with a memory budget: pipelines are always loaded, networks by need (docs/residency.md)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vitrine import Vitrine
from vitrine.errors import Unavailable
from vitrine.retry import Retry

from vitrine_orchestrator.embedded.model_control import LOAD_S, STATE_TIMEOUT_S
from vitrine_orchestrator.embedded.repository import check_files
from vitrine_orchestrator.embedded.server import EmbeddedTriton
from vitrine_orchestrator.residency.amounts import OFF
from vitrine_orchestrator.residency.layout import write_owner
from vitrine_orchestrator.residency.movable import movables
from vitrine_orchestrator.stages.residency import NAME

MIB = 2**20
POLL_S = 0.1


class BudgetedTriton(EmbeddedTriton):
    """An EmbeddedTriton that shares `memory` ("24GiB") among its models; the other arguments are the same.

    On the CPU the budget is about the resident memory of all the server's processes; with another profile
    about the memory in use on the GPU.
    """

    def __init__(self, memory: str, repository: Path, **options: Any) -> None:
        super().__init__(repository, **options)
        self.memory = memory
        self.served = self.models
        moved = {one.source for one in movables(self.repository, self.served)}
        self.models = sorted({*self.models, NAME} - moved)

    def start(self) -> None:
        """Start the server with as many models as fit."""
        check_files(self.repository, self.served)
        super().start()

    def restart(self, models: Iterable[str] | None = None) -> None:
        """Start the server again; the owner of the memory loads the networks."""
        always = set(self.models)
        super().restart(None if models is None else always.intersection(models))

    def owner(self) -> dict[str, Any]:
        """What the owner of the memory says: see residency.owner.Owner.state."""
        with Vitrine(self.grpc, timeout_s=STATE_TIMEOUT_S, retry=Retry(tries=1)) as vitrine:
            return json.loads(vitrine.infer(NAME, {})["state"][0])

    def _more_flags(self) -> list[str]:
        folder = self.folder / "models"
        write_owner(
            folder,
            self.repository,
            self.served,
            address=self.grpc,
            meter="processes" if self.profile == "cpu" else "device",
            profile=self.profile,
            key_file="",
        )
        return [f"--model-repository={folder}"]

    def _settle(self) -> None:
        """Wait until the owner has loaded what fits; Unavailable if the largest model never can."""
        give_up = time.monotonic() + LOAD_S
        while not (state := self.owner())["ready"]:
            if time.monotonic() > give_up:
                raise Unavailable(f"the models of the memory budget were not loaded within {LOAD_S:.0f} s")
            time.sleep(POLL_S)
        largest = max(state["models"], key=lambda one: one["bytes"], default=None)
        if largest and state["fixed"] + state["reserve"] + largest["bytes"] > state["budget"]:
            raise Unavailable(
                f"a memory budget of {state['budget'] // MIB} MiB is too small: what is always loaded takes "
                f"{state['fixed'] // MIB} MiB, the reserve is {state['reserve'] // MIB} MiB, and "
                f"{largest['name']} needs {largest['bytes'] // MIB} MiB"
            )


def server_of(memory: str, repository: Path, **options: Any) -> EmbeddedTriton:
    """The server for a budget; without one ("off") a plain one."""
    return (
        EmbeddedTriton(repository, **options)
        if memory == OFF
        else BudgetedTriton(memory, repository, **options)
    )
