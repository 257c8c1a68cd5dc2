"""Keeps the newest preview of a running job: one file, whose link stays the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PIL import Image

from vitrine_gateway.database.tables import File, Job
from vitrine_gateway.gateway import Gateway
from vitrine_gateway.jobs import states
from vitrine_gateway.jobs.pipelines import Pipeline
from vitrine_gateway.pictures.keeping import discard, image_of, keep
from vitrine_gateway.pictures.previews import small_jpeg
from vitrine_gateway.pictures.reading import Upload

PREVIEW_EVERY_S = 1.0  # previews that come sooner are dropped


def with_previews(gateway: Gateway, pipeline: Pipeline, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a job with the decision whether the server is asked for previews.

    Where results are judged there are none: they would be shown before the judgement.
    """
    if "previews" not in pipeline.options.model_fields:
        return dict(options)
    asked = {"asked": options.get("previews", False), "always": True, "never": False}
    allowed = not gateway.moderation.asks("after")
    return {**options, "previews": allowed and asked[gateway.settings.previews]}


async def keep_preview(gateway: Gateway, job: Job, lease: str, picture: Image.Image, step: int) -> bool:
    """Keep a preview of the job and tell of it in an event; False if the lease is lost."""
    content, size = await small_jpeg(picture)
    upload = Upload(content, *size, "image/jpeg")
    before = job.preview["image"]["file_id"] if job.preview else None
    file = await keep(gateway, job.account_id, job.user, "preview", upload, before)
    told = {"step": step, "image": image_of(file)}
    kept = False
    try:
        async with gateway.database.writing() as session:
            kept = await states.note_preview(session, job.id, lease, told)
            if kept:
                await session.merge(file)
            known = kept or await session.get(File, file.id) is not None
    except BaseException:
        if before is None:
            await discard(gateway, [file])
        raise
    if not known:  # the person was erased meanwhile
        await discard(gateway, [file])
    job.preview = told if kept else job.preview
    return kept
