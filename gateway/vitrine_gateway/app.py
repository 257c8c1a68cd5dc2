"""The application: routes, error answers, and what starts and stops with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI
from vitrine import AsyncVitrine, Retry

from vitrine_gateway.gateway import open_gateway
from vitrine_gateway.housekeeping import Housekeeper
from vitrine_gateway.jobs.worker import Worker
from vitrine_gateway.middleware import Around
from vitrine_gateway.problems import add_handlers
from vitrine_gateway.routers import ROUTERS
from vitrine_gateway.settings import Settings
from vitrine_gateway.webhooks.sender import Sender

Connect = Callable[[Settings], AsyncVitrine]


def connect(settings: Settings) -> AsyncVitrine:
    """Return the client of the Vitrine server. The gateway's jobs have tries of their own."""
    return AsyncVitrine(settings.triton, retry=Retry(tries=1))


def create_app(settings: Settings, connect: Connect = connect) -> FastAPI:
    """Return the gateway as an ASGI application. With `settings.workers` of 0 it runs no jobs."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        gateway = app.state.gateway = await open_gateway(settings, connect(settings))
        loops = [Sender(gateway).run(), Housekeeper(gateway).run()]
        if settings.workers:
            loops.append(Worker(gateway).run())
        tasks = [asyncio.create_task(loop) for loop in loops]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task
            await gateway.close()

    app = FastAPI(
        title="Vitrine gateway",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
    )
    add_handlers(app)
    for router in ROUTERS:
        app.include_router(router)
    app.add_middleware(Around, max_body_bytes=settings.max_body_bytes)
    return app
