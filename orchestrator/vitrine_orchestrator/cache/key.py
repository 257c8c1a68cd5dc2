"""The name of a cached value: what kind of thing it is, whose it is, and all that can change it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

Kind = Literal["person", "garment", "content"]

IMPORTED = "imported"  # the name of what was taken over from the old layout: see old_layout.py
EVERYTHING = ""  # the owner that stands for all owners in an invalidation


@dataclass(frozen=True, slots=True)
class Category:
    """How much of one kind of value memory keeps: at most `max_entries`, at most `max_bytes`."""

    max_entries: int
    max_bytes: int


# Entries: the limits of the service taken over (10 people for each category, 100 garments, 100 texts).
# Bytes: three to four times what that many entries weigh at 768 x 1024 with SDXL's widths.
CATEGORIES = {
    "upper_body": Category(max_entries=10, max_bytes=128 * 2**20),
    "lower_body": Category(max_entries=10, max_bytes=128 * 2**20),
    "dresses": Category(max_entries=10, max_bytes=128 * 2**20),
    "garment": Category(max_entries=100, max_bytes=256 * 2**20),
    "text": Category(max_entries=100, max_bytes=512 * 2**20),
}


@dataclass(frozen=True, slots=True)
class Key:
    """Names one value. Any text is allowed in `owner` and `name`: both reach a path only as a digest.

    category: a row of CATEGORIES. owner: from `owner()`; what belongs to one owner is invalidated together.
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
    def renewed(self) -> str:
        """The name under which memories learn that the value is made anew; see Generations.renew."""
        return f"value:{self.category}:{self.owner}:{self.name}"

    @property
    def may_change(self) -> bool:
        """Whether what an id stands for can become another; a content's value is always the same."""
        return not self.owner.startswith(owner("content", ""))


def owner(kind: Kind, name: str) -> str:
    """Who owns a value: a person or a garment by the caller's id, or `content` by a digest."""
    return f"{kind}:{name}"


def digest_of(*texts: str) -> str:
    """Hexadecimal SHA-256 of `texts`, each with its length first, so that no two lists collide.

    Texts are taken as they are: case and Unicode normalisation forms stay apart, and lone surrogates
    (which JSON can carry) are allowed.
    """
    hashed = hashlib.sha256()
    for text in texts:
        encoded = text.encode("utf-8", "surrogatepass")
        hashed.update(len(encoded).to_bytes(8, "little") + encoded)
    return hashed.hexdigest()
