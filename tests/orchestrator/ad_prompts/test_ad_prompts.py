"""The prompt processor by its tables: trades, particles, styles, and what it refuses."""

import re
import unicodedata

import numpy as np
import pytest
from vitrine.errors import BadRequest
from vitrine_orchestrator.ad_prompts.kinds import KINDS
from vitrine_orchestrator.ad_prompts.korean import is_korean, parts, stems
from vitrine_orchestrator.ad_prompts.lexicon import lexicon
from vitrine_orchestrator.ad_prompts.reading import read
from vitrine_orchestrator.ad_prompts.request import ad_prompt_request, one_line
from vitrine_orchestrator.ad_prompts.scene_words import COLOURS, TABLES, TIMES
from vitrine_orchestrator.ad_prompts.styles import STYLES
from vitrine_orchestrator.ad_prompts.trades import TRADES

ASKED_FOR = (
    "cafe",
    "restaurant",
    "retail",
    "service",
    "hair salon",
    "nail salon",
    "florist",
    "bookshop",
    "bakery",
    "gym",
)


def test_there_are_rows_for_the_trades_of_the_services_that_this_one_replaces(prepared):
    """Each name leads to a row, and there are at least twenty rows."""
    found = {prepared("신상", trade=name)[2]["trade"] for name in ASKED_FOR}
    assert len(found) == len(ASKED_FOR)
    assert len(TRADES) >= 30


@pytest.mark.parametrize("row", TRADES.values(), ids=TRADES)
def test_a_trade_is_recognised_by_each_of_its_words(row, prepared):
    """In Korean with a particle, in English in a sentence; what its row names exists, and is English."""
    for word in row.korean:
        assert read(f"{word}에서").trade == row.name, word
    for word in (row.name, *row.english):
        assert read(f"a poster for a {word}").trade == row.name, word
    prompt, _, report = prepared("이미지", trade=row.name)
    assert report["light"]["words"] in prompt
    assert report["props"] == list(row.props[:2])
    assert re.search(rf"\ban? {row.name}\b", prompt)
    assert not is_korean(prompt)
    assert set(row.tables) <= TABLES.keys()
    assert set(row.walls) <= COLOURS.keys()
    assert row.time in TIMES
    assert row.style in STYLES


def test_every_kind_names_a_trade_and_a_colour_that_exist():
    """And every clash is with a wall or a table."""
    surfaces = {one for row in TRADES.values() for one in (*row.tables, *row.walls)}
    for kind in KINDS.values():
        assert kind.trade in TRADES
        assert not kind.colour or kind.colour in COLOURS
    assert {clash for row in COLOURS.values() for clash in row.clashes} <= surfaces


def test_a_phrase_means_one_thing_in_one_table():
    """No two rows of one table have the same phrase: the second could never be meant."""
    for phrase, meanings in lexicon().items():
        slots = [one.slot for one in meanings]
        assert len(slots) == len(set(slots)), (phrase, meanings)


@pytest.mark.parametrize(
    "word",
    [
        "머그잔",
        "머그잔은",
        "머그잔을",
        "머그잔이랑",
        "머그잔에서는",
        "머그잔들을",
        "머그잔용",
        "빨간머그잔을",
    ],
)
def test_particles_and_missing_spaces_do_not_hide_a_word(word):
    """The noun is found under its particles, and inside a compound that known words make up completely."""
    assert read(word).kind == "mug"


@pytest.mark.parametrize("word", ["병원", "캔버스", "책임", "꽃게", "바로", "잔디", "차림", "빵점"])
def test_a_word_that_only_begins_like_another_is_not_it(word):
    """병원 (a clinic) is no bottle, 꽃게 (a crab) no flower."""
    assert read(word).kind is None


def test_stems_end():
    """A particle alone stays, at most two are stripped, and a syllable begins no compound."""
    assert stems("은") == ("은",)
    assert stems("카페에서는")[1:] == ("카페", "카페에서")
    assert parts("머그잔은", {"머그", "잔"}) == ["머그", "잔"]
    assert parts("잔머그", {"머그", "잔"}) == []


def test_a_wall_s_colour_is_not_the_product_s():
    """Colours before 벽 and surfaces before 탁자 are the scene's."""
    said = read("하늘색 벽 앞 대리석 탁자 위의 노란 캔")
    assert (said.wall, said.table, said.colour) == ("sky blue", "marble", "yellow")
    said = read("a yellow can on a steel counter with a plum background")
    assert (said.wall, said.table, said.colour) == ("plum", "steel", "yellow")


def test_a_side_is_the_light_s_only_near_a_word_for_light():
    """A product on the left does not put the lamp there."""
    assert read("왼쪽에 놓인 빨간 머그잔").side is None
    assert read("오른쪽 조명").side == "right"


NOT_WANTED = [
    ("꽃 없는 카페 테이블 위의 머그잔", ["bouquet of flowers"], "mug"),
    ("커피콩 없이 하얀 머그잔", ["coffee beans"], "mug"),
    ("커피콩없이 하얀 머그잔", ["coffee beans"], "mug"),
    ("꽃없는 머그잔", ["bouquet of flowers"], "mug"),
    ("머그잔, 빨간 꽃은 빼고", ["red", "bouquet of flowers"], "mug"),
    ("꽃이랑 사과 없이 머그잔", ["bouquet of flowers", "an apple"], "mug"),
    ("빨간색 말고 파란 머그잔", ["red"], "mug"),
    ("사람 없이 카페 라떼 사진", ["people"], "latte"),
    ("부담 없는 가격의 머그잔", [], "mug"),
    ("a mug without coffee beans", ["coffee beans"], "mug"),
    ("white mug, no flowers", ["bouquet of flowers"], "mug"),
    ("a mug without any red flowers or carrots", ["red", "bouquet of flowers", "carrots"], "mug"),
    ("a mug without wilted flowers, cafe", ["wilted", "bouquet of flowers"], "mug"),
    ("no people, white mug", ["people"], "mug"),
    ("no sugar latte", ["sugar"], "latte"),
    ("not red but blue mug in a cafe", ["red"], "mug"),
    ("not only coffee", [], "cup of coffee"),
]


@pytest.mark.parametrize(("sentence", "without", "kind"), NOT_WANTED)
def test_what_a_sentence_does_not_want_is_not_shown(sentence, without, kind, prepared):
    """Neither as its product or prop nor as a prop of the trade; it is told and in the negative prompt."""
    prompt, negative, report = prepared(sentence)
    names = [one.removeprefix("an ").removeprefix("a ") for one in without]
    assert report["without"] == without
    assert read(sentence).kind == kind
    line = prompt.partition("wall,")[0]
    assert not [one for one in names if one in line and one != "red"]
    assert negative.endswith(", ".join(["", *names]))


def test_flowers_that_are_not_wanted_are_no_tulips_either(prepared):
    """The florist's usual props; the row's third and further ones stand in."""
    report = prepared("꽃 없이 머그잔", trade="florist")[2]
    assert len(report["props"]) == 2
    assert not {"tulips", "roses"} & set(report["props"])


def test_an_own_sentence_loses_what_it_does_not_want(prepared):
    """A network draws what a prompt names, whatever stands before it."""
    prompt, negative, _ = prepared("A kayak without any paddles, on a lake.")
    assert prompt.startswith("advertising photograph: A kayak, on a lake, ")
    assert negative.endswith(", paddles")


@pytest.mark.parametrize(
    "sentence",
    [
        "왼쪽에 머그잔, 오른쪽에서 햇살",
        "mug on the left, sunlight from the right",
        "햇살이 우측에서, 왼쪽에 캔",
    ],
)
def test_the_side_nearest_to_the_light_is_the_light_s(sentence):
    """A product on the other side changes nothing."""
    assert read(sentence).side == "right"


@pytest.mark.parametrize(
    ("sentence", "wall", "colour"),
    [
        ("벽은 노란색, 빨간 머그잔", "yellow", "red"),
        ("배경은 파란색으로, 흰 머그잔", "blue", "white"),
        ("흰 배경으로 빨간 머그잔", "white", "red"),
        ("a red mug, the wall is yellow", "yellow", "red"),
        ("벽 앞의 빨간 머그잔", None, "red"),
    ],
)
def test_a_wall_s_colour_may_stand_after_it(sentence, wall, colour):
    """As 벽은 노란색 says it."""
    said = read(sentence)
    assert (said.wall, said.colour) == (wall, colour)


@pytest.mark.parametrize(
    ("sentence", "kind"),
    [
        ("딸기 생크림 케이크", "cake"),
        ("coffee cake", "cake"),
        ("케이크, 마카롱, 커피", "cake"),
        ("머그잔과 케이크", "mug"),
        ("a mug and a cake", "mug"),
    ],
)
def test_the_last_word_of_a_compound_is_the_product(sentence, kind):
    """Of a list it is the first."""
    assert read(sentence).kind == kind


def test_a_sentence_beyond_the_drawn_shop_names_style_light_and_mood(prepared):
    """Its prompt is richer, has no word of Korean, and its negative prompt is the style's, without text."""
    prompt, negative, report = prepared("네일샵 봄 신상 젤네일 홍보 이미지를 만들어줘", style="일러스트")
    assert prompt.startswith("illustration: a bottle of nail polish on a marble table in a nail salon")
    assert "spring blossoms" in prompt
    assert "free space for a headline" in prompt
    assert negative.startswith("text, letters")
    assert STYLES["illustration"].avoid in negative
    assert (report["style"], report["way"], report["fallback"]) == ("illustration", "tables", None)
    assert report["found"]["젤네일"] == "bottle of nail polish"
    assert not report["drawn_shop"]


def test_styles_differ_in_their_negative_prompts(prepared):
    """A photograph must not be drawn, and the other way round."""
    negatives = {style: prepared("빨간 머그잔", style=style)[1] for style in STYLES}
    assert len(set(negatives.values())) == len(STYLES)
    assert "cartoon" in negatives["realistic"]
    assert "photograph" in negatives["anime"]
    assert all(one.startswith("text, letters") for one in negatives.values())


@pytest.mark.parametrize(
    ("sentence", "style"),
    [
        ("만화풍 피자", "anime"),
        ("수채화 느낌의 케이크", "illustration"),
        ("영어 학원", "illustration"),
        ("피자", "realistic"),
        ("3d render of a burger", "semi-realistic"),
    ],
)
def test_a_style_is_chosen_by_the_sentence_then_by_the_trade(sentence, style, prepared):
    """An academy's pictures are drawn, a pizza's are photographs, unless the sentence says otherwise."""
    assert prepared(sentence)[2]["style"] == style


def test_an_english_product_that_no_table_knows_keeps_its_words(prepared):
    """The caller's sentence is the prompt's subject; place, light and mood are added."""
    prompt, _, report = prepared("A saddle for unicorns, on sale in a boutique.")
    assert prompt.startswith(
        "advertising photograph: A saddle for unicorns, on sale in a boutique, in a clothes shop"
    )
    assert "saddle" in report["unread"]


def test_a_prop_without_a_product_is_the_product(prepared):
    """Tulips are what the florist sells."""
    assert ": tulips on a wooden table in a flower shop, with a potted plant" in prepared("튤립 할인 꽃집")[0]


def test_what_was_assumed_is_said(prepared):
    """The report tells the caller's words from the tables'."""
    report = prepared("서점의 파란 찻주전자")[2]
    assert not {"subject", "colour", "trade"} & set(report["assumed"])
    assert {"wall", "table", "props", "time", "side"} <= set(report["assumed"])


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ({}, "sentence must be given"),
        ({"sentence": "  "}, "sentence must be given"),
        ({"sentence": "\0\u200b"}, "sentence must be given"),
        ({"sentence": "가" * 1001}, "sentence must have at most 1000 characters, got 1001"),
        (
            {"sentence": "캔", "trade": "moon base"},
            "trade must be one of cafe, .*, or a Korean or English word for it, got 'moon base'",
        ),
        ({"sentence": "캔", "style": "baroque"}, "style must be one of realistic, .*, got 'baroque'"),
        ({"sentence": "캔", "theme": "우주 전쟁"}, "theme must be English words or a word for one of"),
        ({"sentence": "캔", "theme": "秋"}, "theme must be English words or a word for one of"),
    ],
)
def test_a_wrong_request_is_refused(texts, said):
    """The message gives the input, the rule and the value."""
    inputs = {name: np.array([one.encode()], np.object_) for name, one in texts.items()}
    with pytest.raises(BadRequest, match=said):
        ad_prompt_request(inputs)


def test_a_korean_sentence_without_a_known_word_is_refused(prepared):
    """A guess would be a picture of nothing that was asked for; a trade makes it possible."""
    with pytest.raises(BadRequest, match=r"no word of '고양이 츄르' is known"):
        prepared("고양이 츄르")
    assert "in a pet shop" in prepared("고양이 츄르", trade="펫샵")[0]


@pytest.mark.parametrize(
    "sentence",
    ["!!!", "🔥🔥🔥", "12345", "ㅋㅋㅋ", "赤いカップ、カフェで", "红色的杯子", "a picture of the new"],
)
def test_a_sentence_in_which_nothing_is_read_is_refused(sentence, prepared):
    """In any script: signs, figures, words of other languages, and words that only ask for a picture."""
    with pytest.raises(BadRequest, match=f"no word of {sentence!r} is known"):
        prepared(sentence)
    assert "in a cafe" in prepared(sentence, trade="cafe")[0]


def test_words_of_other_scripts_are_unread(prepared):
    """They are told, and are not in the English prompt; a word keeps its accents."""
    prompt, _, report = prepared("sale 新製品 gizmo, naïve and CHÂTEAU")
    assert report["unread"] == ["新製品", "gizmo", "naïve", "château"]
    assert prompt.startswith("advertising photograph: sale gizmo, naïve and CHÂTEAU, ")
    assert prepared("sale 新製品")[2]["unread"] == ["新製品"]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_sentence_is_read_in_every_form_of_unicode(form, prepared):
    """Names of files of macOS are decomposed; a trade and a theme can come from one too."""
    sentence, trade, theme = (unicodedata.normalize(form, one) for one in ("빨간 머그잔", "카페", "가을"))
    _, _, report = prepared(sentence, trade=trade, theme=theme)
    assert report["found"] == {"빨간": "red", "머그잔": "mug"}
    assert (report["trade"], report["theme"]) == ("cafe", "autumn leaves")


def test_wide_letters_are_read_like_others():
    """As keyboards for Japanese and Chinese write them."""
    assert one_line("ＲＥＤ　ＭＵＧ！") == "RED MUG!"


def test_a_prompt_is_one_line(prepared):
    """Ends of lines, controls and marks of direction of a sentence or a theme are spaces."""
    prompt = prepared("our new\nwidget\0 \x1b[31m \u202egizmo", theme="northern\r\nlights\u2028")[0]
    assert prompt.startswith("advertising photograph: our new widget [31m gizmo, ")
    assert "northern lights" in prompt
    assert prompt.isprintable()


def test_own_english_words_are_a_theme(prepared):
    """They are added as they are."""
    assert "northern lights" in prepared("피자", theme="northern lights")[0]
