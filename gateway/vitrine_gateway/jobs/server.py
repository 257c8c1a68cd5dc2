"""Whether the Vitrine server is there: a job must not pay for a server that was killed or starts."""

from __future__ import annotations

import time
from typing import Literal

from vitrine import AsyncVitrine, VitrineError
from vitrine.errors import Cancelled, NotFound, Unavailable

from vitrine_gateway.jobs.pipelines import served_pipelines

TIMEOUT_S = 5.0
LOOK_EVERY_S = 1.0  # while the server is away
SUSPECT = (Unavailable, NotFound, Cancelled)  # errors of a job that a server which ends or starts can cause


class Server:
    """What a worker knows of its server. A server that loads its models answers, but runs no pipeline."""

    def __init__(self, vitrine: AsyncVitrine) -> None:
        self._vitrine = vitrine
        self._away = False
        self._looked = float("-inf")
        self._seen: set[str] = set()  # pipelines that it has run since this process began

    async def there(self) -> bool:
        """Whether jobs can be begun; the server is asked only after it was found to be away."""
        if self._away and time.monotonic() - self._looked > LOOK_EVERY_S:
            await self._look()
        return not self._away

    async def look_after(self, pipeline: str, error: VitrineError) -> Literal["lost", "unknown", "there"]:
        """Return whether the server explains the error of a job.

        It was `lost`: it has gone, or is starting. The pipeline is `unknown` to it, now and since this
        process began: it is not served, or not loaded yet. Or the server is `there`.
        """
        if not isinstance(error, SUSPECT):
            return "there"
        served = await self._look()
        if self._away or (pipeline in self._seen and pipeline not in served):
            return "lost"
        return "there" if pipeline in served else "unknown"

    async def _look(self) -> set[str]:
        """Ask the server which pipelines it runs; with none it is away."""
        try:
            models = await self._vitrine.models(timeout_s=TIMEOUT_S)
            served = {name for name, ready in served_pipelines(models).items() if ready}
        except VitrineError:
            served = set()
        self._seen |= served
        self._away, self._looked = not served, time.monotonic()
        return served
