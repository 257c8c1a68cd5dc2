"""Prepared people, garments and texts in the cache.

The key is the caller's id where there is one, else the digest of the content. Under an id, the kept digest
is compared with that of the content that was sent. A note under the id says which picture was last sent with
it, whatever it was prepared for, so that another picture replaces all that was prepared from it.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from vitrine.errors import NotFound, Unavailable

from vitrine_orchestrator.cache.key import IMPORTED, SENT, Key, digest_of, owner
from vitrine_orchestrator.images.fitting import Fit
from vitrine_orchestrator.pictures import Picture
from vitrine_orchestrator.pipeline.memo import Memo, Source
from vitrine_orchestrator.pipeline.request_context import Context, report_array, text_array
from vitrine_orchestrator.stages.calls import Timed
from vitrine_orchestrator.wire.arrays import Arrays

logger = logging.getLogger(__name__)

Kind = Literal["person", "garment", "content"]
"""The kinds of owners; "content" is one without an id."""
MAX_TRIES = 3  # then the answer is computed without the cache: other requests keep changing the id's picture
CONTENT = "content_digest"  # the kept array that holds the digest of the input


@dataclass(frozen=True)
class PreparedItem:
    """One prepared thing in the cache: its category, how it is computed, and from which input."""

    category: str  # a row of the family's cache_rows.ROWS
    recipe: str  # digest of everything but the input that shapes the result: see recipe_digest
    content: str | None = None  # digest of the input; None: the request has only the id
    kind: Kind = "content"
    id: str | None = None  # the caller's id
    siblings: tuple[str, ...] = ()  # all categories in which the family prepares the same id's picture
    sent: str | None = None  # digest of the picture as it was sent with the id; None: no id, or no picture

    def matches(self, arrays: Arrays) -> bool:
        """Whether kept arrays were computed from this item's input; always True for an id alone."""
        return self.content is None or _names(arrays, self.content)

    @property
    def key(self) -> Key:
        """The cache key: by id where there is one, else by content."""
        if self.id is not None:
            return Key(self.category, owner(self.kind, self.id), self.recipe)
        assert self.content is not None
        return Key(self.category, owner("content", self.content), self.recipe)

    @property
    def note_key(self) -> Key:
        """The key of the id's note: the same for every family, category and choice."""
        return Key(SENT, self.key.owner, SENT)


async def prepared_outputs(
    context: Context,
    stages: Timed,
    item: PreparedItem,
    name: str,
    prepare: Callable[[], Awaitable[Arrays]],
) -> dict[str, np.ndarray]:
    """The outputs of a prepare model: the item's arrays, its key as `NAME_key`, and the report.

    name: "person", "garment" or "text".
    """
    arrays, source = await get_or_prepare(context.memo, item, prepare)
    return {
        **arrays,
        f"{name}_key": text_array(item.key.digest),
        "report": report_array(stages.rounded(), {name: source}, **context.origin),
    }


async def get_or_prepare(
    memo: Memo, item: PreparedItem, prepare: Callable[[], Awaitable[Arrays]]
) -> tuple[dict[str, np.ndarray], Source]:
    """The item's arrays, from the memo or from `prepare`, and where they came from.

    The arrays of `prepare` include `content_array`. When the picture under an id has changed, everything kept
    under the id is forgotten first, in all categories and families, so the answer always belongs to the
    picture that was sent. Errors of `prepare` pass through: NotFound for an unknown id.
    """
    prepared: Arrays | None = None

    async def prepare_once() -> Arrays:
        nonlocal prepared
        prepared = prepared or await prepare()
        return prepared

    for _ in range(MAX_TRIES):
        if not await _is_replaced(memo, item):
            found, source = await memo.get_or_compute(item.key, prepare_once, able=item.content is not None)
            if item.matches(found) and not (source == "fresh" and await _has_other_content(memo, item)):
                return without_content(found), source
        try:
            await memo.forget(item.key.owner)
        except Unavailable:
            logger.exception(
                "a new picture of a known %s was used, but could not be kept in the cache", item.kind
            )
            break
    return without_content(await prepare_once()), "fresh"


async def _is_replaced(memo: Memo, item: PreparedItem) -> bool:
    """Whether the note of the id names another picture than was sent; without a note, this one is noted."""
    if item.sent is None:
        return False
    return not _names(await memo.note(item.note_key, content_array(item.sent)), item.sent)


async def _has_other_content(memo: Memo, item: PreparedItem) -> bool:
    """Whether another picture was sent with this id meanwhile, or another category still keeps one's arrays.

    The latter are of a time before notes were kept.
    """
    if item.id is None or item.content is None:
        return False
    if item.sent and (note := await memo.peek(item.note_key)) and not _names(note, item.sent):
        return True
    for other in (replace(item, category=one) for one in item.siblings if one != item.category):
        kept = await memo.peek(other.key)
        if kept is not None and not item.matches(kept):
            return True
    return False


def unknown(kind: Kind, name: str | None, prepared: str) -> NotFound:
    """The error for an id without anything kept; `prepared` says for what its picture must be sent."""
    return NotFound(f"{kind}_id {name!r} is not known: send its picture once with the id, {prepared}")


async def imported_picture(memo: Memo, item: PreparedItem, prepared: str) -> Picture:
    """The picture (h, w, 3) that `vitrine cache import` kept under the id; else NotFound, see `unknown`."""
    assert item.id is not None, "an item without an id has content"

    async def missing() -> Arrays:
        raise unknown(item.kind, item.id, prepared)

    key = Key(item.category, owner(item.kind, item.id), IMPORTED)
    found, _ = await memo.get_or_compute(key, missing, able=False)
    return found["image"]


def _names(arrays: Arrays, digest: str) -> bool:
    """Whether the arrays were kept with the digest."""
    return arrays[CONTENT].tobytes().hex() == digest


def content_array(digest: str) -> dict[str, np.ndarray]:
    """The array that is kept with prepared arrays: the digest of their input."""
    return {CONTENT: np.frombuffer(bytes.fromhex(digest), np.uint8)}


def recipe_digest(model: str, pipeline_digest: str, *choices: str) -> str:
    """Digest of everything but the request's input that shapes a prepare model's answer.

    pipeline_digest: see Manifest.
    choices: the caller's other choices, such as the digest of a mask; empty when there are none.
    """
    return digest_of(model, pipeline_digest, *choices)


def crop_of_id(person_id: str | None, crop: Fit) -> tuple[str, ...]:
    """The crop as a choice of recipe_digest: under an id, each crop of its picture is prepared by itself.

    Without an id the digest of the cropped picture says it. The usual crop is left out.
    """
    return () if person_id is None or crop == "fit" else (f"crop {crop}",)


def without_content(arrays: Arrays) -> dict[str, np.ndarray]:
    """Kept arrays without the digest of their input."""
    return {name: array for name, array in arrays.items() if name != CONTENT}
