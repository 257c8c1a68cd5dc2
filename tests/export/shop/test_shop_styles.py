"""The shop's styles: LoRAs that learn on a frozen generator, and are written as the registry reads them."""

import pytest
import torch
from diffusers import AutoencoderKL
from vitrine_export.checkpoint.ads import open_ads
from vitrine_export.lora.file import read_adapter
from vitrine_export.training.loop import Plan
from vitrine_export.training.shop import generator, recipe, save, styles, vae, words
from vitrine_export.training.shop.pictures import signed
from vitrine_export.training.shop.vae_start import start_as_block_codec
from vitrine_orchestrator.loras.registry import Registry
from vitrine_world import shop

COUNT, STEPS, RANK = 4, 6, 2


@pytest.fixture
def checkpoint(tmp_path, monkeypatch):
    """A narrow, untrained checkpoint, and a plan of a few steps."""
    narrow = {"dim": 96, "n_layers": 1, "n_heads": 3}
    monkeypatch.setattr(generator, "TRANSFORMER", recipe.TRANSFORMER | narrow)
    monkeypatch.setattr(save, "TRANSFORMER_CONFIG", recipe.TRANSFORMER_CONFIG | narrow | {"n_kv_heads": 3})
    plan = Plan(steps=STEPS, batch=4, lr=5e-3, warmup=2, ema=0.5, save_every=2)
    monkeypatch.setitem(recipe.PLANS, "shop_style", plan)
    monkeypatch.setattr(styles, "STYLED", COUNT)
    monkeypatch.setattr(styles, "STYLE_RANK", RANK)
    torch.manual_seed(0)
    codec = AutoencoderKL(**recipe.VAE)
    pictures = signed(shop.draw(shop.sample(3, 0)).picture[None])
    start_as_block_codec(codec, pictures)
    shift, factor = vae.scale(codec.eval(), pictures)
    codec.register_to_config(shift_factor=shift, scaling_factor=factor)
    save.save_vae(codec, tmp_path / "shop")
    save.save_generator(generator.Generator(words.tokenizer()).eval(), tmp_path / "shop")
    return tmp_path / "shop"


def test_a_style_learns_on_the_frozen_generator_and_is_registered(checkpoint, tmp_path):
    """The loss falls, a second run adds no step, and the registry gives what was trained."""
    read = open_ads(checkpoint)
    trained = styles.train_style("night", read, tmp_path / "state")
    again = styles.train_style("night", read, tmp_path / "state").state_dict()
    assert all(torch.equal(one, again[name]) for name, one in trained.state_dict().items())
    styles.save_style("night", trained, read, tmp_path)
    registry = Registry(checkpoint / save.LORAS_FOLDER, read.family, read.digest(), 2**26)
    lora = registry.get("night")
    assert (lora.card.rank, lora.card.licence) == (RANK, "Apache-2.0")
    assert lora.card.trigger_words == ("at night", "밤 풍경")
    kept = {"down": torch.tensor(lora.down), "up": torch.tensor(lora.up)}
    assert all((kept[name] - one).abs().max() < 1e-3 for name, one in trained.state_dict().items())
    net = read.load("transformer").requires_grad_(False)
    adapter = read_adapter(tmp_path / "shop_night.safetensors", net.sites)
    assert set(adapter.pairs) == set(net.sites.linears)
    data = styles.encoded(None, tmp_path / "state", COUNT, suffix="_night", style="night")
    said = styles._captions(read, data, "night", "english")
    batch = styles.batch_of(data, dict.fromkeys(shop.LANGUAGES, said), 99, 8)
    with torch.no_grad():
        losses = [styles.loss_of(net, terms, batch, 99) for terms in (trained, styles.Terms(net.sites, RANK))]
    assert losses[0] < losses[1]
