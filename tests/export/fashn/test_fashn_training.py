"""The small FASHN checkpoint: what training draws, where it starts, how it steps, what it writes."""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import default_collate
from vitrine_export.checkpoint.fashn import open_fashn
from vitrine_export.nets.fashn import FashnNet
from vitrine_export.training import command, muon
from vitrine_export.training.fashn import draws, recipe, save, start, train
from vitrine_export.training.loop import Plan
from vitrine_world import dolls

CHECKPOINT = Path(__file__).parents[3] / "checkpoints" / "paper-doll-fashn"
SMALL = replace(recipe.NET, hidden=32, heads=2, axes=(4, 6, 6), double_blocks=1, single_blocks=1)


@pytest.fixture(scope="module")
def batch():
    """Three drawn try-ons."""
    return default_collate([draws.draw_try_on(index) for index in range(3)])


@pytest.fixture(autouse=True)
def few_samples(monkeypatch):
    """The start's components come from a few samples."""
    monkeypatch.setattr(start, "SAMPLES", 6)


@pytest.fixture
def net():
    """A narrow network at the training's start."""
    torch.manual_seed(0)
    net = FashnNet(SMALL)
    start.start_as_copy(net)
    return net


def conditions(batch):
    """Times, pictures and categories of a batch, as the network takes them."""
    person, garment = (train.signed(batch[name]) for name in ("person", "garment"))
    empty = torch.full_like(person[:, :1], -1.0)
    return torch.zeros(len(person)), (person, empty, garment, empty), batch["category"]


def test_a_doll_fits_the_canvas_without_a_resize():
    """The drawn picture is on the canvas unchanged, between black rows."""
    picture = dolls.draw_person(dolls.sample(3, 1).person)
    shown = draws.on_canvas(picture)
    assert np.array_equal(shown[4:-4], picture)
    assert not shown[:4].any()
    assert not shown[-4:].any()


def test_kept_patches_show_somebody(batch):
    """Kept tokens are distinct and mostly of the person, whether or not the try-on changes them."""
    for row in range(3):
        kept = batch["image_kept"][row].tolist()
        assert len(set(kept)) == recipe.IMAGE_KEPT
        different = (batch["person"][row] != batch["target"][row]).any(dim=-1)
        cut = different.unflatten(0, (22, 12)).unflatten(2, (16, 12)).any(dim=1).any(dim=-1).flatten()
        assert torch.equal(batch["weight"][row] == 1, cut[kept])
        assert 0 < cut[kept].float().mean() < 0.9
        wall = batch["person"][row, 5, 0]
        plain = (batch["person"][row] == wall).all(dim=-1).unflatten(0, (22, 12)).unflatten(2, (16, 12))
        assert plain.all(dim=1).all(dim=-1).flatten()[kept].float().mean() < 0.5


def test_joints_that_a_detector_misses_are_not_drawn():
    """With the draw of a detector, the pose picture differs a little from the true one."""
    person = dolls.sample(3, 2).person
    true, found = draws.draw_pose(person), draws.draw_pose(person, np.random.default_rng(0))
    assert true.any()
    assert 0 < (true != found).mean() < 0.05


def test_keeping_all_tokens_is_the_plain_network(net, batch):
    """The form of the training computes the patches of the plain form, in any order of the tokens."""
    torch.manual_seed(1)
    for weight in net.parameters():
        torch.nn.init.normal_(weight, std=0.05)
    times, pictures, categories = conditions(batch)
    x = torch.randn(pictures[0].shape)
    everything = torch.arange(SMALL.tokens).expand(3, -1)
    with torch.no_grad():
        whole = net.patches(net(x, times, *pictures, categories))
        kept = net.kept(x, times, pictures, categories, everything, everything)
        order = everything.flip(1)
        moved = net.kept(x, times, pictures, categories, order, everything)
    assert torch.allclose(kept, whole, atol=1e-5)
    assert torch.allclose(moved.flip(1), whole, atol=1e-5)


def test_training_starts_as_a_copy(batch):
    """At the recipe's width, the network gives the person's own picture back at the start."""
    torch.manual_seed(0)
    net = FashnNet(replace(recipe.NET, mixers=1, double_blocks=1, single_blocks=1))
    start.start_as_copy(net)
    times, pictures, categories = conditions(batch)
    with torch.no_grad():
        made = net(torch.randn(pictures[0].shape), times, *pictures, categories)
    assert (made - pictures[0]).abs().mean() < 0.03  # of a range of 2


def test_an_orthogonal_update_has_even_singular_values():
    """All singular values of an update are about one, for wide and tall matrices."""
    draw = torch.Generator().manual_seed(2)
    for shape in ((12, 40), (40, 12)):
        values = torch.linalg.svdvals(muon.orthogonal(torch.randn(shape, generator=draw)))
        assert 0.5 < values.min() < values.max() < 1.3


def test_a_row_without_conditions_is_asked_as_the_null_category(batch):
    """Hidden rows have mid-grey pictures and category 0; the others keep theirs."""
    found = set()
    for step in range(12):
        _, times, pictures, categories, _ = train._asked(batch, step)
        assert ((times >= 0) & (times < 1)).all()
        for row, category in enumerate(categories.tolist()):
            hidden = category == 0
            assert all(bool((one[row] == 0).all()) == hidden for one in pictures)
            found.add(hidden)
    assert found == {True, False}


def test_both_phases_train_and_continue(batch, net, tmp_path, monkeypatch):
    """Stopped after the first phase or never: the same network, and its loss falls."""
    monkeypatch.setattr(train, "batches", lambda draw, first, steps, count: [batch] * (steps - first))
    monkeypatch.setattr(train, "NET", SMALL)
    for name in ("fashn", "fashn_whole"):
        monkeypatch.setitem(recipe.PLANS, name, Plan(steps=5, batch=3, lr=2e-3, warmup=1, ema=0.5))
    before = train.loss_of_all(net, batch, 0).item()
    whole = train.train_fashn(tmp_path)
    assert train.loss_of_all(whole, batch, 0).item() < before
    (tmp_path / "fashn_whole.state").unlink()
    again = train.train_fashn(tmp_path).state_dict()
    assert all(torch.equal(one, again[name]) for name, one in whole.state_dict().items())


def test_a_saved_network_is_read_back(net, tmp_path, monkeypatch):
    """The folder holds the released names in bfloat16, and opening it gives the rounded weights."""
    settings = {**recipe.SETTINGS, "heads": SMALL.heads, "axes": list(SMALL.axes)}
    monkeypatch.setattr(save, "SETTINGS", settings)
    save.save_fashn(net, tmp_path)
    read = open_fashn(tmp_path)
    assert read.net().config == SMALL
    assert read.settings.prediction_type == "sample"
    for name, one in read.net().state_dict().items():
        assert torch.equal(one, net.state_dict()[name].bfloat16().float()), name


def test_the_shipped_checkpoint_is_the_recipes():
    """The shipped network has the recipe's sizes and settings, and the folder holds at most 10 MB."""
    assert open_fashn(CHECKPOINT).net().config == recipe.NET
    assert json.loads((CHECKPOINT / "vitrine.json").read_text()) == recipe.SETTINGS
    assert sum(path.stat().st_size for path in CHECKPOINT.rglob("*") if path.is_file()) <= 10_000_000


def test_the_train_command_writes_the_checkpoint(net, tmp_path, monkeypatch):
    """The stage trains with the run's state and writes a checkpoint folder; other stages are left out."""
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    words = [
        "--stages",
        "fashn_tryon",
        "--state",
        str(tmp_path / "state"),
        "--fashn-out",
        str(tmp_path / "out"),
    ]
    states = []
    monkeypatch.setattr(train, "train_fashn", lambda state: states.append(state) or net)
    assert command.run(parser.parse_args(words)) == 0
    assert states == [tmp_path / "state"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"model.safetensors", "vitrine.json"}
