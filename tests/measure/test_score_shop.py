"""`vitrine-export score-shop` measures the shipped networks of the shop, and can fail."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from vitrine_export.command import main
from vitrine_export.shop_nets import Checker
from vitrine_export.training.shop import save
from vitrine_export.training.shop.recipe import SEED
from vitrine_measure.score_shop.figures import accuracy, alpha_error, overlap
from vitrine_measure.score_shop.rows import ROWS, Row

CHECKPOINT = Path(__file__).parents[2] / "checkpoints" / "paper-shop"


def score(capsys, *words: str) -> tuple[int, dict]:
    """Run the command and read its JSON."""
    code = main(["score-shop", "--json", *words])
    return code, json.loads(capsys.readouterr().out)


def test_the_shipped_networks_keep_their_gates(capsys):
    """On samples never trained on, every row of the score is above its gate."""
    code, told = score(capsys, "--checkpoint", str(CHECKPOINT), "--seed", "77", "--count", "48")
    assert told["missed"] == []
    assert code == 0
    assert told["cut-out"]["alpha_error"] <= 0.015
    assert min(told["checker on true pictures"].values()) >= 0.98


def test_the_shipped_files_are_small():
    """Each network takes at most a megabyte."""
    for path in (CHECKPOINT / save.CHECKER_FILE, CHECKPOINT / save.CUT_OUT_FILE):
        assert path.stat().st_size <= 1_000_000


def test_an_untrained_checker_misses_its_gates(tmp_path, capsys):
    """The score of random weights is low, the exit code says so, and the lines name gate and value."""
    torch.manual_seed(0)
    save.save_checker(Checker(), tmp_path)
    shutil.copytree(CHECKPOINT / "cut_out", tmp_path / "cut_out")
    code, told = score(capsys, "--checkpoint", str(tmp_path), "--count", "8")
    assert code == 1
    assert any("kind must be at least 0.98, got" in line for line in told["missed"])
    assert told["cut-out"]["overlap"] > 0.9


def test_the_trainings_own_seed_is_refused(capsys):
    """Its samples would not be unseen."""
    assert main(["score-shop", "--seed", str(SEED)]) == 1
    assert "seed must not be the training's" in capsys.readouterr().err


def test_a_count_below_one_is_refused(capsys):
    """The message names the rule and the value."""
    assert main(["score-shop", "--count", "0"]) == 1
    assert "count must be at least 1, got 0" in capsys.readouterr().err


def test_the_figures_are_what_they_say():
    """Small cases by hand."""
    truth = [{"kind": "can", "light": "left"}, {"kind": "mug", "light": "left"}]
    read = [{"kind": "can", "light": "left", "style": "line"}, {"kind": "can", "light": "left"}]
    assert accuracy(read, truth) == {"kind": 0.5, "light": 1.0}
    one, other = np.array([[0.0, 1.0], [1.0, 0.4]]), np.array([[0.0, 1.0], [0.0, 1.0]])
    assert alpha_error(one, other) == pytest.approx(0.4)
    assert overlap(one, other) == pytest.approx(1 / 3)
    assert overlap(np.zeros((2, 2)), np.zeros((2, 2))) == 1.0


def test_a_row_names_what_missed():
    """Accuracies have a least value, errors a greatest one."""
    row = Row("row", lambda folder, samples: {}, {"kind": 0.9}, {"error": 0.1})
    assert row.missed({"kind": 0.9, "error": 0.1}) == []
    assert row.missed({"kind": 0.8, "error": 0.2}) == [
        "row: kind must be at least 0.9, got 0.8000",
        "row: error must be at most 0.1, got 0.2000",
    ]
    assert {row.name for row in ROWS} == {"checker on true pictures", "cut-out"}
