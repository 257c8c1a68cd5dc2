"""The longest sides that formats can have, in pixels."""

from __future__ import annotations

LONGEST_JPEG = 65_500  # what libjpeg writes
LONGEST_WEBP = 16_383  # what the format holds (RFC 9649)
