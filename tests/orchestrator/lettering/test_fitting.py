"""A text is as large as it fits, and an error says which limit it breaks."""

import pytest
from vitrine.errors import BadRequest
from vitrine_orchestrator.lettering.fitting import Limits, Shape, fitted, turned
from vitrine_orchestrator.lettering.setting import Script

PLAIN = Shape(spacing=1.3, edge=0.0, rotation=0.0)


@pytest.fixture
def fit(fonts):
    """Fits a text; the keywords are limits."""

    def run(text, language="ko", shape=PLAIN, vertical=False, **more):
        limits = Limits(**{"width": 400, "height": 300, "least": 12, "most": 200, "lines": 3, **more})
        script = Script(fonts.faces("sans", "bold", language), "bold", language, vertical)
        return fitted("texts[0]", text, script, shape, limits)

    return run


@pytest.mark.parametrize("shape", [PLAIN, Shape(1.3, 0.08, 0.0), Shape(1.3, 0.0, 20.0)])
@pytest.mark.parametrize("vertical", [False, True])
def test_one_pixel_more_would_not_fit(fit, shape, vertical):
    """The size is the largest: the block fits, and one more would break a limit or a word."""
    block = fit("오늘의 신메뉴 4,500원", shape=shape, vertical=vertical)
    wide, high = block.turned
    assert wide <= 400
    assert high <= 300
    try:
        larger = fit("오늘의 신메뉴 4,500원", shape=shape, vertical=vertical, least=block.size + 1)
    except BadRequest:
        return
    assert larger.level != "words"


def test_words_stay_whole_where_they_can(fit):
    """A smaller size with whole words is taken before a larger one with broken ones."""
    assert fit("크리스마스 케이크", width=200, height=900).lines == ("크리스마스", "케이크")


def test_a_word_that_does_not_fit_is_broken_between_syllables(fit):
    """Only at the sizes of the request's limits, and the block says so."""
    block = fit("크리스마스케이크예약", width=130, least=20)
    assert (block.level, "".join(block.lines)) == ("syllables", "크리스마스케이크예약")
    assert fit("internationalisation", width=130, least=20).level == "anywhere"


@pytest.mark.parametrize(
    ("text", "limits", "said"),
    [
        (
            "4,500,000,000원",
            {"width": 60, "least": 30},
            "at its least size of 30 px into 60x300 px: .* alone is",
        ),
        ("가 나 다 라 마", {"width": 60, "least": 30, "lines": 2}, "into 2 lines of 60 px, got 5"),
        ("가 나 다 라 마", {"height": 40, "width": 90, "least": 30}, "into 90x40 px, got"),
    ],
    ids=["width", "lines", "height"],
)
def test_what_does_not_fit_is_refused_with_the_limit(fit, text, limits, said):
    """The message names the text, the least size, the limit and the value."""
    with pytest.raises(BadRequest, match=f"texts\\[0\\] must fit .*{said}"):
        fit(text, **limits)


def test_vertical_lines_go_from_right_to_left(fit):
    """A block of two columns is higher than wide, and no ink leaves it."""
    block = fit("季節限定\n新作登場", language="ja", vertical=True, most=40)
    wide, high = block.flat
    assert (len(block.lines), block.size) == (2, 40)
    assert high > wide
    assert 4 * 38 <= high <= 4 * 42


def test_a_turned_box():
    """Width and height of the upright box around it."""
    assert turned(100, 20, 0) == (100, 20)
    assert turned(100, 20, 90) == (20, 100)
    assert turned(100, 100, 45) == (142, 142)
