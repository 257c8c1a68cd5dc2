"""The synchronous client."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from functools import partial
from typing import Any, Unpack

from vitrine import calls
from vitrine.ad_prompts import AdPrompt, AdPromptOptions
from vitrine.ads import AdOptions, Composed, ComposeSettings, ProductAd
from vitrine.answers import CacheStatistics, Drawn, Fitting, Prepared, Progress, TryOn
from vitrine.caller import DEFAULT_TIMEOUT_S, Caller
from vitrine.cancellation import Cancellation
from vitrine.cut_outs import CutOut
from vitrine.inputs import (
    ChangeOptions,
    PictureOptions,
    PictureStreamOptions,
    TryOnOptions,
)
from vitrine.many import fittings, options_for_each, read_at_once
from vitrine.pictures import Picture
from vitrine.residence import OWNER, has_owner, with_memory
from vitrine.scores import ScoreOptions, Scores
from vitrine.statuses import ModelStatus
from vitrine.texts import Described, Lettered, Text
from vitrine.workflows import Workflow, WorkflowOptions

__all__ = ["DEFAULT_TIMEOUT_S", "Vitrine"]


class Vitrine(Caller):
    """A client of one Vitrine server. Threads can share it.

    `timeout_s` limits every call including its retries; each method can set its own limit.
    `release` pins the models of `releases.PIPELINES` (try-ons, pictures, prepare_*, scores, cut-outs) and
    pipeline_digest to one release; None uses the newest at each call.
    All methods raise VitrineErrors.
    """

    def try_on(
        self,
        *,
        timeout_s: float | None = None,
        cancellation: Cancellation | None = None,
        **options: Unpack[TryOnOptions],
    ) -> TryOn:
        """Put the person into the garment, or into all garments together when `garment` is a list."""
        return self._call(calls.TRY_ON, timeout_s, cancellation=cancellation, **options)

    def try_on_many(
        self,
        *,
        garments: Sequence[Picture],
        at_once: int = 4,
        timeout_s: float | None = None,
        **options: Unpack[TryOnOptions],
    ) -> Generator[Fitting, None, None]:
        """Put the person into each garment; yield each Fitting when it is done. An error affects one garment.

        `category`, `description` and `seed` may be lists with one value per garment. `timeout_s` limits each
        try-on. At most `at_once` run concurrently. Closing the iterator cancels the unfinished ones.
        """
        at_once = read_at_once(at_once)
        each = options_for_each(garments, options)
        return fittings(partial(self.try_on, timeout_s=timeout_s), each, at_once)

    def try_on_stream(
        self, *, previews: bool = False, timeout_s: float | None = None, **options: Unpack[TryOnOptions]
    ) -> Generator[Progress | TryOn, None, None]:
        """Yield Progress after steps, then the TryOn. Closing the iterator cancels the request. gRPC only."""
        inputs = calls.TRY_ON_STREAM.write(previews=previews, **options)
        return self._events(calls.TRY_ON_STREAM, inputs, timeout_s)

    def text_to_image(
        self,
        *,
        timeout_s: float | None = None,
        cancellation: Cancellation | None = None,
        **options: Unpack[PictureOptions],
    ) -> Drawn:
        """Draw a picture from a prompt."""
        return self._call(calls.TEXT_TO_IMAGE, timeout_s, cancellation=cancellation, **options)

    def image_to_image(
        self,
        *,
        timeout_s: float | None = None,
        cancellation: Cancellation | None = None,
        **options: Unpack[ChangeOptions],
    ) -> Drawn:
        """Change a picture as a prompt says."""
        return self._call(calls.IMAGE_TO_IMAGE, timeout_s, cancellation=cancellation, **options)

    def picture_stream(
        self, *, timeout_s: float | None = None, **options: Unpack[PictureStreamOptions]
    ) -> Generator[Progress | Drawn, None, None]:
        """Yield Progress after steps, then the Drawn of text_to_image, or with `image` of image_to_image.

        Closing the iterator cancels the request. gRPC only.
        """
        return self._events(calls.PICTURE_STREAM, calls.PICTURE_STREAM.write(**options), timeout_s)

    def score(self, *, timeout_s: float | None = None, **options: Unpack[ScoreOptions]) -> Scores:
        """Compare every picture with every prompt, by CLIP."""
        return self._call(calls.SCORE, timeout_s, **options)

    def cut_out(
        self,
        image: Picture,
        *,
        box: Sequence[int] | None = None,
        product_side: int | None = None,
        format: str | None = None,
        timeout_s: float | None = None,
        cancellation: Cancellation | None = None,
    ) -> CutOut:
        """Cut the product out of a picture, as "png" or "webp". BadRequest where the server finds none.

        `box` is left, top, right, bottom in pixels of the upright picture: the product is searched inside.
        With `product_side` the answer is cut to the product, at most so many pixels on its longer side.
        """
        options: dict[str, Any] = {
            "image": image,
            "box": box,
            "product_side": product_side,
            "format": format,
        }
        return self._call(calls.CUT_OUT, timeout_s, cancellation=cancellation, **options)

    def prepare_ad_prompt(
        self, *, timeout_s: float | None = None, **options: Unpack[AdPromptOptions]
    ) -> AdPrompt:
        """Turn a sentence about a shop's product, in Korean or English, into the prompt of a picture."""
        return self._call(calls.PREPARE_AD_PROMPT, timeout_s, **options)

    def run_workflow(
        self,
        *,
        timeout_s: float | None = None,
        cancellation: Cancellation | None = None,
        **options: Unpack[WorkflowOptions],
    ) -> Workflow:
        """Run a graph of nodes. A node that fails raises nothing: see `failed` and `image` of the answer."""
        return self._call(calls.RUN_WORKFLOW, timeout_s, cancellation=cancellation, **options)

    def workflow_stream(
        self, *, timeout_s: float | None = None, **options: Unpack[WorkflowOptions]
    ) -> Generator[Progress | Workflow, None, None]:
        """Yield Progress when a node begins or ends, then the Workflow. gRPC only."""
        return self._events(calls.WORKFLOW_STREAM, calls.WORKFLOW_STREAM.write(**options), timeout_s)

    def compose(
        self,
        *,
        scene: Picture,
        product: Picture | Sequence[Picture],
        settings: ComposeSettings | None = None,
        format: str | None = None,
        timeout_s: float | None = None,
    ) -> Composed:
        """Put cut-out products into a scene: placed, with shadows, in its light."""
        options: dict[str, Any] = {"scene": scene, "product": product, "settings": settings, "format": format}
        return self._call(calls.COMPOSE, timeout_s, **options)

    def product_ad(
        self,
        *,
        timeout_s: float | None = None,
        cancellation: Cancellation | None = None,
        **options: Unpack[AdOptions],
    ) -> ProductAd:
        """Make advertisements of products: cut out, in a scene, with shadows and texts."""
        return self._call(calls.PRODUCT_AD, timeout_s, cancellation=cancellation, **options)

    def product_ad_stream(
        self, *, previews: bool = False, timeout_s: float | None = None, **options: Unpack[AdOptions]
    ) -> Generator[Progress | ProductAd, None, None]:
        """Yield Progress, then the ProductAd. Closing the iterator cancels the request. gRPC only."""
        inputs = calls.PRODUCT_AD_STREAM.write(previews=previews, **options)
        return self._events(calls.PRODUCT_AD_STREAM, inputs, timeout_s)

    def text_overlay(
        self,
        image: Picture,
        texts: str | Text | Sequence[str | Text],
        *,
        keep_clear: Picture | None = None,
        format: str | None = None,
        timeout_s: float | None = None,
        cancellation: Cancellation | None = None,
    ) -> Lettered:
        """Set texts on a picture, each where it says or where it covers nothing of `keep_clear`.

        BadRequest where a text does not fit, has no free place, or has a character that no font has.
        """
        options: dict[str, Any] = {"image": image, "texts": texts, "keep_clear": keep_clear, "format": format}
        return self._call(calls.TEXT_OVERLAY, timeout_s, cancellation=cancellation, **options)

    def describe(
        self,
        image: Picture | None = None,
        *,
        keep_clear: Picture | None = None,
        timeout_s: float | None = None,
        cancellation: Cancellation | None = None,
    ) -> Described:
        """Return the server's fonts; of a picture also its colours, and free places for texts."""
        options = {"image": image, "keep_clear": keep_clear}
        return self._call(calls.DESCRIBE, timeout_s, cancellation=cancellation, **options)

    def prepare_person(
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
        """Compute what try-ons need of a person for a category, and cache it on the server."""
        return self._call(
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

    def prepare_garment(
        self,
        *,
        garment: Picture | None = None,
        garment_id: str | None = None,
        category: str | None = None,
        garment_photo_type: str | None = None,
        model: str | None = None,
        timeout_s: float | None = None,
    ) -> Prepared:
        """Compute what try-ons need of a garment, and cache it on the server."""
        return self._call(
            calls.PREPARE_GARMENT,
            timeout_s,
            garment=garment,
            garment_id=garment_id,
            category=category,
            garment_photo_type=garment_photo_type,
            model=model,
        )

    def prepare_text(
        self, *, description: str, model: str | None = None, timeout_s: float | None = None
    ) -> Prepared:
        """Compute the embeddings of a garment's description, and cache them on the server."""
        return self._call(calls.PREPARE_TEXT, timeout_s, description=description, model=model)

    def pipeline_digest(self, *, model: str | None = None, timeout_s: float | None = None) -> str:
        """Return a digest that changes whenever the same request would give another picture."""
        return self._call(calls.PIPELINE_DIGEST, timeout_s, model=model)

    def cache_statistics(self, *, timeout_s: float | None = None) -> CacheStatistics:
        """Return the counters and contents of the caches; other processes are up to a second behind."""
        return self._call(calls.CACHE_STATISTICS, timeout_s)

    def clear_cache(
        self,
        *,
        person_id: str | None = None,
        garment_id: str | None = None,
        everything: bool = False,
        timeout_s: float | None = None,
    ) -> None:
        """Remove one person (all categories), one garment, or everything from the caches.

        After this returns, no server on the same object store serves the removed data.
        """
        named: dict[str, Any] = {
            "person_id": person_id,
            "garment_id": garment_id,
            "everything": everything,
        }
        self._call(calls.CLEAR_CACHE, timeout_s, **named)

    def models(self, *, timeout_s: float | None = None) -> tuple[ModelStatus, ...]:
        """Return the status of every loaded model: versions, readiness, statistics, memory."""
        found = self._with_retries(lambda left_s: self._transport.models(timeout_s=left_s), timeout_s)
        return with_memory(found, self.infer(OWNER, {}, timeout_s=timeout_s)) if has_owner(found) else found
