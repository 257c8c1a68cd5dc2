"""The paper shop never changes, shows every row of its tables, and describes itself."""

import pickle
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from vitrine_world import shop
from vitrine_world.shop import (
    KINDS,
    LANGUAGES,
    PRODUCT_COLOURS,
    PROPS,
    SIDES,
    SIZES,
    STYLES,
    TABLES,
    TIMES,
    TRADES,
    WALLS,
    Facts,
    draw,
    prompt,
    read_prompt,
    sample,
)
from vitrine_world.shop.emblems import EMBLEMS
from vitrine_world.shop.prompts import particle
from vitrine_world.shop.sampling import clear_tables, clear_walls

SEED = 31
DATA = Path(__file__).parents[1] / "data"
FIELDS = {
    "kind": KINDS,
    "colour": PRODUCT_COLOURS,
    "size": SIZES,
    "trade": TRADES,
    "table": TABLES,
    "wall": WALLS,
    "time": TIMES,
    "light": SIDES,
}
DIGEST = """
from hashlib import sha256
from vitrine_world.shop import draw, sample
print(sha256(draw(sample(31, 5)).picture.tobytes()).hexdigest())
"""


def facts(count: int) -> list[Facts]:
    """What the first samples show."""
    return [sample(SEED, index).facts for index in range(count)]


def test_seed_and_index_alone_decide_a_sample():
    """Other seeds and other indices give other samples."""
    assert sample(SEED, 5) == sample(SEED, 5)
    assert sample(SEED, 6) != sample(SEED, 5) != sample(SEED + 1, 5)


def test_another_process_draws_the_same_pixels():
    """A fresh interpreter gives the same bytes."""
    again = subprocess.run([sys.executable, "-c", DIGEST], capture_output=True, text=True, check=True)
    assert again.stdout.strip() == sha256(draw(sample(SEED, 5)).picture.tobytes()).hexdigest()


def test_the_world_is_the_one_the_checkpoint_learnt():
    """A changed drawing needs a retrained checkpoint, then a new reference picture."""
    drawn = np.concatenate([draw(sample(3, 0), style=style).picture for style in STYLES], axis=1)
    with Image.open(DATA / "shop_seed3_index0.png") as reference:
        assert np.abs(drawn.astype(int) - np.asarray(reference)).mean() < 0.1


def test_a_sample_travels_between_processes():
    """Samples can be pickled between worker processes."""
    made = sample(SEED, 5)
    assert pickle.loads(pickle.dumps(made)) == made


@pytest.mark.parametrize("field", FIELDS)
def test_every_row_of_a_table_is_drawn(field):
    """All rows appear among a few hundred samples."""
    assert {getattr(one, field) for one in facts(400)} == set(FIELDS[field])


def test_every_prop_is_drawn():
    """All props appear, two different ones of the trade in each picture."""
    shown = facts(600)
    assert {prop for one in shown for prop in one.props} == set(PROPS)
    for one in shown:
        assert len(set(one.props)) == 2
        assert set(one.props) <= set(TRADES[one.trade].props)


@pytest.mark.parametrize("trade", TRADES)
@pytest.mark.parametrize("colour", PRODUCT_COLOURS)
def test_every_trade_has_room_for_every_colour(trade, colour):
    """At least one wall and one table of the trade let a product of the colour stand out."""
    assert clear_walls(TRADES[trade], colour)
    assert clear_tables(TRADES[trade], colour)


@pytest.mark.parametrize("trade", TRADES.values(), ids=TRADES)
def test_a_trades_names_are_rows(trade):
    """What a trade names is in the tables."""
    assert set(trade.walls) <= set(WALLS)
    assert set(trade.tables) <= set(TABLES)
    assert set(trade.props) <= set(PROPS)
    assert trade.emblem in EMBLEMS


def test_kind_and_trade_can_be_asked_for():
    """The asked ones are drawn, and what follows from them fits."""
    made = sample(SEED, 2, kind="teapot", trade="bookshop")
    assert (made.facts.kind, made.facts.trade) == ("teapot", "bookshop")
    assert set(made.facts.props) <= set(TRADES["bookshop"].props)


@pytest.mark.parametrize(("field", "value"), [("kind", "hat"), ("trade", "bank")])
def test_an_unknown_kind_or_trade_is_refused(field, value):
    """The message has the field, the allowed values and the value."""
    with pytest.raises(ValueError, match=rf"{field} must be one of .*got '{value}'"):
        sample(SEED, 0, **{field: value})


def test_facts_outside_the_world_are_refused():
    """Facts made by hand are checked like drawn ones."""
    with pytest.raises(ValueError, match=r"colour must be one of .*got 'mauve'"):
        Facts(**(vars(sample(SEED, 0).facts) | {"colour": "mauve"}))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("style", STYLES)
def test_a_prompt_is_read_back_to_the_truth(language, style):
    """All facts and the style are in the words, in both languages."""
    for one in facts(200):
        assert read_prompt(prompt(one, language, style), language) == (one, style)


def test_no_two_facts_share_a_prompt():
    """Words differ wherever facts differ."""
    shown = set(facts(400))
    for language in LANGUAGES:
        assert len({prompt(one, language) for one in shown}) == len(shown)


def test_prompts_read_as_sentences():
    """The order of words and the Korean particle are right."""
    one = Facts(
        "jam jar", "red", "large", "bakery", "wooden", "sand", ("a baguette", "a croissant"), "noon", "left"
    )
    assert prompt(one) == (
        "a large red jam jar on a wooden table in a bakery, with a baguette and a croissant, sand wall,"
        " noon light from the left"
    )
    assert prompt(one, "korean", "line") == (
        "선화: 빵집의 나무 탁자 위에 놓인 큰 빨간 잼 단지, 옆에는 바게트와 크루아상, 모래색 벽,"
        " 왼쪽에서 드는 한낮 빛"
    )
    assert particle("화분") == "과"
    assert particle("사과") == "와"


@pytest.mark.parametrize("text", ["", "a large red jam jar", "a large mauve jam jar on a wooden table"])
def test_another_line_is_no_prompt(text):
    """The error shows the form and the line."""
    with pytest.raises(ValueError, match="a prompt must have the form"):
        read_prompt(text)


def test_a_prompt_without_its_product_names_the_scene_alone():
    """All words of the scene are there, and none of the product."""
    made = shop.sample(3, 0).facts
    for language, (start, gone) in {
        "english": ("a ", shop.KINDS[made.kind].english),
        "korean": (shop.TRADES[made.trade].korean, shop.KINDS[made.kind].korean),
    }.items():
        whole, scene = (shop.prompt(made, language, product=product) for product in (True, False))
        assert scene.startswith(start)
        assert gone in whole
        assert gone not in scene
        assert whole.split(", ", 1)[1] == scene.split(", ", 1)[1]
