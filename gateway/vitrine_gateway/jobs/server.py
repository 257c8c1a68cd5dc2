"""Whether the Vitrine server is there: a job must not pay for a server that was killed or starts."""

from __future__ import annotations

import time
from typing import Literal

from vitrine import AsyncVitrine, VitrineError
from vitrine.errors import Cancelled, NotFound, Unavailable

from vitrine_gateway.jobs.pipelines import PIPELINES

TIMEOUT_S = 5.0
LOOK_EVERY_S = 1.0  # while the server is away
LOADING_S = 120.0  # a server that loads models for longer does so by need, and is there
SUSPECT = (Unavailable, NotFound, Cancelled)  # errors of a job that a server which ends or starts can cause
RUN = {pipeline.model for pipeline in PIPELINES.values()}


class Server:
    """What a worker knows of its server.

    A server that starts answers before it can run a job: it has loaded no pipeline, or still loads models.
    """

    def __init__(self, vitrine: AsyncVitrine) -> None:
        self._vitrine = vitrine
        self._away_since: float | None = None
        self._looked = float("-inf")
        self._seen: set[str] = set()  # models that were ready since this process began

    async def there(self) -> bool:
        """Whether jobs can be begun; the server is asked only after it was found to be away."""
        if self._away_since is not None and time.monotonic() - self._looked > LOOK_EVERY_S:
            await self._look()
        return self._away_since is None

    async def look_after(self, pipeline: str, error: VitrineError) -> Literal["lost", "unknown", "there"]:
        """Return whether the server explains the error of a job.

        It was `lost`: it has gone, or is starting. The pipeline is `unknown` to it, now and since this
        process began: it is not served, or not loaded yet. Or the server is `there`.
        """
        if not isinstance(error, SUSPECT):
            return "there"
        ready = await self._look()
        if self._away_since is not None or self._seen - ready:
            return "lost"
        return "there" if PIPELINES[pipeline].model in ready else "unknown"

    async def _look(self) -> set[str]:
        """Ask the server which models are ready, and note whether it can run jobs."""
        try:
            models = await self._vitrine.models(timeout_s=TIMEOUT_S)
        except VitrineError:
            models = ()
        ready = {model.name for model in models if model.ready}
        loading = any(model.state == "LOADING" for model in models)
        self._seen |= ready
        now = self._looked = time.monotonic()
        since = now if self._away_since is None else self._away_since
        starts = not ready & RUN or (loading and now - since < LOADING_S)
        self._away_since = since if starts else None
        return ready
