"""The languages of texts: which font faces they use, and whether words are kept whole."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Language:
    """What a language means for setting text."""

    code: str  # BCP 47, for the shaping engine
    region: str  # of fonts that have one face for each: Noto Sans CJK KR
    keep_all: bool  # lines are broken at spaces, not between syllables


LANGUAGES: dict[str, Language] = {
    "ko": Language("ko", "KR", keep_all=True),
    "ja": Language("ja", "JP", keep_all=False),
    "zh": Language("zh-Hans", "SC", keep_all=False),
    "zh-Hans": Language("zh-Hans", "SC", keep_all=False),
    "zh-Hant": Language("zh-Hant", "TC", keep_all=False),
    "zh-HK": Language("zh-HK", "HK", keep_all=False),
    "en": Language("en", "KR", keep_all=True),
}
"""By the word of a request."""

GENERIC: dict[str, tuple[str, ...]] = {
    "sans": ("Noto Sans CJK {region}", "NanumGothic", "NanumBarunGothic"),
    "serif": ("Noto Serif CJK {region}", "NanumMyeongjo"),
    "round": ("NanumSquareRound", "Noto Sans CJK {region}"),
}
"""Families by kind: the first that is installed is used. Other names are families themselves."""
BY_REGION = ("Noto Sans CJK", "Noto Serif CJK", "Noto Sans Mono CJK")
"""Families that may be named without the region: the language adds it."""
FALLBACKS = ("Noto Sans CJK {region}", "NanumGothic", "DejaVu Sans")
"""Families that are asked for characters which the chosen one lacks."""

_HANGUL = re.compile("[\u1100-\u11ff\u3130-\u318f\ua960-\ua97f\uac00-\ud7ff]")
_KANA = re.compile("[\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f]")
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


def language_of(text: str) -> str:
    """The word of the language that a text is probably in: by Hangul, kana and Han, in that order."""
    signs = (("ko", _HANGUL), ("ja", _KANA), ("zh-Hans", _HAN))
    return next((word for word, sign in signs if sign.search(text)), "en")
