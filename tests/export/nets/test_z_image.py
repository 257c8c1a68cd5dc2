"""ZImageNet is compared with diffusers' own transformer, also with rows of different kinds in one call."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from diffusers import ZImageTransformer2DModel
from torch import Tensor
from vitrine_export.nets.z_image import ZImageConfig, ZImageNet, ZImageRows, rows_of, velocities

CONFIG = ZImageConfig(
    dim=48,
    n_layers=2,
    n_refiner_layers=1,
    n_heads=2,
    cap_feat_dim=32,
    axes_dims=(8, 8, 8),
    axes_lens=(256, 64, 64),
)
SIZES = ((8, 8), (8, 12), (6, 10))  # 16, 24 and 15 tokens: none a multiple of 32
WORDS = (41, 7, 64)
TIMES = torch.tensor([0.0, 0.25, 0.9])


@pytest.fixture(scope="module")
def released() -> ZImageTransformer2DModel:
    """Random weights everywhere; pad tokens start as zeros, which would hide a wrong pad."""
    torch.manual_seed(0)
    settings = dataclasses.asdict(CONFIG)
    net = ZImageTransformer2DModel(n_kv_heads=CONFIG.n_heads, **settings)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.15)
    return net.eval()


@pytest.fixture(scope="module")
def net(released: ZImageTransformer2DModel) -> ZImageNet:
    ours = ZImageNet(CONFIG)
    ours.load_state_dict(released.state_dict())
    return ours.eval()


@pytest.fixture(scope="module")
def given() -> tuple[list[Tensor], list[Tensor]]:
    draw = torch.Generator().manual_seed(1)
    latents = [torch.randn(16, *size, generator=draw) for size in SIZES]
    return latents, [torch.randn(words, 32, generator=draw) for words in WORDS]


@torch.no_grad()
def run(net: ZImageNet, rows: ZImageRows, times: Tensor, latents: list[Tensor]) -> list[Tensor]:
    return velocities(net(*rows.tensors, times), latents)


@torch.no_grad()
def wanted(released: ZImageTransformer2DModel, latents: list[Tensor], words: list[Tensor]) -> list[Tensor]:
    found = [
        released([latent.unsqueeze(1)], times, [text], return_dict=False)[0][0][:, 0]
        for latent, text, times in zip(latents, words, TIMES.split(1), strict=True)
    ]
    return [-one for one in found]


def worst(ours: list[Tensor], theirs: list[Tensor]) -> float:
    return max(float((a - b).abs().max()) for a, b in zip(ours, theirs, strict=True))


def test_a_row_is_what_diffusers_computes(released, net, given):
    """One row at a time equals the released code, on outputs large enough to compare."""
    latents, words = given
    theirs = wanted(released, latents, words)
    for index in range(len(latents)):
        rows = rows_of(latents[index : index + 1], words[index : index + 1])
        ours = run(net, rows, TIMES[index : index + 1], latents[index : index + 1])
        assert worst(ours, theirs[index : index + 1]) < 1e-5
    assert float(theirs[0].abs().max()) > 0.5


def test_rows_of_different_sizes_words_and_times_share_a_call(net, given):
    """Batched equals single: padding a row to the longest changes nothing."""
    latents, words = given
    together = run(net, rows_of(latents, words), TIMES, latents)
    alone = [
        run(net, rows_of([latent], [text]), time, [latent])[0]
        for latent, text, time in zip(latents, words, TIMES.split(1), strict=True)
    ]
    assert worst(together, alone) < 1e-5


def test_values_at_masked_positions_are_never_read(net, given):
    """Large numbers in the padding change no row."""
    latents, words = given
    rows = rows_of(latents, words)
    spoilt = dataclasses.replace(
        rows,
        patches=rows.patches.masked_fill(~rows.picture_valid[..., None], 1e3),
        caption=rows.caption.masked_fill(~rows.caption_valid[..., None], 1e3),
    )
    assert worst(run(net, spoilt, TIMES, latents), run(net, rows, TIMES, latents)) < 1e-5


@pytest.mark.parametrize("wrong", ["outer_attended", "inner_masked", "inner_zero", "pads_at_words_end"])
def test_a_wrong_pad_is_detected(net, given, wrong):
    """Attending to padding, or masking, zeroing or moving native pads, changes the result visibly."""
    latents, words = given
    rows = rows_of(latents, words)
    changed = {
        "outer_attended": {"caption_valid": torch.ones_like(rows.caption_valid)},
        "inner_masked": {"picture_valid": rows.picture_valid & ~rows.picture_pad},
        "inner_zero": {"caption_pad": torch.zeros_like(rows.caption_pad)},
        "pads_at_words_end": {"caption_ids": rows.caption_ids.masked_fill(rows.caption_pad[..., None], 0)},
    }[wrong]
    off = run(net, dataclasses.replace(rows, **changed), TIMES, latents)
    assert worst(off, run(net, rows, TIMES, latents)) > 1e-2


@torch.no_grad()
def test_bfloat16_computes_the_same_to_its_precision(net, given):
    """The net runs with weights and tokens in bfloat16, time and positions in float32."""
    latents, words = given
    rows = rows_of(latents, words)
    low = ZImageNet(CONFIG)
    low.load_state_dict(net.state_dict())
    low = low.to(torch.bfloat16).eval()
    tensors = [t.to(torch.bfloat16) if t.is_floating_point() else t for t in rows.tensors]
    close, exact = velocities(low(*tensors, TIMES), latents), run(net, rows, TIMES, latents)
    scale = max(float(row.abs().max()) for row in exact)
    assert worst(close, exact) < 0.1 * scale


def test_bad_rows_are_refused(given):
    """The error names an odd side and an empty caption."""
    latents, words = given
    with pytest.raises(ValueError, match="even sides, got 7 x 8"):
        rows_of([latents[0][:, :7]], words[:1])
    with pytest.raises(ValueError, match="1 token or more, got 0"):
        rows_of(latents[:1], [words[0][:0]])
