"""What the parts of one gateway process share."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

from vitrine import AsyncVitrine, Unavailable

from vitrine_gateway.accounts.keys import KnownKey, read_keys
from vitrine_gateway.accounts.rates import Limits
from vitrine_gateway.accounts.signing import Signer, open_signer
from vitrine_gateway.bells import Bells
from vitrine_gateway.database.connections import Database, patiently
from vitrine_gateway.database.gathering import Gathered
from vitrine_gateway.database.migrate import migrate
from vitrine_gateway.jobs.estimates import Forecast
from vitrine_gateway.jobs.watching import Watching
from vitrine_gateway.moderation.moderation import Moderation
from vitrine_gateway.pictures.fetching import PictureFetcher
from vitrine_gateway.pictures.reading import PictureReader
from vitrine_gateway.pictures.stores import PictureStore, open_pictures
from vitrine_gateway.settings import Settings
from vitrine_gateway.telemetry.figures import Figures
from vitrine_gateway.telemetry.metrics import Metrics
from vitrine_gateway.telemetry.tracing import Tracing


@dataclass(frozen=True)
class Gateway:
    """The open parts of a gateway process."""

    settings: Settings
    database: Database
    keys: Gathered[str, KnownKey]
    watching: Watching
    pictures: PictureStore
    reader: PictureReader
    fetcher: PictureFetcher
    signer: Signer
    bells: Bells
    limits: Limits
    forecast: Forecast
    moderation: Moderation
    metrics: Metrics
    tracing: Tracing
    figures: Figures
    vitrine: AsyncVitrine

    async def close(self) -> None:
        """End what runs by itself, and close the connections to database, Vitrine server and moderation."""
        await self.figures.close()
        await self.forecast.close()
        await self.moderation.close()
        await self.vitrine.close()
        await self.database.close()
        await self.tracing.close()  # last: its collector may not answer


async def open_gateway(settings: Settings, vitrine: AsyncVitrine) -> Gateway:
    """Bring the database to its newest form, for which a database that is away is awaited; open all parts.

    If that fails or is cancelled, what was opened is closed, `vitrine` too.
    """
    async with AsyncExitStack() as opened:
        opened.push_async_callback(vitrine.close)
        pictures = open_pictures(settings)  # before the database is awaited: a mistake is told at once
        tracing = Tracing(settings.traces)
        opened.push_async_callback(tracing.close)
        url = settings.database_url
        await patiently(lambda: asyncio.to_thread(migrate, url), away=(Unavailable,))
        database = Database(url)
        opened.push_async_callback(database.close)
        gateway = await _gateway(settings, vitrine, database, pictures, tracing)
        opened.pop_all()
    return gateway


async def _gateway(
    settings: Settings, vitrine: AsyncVitrine, database: Database, pictures: PictureStore, tracing: Tracing
) -> Gateway:
    return Gateway(
        settings=settings,
        database=database,
        keys=Gathered(partial(read_keys, database), database.version),
        watching=Watching(database),
        pictures=pictures,
        reader=PictureReader(settings.max_picture_bytes, settings.max_pixels),
        fetcher=PictureFetcher(settings.max_picture_bytes, settings.fetch_pictures, settings.picture_hosts),
        signer=await open_signer(database),
        bells=Bells(),
        limits=Limits(settings),
        forecast=Forecast(database, settings.lease_s),
        moderation=Moderation(settings),
        metrics=Metrics(),
        tracing=tracing,
        figures=Figures(settings.triton_metrics),
        vitrine=vitrine,
    )
