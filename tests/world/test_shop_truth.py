"""The truth that the paper shop gives for its pictures agrees with their pixels."""

import numpy as np
import pytest
from vitrine_world.shop import KINDS, SIDES, STYLES, TRADES, draw, free_areas, sample, shadow_direction
from vitrine_world.shop.free_areas import largest_box

SEED = 32
EVERY = [
    sample(SEED, number, kind, trade) for number, (kind, trade) in enumerate(zip(KINDS, TRADES, strict=True))
]
"""Every kind and every trade once."""


def ids(made) -> str:
    """A sample's kind and trade."""
    return f"{made.facts.kind}-{made.facts.trade}".replace(" ", "-")


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("made", EVERY, ids=ids)
def test_the_picture_is_the_product_over_the_shaded_scene(made, style):
    """Alpha, shadow, cut-out and empty scene give the picture, to a rounding step."""
    drawn = draw(made, style=style)
    alpha, shadow = (part[..., None] / 255.0 for part in (drawn.alpha, drawn.shadow))
    expected = alpha * drawn.cut_out[..., :3] + (1.0 - alpha) * (1.0 - shadow) * drawn.scene
    assert np.abs(expected - drawn.picture).max() <= 1.01


@pytest.mark.parametrize("made", EVERY, ids=ids)
def test_the_scene_differs_from_the_picture_only_at_product_and_shadow(made):
    """Where neither is, both pictures are equal; where the product is, they differ."""
    drawn = draw(made)
    away = (drawn.alpha == 0) & (drawn.shadow == 0)
    assert np.array_equal(drawn.picture[away], drawn.scene[away])
    inside = drawn.alpha == 255
    change = np.abs(drawn.picture[inside].astype(int) - drawn.scene[inside]).max(axis=1)
    assert (change > 20).mean() > 0.9


@pytest.mark.parametrize("made", EVERY, ids=ids)
def test_the_product_alone_is_on_white(made):
    """Outside the alpha all is white; inside, the colours are the picture's."""
    drawn = draw(made)
    assert (drawn.product[drawn.alpha == 0] == 255).all()
    inside = drawn.alpha == 255
    assert np.array_equal(drawn.product[inside], drawn.picture[inside])


@pytest.mark.parametrize("size", [32, 100, 128, 256, 512])
def test_any_size_can_be_drawn(size):
    """All arrays have the size, and the product covers about the same share of it."""
    drawn = draw(EVERY[3], size)
    assert drawn.picture.shape == drawn.scene.shape == (size, size, 3)
    assert drawn.cut_out.shape == (size, size, 4)
    assert drawn.alpha.mean() == pytest.approx(draw(EVERY[3], 128).alpha.mean(), rel=0.06)


def test_an_impossible_size_or_style_is_refused():
    """The message names the rule and the value."""
    with pytest.raises(ValueError, match="size must be at least 1 px, got 0"):
        draw(EVERY[0], 0)
    with pytest.raises(ValueError, match=r"style must be one of .*got 'oil'"):
        draw(EVERY[0], style="oil")


def test_edges_are_clean():
    """The alpha has many levels at its edge, is never empty, and the product is inside the picture."""
    for made in EVERY:
        alpha = draw(made).alpha
        edge = alpha[(alpha > 0) & (alpha < 255)]
        assert len(np.unique(edge)) >= 8
        assert edge.size < 0.3 * np.count_nonzero(alpha)
        border = np.concatenate([alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]])
        assert not border.any()


@pytest.mark.parametrize("side", SIDES)
def test_the_shadow_falls_away_from_the_light(side):
    """The shadow lies on the side away from the light and below the product's middle, on the table."""
    for made in (sample(SEED, index) for index in range(40)):
        if made.facts.light != side:
            continue
        drawn = draw(made)
        x, down = shadow_direction(made.facts)
        assert np.sign(x) == SIDES[side].away
        assert down > 0
        product, shadow = _middle(drawn.alpha), _middle(drawn.shadow)
        assert (shadow[0] - product[0]) * SIDES[side].away > 0
        assert shadow[1] > product[1]
        horizon = (1.0 - made.layout.horizon / 100.0) * len(drawn.shadow)
        assert not drawn.shadow[: int(horizon) - 4].any()


def _middle(weights: np.ndarray) -> tuple[float, float]:
    """The centre of mass as (x, y)."""
    rows, columns = np.mgrid[: weights.shape[0], : weights.shape[1]]
    return (weights * columns).sum() / weights.sum(), (weights * rows).sum() / weights.sum()


def test_the_lit_side_of_the_wall_is_the_brighter_one():
    """By day the free wall grows darker away from the light."""
    for made in (sample(SEED, index) for index in range(40)):
        area = free_areas(made)[0]
        found = _crop(draw(made).picture, area).astype(float).mean(axis=(0, 2))
        assert (found[-1] - found[0]) * SIDES[made.facts.light].away < 0


@pytest.mark.parametrize("style", STYLES)
def test_free_areas_hold_nothing(style):
    """A free area is plain wall or table: no product, no shadow, and only light's slow change in it."""
    for made in (sample(SEED, index) for index in range(30)):
        drawn = draw(made, style=style)
        for area in free_areas(made):
            assert not _crop(drawn.alpha, area).any()
            assert not _crop(drawn.shadow, area).any()
            part = _crop(drawn.picture, area).astype(int)
            assert np.abs(np.diff(part, axis=0)).max() <= 4
            assert np.abs(np.diff(part, axis=1)).max() <= 4


def test_there_is_room_for_a_headline():
    """Every sample has a free area of at least a tenth of the picture, and areas never overlap."""
    for made in (sample(SEED, index) for index in range(60)):
        areas = free_areas(made)
        sizes = [(right - left) * (bottom - top) for left, top, right, bottom in areas]
        assert sizes[0] >= 0.1
        assert sizes == sorted(sizes, reverse=True)
        for number, (left, top, right, bottom) in enumerate(areas):
            for other in areas[number + 1 :]:
                assert right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top


def _crop(pixels: np.ndarray, area: tuple[float, float, float, float]) -> np.ndarray:
    """The pixels that are wholly inside an area of shares."""
    side = len(pixels)
    left, top = (int(np.ceil(edge * side)) for edge in area[:2])
    right, bottom = (int(edge * side) for edge in area[2:])
    return pixels[top:bottom, left:right]


def test_the_largest_box_is_found():
    """The search agrees with trying every box of small grids."""
    rng = np.random.default_rng(4)
    for _ in range(20):
        taken = rng.random((12, 12)) < 0.04
        tried = [
            (right - left) * (bottom - top)
            for left in range(12)
            for top in range(12)
            for right in range(left + 6, 13)
            for bottom in range(top + 6, 13)
            if not taken[top:bottom, left:right].any()
        ]
        found = largest_box(taken)
        assert (found is None) == (not tried)
        if found:
            left, top, right, bottom = found
            assert not taken[top:bottom, left:right].any()
            assert (right - left) * (bottom - top) == max(tried)


def test_styles_are_told_apart():
    """A drawing in ink is mostly paper, a night picture is dark."""
    for made in EVERY:
        means = {style: draw(made, style=style).scene.mean() for style in STYLES}
        assert means["line"] > 210
        assert means["night"] < 0.85 * means["plain"]
