"""Sentences about the drawn shop: the offline prompt is a line of the world, which its checkpoint knows."""

import pytest
from vitrine_orchestrator.ad_prompts.reading import read
from vitrine_orchestrator.ad_prompts.writing import complete, written
from vitrine_world import shop
from vitrine_world.shop.sampling import clear_tables, clear_walls


def offline(sentence, style=None, empty=False):
    """The prompt of a sentence by the tables."""
    return written(complete(read(sentence), None, style, None, empty))


@pytest.mark.parametrize("language", shop.LANGUAGES)
def test_every_line_of_the_world_becomes_its_english_line(language):
    """A whole line, Korean or English, in each style, loses and changes nothing."""
    for index in range(150):
        facts = shop.sample(5, index).facts
        style = list(shop.STYLES)[index % 3]
        assert offline(shop.prompt(facts, language, style)) == shop.prompt(facts, "english", style)


@pytest.mark.parametrize("language", shop.LANGUAGES)
def test_a_line_of_the_world_becomes_its_scene_alone(language):
    """For a product that is put into it, the prompt is the world's own without a product."""
    for index in range(50):
        facts = shop.sample(5, index).facts
        scene = shop.prompt(facts, "english", product=False)
        assert offline(shop.prompt(facts, language), empty=True) == scene


def test_other_scenes_alone_ask_for_an_empty_surface():
    """The product is not named; an English sentence of which the tables know nothing asks for a place."""
    said = offline("네일샵 봄 신상 매니큐어", empty=True)
    assert "an empty " in said
    assert "polish" not in said
    line = written(complete(read("a kayak"), None, None, None, True), "a kayak")
    assert "a kayak, in front an empty place for the product" in line


SENTENCES = [
    (
        "카페에서 쓰는 빨간 머그잔 광고 사진 만들어줘, 아침 햇살이 오른쪽에서",
        "mug",
        "red",
        "cafe",
        "morning",
        "right",
    ),
    (
        "꽃집 앞에 놓인 분홍색 향수. 왼쪽에서 드는 저녁 빛",
        "perfume",
        "pink",
        "flower shop",
        "evening",
        "left",
    ),
    (
        "우리 서점의 파란색 찻주전자를 홍보해줘, 한낮의 조명이 우측에서",
        "teapot",
        "blue",
        "bookshop",
        "noon",
        "right",
    ),
    ("이발소에 어울리는 커다란 초록 캔, 아침 조명", "can", "green", "barber shop", "morning", "left"),
    ("약국용 하얀병이랑 약병, 노을빛", "bottle", "white", "pharmacy", "evening", "left"),
    ("스포츠 매장의 노란운동화를 위한 포스터", "sneaker", "yellow", "sports shop", "noon", "left"),
    ("장난감 가게에서 보라 카메라", "camera", "purple", "toy shop", "morning", "left"),
    ("금은방 진열대의 주황색 핸드백이 돋보이게", "handbag", "orange", "jeweller", "evening", "left"),
    ("주황색 잼을 빵집에서 파는 느낌으로", "jam jar", "orange", "bakery", "morning", "left"),
    ("청과점의 흰 우유갑은 신선해요", "milk carton", "white", "greengrocer", "morning", "left"),
    (
        "a big purple handbag at our florist, sunset light from the right",
        "handbag",
        "purple",
        "flower shop",
        "evening",
        "right",
    ),
    ("Please make a poster: two yellow cans for a chemist", "can", "yellow", "pharmacy", "noon", "left"),
]


@pytest.mark.parametrize(("sentence", "kind", "colour", "trade", "time", "light"), SENTENCES)
def test_a_free_sentence_gives_a_line_of_the_world(sentence, kind, colour, trade, time, light):
    """Kind, colour, trade and light are the sentence's, the rest is the trade's; it can be read back."""
    facts, style = shop.read_prompt(offline(sentence))
    assert (facts.kind, facts.colour, facts.trade, facts.time, facts.light) == (
        kind,
        colour,
        trade,
        time,
        light,
    )
    assert style == "plain"
    row = shop.TRADES[trade]
    assert set(facts.props) <= set(row.props)
    assert facts.wall in clear_walls(row, colour)
    assert facts.table in clear_tables(row, colour)


def test_the_tables_hold_the_whole_world():
    """Whatever product stands in whatever trade, the completed line is one of the world, with a contrast."""
    for kind in shop.KINDS.values():
        for trade in shop.TRADES.values():
            for colour in shop.PRODUCT_COLOURS.values():
                facts, _ = shop.read_prompt(offline(f"{trade.korean}의 {colour.korean} {kind.korean}"))
                assert (facts.kind, facts.trade, facts.colour) == (
                    kind.english,
                    trade.english,
                    colour.english,
                )
                assert facts.wall in clear_walls(trade, facts.colour)
                assert facts.table in clear_tables(trade, facts.colour)


def test_a_kind_alone_gets_the_rest_from_the_tables():
    """Only the product is said: colour and trade are assumed, in the world's words."""
    for kind in shop.KINDS.values():
        facts, _ = shop.read_prompt(offline(kind.korean))
        assert facts.kind == kind.english


def test_a_style_that_was_asked_for_comes_first():
    """The world's own style is said as its LoRA was trained; another one keeps the line after its words."""
    assert shop.read_prompt(offline("빨간 머그잔", "line drawing"))[1] == "line"
    lead, _, line = offline("빨간 머그잔", "anime").partition(": ")
    assert lead == "anime picture"
    assert shop.read_prompt(line)[0].kind == "mug"
