"""The words of an advertisement in old contracts and tools, which have one field for every language."""

from __future__ import annotations

import re

_HANGUL = re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3]")


def words_of(prompt: str) -> dict[str, str]:
    """Return the option of `product_ad` for a prompt: Korean is a sentence for the prompt processor."""
    return {"sentence" if _HANGUL.search(prompt) else "prompt": prompt}
