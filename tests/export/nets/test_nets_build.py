"""Configs and released state dicts to nets and back."""

import pytest
import torch
from vitrine_export.nets import (
    ProjectionShape,
    build_garment,
    build_tryon,
    load_released_state_dict,
    released_config,
    released_state_dict,
)


def test_weights_and_config_survive_the_round_trip(flat_pair):
    """Weights saved under the released names build the same net, image projection sizes inferred."""
    for net, build in ((flat_pair.tryon, build_tryon), (flat_pair.garment, build_garment)):
        saved = released_state_dict(net)
        again = released_state_dict(build(released_config(net), saved))
        assert saved.keys() == again.keys()
        assert all(torch.equal(saved[key], again[key]) for key in saved)


def test_keys_are_the_released_ones(flat_pair):
    """The image attention and the image projection are named as in the released unet/ weights."""
    keys = released_state_dict(flat_pair.tryon).keys()
    site = "mid_block.attentions.0.transformer_blocks.1.attn2"
    layer = "encoder_hid_proj.layers.1"
    assert {f"{site}.processor.to_k_ip.weight", f"{site}.processor.to_v_ip.weight"} <= keys
    assert {
        f"{layer}.0.to_kv.weight",
        f"{layer}.0.norm1.bias",
        f"{layer}.1.0.weight",
        f"{layer}.1.3.weight",
    } <= keys
    assert {"encoder_hid_proj.latents", "encoder_hid_proj.proj_in.bias", "conv_in.weight"} <= keys


def test_the_projection_is_inferred_from_its_weights(flat_pair):
    """Width, depth, queries and heads come from shapes; the width of a head must be given."""
    inferred = ProjectionShape.from_state(released_state_dict(flat_pair.tryon), "encoder_hid_proj.", 8)
    assert inferred == flat_pair.tryon.unet.encoder_hid_proj.shape


def test_a_head_width_that_does_not_divide_is_refused(flat_pair):
    """Weights that a head width of 64 does not divide are refused, and the error names the key to set."""
    with pytest.raises(ValueError, match="inner width 16 is no multiple of the head width 64"):
        ProjectionShape.from_state(released_state_dict(flat_pair.tryon), "encoder_hid_proj.")


def test_unused_keys_of_a_full_sdxl_unet_are_ignored(flat_pair):
    """The unused add_embedding weights of the released unet_encoder are ignored."""
    state = released_state_dict(flat_pair.garment)
    load_released_state_dict(
        build_garment({**flat_pair.config, "in_channels": 4}),
        {**state, "add_embedding.linear_1.bias": torch.zeros(3)},
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda state: state.pop("conv_in.bias"), "1 missing keys, first conv_in.bias"),
        (lambda state: state.update(other=torch.zeros(1)), "1 unknown keys, first other"),
        (
            lambda state: state.update({"conv_in.bias": torch.zeros(3)}),
            "1 misshapen keys, first conv_in.bias",
        ),
    ],
)
def test_weights_that_do_not_fit_are_named(flat_pair, change, said):
    """The error names a missing, unknown or misshapen key."""
    state = released_state_dict(flat_pair.tryon)
    change(state)
    with pytest.raises(ValueError, match=said):
        load_released_state_dict(flat_pair.tryon, state)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("class_embed_type", "timestep"),
        ("down_block_types", ["AttnDownBlock2D", "CrossAttnDownBlock2D"]),
        ("time_embedding_type", "fourier"),
    ],
)
def test_another_architecture_is_refused(flat_pair, key, value):
    """A config whose computation is not covered is refused."""
    with pytest.raises(ValueError, match="UNet config"):
        build_tryon({**flat_pair.config, key: value})
