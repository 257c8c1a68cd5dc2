"""The trades whose advertisements are drawn: words, walls, tables, props and decoration, one row each."""

from dataclasses import dataclass

from vitrine_world.shop import decoration
from vitrine_world.shop.palette import Colour
from vitrine_world.shop.parts import Parts


@dataclass(frozen=True)
class Surface:
    """A wall or a table: its words and colours; `grain` is the colour of what is drawn on a table."""

    english: str
    korean: str
    colour: Colour
    grain: Colour = (0, 0, 0)


@dataclass(frozen=True, eq=False)
class Trade:
    """A trade: `walls`, `tables` and `props` are names of their tables; `emblem` one of EMBLEMS."""

    english: str
    korean: str
    emblem: str
    walls: tuple[str, str]
    tables: tuple[str, str]
    props: tuple[str, str, str]
    decoration: Parts


WALLS = {
    row.english: row
    for row in (
        Surface("cream", "크림색", (244, 226, 186)),
        Surface("sand", "모래색", (222, 190, 140)),
        Surface("terracotta", "벽돌색", (196, 116, 88)),
        Surface("rosy", "장밋빛", (238, 186, 184)),
        Surface("mint", "민트색", (168, 216, 192)),
        Surface("sky blue", "하늘색", (158, 206, 236)),
        Surface("lilac", "연보라색", (200, 184, 234)),
        Surface("teal", "청록색", (58, 126, 132)),
        Surface("slate", "청회색", (92, 110, 134)),
        Surface("plum", "자두색", (94, 58, 98)),
    )
}
"""Every wall by its English word."""

TABLES = {
    row.english: row
    for row in (
        Surface("wooden", "나무", (190, 138, 90), (164, 112, 68)),
        Surface("dark wooden", "짙은 나무", (110, 74, 56), (88, 56, 42)),
        Surface("marble", "대리석", (228, 228, 232), (200, 202, 210)),
        Surface("steel", "철제", (150, 160, 172), (176, 186, 196)),
    )
}
"""Every table by its English words."""

ROWS = (
    Trade(
        "cafe",
        "카페",
        "cup",
        ("terracotta", "cream"),
        ("dark wooden", "marble"),
        ("a paper cup", "coffee beans", "a cookie plate"),
        decoration.CAFE,
    ),
    Trade(
        "bakery",
        "빵집",
        "wheat",
        ("sky blue", "sand"),
        ("wooden", "marble"),
        ("a baguette", "a croissant", "a rolling pin"),
        decoration.BAKERY,
    ),
    Trade(
        "flower shop",
        "꽃집",
        "flower",
        ("mint", "rosy"),
        ("wooden", "marble"),
        ("tulips", "a potted plant", "a watering can"),
        decoration.FLORIST,
    ),
    Trade(
        "bookshop",
        "서점",
        "book",
        ("teal", "cream"),
        ("dark wooden", "wooden"),
        ("a stack of books", "an open book", "reading glasses"),
        decoration.BOOKSHOP,
    ),
    Trade(
        "barber shop",
        "이발소",
        "scissors",
        ("slate", "sky blue"),
        ("steel", "dark wooden"),
        ("scissors", "a comb", "a shaving brush"),
        decoration.BARBER,
    ),
    Trade(
        "pharmacy",
        "약국",
        "cross",
        ("mint", "sky blue"),
        ("steel", "marble"),
        ("a pill bottle", "a mortar", "bandages"),
        decoration.PHARMACY,
    ),
    Trade(
        "sports shop",
        "운동용품점",
        "bolt",
        ("slate", "sand"),
        ("wooden", "steel"),
        ("a basketball", "a dumbbell", "a trophy"),
        decoration.SPORTS,
    ),
    Trade(
        "toy shop",
        "장난감 가게",
        "star",
        ("lilac", "cream"),
        ("wooden", "marble"),
        ("toy blocks", "a rubber duck", "a spinning top"),
        decoration.TOY_SHOP,
    ),
    Trade(
        "greengrocer",
        "채소 가게",
        "apple",
        ("sand", "terracotta"),
        ("wooden", "dark wooden"),
        ("an apple", "carrots", "lemons"),
        decoration.GROCER,
    ),
    Trade(
        "jeweller",
        "보석 가게",
        "diamond",
        ("plum", "lilac"),
        ("marble", "dark wooden"),
        ("a ring box", "a pearl necklace", "a gem"),
        decoration.JEWELLER,
    ),
)

TRADES = {trade.english: trade for trade in ROWS}
"""Every trade by its English word."""
