"""FluxNet against diffusers' own transformer, and rows of different kinds in one call."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from diffusers import FluxTransformer2DModel
from torch import Tensor
from vitrine_export.nets.flux import FluxConfig, FluxNet, rows_of, velocities
from vitrine_export.nets.flux.rows import patched

CONFIG = FluxConfig(
    num_layers=1,
    num_single_layers=2,
    attention_head_dim=16,
    num_attention_heads=2,
    joint_attention_dim=32,
    pooled_projection_dim=24,
    axes_dims_rope=(4, 6, 6),
)
TIMES = torch.tensor([1.0, 0.3])
GUIDANCE = torch.tensor([3.5, 2.0])


@pytest.fixture(scope="module", params=[True, False], ids=["dev", "schnell"])
def released(request) -> FluxTransformer2DModel:
    torch.manual_seed(0)
    settings = dataclasses.asdict(CONFIG) | {"guidance_embeds": request.param}
    net = FluxTransformer2DModel(**settings)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.15)
    return net.eval()


@pytest.fixture(scope="module")
def net(released) -> FluxNet:
    guided = released.config.guidance_embeds
    ours = FluxNet(dataclasses.replace(CONFIG, guidance_embeds=guided))
    ours.load_state_dict(released.state_dict())
    return ours.eval()


@pytest.fixture(scope="module")
def given() -> tuple[list[Tensor], list[Tensor], Tensor]:
    draw = torch.Generator().manual_seed(1)
    latents = [torch.randn(16, *size, generator=draw) for size in ((8, 8), (6, 12))]
    texts = [torch.randn(words, 32, generator=draw) for words in (20, 12)]
    return latents, texts, torch.randn(2, 24, generator=draw)


@torch.no_grad()
def run(net: FluxNet, given: tuple[list[Tensor], list[Tensor], Tensor], which: slice) -> list[Tensor]:
    latents, texts, pooled = (part[which] for part in given)
    guidance = GUIDANCE[which] if net.config.guidance_embeds else None
    rows = rows_of(latents, texts, pooled)
    return velocities(net(*rows.tensors, TIMES[which], guidance), latents)


@pytest.mark.parametrize("index", [0, 1])
@torch.no_grad()
def test_a_row_is_what_diffusers_computes(released, net, given, index):
    """One row equals the released code, with embedded guidance and without."""
    latents, texts, pooled = given
    height, width = (side // 2 for side in latents[index].shape[-2:])
    theirs = released(
        hidden_states=patched(latents[index])[None],
        encoder_hidden_states=texts[index][None],
        pooled_projections=pooled[index][None],
        timestep=TIMES[index][None],
        img_ids=torch.cartesian_prod(torch.tensor([0]), torch.arange(height), torch.arange(width)),
        txt_ids=torch.zeros(len(texts[index]), 3),
        guidance=GUIDANCE[index][None] if released.config.guidance_embeds else None,
        return_dict=False,
    )[0][0]
    ours = patched(run(net, given, slice(index, index + 1))[0])
    assert float((ours - theirs).abs().max()) < 1e-5
    assert float(theirs.abs().max()) > 0.5


def test_rows_of_different_sizes_texts_and_times_share_a_call(net, given):
    """Batched equals single.

    The released code cannot batch sizes, since its positions are the whole batch's.
    """
    together = run(net, given, slice(None))
    for index, row in enumerate(together):
        alone = run(net, given, slice(index, index + 1))[0]
        assert float((row - alone).abs().max()) < 1e-5
