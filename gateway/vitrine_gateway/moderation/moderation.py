"""Asks the judge where the settings say so. Off, it asks nobody and allows everything."""

from __future__ import annotations

from collections.abc import Iterable

import structlog
from vitrine.errors import Unavailable

from vitrine_gateway.database.tables import Job
from vitrine_gateway.errors import ContentRejected
from vitrine_gateway.moderation.judges import Case, Judge, Stage, open_judge
from vitrine_gateway.settings import Settings

MOST_REASON = 300  # characters of a reason that are told

log = structlog.get_logger("vitrine_gateway.moderation")


class Moderation:
    """The moderation of one process."""

    def __init__(self, settings: Settings) -> None:
        """Raises BadSettings for a function that does not exist."""
        self._judge: Judge | None = None
        if settings.moderation:
            self._judge = open_judge(settings.moderation, settings.moderation_timeout_s)
        self._when, self._failure = settings.moderation_when, settings.moderation_failure

    def asks(self, stage: Stage) -> bool:
        """Whether cases of this stage are judged."""
        return self._judge is not None and self._when in ("both", stage)

    async def check(self, stage: Stage, job: Job, pictures: Iterable[tuple[str, bytes]]) -> None:
        """Raise ContentRejected if the judge refuses.

        A judge that does not answer is Unavailable, so that the job is tried again and then fails; with
        `moderation_failure` of "allow" the job goes on.
        """
        if self._judge is None or not self.asks(stage):
            return
        case = Case(stage, job.pipeline, job.request["options"], tuple(pictures))
        try:
            reason = await self._judge.refusal(case)
        except Unavailable as error:
            if self._failure == "refuse":
                raise
            log.warning("moderation failed; the job goes on", error=str(error), job_id=job.id)
            return
        if reason:
            raise ContentRejected(f"moderation refuses what {_WHAT[stage]}: {reason[:MOST_REASON]}")

    async def close(self) -> None:
        """Close the judge's connections."""
        if self._judge is not None:
            await self._judge.close()


_WHAT = {"before": "was sent", "after": "was made"}
