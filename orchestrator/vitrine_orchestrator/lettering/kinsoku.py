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

SPACES = " \u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2008\u2009\u200a\u205f\u3000"
"""Spaces at which a line may be broken; they are drawn neither at its end nor at its start."""
NO_BREAK_SPACES = frozenset("\u00a0\u2007\u202f")

IN_NUMBERS = "+,.:/~-–−×x*%〜～＋－"
"""Signs between two digits that belong to one number or one offer: 9,900 and 1+1."""
MULTIPLIERS = "十百千万萬億亿兆십백천만억조多余餘"
"""Characters after digits that belong to the number: 100万円, 3천원, 100多款."""
UNITS = (
    "원개명잔병개월년일시분초번층호점배평인회권장벌박곡팩캔봉포대채동종색조세살위차기컷단팀편주"
    "円元圓圆年月日時时分秒個个箇名人杯本枚点點倍割度回階层層件歳岁歲号號曜折包袋克斤周週泊種种着弾弹块塊色畳"
    "品膳丁株社室席坪級级段束粒錠台冊匹頭羽足組组店位款只隻条條双雙支瓶盒碗期家套张張辆颗片枝米寸升天代届屆"
    "楼樓角口串皿玉丸㎖㎏㎝㎜㎞㎡㎎㎥ℓ"
)
"""Characters that are a unit when they follow a number."""
LONG_UNITS = (
    *("周年", "週年", "週間", "日間", "年間", "分間", "時間", "か月", "ヶ月", "カ月", "ヵ月", "ケ月", "名様"),
    *("人前", "個月", "個入", "枚入", "本入", "セット", "パック", "ポイント", "グラム", "リットル", "キロ"),
    *("个月", "小时", "小時", "分钟", "分鐘", "人份", "公斤", "公里", "毫升", "平米"),
    *("개월", "시간", "주년", "주일", "일간", "년간", "인분", "세트", "박스", "봉지", "켤레", "송이", "조각"),
    *("가지", "퍼센트", "포인트", "그램", "달러", "그릇"),
)
"""Words that are a unit when they follow a number."""
SPACED_UNITS = (
    *("%", "%OFF", "％OFF", "℃", "°C", "°F", "€", "£", "¥", "￥", "₩", "$", "₫", "₽", "฿", "zł", "kr", "CHF"),
    *("kg", "g", "mg", "ml", "mL", "l", "L", "cl", "cm", "mm", "m", "m²", "km", "kcal", "W", "kW", "V", "Hz"),
    *("KG", "ML", "GB", "MB", "TB", "cc", "oz", "lb", "pcs", "am", "pm", "AM", "PM", "a.m.", "p.m."),
    *("won", "KRW", "JPY", "USD", "EUR", "GBP", "CNY", "RMB", "TWD", "HKD"),
)
"""Words that are not parted from the number before them, with or without a space between."""
CURRENCIES = (
    *("$", "£", "€", "¥", "￥", "₩", "＄", "￦", "US$", "NT$", "HK$", "A$", "R$", "₫", "₽", "฿"),
    *("KRW", "USD", "JPY", "EUR", "GBP", "CNY", "RMB", "TWD", "HKD", "CHF", "No.", "No", "Vol.", "第"),
)
"""Words that are not parted from the number after them, with or without a space between."""
