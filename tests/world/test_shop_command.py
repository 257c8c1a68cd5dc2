"""The command `vitrine-export shop` writes samples that any tool can read."""

import argparse
import json

import numpy as np
import pytest
from PIL import Image
from vitrine_world.shop import STYLES, TRADES, draw, free_areas, prompt, read_prompt, sample
from vitrine_world.shop.command import SHEET_COLUMNS, add_arguments, run


def shop(*words: str) -> int:
    """Run the command with these arguments."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return run(parser.parse_args(words))


def pixels(path) -> np.ndarray:
    """The picture's stored values."""
    with Image.open(path) as picture:
        return np.asarray(picture)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two samples of 64 px."""
    out = tmp_path_factory.mktemp("shop")
    assert shop("--seed", "3", "--count", "2", "--size", "64", "--out", str(out)) == 0
    return out


def test_a_sample_is_written_as_files(folder):
    """Pictures and truth are read back as drawn."""
    drawn = draw(sample(3, 1), 64)
    for name in ("picture", "scene", "product", "cut_out", "alpha", "shadow"):
        assert np.array_equal(pixels(folder / "00001" / f"{name}.png"), getattr(drawn, name))
    for style in ("line", "night"):
        assert np.array_equal(
            pixels(folder / "00001" / f"{style}.png"), draw(sample(3, 1), 64, style).picture
        )


def test_the_facts_are_in_json(folder):
    """The file sample.json has both prompts, the facts, the light and the free areas."""
    told = json.loads((folder / "00001" / "sample.json").read_text(encoding="utf-8"))
    made = sample(3, 1)
    assert told["prompt"]["english"] == prompt(made.facts)
    assert read_prompt(told["prompt"]["korean"], "korean")[0] == made.facts
    assert told["facts"]["kind"] == made.facts.kind
    assert told["light"]["from"] == made.facts.light
    assert np.allclose(told["free_areas"], free_areas(made))


def test_a_contact_sheet_shows_every_trade_and_style(folder):
    """Every kind and trade once, then one sample's truth and its other styles."""
    lines = -(-(len(TRADES) + 3 + len(STYLES) - 1) // SHEET_COLUMNS)
    assert pixels(folder / "sheet.png").shape == (lines * 64, SHEET_COLUMNS * 64, 3)


def test_a_kind_and_a_trade_can_be_asked_for(tmp_path):
    """Every sample is of them."""
    shop("--count", "2", "--size", "32", "--kind", "camera", "--trade", "toy shop", "--out", str(tmp_path))
    for number in range(2):
        told = json.loads((tmp_path / f"{number:05d}" / "sample.json").read_text(encoding="utf-8"))
        assert (told["facts"]["kind"], told["facts"]["trade"]) == ("camera", "toy shop")


def test_a_count_below_one_is_refused(tmp_path, capsys):
    """The command names the limit and the value."""
    with pytest.raises(SystemExit):
        shop("--count", "0", "--out", str(tmp_path))
    assert "must be at least 1, got 0" in capsys.readouterr().err
