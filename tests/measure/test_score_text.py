"""`vitrine-export score-text` measures texts on pictures, and can fail."""

import json
import subprocess

import numpy as np
import pytest
from vitrine.errors import Unavailable
from vitrine_export.command import main
from vitrine_measure import html_speed
from vitrine_measure.score_text import reading, rows, samples
from vitrine_measure.score_text.figures import contrast_of, covered, distance, tofu
from vitrine_measure.score_text.rows import missed, table
from vitrine_measure.score_text.samples import Case, Measured, set_as_html, set_by_pillow, set_by_us
from vitrine_orchestrator.lettering.html.templates import DESIGNS


@pytest.fixture(scope="module")
def cases():
    """Four scenes, one for each language; skipped without fonts."""
    if {"Noto Sans CJK KR", "NanumGothic"} - set(samples.fonts().families()):
        pytest.skip("fonts are missing: docker/system-packages.sh installs them")
    return samples.samples(5, 4)


def case(text="신메뉴 4,500원", language="ko"):
    """A text on grey."""
    return Case(
        np.full((64, 96, 3), 128, np.uint8), np.zeros((64, 96), np.uint8), np.zeros((64, 96)), text, language
    )


def measured(**more):
    """A text that is set well."""
    told = {"size": 30, "lines": ("신메뉴",), "boxes": ((8, 8, 60, 40),), "covered": False}
    return Measured(case(), case().picture, **{**told, "contrast": 7.0, "tofu": 0, **more})


def test_our_texts_cover_nothing_and_have_contrast(cases, monkeypatch):
    """On four scenes every gate but the reader's is kept; Pillow's own text has too little contrast."""
    monkeypatch.setattr(rows, "read", lambda strips, language: ["" for _ in strips])
    figures = table([set_by_us(one) for one in cases])
    assert missed(figures) == ["read must be >= 0.97, got 0.0000"]
    html = table([set_as_html(one) for one in cases])
    assert missed(html) == ["read must be >= 0.97, got 0.0000"]
    assert html["ms median"] > 0
    plain = table([set_by_pillow(one) for one in cases])
    assert plain["contrast"] < figures["contrast"] == 1.0


def test_the_command_fails_where_a_gate_is_missed(cases, monkeypatch, capsys):
    """A reader that reads everything keeps all gates; one that reads nothing does not."""
    monkeypatch.setattr(reading, "check_reader", lambda: None)
    monkeypatch.setattr(samples, "samples", lambda seed, count: cases[:1])
    monkeypatch.setattr(samples, "set_on_white", lambda: [])
    monkeypatch.setattr(rows, "_read_share", lambda texts, language: (10, 10))
    assert main(["score-text", "--count", "1", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["vitrine"]["covered"] == told["html"]["covered"] == 0
    assert told["missed"] == []
    monkeypatch.setattr(rows, "_read_share", lambda texts, language: (9, 10))
    assert main(["score-text", "--count", "1"]) == 1
    said = capsys.readouterr().out
    assert all(f"{way}: read must be >= 0.97, got 0.9000" in said for way in ("vitrine", "html"))


def test_what_lacks_is_said(monkeypatch, capsys):
    """Without tesseract, or without a language of it, the message says what to install."""
    monkeypatch.setattr(reading.shutil, "which", lambda name: None)
    assert main(["score-text"]) == 1
    assert "tesseract is missing: install the Debian packages tesseract-ocr" in capsys.readouterr().err
    monkeypatch.setattr(reading.shutil, "which", lambda name: name)
    listed = subprocess.CompletedProcess([], 0, "eng\nkor\n", "")
    monkeypatch.setattr(reading.subprocess, "run", lambda *words, **more: listed)
    assert main(["score-text"]) == 1
    assert "tesseract lacks chi_sim, jpn" in capsys.readouterr().err
    assert main(["score-text", "--count", "0"]) == 1
    assert "count must be at least 1, got 0" in capsys.readouterr().err


def test_each_gate_can_be_missed():
    """A text that covers the product, is faint, has tofu or could not be set at all shows in its figure."""
    good = {"set": 1.0, "covered": 0.0, "contrast": 1.0, "tofu": 0.0, "read": 1.0}
    assert missed(good) == []
    wrong = {"set": 0.9, "covered": 0.1, "contrast": 0.9, "tofu": 1.0, "read": 0.9}
    for name, value in wrong.items():
        assert [line.split()[0] for line in missed(good | {name: value})] == [name]


def test_the_figures_of_texts(monkeypatch):
    """Shares are of the texts that could be set; what is read is counted by character."""
    monkeypatch.setattr(rows, "read", lambda strips, language: ["신매뉴"] * len(strips))
    texts = [measured(), measured(covered=True, contrast=2.0, tofu=2), measured(size=0)]
    figures = table(texts)
    assert figures["set"] == pytest.approx(2 / 3)
    assert (figures["covered"], figures["contrast"], figures["tofu"]) == (0.5, 0.5, 2.0)
    assert figures["read"] == figures["read ko"] == pytest.approx(2 / 3)


def test_pixels_tell_what_is_covered_and_how_it_stands_out():
    """Small cases by hand."""
    before = np.full((40, 60, 3), 255, np.uint8)
    after, alpha = before.copy(), np.zeros((40, 60), np.uint8)
    after[10:20, 10:30] = (17, 17, 17)
    alpha[30:] = 1
    boxes = [(10, 10, 30, 20)]
    assert not covered(before, after, alpha, boxes)
    after[35, 35] = 9
    assert not covered(before, after, alpha, boxes)  # a soft pixel of the edge
    alpha[35, 35] = 255
    assert covered(before, after, alpha, boxes)
    after[35, 35], alpha[19, 29] = 255, 1
    assert covered(before, after, alpha, boxes)
    assert contrast_of(after, [(5, 5, 40, 25)], (17, 17, 17)) == pytest.approx(18.88, abs=0.01)
    after[21:25, 5:40] = (60, 60, 60)
    assert contrast_of(after, [(5, 5, 40, 25)], (17, 17, 17)) < 2
    assert contrast_of(after, [], (0, 0, 0)) == 1.0


def test_characters_that_a_face_lacks_are_counted(cases):
    """By the glyph that the face draws for them."""
    face = samples.fonts().faces("NanumGothic", "bold", "ko")[0]
    assert (tofu("신메뉴 4,500원", face), tofu("买买 a", face)) == (0, 2)


def test_the_renderers_are_timed_in_one_run(capsys, cases, monkeypatch):
    """Takumi, one browser that stays, and a browser for each page; skipped where there is no browser."""
    try:
        monkeypatch.setattr(html_speed, "DESIGNS", {"ribbon": DESIGNS["ribbon"]})
        assert html_speed.timed(1).keys() == {"takumi", "chromium, kept", "chromium, new"}
    except Unavailable as lacking:
        pytest.skip(str(lacking))
    assert main(["html-speed", "--count", "0"]) == 1
    assert "count must be at least 1, got 0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("read", "truth", "edits"), [("", "가나", 2), ("가나", "가나", 0), ("가다라", "가나", 2)]
)
def test_the_distance_is_levenshteins(read, truth, edits):
    """Inserted, deleted and replaced characters count one each."""
    assert distance(read, truth) == edits


def test_a_line_is_scaled_to_what_the_reader_reads_best():
    """With a little of the picture around it, and cut at the picture's edge."""
    strip = reading.strip(np.zeros((100, 200, 3), np.uint8), (0, 10, 100, 74))
    height = 1 + reading.AROUND + min(reading.AROUND, 10 / 64)  # 10 px of the picture are above the line
    assert strip.size[1] == pytest.approx(reading.LINE_HEIGHT * height, abs=1)
    assert strip.mode == "L"
    assert reading.read([], "ko") == []
    assert reading.bare(" ２０ ％\n") == "20%"


def test_tesseract_reads_a_line():
    """All lines of a language are read in one call, in order."""
    try:
        reading.check_reader()
    except Exception as lacking:
        pytest.skip(str(lacking))
    white = np.full((120, 400, 3), 255, np.uint8)
    strips = []
    for text in ("Fresh bread", "Open now"):
        options = samples.TextOptions(text=text, language="en")
        picture, (told,) = samples.overlaid(white, [options], samples.setters())
        strips.append(reading.strip(picture, tuple(told["line_boxes"][0])))
    assert [reading.bare(text) for text in reading.read(strips, "en")] == ["Freshbread", "Opennow"]
