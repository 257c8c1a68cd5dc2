"""The shop's CLIP: its words, what it starts from and learns, and the folder that it is written into."""

import numpy as np
import pytest
import torch
from vitrine_export.checkpoint.clip import open_clip
from vitrine_export.exporting.clip import PictureTower, TextTower
from vitrine_export.shop_nets import HEADS
from vitrine_export.training.loop import Plan
from vitrine_export.training.shop import clip, recipe, save
from vitrine_export.training.shop.pictures import picture_set, signed
from vitrine_orchestrator.images import clip as server
from vitrine_world import shop

COUNT, STEPS = 8, 6


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    """The state folder, with a few drawings."""
    folder = tmp_path_factory.mktemp("state")
    picture_set(folder, COUNT)
    return folder


@pytest.fixture
def small(monkeypatch):
    """A plan of a few steps on a few drawings."""
    plan = Plan(steps=STEPS, batch=4, lr=2e-3, warmup=2, ema=0.5, save_every=2)
    monkeypatch.setitem(recipe.PLANS, "shop_clip", plan)
    monkeypatch.setattr(clip, "picture_set", lambda folder: picture_set(folder, COUNT))


def test_every_word_of_a_prompt_is_one_token(tmp_path):
    """Prompts of both languages and all styles fit 77 tokens and are read back without their spaces."""
    words = clip.tokenizer(tmp_path)
    for language in shop.LANGUAGES:
        known = {f"{word}</w>" for text in shop.words(language) for word in text.split("-")}
        for index in range(20):
            text = shop.prompt(shop.sample(3, index).facts, language, list(shop.STYLES)[index % 3])
            ids = words(text).input_ids
            assert len(ids) <= 40
            assert words.decode(ids[1:-1]).replace(" ", "") == text.replace(" ", "")
            parts = [words.decode([one]).strip() for one in ids[1:-1]]
            assert {f"{part}</w>" for part in parts if part not in ",:-"} <= known


def test_a_near_miss_differs_in_one_fact():
    """All are different, and a fact without so many other values is refused."""
    facts = shop.sample(3, 0).facts
    missed = shop.near_misses(facts, shop.SEVEN, np.random.default_rng(0))
    assert len(set(missed)) == 7
    for made in missed:
        assert sum(vars(made)[name] != vars(facts)[name] for name in vars(facts)) == 1
    with pytest.raises(ValueError, match="light has 1 other values, asked for 2"):
        shop.near_misses(facts, {"light": 2}, np.random.default_rng(0))


def test_pictures_are_prepared_as_the_server_prepares_them():
    """The training's pixels are those of the server, to what it rounds and cuts to 8 bits."""
    drawn = shop.draw(shop.sample(3, 1)).picture
    ours, theirs = clip.pixel_values(signed(drawn[None]))[0], torch.from_numpy(server.pixel_values(drawn))
    assert (ours - theirs).abs().max() < 0.2
    assert (ours - theirs).abs().mean() < 0.01


def test_patches_start_as_components_of_the_drawings(state):
    """Over drawings they have a mean of about zero, and come in the order of their deviations."""
    data = signed(picture_set(state, COUNT).pictures)
    torch.manual_seed(0)
    net = clip.untrained(data)
    with torch.no_grad():
        found = net.vision_model.embeddings(clip.pixel_values(data))[:, 1:].flatten(0, 1)
    spread = found.std(dim=0)
    assert (found.mean(dim=0).abs() < 0.2 * spread[0]).all()
    assert spread[0] > 2 * spread[20] > 2 * spread[-1] > 0.1


@pytest.mark.usefixtures("small")
def test_it_learns_and_continues_and_is_read_again(state, tmp_path):
    """A run that was stopped ends as the undisturbed one; the written folder computes what was trained."""
    trained = clip.train_clip(state)
    again = clip.train_clip(state)
    assert all(torch.equal(one, again.state_dict()[name]) for name, one in trained.state_dict().items())
    data, facts = picture_set(state, COUNT), [shop.sample(recipe.SEED, index).facts for index in range(COUNT)]
    batch = clip.batch_of(data, facts, clip.tokenizer(tmp_path / "words"), 0, 4)
    assert batch.ids.shape[0] == 4 * (1 + sum(clip.WRONG.values()))
    torch.manual_seed(0)
    fresh = clip.untrained(signed(data.pictures))
    seen = clip.pixel_values(batch.pictures)
    with torch.no_grad():
        after, before = (
            clip.choice_error(net, net.vision_model(seen).pooler_output, batch.ids)
            for net in (trained, fresh)
        )
    assert after < before
    assert set(batch.labels) == set(HEADS)
    save.save_clip(trained, tmp_path)
    opened = open_clip(tmp_path / save.CLIP_FOLDER)
    opened.verify(("vision", "text"))
    ids = torch.nn.functional.pad(batch.ids, (0, 77 - batch.ids.shape[1]), value=int(batch.ids[0, -1]))
    with torch.no_grad():
        shown, said = PictureTower(opened.load("vision"))(seen), TextTower(opened.load("text"))(ids)
        pictures = trained.visual_projection(trained.vision_model(seen).pooler_output)
        wanted = torch.nn.functional.normalize(pictures) @ clip.texts_of(trained, batch.ids).T
    found = torch.nn.functional.normalize(shown) @ torch.nn.functional.normalize(said).T
    assert (found - wanted).abs().max() < 0.01
