"""Computes each picture once: it is looked up by the key of its request, else computed and stored.

    results = Results(vitrine, Shelf(open_store("s3://pictures")))
    kept = results.try_on(user="ada", person=me, garment=coat, seed=7)
    kept.image.save("me-in-coat.png")

A fault of the store never costs the picture: it is reported in `kept.trouble`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias, TypeVar, TypeVarTuple, Unpack

from PIL import Image

from vitrine.ads import AdOptions, ProductAd
from vitrine.answers import Drawn, TryOn
from vitrine.async_client import AsyncVitrine
from vitrine.calls import IMAGE_TO_IMAGE, PRODUCT_AD, TEXT_TO_IMAGE, TRY_ON, ModelCall
from vitrine.client import Vitrine
from vitrine.errors import BadRequest, VitrineError
from vitrine.inputs import ChangeOptions, PictureOptions, Tensors, TryOnOptions
from vitrine.keys import Versions, result_key, result_path
from vitrine.picture_inputs import lora_names
from vitrine.pictures import decode_picture
from vitrine.shelf import Found, Shelf
from vitrine.store_calls import NoAnswer

DIGEST_TTL_S = 60.0
"""After it, the pipeline digest is requested again; old keys stay in use as long after a deployment."""
THREADS = 32  # lookups and writes of an AsyncResults at the same time

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")
Result: TypeAlias = TryOn | Drawn | ProductAd
KeptCall: TypeAlias = ModelCall[TryOn] | ModelCall[Drawn] | ModelCall[ProductAd]
"""A call whose picture can be kept."""


class DigestCall(NamedTuple):
    """The call that reports the pipeline digest of one model's results."""

    call: ModelCall[str]
    model: str | None  # the option `model` of the request
    loras: tuple[str, ...] = ()  # the names of its adapters: another one under a name draws other pictures

    @property
    def inputs(self) -> Tensors:
        """The call's tensors."""
        return self.call.write(model=self.model, **({"loras": self.loras} if self.loras else {}))


@dataclass(frozen=True)
class Kept:
    """A finished picture, found in the store or just computed."""

    key: str
    path: str  # path in the store
    image: Image.Image
    encoded: bytes  # PNG
    found: bool  # whether it came from the store
    story: Mapping[str, Any]  # seed, parameters, versions, timings, pipeline_digest
    result: Result | None  # the server's whole response, if just computed
    trouble: VitrineError | None = None  # the failure of the store, if any


class Results:
    """Requests whose pictures are looked up and kept in a store."""

    def __init__(
        self, vitrine: Vitrine, shelf: Shelf, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.shelf, self._vitrine, self._digest = shelf, vitrine, DigestCache(clock)

    def try_on(
        self,
        *,
        user: str,
        versions: Versions | None = None,
        timeout_s: float | None = None,
        **options: Unpack[TryOnOptions],
    ) -> Kept:
        """Return the stored picture of an equal request, or compute and store a new one.

        `versions` are required for ids without a picture; see result_key. `timeout_s` limits the server's
        work only.
        """
        return self._kept(TRY_ON, user, versions, timeout_s, options)

    def text_to_image(
        self, *, user: str, timeout_s: float | None = None, **options: Unpack[PictureOptions]
    ) -> Kept:
        """As try_on. BadRequest for an `n` of more than one: every kept picture has its own key."""
        return self._kept(TEXT_TO_IMAGE, user, None, timeout_s, options)

    def image_to_image(
        self, *, user: str, timeout_s: float | None = None, **options: Unpack[ChangeOptions]
    ) -> Kept:
        """As text_to_image."""
        return self._kept(IMAGE_TO_IMAGE, user, None, timeout_s, options)

    def product_ad(self, *, user: str, timeout_s: float | None = None, **options: Unpack[AdOptions]) -> Kept:
        """As text_to_image. BadRequest for a request of several ads: ask once for each."""
        return self._kept(PRODUCT_AD, user, None, timeout_s, options)

    def _kept(
        self,
        call: KeptCall,
        user: str,
        versions: Versions | None,
        timeout_s: float | None,
        options: Mapping[str, Any],
    ) -> Kept:
        inputs, ask = kept_inputs(call, options), digest_of(call, options)
        digest = self._digest.known(ask) or self._digest.learn(
            ask.call.read(self._vitrine.infer(ask.call.model, ask.inputs, timeout_s=timeout_s)), ask
        )
        key = result_key(inputs, pipeline_digest=digest, versions=versions)
        found, trouble = look_up(self.shelf, user, key)
        if found is not None:
            return kept_from_store(user, key, found)
        result = call.read(self._vitrine.infer(call.model, inputs, timeout_s=timeout_s))
        digest = self._digest.of_result(result, digest, ask)
        key = result_key(inputs, pipeline_digest=digest, versions=versions)
        return put_away(self.shelf, user, key, inputs, result, trouble)


class AsyncResults:
    """Results for one event loop; its own threads call the store."""

    def __init__(
        self, vitrine: AsyncVitrine, shelf: Shelf, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.shelf, self._vitrine, self._digest = shelf, vitrine, DigestCache(clock)
        self._threads = ThreadPoolExecutor(THREADS, "vitrine-results")  # those of the loop have other work

    async def try_on(
        self,
        *,
        user: str,
        versions: Versions | None = None,
        timeout_s: float | None = None,
        **options: Unpack[TryOnOptions],
    ) -> Kept:
        """See Results."""
        return await self._kept(TRY_ON, user, versions, timeout_s, options)

    async def text_to_image(
        self, *, user: str, timeout_s: float | None = None, **options: Unpack[PictureOptions]
    ) -> Kept:
        """See Results."""
        return await self._kept(TEXT_TO_IMAGE, user, None, timeout_s, options)

    async def image_to_image(
        self, *, user: str, timeout_s: float | None = None, **options: Unpack[ChangeOptions]
    ) -> Kept:
        """See Results."""
        return await self._kept(IMAGE_TO_IMAGE, user, None, timeout_s, options)

    async def product_ad(
        self, *, user: str, timeout_s: float | None = None, **options: Unpack[AdOptions]
    ) -> Kept:
        """See Results."""
        return await self._kept(PRODUCT_AD, user, None, timeout_s, options)

    async def _kept(
        self,
        call: KeptCall,
        user: str,
        versions: Versions | None,
        timeout_s: float | None,
        options: Mapping[str, Any],
    ) -> Kept:
        inputs, ask = kept_inputs(call, options), digest_of(call, options)
        digest = self._digest.known(ask) or self._digest.learn(
            ask.call.read(await self._vitrine.infer(ask.call.model, ask.inputs, timeout_s=timeout_s)), ask
        )
        key = result_key(inputs, pipeline_digest=digest, versions=versions)
        found, trouble = await self._in_thread(look_up, self.shelf, user, key)
        if found is not None:
            return kept_from_store(user, key, found)
        result = call.read(await self._vitrine.infer(call.model, inputs, timeout_s=timeout_s))
        digest = self._digest.of_result(result, digest, ask)
        key = result_key(inputs, pipeline_digest=digest, versions=versions)
        return await self._in_thread(put_away, self.shelf, user, key, inputs, result, trouble)

    async def _in_thread(self, call: Callable[[*Arguments], T], *arguments: *Arguments) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call, *arguments)


class DigestCache:
    """Keeps the server's pipeline digests for DIGEST_TTL_S; every response updates the one of its call."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._digests: dict[DigestCall, tuple[str, float]] = {}  # digest, time of its end

    def known(self, of: DigestCall) -> str | None:
        """Return the digest, or None when it must be requested again."""
        digest, until = self._digests.get(of, ("", float("-inf")))
        return digest if self._clock() < until else None

    def learn(self, digest: str, of: DigestCall) -> str:
        """Keep a digest that the server has just reported, and return it."""
        self._digests[of] = digest, self._clock() + DIGEST_TTL_S
        return digest

    def of_result(self, result: Result, before: str, of: DigestCall) -> str:
        """Return the digest of the pipeline of `result`; it differs from `before` during a deployment."""
        return self.learn(str(result.report.get("pipeline_digest", before)), of)


def digest_of(call: KeptCall, options: Mapping[str, Any]) -> DigestCall:
    """Return the call that reports the pipeline digest of a request's result."""
    assert call.digest is not None, f"results of {call.model} are kept by a digest"
    return DigestCall(call.digest, options.get("model"), lora_names(options.get("lora")))


def kept_inputs(call: KeptCall, options: Mapping[str, Any]) -> Tensors:
    """Return the request's tensors. BadRequest unless it is one PNG: the store keeps the server's bytes."""
    if options.get("format") not in (None, "png"):
        raise BadRequest(f"format must be png for kept results, got {options['format']!r}")
    if options.get("n") not in (None, 1):
        raise BadRequest(f"n must be 1 for kept results, got {options['n']}: ask once for each seed")
    inputs = call.write(**{name: value for name, value in options.items() if name != "n"})
    if "each" in inputs or len(inputs.get("sizes", ())) > 1:
        raise BadRequest("a kept result must be one ad, without each and with one size: ask once for each")
    return inputs


def look_up(shelf: Shelf, user: str, key: str) -> tuple[Found | None, VitrineError | None]:
    """Return the stored picture and the failure of the store, either may be None; BadRequest is raised."""
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
    """Return a stored picture as the caller's result."""
    path = result_path(user, key)
    return Kept(key, path, decode_picture(found.encoded, path), found.encoded, True, found.story, None)


def put_away(
    shelf: Shelf, user: str, key: str, inputs: Tensors, result: Result, trouble: VitrineError | None
) -> Kept:
    """Store a new picture and return the caller's result, even if storing fails.

    Storing is not tried after a lookup that the store did not answer.
    """
    story = story_of(inputs, result)
    try:
        if not isinstance(trouble, NoAnswer):
            shelf.keep(user=user, key=key, encoded=result.encoded, story=story)
    except VitrineError as error:
        trouble = error
    return Kept(key, result_path(user, key), result.image, result.encoded, False, story, result, trouble)


def story_of(inputs: Tensors, result: Result) -> dict[str, Any]:
    """Return the metadata of a stored picture: parameters, seed, versions, timings, pipeline digest."""
    parameters = {
        name: [one.decode() if isinstance(one, bytes) else one for one in tensor.tolist()]
        for name, tensor in inputs.items()
        if name not in ("person", "garment", "mask", "image", "product", "scene")
    }
    return {
        "seed": result.seed,
        "steps": result.report.get("steps"),
        "parameters": parameters,
        "versions": result.report.get("versions", {}),
        "timings": dict(result.timings),
        "pipeline_digest": result.report.get("pipeline_digest"),
    }
