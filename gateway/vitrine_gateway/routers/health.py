"""`/healthz`, `/readyz` and `/metrics`."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from fastapi import APIRouter, Response
from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError
from vitrine import VitrineError

from vitrine_gateway.access import Parts
from vitrine_gateway.database.tables import Job
from vitrine_gateway.jobs.state_names import QUEUED

router = APIRouter(tags=["health"])
_MODEL = "try_on_stream"
_TIMEOUT_S = 2.0


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Say that the process answers."""
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(gateway: Parts, response: Response) -> dict[str, Any]:
    """Say whether the database and the Vitrine server answer; 503 if one of them does not."""
    told = {"database": await _database(gateway), "triton": await triton_state(gateway)}
    ready = all(state == "ok" for state in told.values())
    response.status_code = 200 if ready else 503
    return {"status": "ok" if ready else "unavailable", **told}


@router.get("/metrics", response_class=Response)
async def metrics(gateway: Parts) -> Response:
    """Return the metrics of this process in Prometheus' text form.

    While the database does not answer, the number of jobs that wait is not a number.
    """
    waiting = float("nan")
    with suppress(SQLAlchemyError, TimeoutError):
        async with asyncio.timeout(_TIMEOUT_S), gateway.database.reading() as session:
            waiting = await session.scalar(select(func.count()).where(Job.state == QUEUED)) or 0
    gateway.metrics.queued.set(waiting)
    return Response(gateway.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def triton_state(gateway: Parts) -> str:
    """Return "ok", or why try-ons cannot run."""
    try:
        models = await gateway.vitrine.models(timeout_s=_TIMEOUT_S)
    except VitrineError as error:
        return str(error)
    ready = any(model.name == _MODEL and model.ready for model in models)
    return "ok" if ready else f"the model {_MODEL} is not loaded"


async def _database(gateway: Parts) -> str:
    try:
        async with asyncio.timeout(_TIMEOUT_S), gateway.database.reading() as session:
            await session.execute(text("SELECT 1"))
    except (SQLAlchemyError, TimeoutError) as error:
        return type(error).__name__
    return "ok"
