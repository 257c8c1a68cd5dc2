"""What is wrong with a picture that is refused, for those who answer each reason differently.

BadRequest
├── TooLarge          more bytes or pixels than the limit
└── Unreadable        not a picture of a kind that is read, or damaged
    └── IsText        the text of a picture (base64), or its address, where bytes are read
"""

from __future__ import annotations

from vitrine.errors import BadRequest


class TooLarge(BadRequest):
    """The picture has more bytes or pixels than the limit."""


class Unreadable(BadRequest):
    """The bytes are no picture of a kind that is read, or a damaged one."""


class IsText(Unreadable):
    """The bytes are base64 text, a data URL or another URL."""
