"""Cancels a job for its caller."""

from __future__ import annotations

from vitrine_gateway.accounts.keys import Caller
from vitrine_gateway.bells import QUEUE
from vitrine_gateway.database.deadlocks import despite_deadlocks
from vitrine_gateway.database.tables import Job
from vitrine_gateway.errors import Conflict
from vitrine_gateway.gateway import Gateway
from vitrine_gateway.jobs import states
from vitrine_gateway.jobs.state_names import CANCELED, FAILED, SUCCEEDED
from vitrine_gateway.jobs.views import find_job


async def cancel(gateway: Gateway, caller: Caller, job_id: str) -> Job:
    """Cancel a job of the caller and return it. Raises NotFound, and Conflict if it has ended."""

    async def changed() -> Job:
        async with gateway.database.writing() as session:
            job = await find_job(session, caller, job_id)
            ended = await states.end(session, job_id, CANCELED)
            ended = ended or await states.ask_to_cancel(session, job_id)
            if ended is None and job.state in (SUCCEEDED, FAILED):
                raise Conflict(f"the job has {job.state}")
            return ended or job

    job = await despite_deadlocks(changed)  # with an erasure
    gateway.bells.ring(QUEUE)
    gateway.bells.ring_job(job_id, job.batch_id, ended=True)
    return job
