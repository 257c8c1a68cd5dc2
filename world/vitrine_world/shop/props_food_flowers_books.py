"""Props beside products, one row each: food, flowers and books; coordinates as in `outlines.py`."""

from vitrine_world.shop.outlines import box, oval, polygon, ring, smooth, stroke, turned
from vitrine_world.shop.parts import Part, Parts, Thing


def _bean(x: float, y: float) -> Parts:
    return Part(oval(x, y, 2.6, 1.8), "coffee"), Part(
        stroke(0.5, (x - 1.8, y - 0.5), (x + 1.8, y + 0.5)), "wood"
    )


ROWS = (
    Thing(
        "a paper cup",
        "종이컵",
        5.5,
        (
            Part(turned((4, 0), (5.2, 13)), "paper", 2.5),
            Part(turned((4.4, 4), (4.9, 9.6)), "wood", 2),
            Part(box(-5.8, 12.6, 5.8, 15, 0.8), "coffee", 2),
        ),
    ),
    Thing(
        "coffee beans", "커피콩", 7.0, _bean(-4.2, 1.9) + _bean(4.2, 1.9) + _bean(0.4, 4.6) + _bean(0.2, 1.4)
    ),
    Thing(
        "a cookie plate",
        "쿠키 접시",
        9.0,
        (
            Part(oval(-3, 4.4, 4.2, 3.2), "cookie", 1.2),
            Part(oval(3, 4.8, 4.2, 3.4), "cookie", 1.2),
            *(
                Part(oval(x, y, 0.7), "coffee")
                for x, y in ((-4, 5.6), (-2, 4.2), (2, 6.2), (4.2, 5), (2.6, 3.8))
            ),
            Part(smooth((-9, 2.8), (-5, 0.4), (5, 0.4), (9, 2.8), (0, 2.4)), "white", 2),
        ),
    ),
    Thing(
        "a baguette",
        "바게트",
        12.0,
        (
            Part(smooth((-12, 2), (-8, 0.2), (8, 0.2), (12, 2), (9, 5.4), (0, 6.4), (-9, 5.4)), "bread", 3),
            *(Part(stroke(1.0, (x - 1.4, 2), (x + 1.6, 5.4)), "crust") for x in (-6.5, -2.2, 2.1, 6.4)),
        ),
    ),
    Thing(
        "a croissant",
        "크루아상",
        8.5,
        (
            Part(
                smooth(
                    (-8.5, 0.2), (-8, 4.5), (-3.5, 8), (3.5, 8), (8, 4.5), (8.5, 0.2), (4, 2.4), (-4, 2.4)
                ),
                "bread",
                2.5,
            ),
            *(
                Part(stroke(0.8, (x, 2.9 - abs(x) * 0.1), (x * 1.3, 7.7 - abs(x) * 0.35)), "crust")
                for x in (-4.4, -1.5, 1.5, 4.4)
            ),
        ),
    ),
    Thing(
        "a rolling pin",
        "밀대",
        12.0,
        (
            Part(box(-12, 1.6, 12, 3.8, 1), "dark wood"),
            Part(box(-8.5, 0.2, 8.5, 5.2, 1.4), "cookie", 2),
        ),
    ),
    Thing(
        "tulips",
        "튤립",
        7.0,
        (
            *(Part(stroke(0.9, (0.3 * x, 8), (x, 18)), "leaf") for x in (-4.5, 0, 4.5)),
            Part(smooth((1, 8), (5, 12), (6.5, 16), (2.5, 13)), "dark leaf"),
            *(
                Part(
                    smooth(
                        (x - 2.3, 21.5),
                        (x - 2, 17.6),
                        (x, 16.6),
                        (x + 2, 17.6),
                        (x + 2.3, 21.5),
                        (x + 0.9, 19.8),
                        (x, 22),
                        (x - 0.9, 19.8),
                    ),
                    tone,
                    1,
                )
                for x, tone in ((-4.5, "tomato"), (0, "rose"), (4.5, "lemon"))
            ),
            Part(turned((3.4, 0), (4.8, 3), (4, 8), (4.6, 9.4)), "sky", 2),
        ),
    ),
    Thing(
        "a potted plant",
        "화분",
        7.0,
        (
            *(
                Part(
                    smooth((0, 7), (0.6 * x - 1.6, 0.5 * y + 5), (x, y), (0.6 * x + 1.4, 0.5 * y + 3.4)), tone
                )
                for x, y, tone in (
                    (-7, 14, "dark leaf"),
                    (7, 14, "dark leaf"),
                    (-4, 19, "leaf"),
                    (4, 19, "leaf"),
                    (0, 21, "leaf"),
                )
            ),
            Part(turned((3.4, 0), (4.8, 7)), "clay", 2),
            Part(box(-5.4, 6.4, 5.4, 8.6, 0.6), "clay", 2),
        ),
    ),
    Thing(
        "a watering can",
        "물뿌리개",
        10.0,
        (
            Part(stroke(1.8, (4, 4), (9, 11.5)), "teal"),
            Part(polygon((7.4, 11.4), (10, 9.8), (11, 12.6), (8.2, 14.2)), "steel"),
            Part(ring(-4.6, 7, 4.2, 4.6, 1.4, 80, 280), "teal"),
            Part(turned((5, 0), (4.4, 10.4)), "teal", 2.5),
        ),
    ),
    Thing(
        "a stack of books",
        "책 더미",
        9.0,
        (
            Part(box(-9, 0, 9, 4, 0.6), "navy", 2.5),
            Part(box(-6, 1, 9.2, 3), "paper"),
            Part(box(-8, 4, 8.4, 7.6, 0.6), "tomato", 2.5),
            Part(box(-8.2, 4.9, 4, 6.7), "paper"),
            Part(box(-7, 7.6, 7, 11, 0.6), "lemon", 2.5),
            Part(box(-4, 8.5, 7.2, 10.1), "paper"),
        ),
    ),
    Thing(
        "an open book",
        "펼친 책",
        10.0,
        (
            Part(polygon((-10, 0.2), (0, 1), (10, 0.2), (9.2, 9), (0, 7.4), (-9.2, 9)), "tomato"),
            Part(smooth((-9.4, 1.2), (-5, 2.4), (0, 1.2), (0, 7.6), (-5, 9.4), (-8.8, 9), steps=3), "paper"),
            Part(smooth((9.4, 1.2), (5, 2.4), (0, 1.2), (0, 7.6), (5, 9.4), (8.8, 9), steps=3), "paper"),
            *(
                Part(stroke(0.5, (side * 2, y), (side * 7.4, y + 0.9)), "steel")
                for side in (-1, 1)
                for y in (3.2, 4.8, 6.4)
            ),
        ),
    ),
    Thing(
        "reading glasses",
        "안경",
        8.5,
        (
            *(Part(oval(x, 3.4, 3.4, 3), "glass") for x in (-4.2, 4.2)),
            *(Part(ring(x, 3.4, 3.6, 3.2, 1.1), "ink") for x in (-4.2, 4.2)),
            Part(ring(0, 3.6, 1.2, 1.2, 0.9, 10, 170), "ink"),
            *(Part(stroke(1, (side * 7.6, 4.4), (side * 9.6, 5.8)), "ink") for side in (-1, 1)),
        ),
    ),
    Thing(
        "an apple",
        "사과",
        6.0,
        (
            Part(stroke(0.9, (0, 9), (0.9, 12.6)), "dark wood"),
            Part(smooth((0.8, 11), (3, 13.4), (6, 13), (3.8, 10.8)), "leaf"),
            Part(
                smooth(
                    (0, 9.6), (3.4, 10.6), (6.2, 7), (4, 0.8), (0, 0.8), (-4, 0.8), (-6.2, 7), (-3.4, 10.6)
                ),
                "tomato",
                2.4,
            ),
        ),
    ),
    Thing(
        "carrots",
        "당근",
        9.5,
        (
            *(
                Part(smooth((5.5, y + 1.6), (10.5, y + 4), (9.6, y + 1.6), (10.6, y - 0.6)), "leaf")
                for y in (1.8, 5.4)
            ),
            *(
                Part(
                    smooth((-9, y), (-2, y - 1.7), (5.4, y - 1.8), (6.6, y), (5.4, y + 2), (-2, y + 1.3)),
                    "carrot",
                    1,
                )
                for y in (2.2, 6)
            ),
        ),
    ),
    Thing(
        "lemons",
        "레몬",
        8.0,
        (
            Part(
                smooth(
                    (-8.4, 3),
                    (-6.8, 5.6),
                    (-3, 6.8),
                    (0.4, 5.2),
                    (1.4, 3.2),
                    (0.2, 1.2),
                    (-3.4, 0),
                    (-6.8, 0.6),
                ),
                "lemon",
                2,
            ),
            Part(oval(4.6, 3.6, 3.8), "lemon"),
            Part(oval(4.6, 3.6, 3), "paper"),
            *(
                Part(stroke(0.6, (4.6, 3.6), (4.6 + x, 3.6 + y)), "lemon")
                for x, y in ((2.8, 0), (-1.4, 2.4), (-1.4, -2.4))
            ),
        ),
    ),
)
