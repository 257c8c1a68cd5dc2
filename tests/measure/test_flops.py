"""The cost of denoising at the released size, counted without weights."""

import argparse
import json

import pytest
from vitrine_export.nets.flux import FluxConfig, FluxNet
from vitrine_export.nets.z_image import ZImageConfig, ZImageNet
from vitrine_measure import flops
from vitrine_measure.flops_flux import count_flux
from vitrine_measure.flops_z_image import count_z_image

TERA = 1e12


@pytest.fixture(scope="module")
def parts():
    """One step of a 768×1024 picture under guidance."""
    return flops.count_parts(768, 1024, guidance=2.0)


def test_the_parts_are_those_measured_on_the_released_code(parts):
    """A step takes 4.70 TFLOP in GarmentNet and 13.87 in TryonNet, 11.47 with the person's queries."""
    assert parts.garment_released / TERA == pytest.approx(4.70, rel=0.005)
    assert parts.tryon_released / TERA == pytest.approx(13.87, rel=0.005)
    assert parts.tryon / TERA == pytest.approx(11.47, rel=0.005)
    assert parts.fast / TERA <= 10.34


def test_each_saving_saves_and_the_sum_is_as_stated(parts, monkeypatch):
    """Thirty steps take 557 TFLOP as released, at most 312 with exact savings and a cached garment."""
    monkeypatch.setattr(flops, "count_parts", lambda *size: parts)
    lines = flops.table(768, 1024, steps=30, guidance=2.0)
    figures = {line.name: line.flop / TERA for line in lines}
    assert figures["released"] == pytest.approx(557, rel=0.01)
    assert figures["person_queries"] == pytest.approx(485, rel=0.01)
    assert figures["exact_cached"] <= 312
    assert list(figures.values()) == sorted(figures.values(), reverse=True)


def test_the_json_holds_the_figures_by_name(parts, monkeypatch, capsys):
    """The JSON has released, exact and exact_cached in TFLOP."""
    monkeypatch.setattr(flops, "count_parts", lambda *size: parts)
    parser = argparse.ArgumentParser()
    flops.add_arguments(parser)
    assert flops.run(parser.parse_args(["--steps", "20", "--json"])) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["released"] > printed["exact"] > printed["exact_cached"] > 0
    assert (printed["size"], printed["steps"]) == ("768x1024", 20)


@pytest.mark.parametrize("size", [(768, 1000), (0, 1024)])
def test_a_size_that_cannot_be_halved_is_refused(size):
    """The message names the side and the rule: latents must halve twice."""
    with pytest.raises(ValueError, match="must be a positive multiple of 32"):
        flops.count_parts(*size, guidance=2.0)


def test_steps_start_at_one():
    """A picture needs at least one step."""
    with pytest.raises(ValueError, match="steps must be 1 or more, got 0"):
        flops.table(768, 1024, steps=0, guidance=2.0)


def test_a_picture_of_z_image_costs_what_is_expected(capsys):
    """A picture of 1024 x 1024 in 8 steps takes 420 to 445 TFLOP; guidance doubles it."""
    parser = argparse.ArgumentParser()
    flops.add_arguments(parser)
    assert flops.run(parser.parse_args(["--family", "z-image", "--json"])) == 0
    figures = json.loads(capsys.readouterr().out)
    assert 420 <= figures["picture"] <= 445
    assert figures["picture"] == pytest.approx(8 * figures["step"], rel=1e-4)
    assert 1.005 < figures["lora"] / figures["picture"] < 1.008


def test_a_picture_of_flux_costs_what_is_expected(capsys):
    """57 blocks of 12 · 3072² weights see 4608 tokens, and attention compares all of them."""
    parser = argparse.ArgumentParser()
    flops.add_arguments(parser)
    assert flops.run(parser.parse_args(["--family", "flux", "--json"])) == 0
    figures = json.loads(capsys.readouterr().out)
    by_hand = 57 * (2 * 12 * 3072**2 * 4608 + 4 * 4608**2 * 3072) / TERA
    assert figures["step"] == pytest.approx(by_hand, rel=0.01)
    assert 1.003 < figures["lora"] / figures["picture"] < 1.01


SMALL = {"axes_dims": (8, 8, 8), "n_heads": 2, "dim": 48, "n_layers": 2, "n_refiner_layers": 1}
SMALL_FLUX = {"num_attention_heads": 2, "attention_head_dim": 16, "axes_dims_rope": (4, 6, 6)}


def test_an_adapter_costs_two_products_a_linear_and_token():
    """The counted extra work is 2 · rank · (inputs + outputs) for each token that a linear sees."""
    config = ZImageConfig(**SMALL, cap_feat_dim=32)
    found, linears = count_z_image(64, 64, 1, 0.0, 20, config), ZImageNet(config).sites.linears
    both = {"layers": 64}  # the others see the 32 tokens of the picture or of the caption
    wide = sum(
        (one.in_features + one.out_features) * both.get(name.split(".")[0], 32)
        for name, one in linears.items()
    )
    assert found.lora - found.step == 2 * 16 * wide
    flux = FluxConfig(num_layers=0, num_single_layers=2, joint_attention_dim=32, **SMALL_FLUX)
    found, linears = count_flux(64, 64, 2, 20, flux), FluxNet(flux).sites.linears
    wide = sum(
        (one.in_features + one.out_features) * (1 if ".norm." in name else 16 + 20)
        for name, one in linears.items()
    )
    assert found.lora - found.picture == 2 * 2 * 16 * wide


@pytest.mark.parametrize(
    ("size", "said"), [((1000, 1024, 8), "width must be"), ((1024, 1024, 0), "steps must be 1")]
)
def test_what_z_image_cannot_draw_is_refused(size, said):
    """The error names the rule and the value."""
    with pytest.raises(ValueError, match=said):
        count_z_image(*size, guidance=0.0, words=64)
