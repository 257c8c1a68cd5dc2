"""The events of a batch: those of all its jobs in one stream, which can be resumed at any of them.

An event's id is the number of the last told event of each job, in the order of the request: "4.2.0". So one
id says what has been told of every job, whichever process streams the rest.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from heapq import merge

from vitrine_gateway.database.tables import Batch, Job
from vitrine_gateway.gateway import Gateway
from vitrine_gateway.jobs.batches import jobs_of
from vitrine_gateway.jobs.views import watch_s
from vitrine_gateway.jobs.watching import Event

END = "end"  # the last part of the id of the batch's own end
_ID = re.compile(r"\d{1,9}(?:\.\d{1,9})*(?:\.end)?")


@dataclass(frozen=True)
class Told:
    """One event of a batch's job, or of the batch's end, for which there is no job."""

    id: str
    place: int  # of the job, from 0
    event: Event | None


def numbers_of(last_event_id: str | None, jobs: int) -> tuple[list[int], bool]:
    """Return the last told event of each job, and whether the end was told; all 0 for an id not of ours."""
    text = last_event_id or ""
    parts = text.removesuffix(f".{END}").split(".") if _ID.fullmatch(text) else []
    if len(parts) != jobs:
        return [0] * jobs, False
    return [int(part) for part in parts], text.endswith(END)


async def follow_batch(
    gateway: Gateway, batch_id: str, last_event_id: str | None
) -> AsyncGenerator[Told | None, None]:
    """Yield what follows `last_event_id` until the batch's end; None whenever there was nothing new.

    The stream ends without an end if the batch was erased.
    """
    async with gateway.database.reading() as session:
        jobs = await jobs_of(session, batch_id)
    numbers, over = numbers_of(last_event_id, len(jobs))
    while jobs and not over:
        with gateway.bells.listening(batch_id) as bell:
            async with gateway.database.reading() as session:
                batch = await session.get(Batch, batch_id)  # first: then an end has all events before it
            events = await _after(gateway, jobs, numbers)
            for place, event in events:
                numbers[place] = event.number
                yield Told(".".join(map(str, numbers)), place, event)
            if batch is None:
                return
            if batch.finished_at is not None:
                yield Told(".".join([*map(str, numbers), END]), -1, None)
                return
            if not events:
                yield None
            await bell.wait(watch_s(gateway))


async def _after(gateway: Gateway, jobs: Sequence[Job], numbers: Sequence[int]) -> list[tuple[int, Event]]:
    """Return the events after these numbers with the places of their jobs: each job's in order."""
    keys = [(job.id, number) for job, number in zip(jobs, numbers, strict=True)]
    found = await asyncio.gather(*map(gateway.watching.events.get, keys))  # gathered into one read
    placed = ([(place, event) for event in events or ()] for place, events in enumerate(found))
    return list(merge(*placed, key=lambda one: one[1].at))
