"""The shop's VAE and generator: where they start, how they step, what they write."""

import argparse
import json

import pytest
import torch
from diffusers import AutoencoderKL
from torch.nn import functional as F
from vitrine_export.checkpoint.ads import open_ads
from vitrine_export.training import command
from vitrine_export.training.loop import Plan
from vitrine_export.training.shop import generator, recipe, save, scenes, vae, words
from vitrine_export.training.shop.pictures import picture_set, signed
from vitrine_export.training.shop.vae_start import start_as_block_codec
from vitrine_world import shop

COUNT, STEPS = 8, 12


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    """The state folder of the small runs."""
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def data(state):
    """A few drawings."""
    return picture_set(state, COUNT)


@pytest.fixture(scope="module")
def codec(data):
    """The VAE at the start of its training."""
    torch.manual_seed(0)
    made = AutoencoderKL(**recipe.VAE)
    start_as_block_codec(made, signed(data.pictures))
    shift, factor = vae.scale(made, signed(data.pictures))
    made.register_to_config(shift_factor=shift, scaling_factor=factor)
    return made.eval()


@pytest.fixture(scope="module")
def drawn(codec, state):
    """A few encoded advertisements."""
    return scenes.encoded(codec, state, COUNT)


@pytest.fixture
def narrow(monkeypatch):
    """A narrow generator, and plans of a few steps."""
    narrow = {**recipe.TRANSFORMER, "dim": 96, "n_layers": 1, "n_heads": 3}
    monkeypatch.setattr(generator, "TRANSFORMER", narrow)
    parts = (recipe.Part("first", COUNT, steps=2), recipe.Part("scenes", COUNT, empty=2))
    monkeypatch.setattr(generator, "PARTS", parts)
    phases = {"shop_vae": STEPS, "shop_decoder": 2}
    phases |= {"shop_generator_first": 4, "shop_generator_scenes": STEPS}
    for name, steps in phases.items():
        plan = Plan(steps=steps, batch=4, lr=1e-4, warmup=4, ema=0.5, save_every=2)
        monkeypatch.setitem(recipe.PLANS, name, plan)


def test_the_vae_starts_as_a_codec_of_blocks(codec, data):
    """Before a step the latents are uncorrelated components, and the decoder gives the blocks' colours."""
    pictures = signed(data.pictures)
    with torch.no_grad():
        latents = codec.encode(pictures).latent_dist.mode()
        made = codec.decode(latents).sample
    flat = latents.movedim(1, 0).flatten(1)
    shares = torch.corrcoef(flat) - torch.eye(16)
    assert shares.abs().max() < 0.15
    assert (flat.std(dim=1) > 0.3).all()
    colours = F.interpolate(F.avg_pool2d(pictures, 8), scale_factor=8)
    assert (made - colours).abs().mean() < 0.05  # of a range of 2


def test_a_crop_has_more_weight_on_its_product(data):
    """A step's crops are always the same pieces of the pictures, with weights from 1 to PRODUCT_WEIGHT."""
    first, weight = vae.crops(data, "shop_vae", 64, 3)
    again, _ = vae.crops(data, "shop_vae", 64, 3)
    assert torch.equal(first, again)
    assert first.shape == (recipe.PLANS["shop_vae"].batch, 3, 64, 64)
    assert weight.min() == 1.0
    assert weight.max() == vae.PRODUCT_WEIGHT


@pytest.mark.usefixtures("narrow")
def test_the_vae_learns_and_continues(data, tmp_path, monkeypatch):
    """A few steps lower the loss; the decoder then learns alone, and a second run gives the same weights."""
    monkeypatch.setattr(vae, "picture_set", lambda folder: data)
    monkeypatch.setattr(vae, "CROP", 32)
    torch.manual_seed(0)
    before = AutoencoderKL(**recipe.VAE)
    start_as_block_codec(before, signed(data.pictures))
    codec = vae.train_codec(tmp_path)
    with torch.no_grad():
        batches = [(vae.crops(data, "shop_vae", 32, step), step) for step in range(STEPS)]
        after, first = (sum(vae.loss_of(net, *batch) for batch in batches) for net in (codec, before))
    assert after < 0.98 * first
    kept = {name: one.clone() for name, one in codec.state_dict().items()}
    trained = vae.train_decoder(codec, tmp_path).state_dict()
    same = {name for name, one in kept.items() if torch.equal(one, trained[name])}
    assert {name for name in kept if name.startswith("encoder")} <= same
    assert "decoder.conv_out.weight" not in same
    (tmp_path / "shop_decoder.state").unlink()
    again = vae.train_decoder(vae.train_codec(tmp_path), tmp_path).state_dict()
    assert all(torch.equal(one, again[name]) for name, one in trained.items())


def test_a_prompt_is_one_token_for_each_phrase():
    """Prompts of both languages fit 32 tokens with frame and style, and are read back to the letter."""
    made = words.tokenizer()
    for language in shop.LANGUAGES:
        for index in range(20):
            style = list(shop.STYLES)[index % 3]
            text = words.framed(shop.prompt(shop.sample(3, index).facts, language, style))
            ids = made(text, add_special_tokens=False)["input_ids"]
            assert len(ids) <= 32
            assert made.decode(ids) == text
    unknown = made("a gold 🫖", add_special_tokens=False)["input_ids"]
    assert made.decode(unknown) == "a gold 🫖"


def test_the_frame_is_that_of_the_template():
    """Training frames a prompt as the released pipeline does."""
    made = words.tokenizer()
    message = [{"role": "user", "content": "a red mug"}]
    text = made.apply_chat_template(message, tokenize=False, add_generation_prompt=True, enable_thinking=True)
    assert text == words.framed("a red mug")


def test_a_korean_word_starts_as_its_english_one():
    """Words of the same meaning have the same embedding, other words have others."""
    made = words.tokenizer()
    torch.manual_seed(0)
    table = generator.Generator(made).text_encoder.embed_tokens.weight
    known = made.get_vocab()
    for korean, english in words.same_meaning().items():
        assert torch.equal(table[known[korean]], table[known[english]]), korean
    assert not torch.equal(table[known["mug"]], table[known["can"]])


def test_parts_have_one_layout_and_more_of_the_world_in_turn(drawn):
    """All have the layout; the first part shows what the recipe lists, the others the whole world."""
    assert len(drawn.facts) == COUNT
    first, world, _ = recipe.PARTS
    early, every = (scenes.advertisements(200, part.covered) for part in (first, world))
    assert {made.layout for made in (*early, *every)} == {recipe.LAYOUT}
    assert [made.facts for made in every[:COUNT]] == drawn.facts
    for name, values in first.covered.items():
        assert {getattr(made.facts, name) for made in early} == set(values)
        assert {getattr(made.facts, name) for made in every} > set(values)
    assert {made.facts.colour for made in early} == set(shop.PRODUCT_COLOURS)
    assert drawn.latents.shape == (COUNT, 16, 16, 16)
    assert 0 < drawn.product.mean() < 0.4


def test_the_last_part_also_shows_scenes_without_a_product(codec, drawn, state):
    """Their prompts name no product, their weight is even, and they are not the pictures with one."""
    both = scenes.set_of(recipe.Part("scenes", COUNT, empty=2), codec, state)
    assert torch.equal(both.latents[:COUNT], drawn.latents)
    assert (len(both.facts), both.empty, both.product[COUNT:].max()) == (COUNT + 2, 2, 0)
    assert not torch.equal(both.latents[COUNT], drawn.latents[0])
    for language in shop.LANGUAGES:
        prompts = both.prompts(language)
        assert prompts[0] == shop.prompt(both.facts[0], language)
        assert prompts[COUNT] == shop.prompt(both.facts[COUNT], language, product=False)
        assert (
            len(words.tokenizer()(words.framed(prompts[COUNT]), add_special_tokens=False)["input_ids"]) <= 32
        )


def test_encoded_advertisements_are_read_again(drawn, state, monkeypatch):
    """A second call encodes nothing."""
    monkeypatch.setattr(scenes, "_encode", None)
    assert torch.equal(scenes.encoded(None, state, COUNT).latents, drawn.latents)


def test_the_generator_starts_as_minus_its_input(drawn):
    """At pure noise the first answer is close to minus the noise, which is the best linear one."""
    torch.manual_seed(0)
    net = generator.Generator(words.tokenizer())
    noise = torch.randn(4, 16, 16, 16)
    ids = torch.tensor(generator._ids(words.tokenizer(), drawn, "english")[:4])
    with torch.no_grad():
        made = net(noise, torch.ones(4), ids, (ids.shape[1],) * 4)
    assert (made + noise).std() < 0.6


def test_sigmas_are_mostly_noisy():
    """Some rows are pure noise, all lie in 0 to 1, most above one half."""
    sigmas = generator.draw_sigmas(4000, torch.Generator().manual_seed(0))
    assert ((sigmas > 0) & (sigmas <= 1)).all()
    assert 0.27 < (sigmas == 1).float().mean() < 0.33
    assert 0.65 < (sigmas > 0.5).float().mean() < 0.9


@pytest.mark.usefixtures("narrow")
def test_the_generator_learns_and_continues(drawn, tmp_path):
    """The loss falls a little; a run ended early and continued is the undisturbed one, to the bit."""

    def train(folder, until=None):
        return generator.train_generator(lambda part: drawn, tmp_path / folder, until)

    whole = train("whole")
    part, held = (train("part", until).state_dict() for until in (4, 0))
    assert all(torch.equal(one, held[name]) for name, one in part.items())
    again = train("part").state_dict()
    assert all(torch.equal(one, again[name]) for name, one in whole.state_dict().items())
    torch.manual_seed(0)
    fresh = generator.Generator(words.tokenizer())
    ids = {language: generator._ids(words.tokenizer(), drawn, language) for language in shop.LANGUAGES}
    batch = generator.batch_of(drawn, ids, 99, 8)
    with torch.no_grad():
        assert generator.loss_of(whole, batch, 99) < generator.loss_of(fresh, batch, 99)


@pytest.mark.usefixtures("narrow")
def test_the_written_folder_is_a_z_image_checkpoint(codec, tmp_path, monkeypatch):
    """The project's reader opens every network, and they compute what was trained."""
    narrow = {**recipe.TRANSFORMER_CONFIG, **generator.TRANSFORMER, "n_kv_heads": 3}
    monkeypatch.setattr(save, "TRANSFORMER_CONFIG", narrow)
    torch.manual_seed(0)
    made = words.tokenizer()
    net = generator.Generator(made).eval()
    save.save_vae(codec, tmp_path)
    save.save_generator(net, tmp_path)
    read = open_ads(tmp_path)
    read.verify()
    assert (read.settings.width, read.settings.default_steps) == (128, 8)
    ids = torch.tensor([made(words.framed("a red mug"), add_special_tokens=False)["input_ids"]])
    with torch.no_grad():
        found, truth = read.load("text_encoder")(ids), net.features(ids)
        assert torch.allclose(found, truth, atol=0.05)
        latents = torch.randn(1, 16, 16, 16)
        net.transformer.load_state_dict(read.load("transformer").state_dict())
        assert torch.isfinite(net(latents, torch.tensor([0.5]), ids, (ids.shape[1],))).all()
        again, pictures = read.load("vae"), torch.rand(1, 3, 64, 64)
        close = again.encode(pictures).latent_dist.mode() - codec.encode(pictures).latent_dist.mode()
        assert close.abs().max() < 0.05


def test_the_train_command_writes_the_checkpoint(codec, drawn, tmp_path, monkeypatch):
    """The stages train with the run's state, pass on `--until`, and write the folder."""
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    given = ["--stages", "shop_vae", "shop_pictures", "--until", "7", "--state", str(tmp_path / "state")]
    calls = []
    net = generator.Generator(words.tokenizer())
    monkeypatch.setattr(vae, "train_codec", lambda state: codec)
    monkeypatch.setattr(vae, "train_decoder", lambda made, state, until: calls.append(until) or made)
    monkeypatch.setattr(vae, "mean_error", lambda trained: 0.01)
    monkeypatch.setattr(scenes, "set_of", lambda part, vae, folder: (part, vae, folder))
    monkeypatch.setattr(
        generator, "train_generator", lambda sets, *given: calls.append((sets("a part"), *given)) or net
    )
    assert command.run(parser.parse_args([*given, "--shop-out", str(tmp_path / "out")])) == 0
    folder = tmp_path / "state"
    assert calls == [(("a part", codec, folder), folder, 7), 7]
    written = {path.name for path in (tmp_path / "out").iterdir()}
    parts = {"transformer", "text_encoder", "vae", "tokenizer", "scheduler"}
    assert written == parts | {"model_index.json", "vitrine.json"}
    assert json.loads((tmp_path / "out" / "vitrine.json").read_text()) == recipe.SETTINGS
