"""The asynchronous client: the methods of Vitrine as coroutines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Unpack

from vitrine import calls
from vitrine.ad_prompts import AdPrompt, AdPromptOptions
from vitrine.ads import AdOptions, Composed, ComposeSettings, ProductAd
from vitrine.answers import CacheStatistics, Drawn, Fitting, Prepared, Progress, TryOn
from vitrine.async_caller import AsyncCaller
from vitrine.cut_outs import CutOut
from vitrine.errors import VitrineError
from vitrine.inputs import (
    ChangeOptions,
    PictureOptions,
    PictureStreamOptions,
    TryOnOptions,
)
from vitrine.many import options_for_each, read_at_once
from vitrine.pictures import Picture
from vitrine.residence import OWNER, has_owner, with_memory
from vitrine.scores import ScoreOptions, Scores
from vitrine.statuses import ModelStatus
from vitrine.texts import Described, Lettered, Text
from vitrine.workflows import Workflow, WorkflowOptions


class AsyncVitrine(AsyncCaller):
    """Vitrine for one event loop. Cancelling a task cancels its request."""

    async def try_on(self, *, timeout_s: float | None = None, **options: Unpack[TryOnOptions]) -> TryOn:
        """See Vitrine."""
        return await self._call(calls.TRY_ON, timeout_s, **options)

    def try_on_many(
        self,
        *,
        garments: Sequence[Picture],
        at_once: int = 4,
        timeout_s: float | None = None,
        **options: Unpack[TryOnOptions],
    ) -> AsyncGenerator[Fitting, None]:
        """See Vitrine."""
        at_once = read_at_once(at_once)
        return self._fittings(options_for_each(garments, options), at_once, timeout_s)

    def try_on_stream(
        self, *, previews: bool = False, timeout_s: float | None = None, **options: Unpack[TryOnOptions]
    ) -> AsyncGenerator[Progress | TryOn, None]:
        """See Vitrine."""
        inputs = calls.TRY_ON_STREAM.write(previews=previews, **options)
        return self._events(calls.TRY_ON_STREAM, inputs, timeout_s)

    async def text_to_image(
        self, *, timeout_s: float | None = None, **options: Unpack[PictureOptions]
    ) -> Drawn:
        """See Vitrine."""
        return await self._call(calls.TEXT_TO_IMAGE, timeout_s, **options)

    async def image_to_image(
        self, *, timeout_s: float | None = None, **options: Unpack[ChangeOptions]
    ) -> Drawn:
        """See Vitrine."""
        return await self._call(calls.IMAGE_TO_IMAGE, timeout_s, **options)

    def picture_stream(
        self, *, timeout_s: float | None = None, **options: Unpack[PictureStreamOptions]
    ) -> AsyncGenerator[Progress | Drawn, None]:
        """See Vitrine."""
        return self._events(calls.PICTURE_STREAM, calls.PICTURE_STREAM.write(**options), timeout_s)

    async def score(self, *, timeout_s: float | None = None, **options: Unpack[ScoreOptions]) -> Scores:
        """See Vitrine."""
        return await self._call(calls.SCORE, timeout_s, **options)

    async def cut_out(
        self,
        image: Picture,
        *,
        box: Sequence[int] | None = None,
        product_side: int | None = None,
        format: str | None = None,
        timeout_s: float | None = None,
    ) -> CutOut:
        """See Vitrine."""
        options: dict[str, Any] = {"image": image, "box": box, "product_side": product_side, "format": format}
        return await self._call(calls.CUT_OUT, timeout_s, **options)

    async def prepare_ad_prompt(
        self, *, timeout_s: float | None = None, **options: Unpack[AdPromptOptions]
    ) -> AdPrompt:
        """See Vitrine."""
        return await self._call(calls.PREPARE_AD_PROMPT, timeout_s, **options)

    async def run_workflow(
        self, *, timeout_s: float | None = None, **options: Unpack[WorkflowOptions]
    ) -> Workflow:
        """See Vitrine."""
        return await self._call(calls.RUN_WORKFLOW, timeout_s, **options)

    def workflow_stream(
        self, *, timeout_s: float | None = None, **options: Unpack[WorkflowOptions]
    ) -> AsyncGenerator[Progress | Workflow, None]:
        """See Vitrine."""
        return self._events(calls.WORKFLOW_STREAM, calls.WORKFLOW_STREAM.write(**options), timeout_s)

    async def compose(
        self,
        *,
        scene: Picture,
        product: Picture | Sequence[Picture],
        settings: ComposeSettings | None = None,
        format: str | None = None,
        timeout_s: float | None = None,
    ) -> Composed:
        """See Vitrine."""
        options: dict[str, Any] = {"scene": scene, "product": product, "settings": settings, "format": format}
        return await self._call(calls.COMPOSE, timeout_s, **options)

    async def product_ad(self, *, timeout_s: float | None = None, **options: Unpack[AdOptions]) -> ProductAd:
        """See Vitrine."""
        return await self._call(calls.PRODUCT_AD, timeout_s, **options)

    def product_ad_stream(
        self, *, previews: bool = False, timeout_s: float | None = None, **options: Unpack[AdOptions]
    ) -> AsyncGenerator[Progress | ProductAd, None]:
        """See Vitrine."""
        inputs = calls.PRODUCT_AD_STREAM.write(previews=previews, **options)
        return self._events(calls.PRODUCT_AD_STREAM, inputs, timeout_s)

    async def text_overlay(
        self,
        image: Picture,
        texts: str | Text | Sequence[str | Text],
        *,
        keep_clear: Picture | None = None,
        format: str | None = None,
        timeout_s: float | None = None,
    ) -> Lettered:
        """See Vitrine."""
        options: dict[str, Any] = {"image": image, "texts": texts, "keep_clear": keep_clear, "format": format}
        return await self._call(calls.TEXT_OVERLAY, timeout_s, **options)

    async def describe(
        self,
        image: Picture | None = None,
        *,
        keep_clear: Picture | None = None,
        timeout_s: float | None = None,
    ) -> Described:
        """See Vitrine."""
        return await self._call(calls.DESCRIBE, timeout_s, image=image, keep_clear=keep_clear)

    async def prepare_person(
        self,
        *,
        person: Picture | None = None,
        person_id: str | None = None,
        person_index: int | None = None,
        person_point: Sequence[int] | None = None,
        mask: Picture | None = None,
        category: str = "upper_body",
        crop: str | None = None,
        model: str | None = None,
        timeout_s: float | None = None,
    ) -> Prepared:
        """See Vitrine."""
        return await self._call(
            calls.PREPARE_PERSON,
            timeout_s,
            person=person,
            person_id=person_id,
            person_index=person_index,
            person_point=person_point,
            mask=mask,
            category=category,
            crop=crop,
            model=model,
        )

    async def prepare_garment(
        self,
        *,
        garment: Picture | None = None,
        garment_id: str | None = None,
        category: str | None = None,
        garment_photo_type: str | None = None,
        model: str | None = None,
        timeout_s: float | None = None,
    ) -> Prepared:
        """See Vitrine."""
        return await self._call(
            calls.PREPARE_GARMENT,
            timeout_s,
            garment=garment,
            garment_id=garment_id,
            category=category,
            garment_photo_type=garment_photo_type,
            model=model,
        )

    async def prepare_text(
        self, *, description: str, model: str | None = None, timeout_s: float | None = None
    ) -> Prepared:
        """See Vitrine."""
        return await self._call(calls.PREPARE_TEXT, timeout_s, description=description, model=model)

    async def pipeline_digest(self, *, model: str | None = None, timeout_s: float | None = None) -> str:
        """See Vitrine."""
        return await self._call(calls.PIPELINE_DIGEST, timeout_s, model=model)

    async def cache_statistics(self, *, timeout_s: float | None = None) -> CacheStatistics:
        """See Vitrine."""
        return await self._call(calls.CACHE_STATISTICS, timeout_s)

    async def clear_cache(
        self,
        *,
        person_id: str | None = None,
        garment_id: str | None = None,
        everything: bool = False,
        timeout_s: float | None = None,
    ) -> None:
        """See Vitrine."""
        named = {"person_id": person_id, "garment_id": garment_id, "everything": everything}
        await self._call(calls.CLEAR_CACHE, timeout_s, **named)

    async def models(self, *, timeout_s: float | None = None) -> tuple[ModelStatus, ...]:
        """See Vitrine."""
        found = await self._with_retries(lambda left_s: self._transport.models(timeout_s=left_s), timeout_s)
        if not has_owner(found):
            return found
        return with_memory(found, await self.infer(OWNER, {}, timeout_s=timeout_s))

    async def _fittings(
        self, each: list[dict[str, Any]], at_once: int, timeout_s: float | None
    ) -> AsyncGenerator[Fitting, None]:
        room = asyncio.Semaphore(at_once)

        async def fit(index: int) -> Fitting:
            garment = each[index]["garment"]
            try:
                async with room:
                    result = await self.try_on(timeout_s=timeout_s, **each[index])
            except VitrineError as error:
                return Fitting(index, garment, None, error)
            return Fitting(index, garment, result)

        tasks = [asyncio.create_task(fit(index)) for index in range(len(each))]
        try:
            for done in asyncio.as_completed(tasks):
                yield await done
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
