"""What the shop sells, one row for each kind; coordinates are those of `outlines.py` at size "medium"."""

from dataclasses import dataclass

from vitrine_world.shop.outlines import box, oval, polygon, ring, smooth, stroke, turned
from vitrine_world.shop.parts import Part, Thing


@dataclass(frozen=True, eq=False)
class Kind(Thing):
    """A product; its trade's sign is at `emblem`, (x, y, radius), in the tone `sign`; radius 0: none."""

    emblem: tuple[float, float, float] = (0.0, 0.0, 0.0)
    sign: str = "accent"


BOTTLE = Kind(
    "bottle",
    "병",
    9.5,
    (
        Part(box(-3.6, 39, 3.6, 45.5, 1), "accent", 1.6),
        Part(
            turned(
                (7.8, 0),
                (9.2, 1),
                (9.4, 3),
                (9.4, 21),
                (8.8, 24.5),
                (6.5, 28.5),
                (4.2, 31.5),
                (3.2, 35),
                (3.2, 39),
            ),
            "main",
            4,
        ),
        Part(box(-3.9, 37.6, 3.9, 39.2, 0.6), "dark"),
        Part(box(-9.4, 7, 9.4, 20.5), "label"),
        Part(box(-9.4, 18.6, 9.4, 19.4), "main"),
        Part(box(-9.4, 8.1, 9.4, 8.9), "main"),
    ),
    (0, 13.8, 3.7),
)

CAN = Kind(
    "can",
    "캔",
    10.0,
    (
        Part(turned((8.2, 0), (10, 2), (10, 28), (8.4, 31)), "metal", 4),
        Part(box(-10, 2, 10, 28), "main", 5),
        Part(oval(0, 31, 8.4, 1.3), "white"),
        Part(oval(1, 31, 3, 0.6), "steel"),
        Part(polygon((-10, 4.5), (10, 12.5), (10, 17.5), (-10, 9.5)), "accent"),
        Part(oval(0, 18.6, 6.4), "label"),
    ),
    (0, 18.6, 4.1),
)

MUG = Kind(
    "mug",
    "머그잔",
    14.0,
    (
        Part(ring(9, 12, 6, 6.5, 3, -110, 110), "dark"),
        Part(
            smooth(
                (-10, 24),
                (-9.9, 12),
                (-9, 2),
                (-6.5, 0),
                (0, -0.2),
                (6.5, 0),
                (9, 2),
                (9.9, 12),
                (10, 24),
                (0, 24),
            ),
            "main",
            5,
        ),
        Part(oval(0, 24, 10, 2), "light"),
        Part(oval(0, 23.8, 8.4, 1.4), "coffee"),
    ),
    (-0.5, 11.5, 5.2),
    "label",
)

JAR = Kind(
    "jam jar",
    "잼 단지",
    12.0,
    (
        Part(box(-11.5, 0, 11.5, 24, 4.5), "glass"),
        Part(box(-10.2, 1.3, 10.2, 21, 3.6), "main", 4),
        Part(box(-9.5, 22.6, 9.5, 25.2), "glass"),
        Part(box(-10.5, 24.8, 10.5, 31, 1.4), "accent", 4),
        *(Part(box(x - 0.4, 25.4, x + 0.4, 30.2), "label") for x in (-8, -4.8, -1.6, 1.6, 4.8, 8)),
        Part(box(-7.6, 4.8, 7.6, 17, 1.6), "label"),
    ),
    (0, 10.9, 4.3),
    "accent",
)

CARTON = Kind(
    "milk carton",
    "우유갑",
    10.5,
    (
        Part(polygon((-10, 0), (10, 0), (10, 29), (-10, 29)), "main", 6),
        Part(polygon((-10, 29), (10, 29), (6.5, 37), (-6.5, 37)), "light", 3),
        Part(box(-7, 37, 7, 41), "main", 3),
        Part(oval(0, 32.8, 3, 2.4), "accent", 1),
        Part(
            polygon((-10, 0), (10, 0), (10, 8.5), (6, 11), (2, 8.5), (-2, 6), (-6, 8.5), (-10, 11)),
            "label",
        ),
        Part(oval(0, 19.2, 6.6), "label"),
    ),
    (0, 19.2, 4.3),
)

PERFUME = Kind(
    "perfume",
    "향수",
    12.5,
    (
        Part(box(-12, 0, 12, 21, 2.5), "main", 5),
        Part(box(-9.5, 2.5, 9.5, 18, 1.5), "light"),
        Part(box(-9.5, 2.5, 9.5, 12, 1.5), "main", 4),
        Part(box(-3.4, 21, 3.4, 24), "gold", 1.4),
        Part(polygon((-5, 24), (5, 24), (6.2, 28), (3.6, 34), (-3.6, 34), (-6.2, 28)), "accent", 3),
        Part(box(-5.6, 4.2, 5.6, 13.4, 0.8), "label"),
    ),
    (0, 8.8, 3.3),
)

SNEAKER = Kind(
    "sneaker",
    "운동화",
    21.5,
    (
        Part(
            smooth(
                (-20, 3),
                (-20.5, 12),
                (-19, 20),
                (-15, 20.5),
                (-11.5, 16.5),
                (-7, 17),
                (-2, 21),
                (1.5, 20.5),
                (7, 14.5),
                (14, 11),
                (20, 8),
                (21.5, 3),
                (0, 2.5),
            ),
            "main",
            4,
        ),
        Part(smooth((12.5, 3.5), (13, 9), (17, 10), (20.5, 7.5), (21.3, 3.5)), "light"),
        Part(smooth((-20.2, 4), (-20.4, 12), (-19, 18.5), (-16, 14), (-15, 8), (-15, 4)), "dark"),
        Part(smooth((-11.5, 16), (-7, 17), (-2.5, 20.5), (-4, 17), (-8, 14.5)), "ink"),
        Part(smooth((-13, 6), (-4, 7.5), (3.5, 13), (5.5, 11.6), (-2, 5), (-10, 4.2)), "accent"),
        *(
            Part(stroke(1.3, (x - 1.6, y - 1.7), (x + 2.4, y + 1.3)), "label")
            for x, y in ((-0.2, 18.4), (2.8, 15.8), (5.9, 13.1))
        ),
        Part(box(-21, 0, 22, 4.2, 2), "white", 4),
        Part(box(-20.4, 1.6, 21.4, 2.4), "accent"),
    ),
)

HANDBAG = Kind(
    "handbag",
    "핸드백",
    16.5,
    (
        Part(ring(0, 22, 8.6, 11, 2.4, 0, 180), "dark"),
        Part(
            smooth(
                (-15.5, 0.5),
                (-16, 6),
                (-13.5, 23),
                (-10, 24.5),
                (10, 24.5),
                (13.5, 23),
                (16, 6),
                (15.5, 0.5),
                (8, 0),
                (-8, 0),
            ),
            "main",
            6,
        ),
        Part(
            smooth(
                (-13.2, 23.8), (-12, 15), (-6, 11), (6, 11), (12, 15), (13.2, 23.8), (8, 24.8), (-8, 24.8)
            ),
            "dark",
        ),
        Part(box(-2.4, 8.6, 2.4, 13.6, 0.8), "gold", 1),
        Part(stroke(0.8, (-13, 2.6), (13, 2.6)), "light"),
    ),
    (0, 18.4, 3.4),
    "light",
)

CAMERA = Kind(
    "camera",
    "카메라",
    16.5,
    (
        Part(box(-11, 19, -5.5, 22.5, 0.8), "metal", 1),
        Part(box(8.5, 19, 13, 22, 0.8), "accent", 1),
        Part(polygon((-5.5, 19), (5.5, 19), (3.6, 24.5), (-3.6, 24.5)), "dark", 2),
        Part(box(-16, 0, 16, 20, 2.6), "main", 5),
        Part(box(-16, 15.6, 16, 17.2), "label"),
        Part(box(-14.4, 2.4, -10.6, 13.4, 1.4), "dark"),
        Part(oval(0.5, 9, 8.4), "metal", 2),
        Part(oval(0.5, 9, 7), "ink"),
        Part(oval(0.5, 9, 4.6), "navy"),
        Part(oval(0.5, 9, 2.6), "sky"),
        Part(oval(-2, 11.6, 1.3), "white"),
    ),
    (12.4, 9.4, 2.3),
    "label",
)

TEAPOT = Kind(
    "teapot",
    "찻주전자",
    20.5,
    (
        Part(ring(-12, 12.5, 6.6, 7.2, 2.8, 70, 290), "dark"),
        Part(
            smooth((8, 6), (15, 9), (17, 16), (20.5, 20.5), (17.5, 21.5), (14, 19), (12, 14), (8, 13)),
            "dark",
            1.5,
        ),
        Part(turned((6.5, 0), (7, 2), (5, 4)), "accent"),
        Part(oval(0, 12, 13.6, 11), "main", 6),
        Part(oval(0, 22, 6.6, 2), "dark"),
        Part(oval(0, 22, 6, 4, 0, 180), "light", 2),
        Part(oval(0, 27.2, 2.1), "accent", 0.8),
        Part(oval(0, 11.4, 6.2), "label"),
    ),
    (0, 11.4, 4.1),
)

KINDS = {
    kind.english: kind for kind in (BOTTLE, CAN, MUG, JAR, CARTON, PERFUME, SNEAKER, HANDBAG, CAMERA, TEAPOT)
}
"""Every kind by its English word."""
