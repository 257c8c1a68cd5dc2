"""What hangs on the wall of each trade, for a product on the left: x and y are those of the picture.

The right half of the wall below y = 86 stays free.
"""

from vitrine_world.shop.emblems import EMBLEMS
from vitrine_world.shop.outlines import box, moved, oval, polygon, ring, smooth, stroke
from vitrine_world.shop.parts import Part, Parts


def sign(name: str, x: float, y: float, radius: float, tone: str) -> Parts:
    """Return a trade's emblem as parts."""
    return tuple(Part(moved(outline, x, y, radius), tone) for outline in EMBLEMS[name])


def _lamp(x: float, low: float, tone: str) -> Parts:
    return (
        Part(box(x - 0.4, low + 6, x + 0.4, 101), "ink"),
        Part(oval(x, low, 2.4), "lemon"),
        Part(polygon((x - 6.5, low), (x + 6.5, low), (x + 2.2, low + 7), (x - 2.2, low + 7)), tone, 2),
    )


def _loaf(x: float, low: float, half: float) -> Parts:
    return (
        Part(
            smooth(
                (x - half, low),
                (x - half, low + 4),
                (x, low + 8),
                (x + half, low + 4),
                (x + half, low),
                (x, low),
            ),
            "bread",
            3,
        ),
        *(
            Part(stroke(0.9, (x + shift - 1, low + 3), (x + shift + 1, low + 6.4)), "crust")
            for shift in (-half * 0.45, 0, half * 0.45)
        ),
    )


def _basket(x: float, low: float, tone: str) -> Parts:
    """Return a hanging pot with flowers."""
    return (
        *(Part(stroke(0.6, (x + side * 4.6, low + 5), (x, 101)), "dark wood") for side in (-1, 1)),
        *(
            Part(oval(x + shift, low + lift, 3.2), green)
            for shift, lift, green in (
                (-5, 6, "leaf"),
                (5, 6, "leaf"),
                (0, 8, "dark leaf"),
                (-6.5, 2.4, "dark leaf"),
                (6.5, 2.4, "leaf"),
            )
        ),
        *(
            Part(oval(x + shift, low + lift, 1.7), tone)
            for shift, lift in ((-4.4, 7), (0.2, 9.6), (4.8, 6.6), (-6.6, 3), (6.4, 2.2))
        ),
        Part(
            polygon((x - 5.4, low + 5), (x + 5.4, low + 5), (x + 3.4, low - 2.4), (x - 3.4, low - 2.4)),
            "clay",
            2,
        ),
    )


SPINES = ("tomato", "lemon", "sky", "paper", "leaf", "violet", "carrot", "blush", "teal")


def _books(low: float, first: int) -> Parts:
    """Return a row of books that ends with a leaning one."""
    widths = (3.4, 4.4, 3, 4, 5, 3.2, 3.8, 3)
    heights = (10, 8.6, 11, 9.4, 10.4, 8.2, 11, 9.6)
    parts, left = [], 6.5
    for number, (width, height) in enumerate(zip(widths, heights, strict=True)):
        tone = SPINES[(first + number) % len(SPINES)]
        parts += [Part(box(left, low, left + width, low + height, 0.3), tone)]
        parts += [Part(box(left, low + height - 3, left + width, low + height - 2), "ink")]
        left += width + 0.5
    leaning = polygon((left + 1, low), (left + 4.2, low + 0.6), (left + 8, low + 9), (left + 4.8, low + 9.6))
    return (*parts, Part(leaning, SPINES[(first + 8) % len(SPINES)]))


def _flags(count: int) -> Parts:
    """Return triangles on a string across the whole wall."""
    wide = 104.0 / count
    tones = ("tomato", "lemon", "sky", "leaf", "violet", "carrot")
    return (
        Part(box(-2, 95.4, 102, 96.4), "ink"),
        *(
            Part(polygon((x, 96), (x + wide * 0.86, 96), (x + wide * 0.43, 87)), tones[number % len(tones)])
            for number, x in enumerate(wide * n - 2 for n in range(count))
        ),
    )


def _balloon(x: float, y: float, tone: str) -> Parts:
    return (
        Part(stroke(0.5, (x, y - 8), (x + 1, y - 14), (x - 0.6, y - 20)), "ink"),
        Part(oval(x, y, 5.4, 6.6), tone, 2.4),
        Part(polygon((x - 1.2, y - 8.2), (x + 1.2, y - 8.2), (x, y - 6.2)), tone),
    )


def _awning(count: int) -> Parts:
    """Return stripes with round ends across the whole wall."""
    wide = 104.0 / count
    tones = ("leaf", "paper")
    return tuple(
        part
        for number in range(count)
        for part in (
            Part(oval(wide * (number + 0.5) - 2, 89, wide / 2, 3.4, 180, 360), tones[number % 2]),
            Part(box(wide * number - 2, 88.8, wide * (number + 1) - 2, 101), tones[number % 2]),
        )
    )


def _medicine(x: float, low: float, tone: str) -> Parts:
    return (
        Part(box(x - 3, low, x + 3, low + 8, 0.8), tone, 1.4),
        Part(box(x - 3, low + 2, x + 3, low + 5), "paper"),
        Part(box(x - 1.8, low + 8, x + 1.8, low + 10), "ink"),
    )


CAFE = (
    Part(box(5, 69, 36, 96, 1), "wood"),
    Part(box(7, 71, 34, 94), "board"),
    *sign("cup", 20.5, 86.4, 5.4, "paper"),
    *(Part(box(11, y, end, y + 1.2), "paper") for y, end in ((77.4, 30), (74.2, 26))),
    *_lamp(49, 82, "tomato"),
)
BAKERY = (
    Part(box(2, 73, 58, 76), "wood"),
    *(Part(polygon((x, 73), (x + 2, 73), (x + 2, 69)), "dark wood") for x in (8, 50)),
    *_loaf(12, 76, 8),
    *_loaf(30, 76, 7),
    Part(box(41, 76, 55, 80, 1), "dark wood"),
    *(Part(stroke(3.2, (x, 79), (x + lean, 93)), "bread") for x, lean in ((44, -1.5), (48, 0.6), (52, 2.4))),
    Part(box(41, 76, 55, 83, 1), "cookie", 2),
    Part(stroke(0.8, (41, 79.5), (55, 79.5)), "crust"),
)
FLORIST = (*_basket(12, 79, "rose"), *_basket(31, 84, "lemon"), *_basket(50, 79, "violet"))
BOOKSHOP = (
    Part(box(3, 66, 59, 101), "dark wood"),
    Part(box(5.5, 84.6, 56.5, 101), "coffee"),
    Part(box(5.5, 68.6, 56.5, 82), "coffee"),
    *_books(84.6, 0),
    *_books(68.6, 4),
)
BARBER = (
    Part(box(6, 70, 16, 91), "white"),
    *(
        Part(polygon((6, y), (16, y + 5), (16, y + 8), (6, y + 3)), tone)
        for y, tone in ((70, "tomato"), (74.6, "navy"), (79.2, "tomato"), (83.8, "navy"))
    ),
    Part(box(4.4, 67, 17.6, 71, 1), "gold", 2),
    Part(box(4.4, 90, 17.6, 94, 1), "gold", 2),
    Part(oval(11, 95.6, 2.6), "white"),
    Part(oval(39, 82, 15, 14), "dark wood"),
    Part(oval(39, 82, 13, 12), "glass"),
    Part(stroke(2, (32, 78), (41, 90)), "white"),
    Part(stroke(1.2, (37, 77), (45, 88)), "white"),
)
PHARMACY = (
    Part(box(5, 71, 29, 95, 2.5), "white"),
    *sign("cross", 17, 83, 9.2, "cross"),
    Part(box(34, 74, 60, 76.4), "steel"),
    *_medicine(38.5, 76.4, "carrot"),
    *_medicine(47, 76.4, "sky"),
    *_medicine(55.5, 76.4, "leaf"),
)
SPORTS = (
    Part(box(8, 74, 38, 97, 1), "white"),
    Part(ring(23, 84, 7, 5, 1.6, 0, 360), "navy"),
    *(Part(stroke(0.7, (14 + 3 * n, 76), (16.6 + 2.2 * n, 67)), "paper") for n in range(7)),
    Part(box(13, 75.2, 33, 77.2, 0.8), "carrot"),
    Part(polygon((45, 97), (61, 91), (45, 85)), "tomato", 2),
    Part(box(44, 78, 45.4, 98), "dark wood"),
    *sign("bolt", 49.6, 91, 3.4, "lemon"),
)
TOY_SHOP = (*_flags(9), *_balloon(10, 79, "tomato"), *_balloon(22, 76, "sky"), *_balloon(47, 78, "lemon"))
GROCER = (
    *_awning(11),
    Part(box(14.6, 82, 15.4, 87), "ink"),
    Part(box(32.6, 82, 33.4, 87), "ink"),
    Part(box(8, 66, 40, 83, 1.4), "dark wood"),
    Part(box(9.6, 67.6, 38.4, 81.4, 0.8), "board"),
    *sign("apple", 17, 74.4, 5, "tomato"),
    *(Part(box(25, y, end, y + 1.4), "paper") for y, end in ((76.6, 36), (73.4, 34), (70.2, 36))),
)
JEWELLER = (
    Part(
        smooth(
            (8, 66),
            (9, 76),
            (15, 82),
            (16.4, 88),
            (17, 94),
            (23, 94),
            (23.6, 88),
            (25, 82),
            (31, 76),
            (32, 66),
            (20, 65),
        ),
        "ink",
    ),
    *(
        Part(oval(20 + x, 80 - y, 1.5), "pearl", 0.6)
        for x, y in ((-6, -1.6), (-5, 1.8), (-3, 4.4), (0, 5.4), (3, 4.4), (5, 1.8), (6, -1.6))
    ),
    Part(polygon((18, 74.6), (22, 74.6), (20, 70.4)), "gem"),
    Part(oval(48, 83, 11.6), "gold"),
    Part(oval(48, 83, 10), "paper"),
    *sign("diamond", 48, 83, 6.6, "gem"),
)
