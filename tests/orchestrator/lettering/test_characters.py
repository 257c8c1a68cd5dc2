"""Texts are checked and composed before any font is opened."""

import pytest
from vitrine.errors import BadRequest
from vitrine_orchestrator.lettering.characters import checked_text, clusters
from vitrine_orchestrator.lettering.languages import language_of


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("가" * 10_000, "texts\\[0\\].text must have at most 1000 characters, got 10000"),
        ("sale \u202e99", "controls of writing direction, got U\\+202E RIGHT-TO-LEFT OVERRIDE"),
        ("a\u2066b", "controls of writing direction, got U\\+2066"),
        ("a\ud800b", "valid Unicode without lone surrogates, got U\\+D800"),
        ("خصم", "written from left to right, got 'خ' U\\+062E ARABIC LETTER KHAH"),
        ("a\x07b", "no control, private or unassigned characters, got U\\+0007"),
        ("a\ue000b", "no control, private or unassigned characters, got U\\+E000"),
        ("z" + "\u0334" * 9, "at most 4 marks on a character, got one more: .*U\\+0334"),
    ],
    ids=["long", "override", "isolate", "surrogate", "arabic", "bell", "private", "marks"],
)
def test_what_cannot_be_set_is_refused(text, said):
    """The message names the text, the rule and the character."""
    with pytest.raises(BadRequest, match=said):
        checked_text("texts[0].text", text)


@pytest.mark.parametrize(
    "text",
    [
        " \u200b\n ",
        "\u3164",
        "\u115f\u1160",
        "\uffa0",
        "\u2800 \u2800",
        "\u034f",
        "\ufe0f",
        "\ufe0f\u200d",
        "\U000e0100",
    ],
)
def test_a_text_of_which_nothing_is_drawn_is_refused(text):
    """Fillers of Hangul, an empty pattern of Braille, and selectors without a character show nothing."""
    with pytest.raises(BadRequest, match=r"texts\[0\].text must be given: it has no visible character"):
        checked_text("texts[0].text", text)


def test_what_shows_nothing_may_stand_beside_what_does():
    """A filler between syllables, and a selector after its character."""
    assert checked_text("t", "가\u3164나 葛\U000e0100") == "가\u3164나 葛\U000e0100"


def test_texts_are_composed_and_their_white_space_is_plain():
    """Decomposed Hangul and accents become single characters; line ends are one kind."""
    assert checked_text("t", "\u1109\u1175\u11ab\u1106\u1166\u1102\u1172") == "신메뉴"
    assert checked_text("t", " cafe\u0301\r\nA\tB\u2028C ") == "café\nA B\nC"


def test_what_readers_see_as_one_character_is_one():
    """Marks, variation selectors and joined characters stay with their base; a line's end takes no mark."""
    assert clusters("e\u0323a葛\U000e0100b👩\u200d🚀") == ["e\u0323", "a", "葛\U000e0100", "b", "👩\u200d🚀"]
    assert clusters("a\n\u0301b") == ["a", "\n", "\u0301", "b"]


@pytest.mark.parametrize(
    ("text", "language"),
    [("신메뉴 新作", "ko"), ("新作ラーメン", "ja"), ("今日特价", "zh-Hans"), ("Sale 50%", "en")],
)
def test_the_language_is_guessed_by_its_script(text, language):
    """Hangul decides before kana, and kana before Han."""
    assert language_of(text) == language
