"""The simulation of eviction policies."""

import pytest
from vitrine_measure.residency.simulate import (
    MIXES,
    PIPELINES,
    SIZES_GB,
    Gdsf,
    Lru,
    Model,
    draw_uses,
    loading_s,
    rows,
)


def test_a_budget_for_all_loads_each_model_once():
    """Whatever the policy."""
    uses = [*SIZES_GB, *SIZES_GB]
    once = sum(Model(name, round(size * 10**9)).load_s for name, size in SIZES_GB.items())
    for policy in (Lru(), Gdsf()):
        assert loading_s(uses, sum(SIZES_GB.values()) + 0.001, policy) == pytest.approx(once / len(uses))


def test_one_model_at_a_time_is_loaded_at_each_change():
    """Two that do not fit together, by turns: every use is a load."""
    uses = ["denoise flux", "z_image_text_encoder"] * 5
    mean = (Model("", round(23.8e9)).load_s + Model("", round(8e9)).load_s) / 2
    assert loading_s(uses, 24, Lru()) == pytest.approx(mean)


def test_every_mix_is_of_known_pipelines_and_models():
    """The tables agree."""
    assert all(set(mix) <= set(PIPELINES) for mix in MIXES.values())
    assert all(set(models) <= set(SIZES_GB) for models in PIPELINES.values())


def test_the_shop_loads_less_with_gdsf_than_with_lru():
    """With room for two thirds of what the shop uses; the same requests for both."""
    uses = draw_uses(MIXES["shop"], 400, seed=0)
    assert loading_s(uses, 48, Gdsf()) < loading_s(uses, 48, Lru())


def test_the_table_has_a_row_for_each_mix_and_budget():
    """Three mixes, two budgets, and the head."""
    assert len(rows([32, 48], 20, [0])) == 1 + 2 * len(MIXES)
