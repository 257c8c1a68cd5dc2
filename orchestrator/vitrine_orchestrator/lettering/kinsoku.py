"""Where a line must not be broken, as data.

The sets follow the classes of UAX #14 (Unicode line breaking) and the kinsoku rules of JIS X 4051 in their
strict form: small kana and the prolonged sound mark do not begin a line.
"""

from __future__ import annotations

NO_START = frozenset(
    "、。，．・：；？！‼⁇⁈⁉）」』】〉》〕］｝〗〙〟’”…‥ー〜～々〻ゝゞヽヾ"
    "ぁぃぅぇぉっゃゅょゎゕゖァィゥェォッャュョヮヵヶㇰㇱㇲㇳㇴㇵㇶㇷㇸㇹㇺㇻㇼㇽㇾㇿ｡｣､･ｰ"
    "%‰℃℉％￠,.!?:;)]}»›·°′″"
)
"""Characters that do not begin a line: closing marks, stops, small kana, signs after a number."""
NO_END = frozenset("（「『【〈《〔［｛〖〘〝‘“([{«‹$£€¥￥₩＄￦#№@")
"""Characters that do not end a line: opening marks, signs before a number."""
TOGETHER = frozenset("—―…‥─")
"""Characters of which two or more in a row stay together."""
QUOTES = frozenset("\"'")
"""Marks that open and close alike: they stay with both neighbours."""

IN_NUMBERS = frozenset("+,.:/~-–−×x*%")
"""Signs between two digits that belong to one number or one offer: 9,900 and 1+1."""
UNITS = frozenset(
    "원개명잔병개월년일시분초번층호점배평인회권장벌"
    "円元圓圆年月日時时分秒個个個名人杯本枚点點倍割度回階层層件歳岁号號曜折包袋克斤"
)
"""Characters that are a unit when they follow a digit, with or without a space between."""
SPACED_UNITS = frozenset(
    (
        *("%", "원", "개", "명", "잔", "円", "元", "日", "月", "年", "個", "名", "人", "℃", "°C", "%OFF"),
        *("kg", "g", "mg", "ml", "mL", "l", "L", "cm", "mm", "m", "km", "kcal", "W", "GB", "MB", "TB"),
        *("cc", "oz", "lb", "pcs", "am", "pm", "AM", "PM", "won", "KRW", "JPY", "USD", "EUR"),
    )
)
"""Words that are not parted from the number before them, though a space is between."""
CURRENCIES = frozenset(("$", "£", "€", "¥", "￥", "₩", "KRW", "USD", "JPY", "EUR", "No.", "No", "Vol."))
"""Words that are not parted from the number after them, though a space is between."""
