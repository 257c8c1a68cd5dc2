"""Lines are broken where a reader expects it, in every language."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vitrine_orchestrator.lettering import kinsoku
from vitrine_orchestrator.lettering.breaking import LEVELS, pieces_of
from vitrine_orchestrator.lettering.lines import balanced, greedy


def texts(text, language, level="words"):
    """The pieces' texts."""
    return [piece.text for piece in pieces_of(text, language, level)]


def set_in(text, language, width, level="words"):
    """Even lines of a text in which every character is 1 wide."""
    return balanced(pieces_of(text, language, level), width, len)


@pytest.mark.parametrize(
    ("text", "language", "pieces"),
    [
        ("신메뉴 딸기 케이크", "ko", ["신메뉴", "딸기", "케이크"]),
        ("커피 4,500원부터", "ko", ["커피", "4,500원부터"]),
        ("생수 500 ml 무료", "ko", ["생수", "500 ml", "무료"]),
        ("₩ 9,900 특가", "ko", ["₩ 9,900", "특가"]),
        ("今日特价", "zh-Hans", ["今", "日", "特", "价"]),
        ("「新作」です。", "ja", ["「新", "作」", "で", "す。"]),
        ("夏のアイスコーヒーっ", "ja", ["夏", "の", "アイスコーヒーっ"]),
        ("価格は1,980円です", "ja", ["価", "格", "は", "1,980円", "で", "す"]),
        ("全品20％オフ", "ja", ["全", "品", "20％", "オフ"]),
        ("待って……ね", "ja", ["待っ", "て……", "ね"]),
        ("buy one-get one", "en", ["buy", "one-", "get", "one"]),
        ("1+1 10:30~12:00", "ko", ["1+1", "10:30~12:00"]),
        ("a\u00a0b c\u200bd", "en", ["a\u00a0b", "c", "d"]),
        ("위\n아래", "ko", ["위", "아래"]),
        ("最大100万円引き", "ja", ["最", "大", "100万円", "引", "き"]),
        ("3千円均一", "ja", ["3千円", "均", "一"]),
        ("1億2,000万円から", "ja", ["1億2,000万円", "か", "ら"]),
        ("只要5万元起", "zh-Hans", ["只", "要", "5万元", "起"]),
        ("創業10周年", "ja", ["創", "業", "10周年"]),
        ("全第3回6/1〜6/30", "ja", ["全", "第3回", "6/1〜6/30"]),
        ("10㎖入り", "ja", ["10㎖", "入", "り"]),
        ("100만 원 할인", "ko", ["100만 원", "할인"]),
        ("문제 5 명품", "ko", ["문제", "5", "명품"]),
        ("now 19.99 € or $ 20!", "en", ["now", "19.99 €", "or", "$ 20!"]),
        ("buy 2 $5 off", "en", ["buy", "2", "$5", "off"]),
        ("全国\u3000発売\u2009中", "ja", ["全", "国", "発", "売", "中"]),
        ("a\u202fb", "en", ["a\u202fb"]),
    ],
)
def test_pieces_stay_whole(text, language, pieces):
    """Korean words, numbers with their units and signs, and what kinsoku keeps together."""
    assert texts(text, language) == pieces


def test_words_are_broken_only_at_the_later_levels():
    """Syllables before any letter; numbers and signs stay whole even then."""
    assert texts("케이크 sale", "ko", "syllables") == ["케", "이", "크", "sale"]
    assert texts("ラーメン", "ja", "syllables") == ["ラー", "メ", "ン"]
    assert texts("sale 4,500원", "ko", "anywhere") == ["s", "a", "l", "e", "4,500원"]


@pytest.mark.parametrize(
    "text", ["500ml", "500 ml", "2만원", "1억 원", "500 kg", "50%OFF", "19,99€", "£ 5", "3개월"]
)
def test_a_number_with_its_unit_stays_whole_at_every_level(text):
    """Multipliers and units too, with or without a space between."""
    assert [texts(f"{text} 반값", "ko", level)[0] for level in LEVELS] == [text] * len(LEVELS)


def test_no_line_begins_or_ends_with_an_ideographic_space():
    """It is a space like others: drawn between two words of a line, and nowhere else."""
    assert set_in("\u3000期間限定\u3000全国発売", "ja", 9) == ["期間限定\u3000全国発売"]
    assert set_in("期間限定\u3000全国発売", "ja", 4) == ["期間限定", "全国発売"]


@given(
    text=st.text(
        st.sampled_from("가나 新作のラーっ、。「」（）1,5%円 abc-\n\u200b…"), min_size=1, max_size=40
    ),
    language=st.sampled_from(("ko", "ja", "zh-Hans", "en")),
    level=st.sampled_from(LEVELS),
)
@settings(max_examples=60, deadline=None)
def test_no_piece_begins_or_ends_where_it_must_not(text, language, level):
    """Nothing is lost, and no break is before a closing mark or after an opening one within a word."""
    pieces = pieces_of(text, language, level)
    for paragraph in text.split("\n"):
        words = [word.replace("\u200b", "") for word in paragraph.split(" ")]
        assert all(word in text.replace("\u200b", "") for word in words)
    bare = "".join(piece.text + piece.space for piece in pieces)
    assert "".join(bare.split()) == "".join(text.replace("\u200b", "").split())
    for before, after in pairwise(pieces):
        if not (before.space or before.ends or "\u200b" in text):
            assert after.text[0] not in kinsoku.NO_START
            assert before.text[-1] not in kinsoku.NO_END


def test_lines_are_even_and_no_syllable_stands_alone():
    """The last line is not a stub where another break avoids it."""
    assert set_in("오늘 문을 연 집", "ko", 8) == ["오늘 문을", "연 집"]
    assert set_in("焼きたてのパンをどうぞ", "ja", 10) == ["焼きたての", "パンをどうぞ"]
    greedy_lines = greedy(pieces_of("焼きたてのパンをどうぞ", "ja"), 10, len)
    assert ["".join(piece.text for piece in line) for line in greedy_lines] == ["焼きたてのパンをどう", "ぞ"]


def test_as_few_lines_as_fit_and_none_where_a_piece_is_too_wide():
    """Even lines are as many as filled ones; a line end of the text is kept."""
    assert set_in("aa bb cc dd", "en", 11) == ["aa bb cc dd"]
    assert set_in("aa\nbb cc", "en", 11) == ["aa", "bb cc"]
    assert set_in("abcdef", "en", 5) is None


def test_a_long_text_is_filled_line_by_line():
    """A thousand characters take no quadratic time, and nothing is lost."""
    text = "新" * 1000
    lines = set_in(text, "ja", 60)
    assert "".join(lines) == text
    assert max(map(len, lines)) == 60
