"""Finished pictures are made once: looked up by the request's key, else made and stored.

    results = Results(vitrine, Shelf(open_store("s3://pictures")))
    kept = results.try_on(user="ada", person=me, garment=coat, seed=7)
    kept.image.save("me-in-coat.png")

The store is never in the way: what it cannot do is told in `kept.trouble`, and the picture is there
all the same.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Unpack

import numpy as np
from PIL import Image

from vitrine.answers import TryOn
from vitrine.async_client import AsyncVitrine
from vitrine.calls import TRY_ON
from vitrine.client import Vitrine
from vitrine.errors import BadRequest, VitrineError
from vitrine.inputs import Tensors, TryOnOptions, try_on_inputs
from vitrine.keys import Versions, result_key, result_path
from vitrine.pictures import decode_picture
from vitrine.shelf import Found, Shelf

DIGEST_TTL_S = (
    60.0  # how long a server's pipeline digest is believed: after a deployment old keys live on this long
)


@dataclass(frozen=True)
class Kept:
    """A finished picture, found in the store or just made."""

    key: str
    path: str  # in the store
    image: Image.Image
    encoded: bytes  # PNG
    found: bool  # whether it came from the store
    story: Mapping[str, Any]  # seed, parameters, versions, timings, pipeline_digest
    result: TryOn | None  # the server's whole answer, when just made
    trouble: VitrineError | None = None  # what the store could not do


class Results:
    """Try-ons through a store of results."""

    def __init__(
        self, vitrine: Vitrine, shelf: Shelf, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.shelf, self._vitrine, self._digest = shelf, vitrine, DigestMemory(clock)

    def try_on(
        self,
        *,
        user: str,
        versions: Versions | None = None,
        timeout_s: float | None = None,
        **options: Unpack[TryOnOptions],
    ) -> Kept:
        """The stored picture of this very request, or a new one, stored.

        `versions` are needed for ids that stand for pictures; see result_key. `timeout_s` is the server's.
        """
        inputs = png_inputs(options)
        digest = self._digest.known() or self._digest.learn(
            self._vitrine.pipeline_digest(timeout_s=timeout_s)
        )
        key = result_key(inputs, pipeline_digest=digest, versions=versions)
        found, trouble = look_up(self.shelf, user, key)
        if found is not None:
            return kept_from_store(user, key, found)
        result = TRY_ON.read(self._vitrine.infer(TRY_ON.model, inputs, timeout_s=timeout_s))
        key = result_key(inputs, pipeline_digest=self._digest.made_by(result, digest), versions=versions)
        return put_away(self.shelf, user, key, inputs, result, trouble)


class AsyncResults:
    """As Results, for one event loop; the store is used in threads."""

    def __init__(
        self, vitrine: AsyncVitrine, shelf: Shelf, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.shelf, self._vitrine, self._digest = shelf, vitrine, DigestMemory(clock)

    async def try_on(
        self,
        *,
        user: str,
        versions: Versions | None = None,
        timeout_s: float | None = None,
        **options: Unpack[TryOnOptions],
    ) -> Kept:
        """See Results."""
        inputs = png_inputs(options)
        digest = self._digest.known() or self._digest.learn(
            await self._vitrine.pipeline_digest(timeout_s=timeout_s)
        )
        key = result_key(inputs, pipeline_digest=digest, versions=versions)
        found, trouble = await asyncio.to_thread(look_up, self.shelf, user, key)
        if found is not None:
            return kept_from_store(user, key, found)
        result = TRY_ON.read(await self._vitrine.infer(TRY_ON.model, inputs, timeout_s=timeout_s))
        key = result_key(inputs, pipeline_digest=self._digest.made_by(result, digest), versions=versions)
        return await asyncio.to_thread(put_away, self.shelf, user, key, inputs, result, trouble)


class DigestMemory:
    """The server's pipeline digest, believed for a while and corrected by every answer."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._digest, self._until = "", float("-inf")

    def known(self) -> str | None:
        """The digest, None when it is time to ask."""
        return self._digest if self._clock() < self._until else None

    def learn(self, digest: str) -> str:
        """Take a digest that the server has just told."""
        self._digest, self._until = digest, self._clock() + DIGEST_TTL_S
        return digest

    def made_by(self, result: TryOn, asked: str) -> str:
        """The digest of the pipeline that made `result`: another than asked during a deployment."""
        return self.learn(str(result.report.get("pipeline_digest", asked)))


def png_inputs(options: TryOnOptions) -> dict[str, np.ndarray]:
    """The request's tensors; results are kept as PNG, so that none is encoded twice."""
    if options.get("format") not in (None, "png"):
        raise BadRequest(f"format must be png for kept results, got {options['format']!r}")
    return try_on_inputs(**options)


def look_up(shelf: Shelf, user: str, key: str) -> tuple[Found | None, VitrineError | None]:
    """What the store has, or what is wrong with it; an impossible user is still the caller's error."""
    try:
        found = shelf.find(user=user, key=key)
        if found is not None:
            decode_picture(found.encoded, result_path(user, key))
    except BadRequest:
        raise
    except VitrineError as error:
        return None, error
    return found, None


def kept_from_store(user: str, key: str, found: Found) -> Kept:
    """What a caller gets for a stored picture."""
    path = result_path(user, key)
    return Kept(key, path, decode_picture(found.encoded, path), found.encoded, True, found.story, None)


def put_away(
    shelf: Shelf, user: str, key: str, inputs: Tensors, result: TryOn, trouble: VitrineError | None
) -> Kept:
    """Store a new picture; what a caller gets for it, whether that worked or not."""
    story = story_of(inputs, result)
    try:
        shelf.keep(user=user, key=key, encoded=result.encoded, story=story)
    except VitrineError as error:
        trouble = error
    return Kept(key, result_path(user, key), result.image, result.encoded, False, story, result, trouble)


def story_of(inputs: Tensors, result: TryOn) -> dict[str, Any]:
    """What is told of a stored picture: parameters, seed, versions, timings, pipeline digest."""
    parameters = {
        name: [one.decode() if isinstance(one, bytes) else one for one in tensor.tolist()]
        for name, tensor in inputs.items()
        if name not in ("person", "garment", "mask")
    }
    return {
        "seed": result.seed,
        "steps": result.report.get("steps"),
        "parameters": parameters,
        "versions": result.report.get("versions", {}),
        "timings": dict(result.timings),
        "pipeline_digest": result.report.get("pipeline_digest"),
    }
