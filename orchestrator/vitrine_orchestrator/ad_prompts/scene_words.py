"""What a scene is made of, in words of both languages: products, colours, sizes, surfaces, light."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Word:
    """A word of a prompt (`name`), and the words of a sentence that mean it."""

    name: str
    korean: tuple[str, ...]
    english: tuple[str, ...] = ()  # further words; the name itself always counts


@dataclass(frozen=True)
class Kind(Word):
    """A kind of product. `trade` and `colour` are used where a sentence names none."""

    trade: str = "shop"
    colour: str = ""  # none: the prompt leaves it out
    drawn: bool = False  # whether the drawn shop has it


@dataclass(frozen=True)
class Colour(Word):
    """A colour, with the walls and tables of `Trade` that a product of it would not stand out from."""

    clashes: tuple[str, ...] = ()


def _by_name(rows: Iterable[Word]) -> dict[str, Word]:
    return {row.name: row for row in rows}


COLOURS: dict[str, Colour] = {
    row.name: row
    for row in (
        Colour("red", ("빨간", "빨강", "붉은", "빨강색", "적색"), ("crimson", "scarlet")),
        Colour("orange", ("주황색", "주황", "오렌지색", "오렌지빛")),
        Colour("yellow", ("노란", "노랑", "노랑색", "황색")),
        Colour("green", ("초록색", "초록", "녹색", "초록빛", "그린"), (), ("teal",)),
        Colour("blue", ("파란", "파랑", "푸른", "파랑색", "블루")),
        Colour("purple", ("보라색", "보라", "보랏빛", "자주색", "퍼플"), ("violet",), ("slate",)),
        Colour("pink", ("분홍색", "분홍", "핑크", "핑크색", "분홍빛"), (), ("rosy",)),
        Colour("white", ("흰", "하얀", "흰색", "하양", "화이트", "새하얀"), (), ("cream", "marble")),
        Colour("black", ("검은", "검정", "까만", "블랙", "검정색"), (), ("dark wooden",)),
        Colour("grey", ("회색", "그레이", "잿빛"), ("gray",), ("slate", "steel")),
        Colour("brown", ("갈색", "브라운", "밤색", "고동색"), (), ("dark wooden", "wooden")),
        Colour("beige", ("베이지", "베이지색", "아이보리"), ("ivory",), ("cream", "sand")),
        Colour("gold", ("금색", "골드", "금빛", "황금색"), ("golden",), ("sand",)),
        Colour("silver", ("은색", "실버", "은빛"), (), ("steel",)),
        Colour("navy", ("남색", "네이비", "군청색"), ("navy blue",), ("slate",)),
        Colour("cream", ("크림색", "크림빛"), (), ("cream", "marble")),
        Colour("sand", ("모래색", "모랫빛"), (), ("sand",)),
        Colour("terracotta", ("벽돌색", "벽돌빛"), (), ("terracotta",)),
        Colour("rosy", ("장밋빛", "장미색"), ("rose",), ("rosy",)),
        Colour("mint", ("민트색", "민트", "민트빛"), (), ("mint",)),
        Colour("sky blue", ("하늘색", "하늘빛", "스카이블루"), ("light blue",), ("sky blue",)),
        Colour("lilac", ("연보라색", "연보라", "라일락색"), ("lavender",), ("lilac",)),
        Colour("teal", ("청록색", "청록", "청록빛"), ("turquoise",), ("teal",)),
        Colour("slate", ("청회색", "청회빛"), ("blue grey",), ("slate",)),
        Colour("plum", ("자두색", "자둣빛"), (), ("plum",)),
    )
}
"""Colours of products and of walls."""

DRAWN_COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white")
"""Colours that a product of the drawn shop can have."""

WALLS = ("cream", "sand", "terracotta", "rosy", "mint", "sky blue", "lilac", "teal", "slate", "plum")
"""Colours that a wall of the drawn shop can have."""

TABLES = _by_name(
    (
        Word("wooden", ("나무", "원목", "목재", "우드"), ("wood", "oak")),
        Word("dark wooden", ("짙은 나무", "어두운 나무", "월넛", "진한 나무"), ("dark wood", "walnut")),
        Word("marble", ("대리석",)),
        Word("steel", ("철제", "스틸", "금속", "스테인리스"), ("metal", "stainless steel")),
    )
)

SIZES = _by_name(
    (
        Word("small", ("작은", "조그만", "소형", "미니", "자그마한", "아담한"), ("little", "mini", "tiny")),
        Word("medium-sized", ("보통 크기", "중간 크기", "중형"), ("medium", "medium sized", "mid-sized")),
        Word("large", ("큰", "커다란", "대형", "대용량", "빅사이즈"), ("big", "huge")),
    )
)

TIMES = _by_name(
    (
        Word("morning", ("아침", "오전", "새벽", "모닝"), ("dawn", "sunrise")),
        Word("noon", ("한낮", "정오", "점심", "대낮", "오후"), ("midday", "lunch", "afternoon")),
        Word("evening", ("저녁", "노을", "해질녘", "석양", "해 질 녘", "황혼"), ("sunset", "dusk", "dinner")),
    )
)

SIDES = _by_name(
    (
        Word("left", ("왼쪽", "좌측", "왼편"), ("left side", "left-hand side")),
        Word("right", ("오른쪽", "우측", "오른편"), ("right side", "right-hand side")),
    )
)

WALL_NOUNS = Word("wall", ("벽", "벽면", "배경", "뒷벽"), ("walls", "background", "backdrop"))
TABLE_NOUNS = Word("table", ("탁자", "테이블", "식탁", "책상", "상판", "선반"), ("desk", "counter", "shelf"))
LIGHT_NOUNS = Word(
    "light",
    ("빛", "조명", "햇살", "햇빛", "채광", "불빛", "광선", "자연광", "햇볕"),
    ("lighting", "sunlight", "daylight", "lit", "lamp"),
)
NEGATIONS = (
    Word(
        "after a noun",
        (
            *(
                "없이",
                "없는",
                "없다",
                "없고",
                "없게",
                "없도록",
                "없음",
                "없애고",
                "제외",
                "제외하고",
                "제외한",
            ),
            *("빼고", "뺀", "빼줘", "빼주세요", "말고", "아닌", "아니고", "아니라"),
        ),
    ),
    Word("before a noun", (), ("no", "not", "without", "except", "excluding")),
)
"""Words that say what is not wanted, by the place of what they negate."""
