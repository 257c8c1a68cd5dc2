"""The application: routes, error answers, and what starts and stops with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from vitrine import AsyncVitrine, Retry

from vitrine_gateway.access import warn_of_old_account
from vitrine_gateway.gateway import Gateway, open_gateway
from vitrine_gateway.heads import heads_of
from vitrine_gateway.housekeeping import Housekeeper
from vitrine_gateway.jobs.worker import Worker
from vitrine_gateway.mcp.server import McpOverHttp
from vitrine_gateway.middleware import Around
from vitrine_gateway.openapi import add_openapi
from vitrine_gateway.problems import add_handlers
from vitrine_gateway.routers import ROUTERS
from vitrine_gateway.settings import Settings
from vitrine_gateway.webhooks.sender import Sender

CORS: dict[str, Any] = {
    "allow_methods": ["GET", "HEAD", "POST", "PATCH", "DELETE"],
    "allow_headers": ["*"],
    "expose_headers": [
        "Idempotent-Replayed",
        "Location",
        "Preference-Applied",
        "RateLimit",
        "RateLimit-Policy",
        "Retry-After",
        "X-Request-ID",
    ],
}
"""What pages of the setting `origins` may do. Cookies are not among it: the gateway has none."""
Connect = Callable[[Settings], AsyncVitrine]


def connect(settings: Settings) -> AsyncVitrine:
    """Return the client of the Vitrine server. The gateway's jobs have tries of their own."""
    return AsyncVitrine(settings.triton, retry=Retry(tries=1))


@asynccontextmanager
async def running(
    settings: Settings, connect: Connect = connect, *more: Coroutine[Any, Any, None]
) -> AsyncIterator[Gateway]:
    """Open a gateway, run its loops and `more` until the block ends, and close it."""
    try:
        gateway = await open_gateway(settings, connect(settings))
    except BaseException:
        for loop in more:
            loop.close()  # it was never begun
        raise
    loops = [*more, Sender(gateway).run(), Housekeeper(gateway).run()]
    if settings.workers:
        loops.append(Worker(gateway).run())
    tasks = [asyncio.create_task(loop) for loop in loops]
    try:
        await warn_of_old_account(gateway)
        yield gateway
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        await gateway.close()
        for error in ended:
            if isinstance(error, Exception):
                raise error


def create_app(settings: Settings, connect: Connect = connect) -> FastAPI:
    """Return the gateway as an ASGI application. With `settings.workers` of 0 it runs no jobs."""

    mcp = McpOverHttp()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with running(settings, connect, mcp.run()) as app.state.gateway:
            await mcp.ready.wait()
            yield

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
        # include_router compares every route twice for each request: a fifth of what a poll costs
        app.router.routes.extend(router.routes)
    app.router.routes.extend(heads_of(list(app.router.routes)))  # last: they are rarely asked for
    app.router.routes.append(mcp.route)
    add_openapi(app)
    if settings.origins:
        app.add_middleware(CORSMiddleware, allow_origins=settings.origins, **CORS)
    app.add_middleware(Around, max_body_bytes=settings.max_body_bytes)
    return app
