"""The command `vitrine-export dolls` writes samples that any tool can read."""

import argparse
import json

import numpy as np
import pytest
from PIL import Image
from vitrine_world.dolls import CATEGORIES, draw_person, keypoints, labels, parts, sample
from vitrine_world.dolls.command import add_arguments, run


def dolls(*words: str) -> int:
    """Run the command with these arguments."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return run(parser.parse_args(words))


def pixels(path) -> np.ndarray:
    """The picture's stored values, not those of its palette."""
    with Image.open(path) as picture:
        return np.asarray(picture)


def test_a_sample_is_written_as_files(tmp_path):
    """Pictures, labels and parts are read back as drawn."""
    assert dolls("--seed", "3", "--count", "2", "--out", str(tmp_path)) == 0
    made, folder = sample(3, 1), tmp_path / "00001"
    assert np.array_equal(pixels(folder / "person.png"), draw_person(made.person))
    assert np.array_equal(pixels(folder / "target.png"), draw_person(made.target))
    assert np.array_equal(pixels(folder / "labels.png"), labels(made.person))
    assert np.array_equal(pixels(folder / "parts.png"), parts(made.person))
    assert (folder / "garment.png").exists()


def test_every_category_has_its_mask(tmp_path):
    """Masks are black and white pictures of the person's size."""
    dolls("--count", "1", "--out", str(tmp_path), "--width", "96", "--height", "128")
    for category in CATEGORIES:
        mask = pixels(tmp_path / "00000" / f"mask_{category}.png")
        assert mask.shape == (128, 96)
        assert set(np.unique(mask)) == {0, 255}


def test_the_facts_are_in_json(tmp_path):
    """The file sample.json has the request in words and the joints in pixels."""
    dolls("--seed", "3", "--count", "1", "--category", "dresses", "--out", str(tmp_path))
    facts = json.loads((tmp_path / "00000" / "sample.json").read_text())
    made = sample(3, 0, "dresses")
    assert facts["category"] == "dresses"
    assert facts["description"] == made.garment.description
    assert facts["garment"]["colour"] == made.garment.colour
    assert np.allclose(facts["keypoints"], keypoints(made.person) * (192, 256, 1), atol=1e-3)


def test_a_contact_sheet_shows_the_samples(tmp_path):
    """Each sample's person, garment and target are next to each other, four samples in a row."""
    dolls("--count", "5", "--out", str(tmp_path), "--width", "48", "--height", "64")
    assert pixels(tmp_path / "sheet.png").shape == (2 * 64, 4 * 3 * 48, 3)


def test_a_count_below_one_is_refused(tmp_path, capsys):
    """The command names the limit and the value."""
    with pytest.raises(SystemExit):
        dolls("--count", "0", "--out", str(tmp_path))
    assert "must be at least 1, got 0" in capsys.readouterr().err
