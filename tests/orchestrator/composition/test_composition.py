"""Compositions: products keep their pixels, stand on the ground, and throw shadows away from the light."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from vitrine.errors import BadRequest
from vitrine_export.command import main
from vitrine_measure.score_compose import GATES, STYLES, score, shadow_side, stands, untouched
from vitrine_orchestrator.composition import shadows
from vitrine_orchestrator.composition.colours import matched
from vitrine_orchestrator.composition.compose import composed
from vitrine_orchestrator.composition.compositing import mixed
from vitrine_orchestrator.composition.ground import ground_in_front, horizon_of
from vitrine_orchestrator.composition.light import light_of_slope, slope_of
from vitrine_orchestrator.composition.linear_light import LINEAR, levels_of
from vitrine_orchestrator.composition.products import Placed, Product, overlap, product_of, scaled
from vitrine_orchestrator.composition.settings import SHADOWS, Placement, Settings
from vitrine_world import shop

SIDE = 192


@pytest.fixture(scope="module")
def drawn():
    """A drawn sample with light from the left."""
    made = next(one for one in (shop.sample(5, i) for i in range(9)) if one.facts.light == "left")
    return shop.draw(made, SIDE)


@pytest.fixture(scope="module")
def product(drawn):
    """Its product."""
    return product_of(drawn.cut_out[..., :3], drawn.alpha, "product")


def block(height, width, colour=(200, 30, 40), soft=0):
    """A product of one colour, with `soft` columns of half alpha at its left."""
    alpha = np.full((height, width), 255, np.uint8)
    alpha[:, :soft] = 128
    return Product(np.full((height, width, 3), colour, np.uint8), alpha)


def room(height=200, width=300, edge=0.6, slope=0.0):
    """A plain wall above a plain table, whose light changes by `slope` of itself from left to right."""
    scene = np.full((height, width, 3), (210, 200, 190), np.float32)
    scene[round(edge * height) :] = (120, 80, 60)
    light = 1 + slope * (np.arange(width) / width - 0.5)
    return np.rint(np.clip(scene * light[None, :, None], 0, 255)).astype(np.uint8)


def test_scores_of_drawn_samples_keep_their_gates():
    """Shadows fall away from the drawn light, pixels stay, the table is found; in daylight and by lamp."""
    figures = score(range(20), seed=11)
    assert {name for name, least in GATES.items() if figures[name] < least} == set()


def test_the_command_prints_the_score_and_draws_a_sheet(tmp_path, capsys):
    """Exit code 0 where every figure keeps its gate; the sheet has a row for each of four samples."""
    words = ["score-compose", "--seed", "11", "--count", "1"]
    assert main([*words, "--sheet", str(tmp_path / "sheet.png")]) == 0
    assert "shadow away  1.0000" in capsys.readouterr().out
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (6 * 256, 4 * 256)
    assert main(["score-compose", "--count", "0"]) == 1
    assert "count must be at least 1, got 0" in capsys.readouterr().err


def test_a_mirrored_light_misses_the_gate(monkeypatch):
    """The score can fail: with the drawn truth on the other side no shadow is right."""
    direction = shop.shadow_direction
    monkeypatch.setattr(shop, "shadow_direction", lambda facts: (-direction(facts)[0], direction(facts)[1]))
    assert score(range(4), seed=11)["shadow away"] == 0


@pytest.mark.parametrize("style", STYLES)
def test_opaque_pixels_are_those_of_the_scaled_product(drawn, product, style):
    """Without a match the difference inside of alpha 255 is 0; elsewhere the scene stays as it was."""
    made = composed(drawn.scene, [product], Settings(placements=(Placement(x=0.5, y=0.9, scale=0.31),)))
    wanted = scaled(product, 0.31 * SIDE)
    (one,) = made.placed
    opaque = wanted.alpha == 255
    shown = made.picture[one.top : one.base, one.left : one.left + wanted.width]
    assert opaque.sum() > 500
    assert np.array_equal(shown[opaque], wanted.colours[opaque])
    outside = (made.alpha == 0) & (made.shadow == 0)
    assert np.array_equal(made.picture[outside], drawn.scene[outside])
    assert outside.any()


def test_a_product_of_the_asked_size_is_not_resampled(product):
    """Its pixels are copied even at the soft edge."""
    assert scaled(product, product.height) is product


def test_soft_pixels_are_mixed_in_linear_light():
    """Half of white over black gives the level of half the light, 188, not 128."""
    white, black = np.full((1, 1, 3), 255, np.uint8), np.zeros((1, 1, 3), np.uint8)
    assert mixed(white, black, np.array([[128]], np.uint8))[0, 0].tolist() == [188] * 3
    assert np.array_equal(levels_of(LINEAR), np.arange(256, dtype=np.uint8))


@pytest.mark.parametrize(("slope", "side"), [(-0.4, "left"), (0.4, "right"), (0.01, "centre")])
def test_the_light_side_is_the_brighter_one(slope, side):
    """A weak slope shows no side; a word overrules what is seen."""
    scene = room(slope=slope)
    assert light_of_slope(slope_of(scene)).side == side
    assert light_of_slope(slope_of(scene), "left").side == "left"


def test_a_shadow_falls_away_from_the_light_that_is_asked_for(product):
    """Farther right in light from the left than in light from nowhere; farther left from the right."""
    place = (Placement(x=0.5),)
    left, centre, right = (
        shadow_side(composed(room(), [product], Settings(light=word, placements=place)))
        for word in ("left", "centre", "right")
    )
    assert left > centre + 3
    assert right < centre - 3


def test_under_a_round_product_the_ground_is_dark():
    """Its shadow begins at its lower edge, also beside the lowest point."""
    down, across = np.mgrid[:80, :80]
    ball = block(80, 80)
    ball.alpha[np.hypot(down - 39.5, across - 39.5) > 40] = 0
    made = composed(room(), [ball], Settings(light="left", placements=(Placement(x=0.5, y=0.8, scale=0.4),)))
    beside = made.placed[0].left + 20  # its lower edge is 6 rows above the base line
    column = made.shadow[made.placed[0].base - 4 : made.placed[0].base + 1, beside]
    assert (column > 40).all()


@pytest.mark.parametrize("kind", SHADOWS)
def test_each_kind_of_shadow_takes_light_below_the_product(product, kind):
    """None takes none; the others darken the ground and nothing above the product."""
    scene = room(slope=-0.4)
    made = composed(scene, [product], Settings(shadow=kind))
    assert made.shadow.any() == (kind != "none")
    top, base = made.placed[0].top, made.placed[0].base
    assert not made.shadow[:top].any()
    if kind == "floating":
        assert made.shadow[base + 2 :].any()
        assert made.shadow[top : (top + base) // 2].max(initial=0) == 0
    seen = (made.shadow > 40) & (made.alpha == 0)
    assert (made.picture[seen].astype(int) <= scene[seen]).all()


def test_a_stronger_shadow_takes_more_light(product):
    """The strength is a factor; light never goes out completely."""
    weak, usual, dark = (
        composed(room(), [product], Settings(shadow_strength=one)).shadow.max() for one in (0.2, 1, 2)
    )
    assert weak < usual < dark <= 230


def test_products_stand_on_the_ground(product):
    """Below the far edge of the ground, and above the margin at the picture's lower edge."""
    for edge in (0.5, 0.6, 0.75, 0.84):
        made = composed(room(edge=edge), [product], Settings(margin=0.08))
        assert made.ground.horizon == pytest.approx(edge, abs=0.02)
        assert stands(made, edge)
        assert made.placed[0].base <= round(0.92 * 200)


def test_a_scene_without_an_edge_has_a_usual_ground():
    """Noise has no row that stands out."""
    noise = np.random.default_rng(0).integers(0, 255, (120, 160, 3), dtype=np.uint8)
    ground = ground_in_front(horizon_of(noise), margin=0.05)
    assert (ground.horizon, ground.y) == (None, 0.84)


def test_products_avoid_what_the_scene_shows(product):
    """With things on one side of the table they stand on the other."""
    for first, wanted in ((0, 1), (150, 0)):
        scene = room()
        scene[90:150, first : first + 150][::6] = 0
        made = composed(scene, [product])
        middle = made.placed[0].left + made.placed[0].product.width / 2
        assert (middle > 150) == wanted


def test_several_products_share_a_ground_and_do_not_overlap(product):
    """Side by side between the margins; real heights keep their proportion."""
    heights = (Placement(height_cm=12), Placement(height_cm=24), Placement(height_cm=6))
    made = composed(room(), [block(80, 50), block(90, 30), block(10, 30)], Settings(placements=heights))
    by_index = {one.index: one for one in made.placed}
    assert len({one.base for one in made.placed}) == 1
    assert by_index[1].product.height == pytest.approx(2 * by_index[0].product.height, abs=2)
    assert by_index[0].product.height == pytest.approx(2 * by_index[2].product.height, abs=2)
    lefts = [by_index[i].left for i in range(3)]
    assert lefts == sorted(lefts)
    assert all(by_index[i].left + by_index[i].product.width <= by_index[i + 1].left for i in range(2))
    assert stands(made, 0.6)


def test_nearer_products_cover_farther_ones():
    """By base line; `order` overrules it."""
    red, blue = block(60, 60), block(60, 60, (20, 30, 220))
    places = (Placement(x=0.45, y=0.95, scale=0.3), Placement(x=0.55, y=0.8, scale=0.3))
    made = composed(room(), [red, blue], Settings(placements=places, max_overlap=1))
    assert [one.index for one in made.placed] == [1, 0]
    assert made.picture[155, 150].tolist() == [200, 30, 40]
    turned = (places[0], replace(places[1], order=1))
    made = composed(room(), [red, blue], Settings(placements=turned, max_overlap=1))
    assert made.picture[155, 150].tolist() == [20, 30, 220]
    assert untouched(made)


def test_too_much_overlap_is_refused():
    """The limit is the alpha-IoU of a pair; found places keep clear of given ones."""
    places = (Placement(x=0.5), Placement(x=0.52))
    with pytest.raises(BadRequest, match=r"placements 0 and 1 must overlap by at most 0\.25"):
        composed(room(), [block(60, 60), block(60, 60)], Settings(placements=places))
    made = composed(
        room(), [block(60, 60), block(60, 60)], Settings(placements=(Placement(x=0.3), Placement()))
    )
    assert overlap(made.placed[0], made.placed[1], 200, 300) == 0


def test_transparent_parts_do_not_overlap():
    """Alpha counts, not boxes: a ring around a dot covers nothing of it."""
    ring, dot = block(40, 40), block(10, 10)
    ring.alpha[10:30, 10:30] = 0
    assert overlap(Placed(0, ring, 0, 0), Placed(1, dot, 15, 15), 50, 50) == 0
    assert overlap(Placed(0, dot, 0, 0), Placed(1, dot, 0, 0), 50, 50) == 1


@pytest.mark.parametrize(
    ("places", "said"),
    [
        (
            (Placement(x=-0.5, scale=0.01),),
            r"placements\[0\].x must leave a part of the product in the scene",
        ),
        ((Placement(), Placement()), "placements must be one for each of 1 products, or none, got 2"),
        ((Placement(scale=2, x=0.5),), r"placements\[0\].scale must leave the product at most 16000 pixels"),
        ((Placement(y=0),), r"placements\[0\].y must leave a part of the product in the scene, got 0"),
    ],
)
def test_places_that_do_not_fit_are_refused(places, said):
    """The message names placement, rule and value."""
    with pytest.raises(BadRequest, match=said):
        composed(room(), [block(2, 200)], Settings(placements=places))


def test_a_product_has_at_most_as_many_pixels_as_a_sent_picture():
    """Sides that are allowed can still give an area that no memory is meant for."""
    big = Settings(placements=(Placement(scale=2, x=0.5, y=1.5),))
    with pytest.raises(
        BadRequest, match=r"\.scale must leave the product at most 40000000 pixels, got 6400x6"
    ):
        composed(room(3200, 40), [block(9, 9)], big)


def test_a_ground_above_the_scene_is_named():
    """Not a placement that the caller never gave."""
    with pytest.raises(BadRequest, match=r"ground must leave a part of the products in the scene, got 0\.0"):
        composed(room(), [block(9, 9)], Settings(ground=0.0))


@pytest.mark.parametrize("away", [-1, 0, 1])
@pytest.mark.parametrize("shadow", ["cast", "contact", "floating"])
def test_a_broad_shadow_is_the_same_in_a_smaller_size(away, shadow, monkeypatch):
    """Within a few levels of 255, at any place of the product on the grid of larger pixels."""
    round_one = np.hypot(*np.mgrid[-1:1:999j, -1:1:801j]) < 1
    ball = Placed(0, Product(np.zeros((999, 801, 3), np.uint8), round_one.astype(np.uint8) * 255), 143, -7)
    smaller = shadows.shadow_of([ball], (1101, 1203), shadow, away).astype(int)
    monkeypatch.setattr(shadows, "BROADEST", 1e9)
    whole = shadows.shadow_of([ball], (1101, 1203), shadow, away).astype(int)
    assert 0 < np.abs(smaller - whole).max() <= 3
    assert whole.max() > 60


@pytest.mark.parametrize("match", [0.0, 0.5])
def test_a_large_product_needs_little_memory(match):
    """At most 80 bytes for each pixel of the scene, though the product has four times as many."""
    side = 1200
    scene, product = np.full((side, side, 3), 150, np.uint8), block(400, 400, soft=20)
    settings = Settings(placements=(Placement(x=0.5, y=1.5, scale=2),), light="left", match=match)
    tracemalloc.start()
    try:
        composed(scene, [product], settings)
        assert tracemalloc.get_traced_memory()[1] < 80 * side * side
    finally:
        tracemalloc.stop()


def test_the_mean_colour_of_a_large_product_is_that_of_all_its_pixels():
    """It is read from some of them; a line that these miss is read whole."""
    noise = np.random.default_rng(1).integers(0, 255, (1500, 1100, 3), dtype=np.uint8)
    scene = room(1600, 1200)
    for alpha in (np.full(noise.shape[:2], 255, np.uint8), np.zeros(noise.shape[:2], np.uint8)):
        alpha[:, 1] = 255  # no even column
        large = Placed(0, Product(noise, alpha), 50, 50)
        _, match = matched(large, scene, 0, 6)
        _, whole = matched(Placed(0, Product(noise[:, 1:2], alpha[:, 1:2]), 51, 50), scene, 0, 6)
        assert match.before == pytest.approx(whole.before, abs=3)


def test_real_heights_are_given_for_all_or_none():
    """A product without one has no proportion to the others."""
    with pytest.raises(
        BadRequest, match="height_cm must be given for all products without a scale or for none"
    ):
        composed(room(), [block(9, 9)] * 2, Settings(placements=(Placement(height_cm=3), Placement())))


@pytest.mark.parametrize("size", [(32, 32), (40, 700), (700, 40), (33, 2000)])
@pytest.mark.parametrize("shape", [(300, 200), (1, 400), (400, 1), (2000, 33)])
def test_any_product_fits_into_any_scene(size, shape):
    """A scene smaller than the product, lines of pixels: the product is whole inside of it."""
    made = composed(room(*size), [block(*shape)])
    assert made.picture.shape == (*size, 3)
    (one,) = made.placed
    assert one.left >= 0
    assert one.left + one.product.width <= size[1]
    assert made.alpha.any()


def test_a_product_partly_outside_is_cut_at_the_edge():
    """Its pixels inside of the scene are still its own."""
    made = composed(room(), [block(100, 100)], Settings(placements=(Placement(x=0.0, y=1.1, scale=0.5),)))
    assert untouched(made)
    assert made.picture[199, 0].tolist() == [200, 30, 40]


def test_without_an_object_there_is_no_product():
    """Faint alpha is no object; the message has the value."""
    with pytest.raises(
        BadRequest, match=r"product\[0\] must show an object: its largest alpha must be at least 128"
    ):
        product_of(np.zeros((40, 40, 3), np.uint8), np.full((40, 40), 9, np.uint8), "product[0]")


def test_no_colour_of_transparent_pixels_gets_into_the_edge():
    """A shrunk product has the colours that its opaque pixels had."""
    made = block(60, 60)
    made.colours[:, :30], made.alpha[:, :30] = 0, 0
    small = scaled(made, 17)
    assert np.abs(small.colours[small.alpha > 40].astype(int) - (200, 30, 40)).max() <= 2


@pytest.mark.parametrize("bound", [2.0, 6.0])
def test_a_match_moves_every_colour_by_at_most_its_bound(bound):
    """Towards the surroundings; before and after are reported; share 0 leaves the product itself."""
    scene, one = (
        np.full((80, 80, 3), (90, 120, 160), np.uint8),
        Placed(0, block(20, 20, (150, 110, 90)), 30, 30),
    )
    product, match = matched(one, scene, share=0.5, bound=bound)
    assert np.linalg.norm(match.shift) == pytest.approx(bound, abs=1e-3)
    assert match.after == pytest.approx(match.before - bound, abs=0.6)
    assert not np.array_equal(product.colours, one.product.colours)
    same, match = matched(one, scene, share=0, bound=bound)
    assert same is one.product
    assert match.before == match.after > 20
