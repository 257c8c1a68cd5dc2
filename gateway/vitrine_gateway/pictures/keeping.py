"""Keeps pictures: the bytes in the store first, then the row. Bytes without a row are seen by nobody."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession
from vitrine.errors import VitrineError

from vitrine_gateway.database.tables import File, new_id, table_of
from vitrine_gateway.gateway import Gateway
from vitrine_gateway.pictures.reading import Upload
from vitrine_gateway.pictures.stores import picture_path

_ADD = insert(table_of(File))


async def keep(
    gateway: Gateway, account_id: str, user: str, kind: str, picture: Upload, file_id: str | None = None
) -> File:
    """Put the bytes into the store and return the row, which the caller adds to its transaction.

    With `file_id` the bytes take the place of those of this file, which the caller must own.
    """
    settings = gateway.settings
    hours = {
        "upload": settings.upload_hours,
        "preview": settings.upload_hours,
        "result": settings.result_hours,
        "garment": 0.0,  # until it is deleted
    }[kind]
    now, identity = time.time(), file_id or new_id("file")
    file = File(
        id=identity,
        account_id=account_id,
        user=user,
        kind=kind,
        path=picture_path(account_id, user, identity),
        media_type=picture.media_type,
        size=len(picture.content),
        sha256=hashlib.sha256(picture.content).hexdigest(),
        width=picture.width,
        height=picture.height,
        created_at=now,
        expires_at=now + hours * 3600 if hours else None,
    )
    await gateway.pictures.put(file.path, picture.content)
    return file


async def add_rows(session: AsyncSession, files: Sequence[File]) -> None:
    """Add the rows of kept pictures."""
    if files:
        await session.execute(_ADD, [file.values() for file in files])


def image_of(file: File) -> dict[str, Any]:
    """Return what is told of a kept picture; `jobs.views.linked` adds a link to it."""
    return {"file_id": file.id, "media_type": file.media_type, "width": file.width, "height": file.height}


async def discard(gateway: Gateway, files: Iterable[File]) -> None:
    """Remove the bytes of files whose rows are not in the database.

    Where the database cannot tell, the bytes stay: a commit that raised an error may have been done, and
    bytes without a row are seen by nobody.
    """
    by_id = {file.id: file for file in files}
    if not by_id:
        return
    try:
        async with gateway.database.reading() as session:
            kept = set(await session.scalars(select(File.id).where(File.id.in_(by_id))))
    except SQLAlchemyError:
        return
    for file_id in by_id.keys() - kept:
        with suppress(VitrineError):
            await gateway.pictures.delete(by_id[file_id].path)
