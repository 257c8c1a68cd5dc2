"""Memory of prepared people, garments and texts: by content, or by the caller's id and then its content."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import numpy as np
from vitrine.errors import NotFound, Unavailable

from vitrine_orchestrator.cache.key import IMPORTED, Key, digest_of, owner
from vitrine_orchestrator.person.labels import CATEGORIES
from vitrine_orchestrator.pictures import Picture
from vitrine_orchestrator.pipeline.memo import Arrays, Memo, Source
from vitrine_orchestrator.try_on.cache_rows import Kind

logger = logging.getLogger(__name__)

SIBLINGS: dict[Kind, tuple[str, ...]] = {"person": CATEGORIES}  # what one id may be prepared as
TRIES = 3  # others may be sending other pictures under the same id at the same time
CONTENT = "content_digest"  # an array kept with the others: what they were made of


@dataclass(frozen=True)
class Item:
    """What is asked for: of which category, made how, from what."""

    category: str  # a row of cache_rows.ROWS
    recipe: str  # digest of all that shapes the result, its content apart
    content: str | None = None  # digest of the input; None: only known by its id
    kind: Kind = "content"
    id: str | None = None  # the caller's name of it

    def is_of(self, arrays: Arrays) -> bool:
        """Whether kept arrays are of the content that is asked for; of an id alone, whatever it has."""
        return self.content is None or arrays[CONTENT].tobytes().hex() == self.content

    @property
    def key(self) -> Key:
        """By its id, whose content is compared; else by its content."""
        if self.id is not None:
            return Key(self.category, owner(self.kind, self.id), self.recipe)
        assert self.content is not None
        return Key(self.category, owner("content", self.content), self.recipe)


async def recalled(
    memo: Memo, item: Item, make: Callable[[], Awaitable[Arrays]]
) -> tuple[dict[str, np.ndarray], Source]:
    """The item's arrays, from the memo or from `make`, which says what they are of (see `content_array`).

    A new picture under a known id makes everything of that id be forgotten first, in all its categories; what
    is answered is always of the picture that was sent. Errors of `make` pass: NotFound for an id that nothing
    is known of.
    """
    made: Arrays | None = None

    async def make_once() -> Arrays:
        nonlocal made
        made = made or await make()
        return made

    for _ in range(TRIES):
        found, source = await memo.get_or_compute(item.key, make_once, able=item.content is not None)
        if item.is_of(found) and not (source == "fresh" and await _has_another(memo, item)):
            return without_content(found), source
        try:
            await memo.forget(item.key.owner)
        except Unavailable:
            logger.exception("a new picture of a known %s is used, but cannot be remembered", item.kind)
            break
    return without_content(await make_once()), "fresh"


async def _has_another(memo: Memo, item: Item) -> bool:
    """Whether the id still has something of another picture in another category."""
    if item.id is None or item.content is None:
        return False
    others = [replace(item, category=one) for one in SIBLINGS.get(item.kind, ()) if one != item.category]
    for other in others:
        kept = await memo.peek(other.key)
        if kept is not None and not item.is_of(kept):
            return True
    return False


async def imported_picture(memo: Memo, item: Item) -> Picture:
    """(h, w, 3): what `vitrine cache import` took over under the item's id; NotFound if there is nothing."""
    assert item.id is not None, "what has no id comes with its content"

    async def missing() -> Arrays:
        raise NotFound(f"{item.kind}_id {item.id!r} is not known: send its picture once with the id")

    key = Key(item.category, owner(item.kind, item.id), IMPORTED)
    found, _ = await memo.get_or_compute(key, missing, able=False)
    return found["image"]


def content_array(digest: str) -> dict[str, np.ndarray]:
    """What is kept beside arrays: the digest of what they were made of."""
    return {CONTENT: np.frombuffer(bytes.fromhex(digest), np.uint8)}


def recipe_of(model: str, pipeline_digest: str, *choices: str) -> str:
    """Digest of all that shapes a prepare model's answers, what it is asked apart; see Manifest.

    choices: what else the caller chose, such as a mask; nothing for the usual way.
    """
    return digest_of(model, pipeline_digest, *choices)


def without_content(arrays: Arrays) -> dict[str, np.ndarray]:
    """Kept arrays as they were made."""
    return {name: array for name, array in arrays.items() if name != CONTENT}
