"""The key of a cached value: its category, its owner, and everything that can change it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

IMPORTED = "imported"  # the name of values imported from the old layout; see takeover/old_layout.py
EVERYTHING = ""  # the owner of an invalidation that concerns all owners
SENT = "sent_picture"  # the category and the name of an id's note: which picture was last sent with it
CONTENT = "content"  # the kind of owner whose name is the digest of the input


@dataclass(frozen=True, slots=True)
class Category:
    """How much of one kind of value memory keeps: at most `max_entries`, at most `max_bytes`."""

    max_entries: int
    max_bytes: int


DEFAULT_LIMIT = Category(max_entries=100, max_bytes=256 * 2**20)  # limits of a category without a row


@dataclass(frozen=True, slots=True)
class Key:
    """Names one value. `owner` and `name` may be any text, because only their digests appear in paths.

    category: the kind of value, from the rows of a family (see CacheSettings.limits).
    owner: from `owner()`; all values of one owner are invalidated together.
    name: everything else that can change the value (stage, model digest, input digests, parameters).
    """

    category: str
    owner: str
    name: str

    @property
    def digest(self) -> str:
        """64 hexadecimal digits that no other key has."""
        return digest_of(self.category, self.owner, self.name)

    @property
    def renewal_name(self) -> str:
        """The name that is voided in every process's memory when one process computes the value again.

        See Generations.renew.
        """
        return f"value:{self.category}:{self.owner}:{self.name}"

    @property
    def expires(self) -> bool:
        """Whether the value has a ttl: all but the note of an id, which must outlive the id's values."""
        return self.name != SENT

    @property
    def may_change(self) -> bool:
        """Whether the value can change: an id can get another input, but equal content gives equal values."""
        return not self.owner.startswith(owner(CONTENT, ""))


def owner(kind: str, name: str) -> str:
    """The owner of a value: a thing of some kind by the caller's id, or CONTENT by the input's digest."""
    return f"{kind}:{name}"


def digest_of(*texts: str) -> str:
    """Hexadecimal SHA-256 of `texts`, each with its length first, so that no two lists collide.

    Texts are not normalised: different case or Unicode normalisation forms give different digests. Lone
    surrogates (which JSON can carry) are allowed.
    """
    hashed = hashlib.sha256()
    for text in texts:
        encoded = text.encode("utf-8", "surrogatepass")
        hashed.update(len(encoded).to_bytes(8, "little") + encoded)
    return hashed.hexdigest()
