"""Props beside products, one row each: tools, medicine, games and jewels; coordinates as in `outlines.py`."""

from vitrine_world.shop.outlines import box, oval, polygon, ring, smooth, star, stroke, turned
from vitrine_world.shop.parts import Part, Parts, Thing


def _block(left: float, low: float, tone: str) -> Parts:
    return (
        Part(box(left, low, left + 8, low + 8, 0.8), tone, 2),
        Part(star(left + 4, low + 4, 2.4), "paper"),
    )


ROWS = (
    Thing(
        "scissors",
        "가위",
        6.0,
        (
            Part(stroke(1.7, (-2.8, 5.4), (2.2, 20)), "metal"),
            Part(stroke(1.7, (2.8, 5.4), (-2.2, 20)), "metal"),
            *(Part(ring(x, 3.2, 2.2, 2.5, 1.4), "ink") for x in (-3.4, 3.4)),
            Part(oval(0, 12.2, 0.9), "steel"),
        ),
    ),
    Thing(
        "a comb",
        "빗",
        9.0,
        (
            Part(box(-9, 4, 9, 6.6, 1), "ink"),
            *(Part(box(x - 0.45, 0.2, x + 0.45, 4.4), "ink") for x in range(-8, 9, 2)),
        ),
    ),
    Thing(
        "a shaving brush",
        "면도솔",
        4.5,
        (
            Part(smooth((-3.4, 8), (-4.6, 14), (-2.4, 17.4), (2.4, 17.4), (4.6, 14), (3.4, 8)), "cookie", 2),
            Part(box(-3.2, 6.6, 3.2, 8.8, 0.4), "metal", 1.4),
            Part(turned((3.4, 0), (3.8, 2), (2, 4.4), (3, 6.8)), "dark wood", 1.6),
        ),
    ),
    Thing(
        "a pill bottle",
        "약병",
        5.0,
        (
            Part(box(-4.6, 0, 4.6, 11, 1), "carrot", 2),
            Part(box(-4.6, 2.4, 4.6, 8.4), "paper"),
            Part(box(-2.4, 4.9, 2.4, 6.1), "tomato"),
            Part(box(-0.6, 3.1, 0.6, 7.9), "tomato"),
            Part(box(-5.2, 11, 5.2, 14.4, 0.6), "white", 2),
        ),
    ),
    Thing(
        "a mortar",
        "절구",
        7.5,
        (
            Part(stroke(2.2, (1.5, 9), (6.6, 16.4)), "steel"),
            Part(
                smooth(
                    (-7.6, 10), (-6, 4), (-2.6, 1.6), (-4, 0), (4, 0), (2.6, 1.6), (6, 4), (7.6, 10), (0, 9.4)
                ),
                "white",
                3,
            ),
        ),
    ),
    Thing(
        "bandages",
        "반창고",
        8.0,
        (
            Part(box(-8, 0.2, 8, 4.6, 2.2), "cookie"),
            Part(box(-2.4, 0.8, 2.4, 4), "paper"),
            Part(box(-6.4, 5.2, 6.4, 9.4, 2), "cookie"),
            Part(box(-2.2, 5.8, 2.2, 8.8), "paper"),
        ),
    ),
    Thing(
        "a basketball",
        "농구공",
        7.5,
        (
            Part(oval(0, 7.5, 7.5), "carrot", 3),
            Part(stroke(0.7, (-7.4, 7.5), (7.4, 7.5)), "ink"),
            Part(stroke(0.7, (0, 0.2), (0, 14.8)), "ink"),
            Part(ring(-8.4, 7.5, 5, 6.4, 0.7, -62, 62), "ink"),
            Part(ring(8.4, 7.5, 5, 6.4, 0.7, 118, 242), "ink"),
        ),
    ),
    Thing(
        "a dumbbell",
        "아령",
        9.5,
        (
            Part(box(-9, 3, 9, 5, 0.6), "metal"),
            *(Part(box(x - 1.6, 0.6, x + 1.6, 7.4, 0.7), "coal", 1) for x in (-7.4, 7.4)),
            *(Part(box(x - 1.5, 0, x + 1.5, 8, 0.7), "ink", 1) for x in (-4.4, 4.4)),
        ),
    ),
    Thing(
        "a trophy",
        "트로피",
        6.5,
        (
            *(Part(ring(x, 13, 2.6, 3.2, 1.1), "gold") for x in (-4.6, 4.6)),
            Part(smooth((-4.8, 17), (-4.4, 10), (0, 7), (4.4, 10), (4.8, 17), (0, 16.6)), "gold", 2.4),
            Part(box(-0.9, 4, 0.9, 7.6), "gold"),
            Part(box(-4.2, 0, 4.2, 4.2, 0.5), "dark wood", 1.6),
        ),
    ),
    Thing(
        "toy blocks",
        "장난감 블록",
        8.5,
        _block(-8.6, 0, "sky") + _block(0.4, 0, "tomato") + _block(-4.2, 8, "lemon"),
    ),
    Thing(
        "a rubber duck",
        "고무 오리",
        7.5,
        (
            Part(
                smooth((-8, 8), (-6.4, 2), (-2, 0), (4, 0), (6.6, 3), (5.6, 7), (0, 7), (-4, 6)), "lemon", 2.4
            ),
            Part(oval(3, 10.6, 4.2), "lemon", 1.4),
            Part(smooth((6.4, 11.6), (9.4, 10.6), (9.2, 9.2), (6.4, 9)), "carrot"),
            Part(oval(4, 11.8, 0.8), "ink"),
            Part(smooth((-4.6, 5), (-1, 5.6), (1.6, 3.8), (-2, 1.8)), "gold"),
        ),
    ),
    Thing(
        "a spinning top",
        "팽이",
        6.5,
        (
            Part(box(-0.8, 10, 0.8, 15, 0.4), "wood"),
            Part(smooth((-6.6, 8.4), (0, 0), (6.6, 8.4), (4, 10.6), (-4, 10.6), steps=5), "violet", 2.4),
            Part(polygon((-5.6, 7), (5.6, 7), (4.2, 5), (-4.2, 5)), "lemon"),
        ),
    ),
    Thing(
        "a ring box",
        "반지 상자",
        7.0,
        (
            Part(polygon((-6.6, 6.6), (6.6, 6.6), (6.2, 13.6), (-6.2, 13.6)), "velvet"),
            Part(ring(0, 9, 2.6, 2.8, 1), "gold"),
            Part(polygon((-1.8, 13.2), (1.8, 13.2), (2.4, 12.2), (0, 10.4), (-2.4, 12.2)), "gem"),
            Part(box(-7, 0, 7, 7, 0.8), "navy", 2),
            Part(box(-7, 4.8, 7, 5.8), "gold"),
        ),
    ),
    Thing(
        "a pearl necklace",
        "진주 목걸이",
        8.5,
        tuple(Part(oval(x, y, 1.15), "pearl", 0.5) for x, y in oval(0, 3.6, 7.4, 2.9)[::2]),
    ),
    Thing(
        "a gem",
        "보석",
        6.5,
        (
            Part(polygon((-6.4, 7), (-4, 10.4), (4, 10.4), (6.4, 7), (0, 0)), "gem", 2),
            Part(polygon((-2.4, 7), (2.4, 7), (0, 0)), "white"),
            Part(polygon((-6.4, 7), (-4, 10.4), (-2.4, 7)), "white"),
            Part(polygon((2.4, 7), (1.2, 10.4), (4, 10.4)), "glass"),
        ),
    ),
)
