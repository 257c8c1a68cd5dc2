"""Fixtures: tiny pairs of nets with random weights, and jobs for them."""

from dataclasses import dataclass

import pytest
import torch
from vitrine_export.nets import GarmentNet, TryonNet, build_garment, build_tryon
from vitrine_export.nets.step_forms import Job

CONTEXT, POOLED = 24, 20

FLAT = {
    "in_channels": 13,
    "out_channels": 4,
    "block_out_channels": [16, 32],
    "layers_per_block": 1,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
    "attention_head_dim": [2, 4],
    "transformer_layers_per_block": [1, 2],
    "cross_attention_dim": CONTEXT,
    "use_linear_projection": True,
    "norm_num_groups": 8,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 4,
    "projection_class_embeddings_input_dim": POOLED + 6 * 4,
    "encoder_hid_dim": 12,
    "encoder_hid_dim_type": "ip_image_proj",
    "image_projection": {"dim": 16, "depth": 2, "dim_head": 8, "num_queries": 16},
}
DEEP = {
    **FLAT,
    "block_out_channels": [16, 16, 32],
    "layers_per_block": [1, 1, 2],
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "attention_head_dim": [1, 2, 4],
    "transformer_layers_per_block": [1, 1, 2],
    "use_linear_projection": False,
}
CONFIGS = {"flat": FLAT, "deep": DEEP}


@dataclass(frozen=True)
class Pair:
    """The TryonNet and the GarmentNet of one config."""

    config: dict
    tryon: TryonNet
    garment: GarmentNet

    def job(self, rows: int, halves: int = 2, size: tuple[int, int] = (8, 4)) -> Job:
        """Random inputs of this many rows."""
        return Job(
            fixed=torch.randn(rows, 9, *size),
            garment=torch.randn(rows, 4, *size),
            garment_prompt=torch.randn(rows, 77, CONTEXT),
            text=torch.randn(halves, rows, 77, CONTEXT),
            image_tokens=self.tryon.image_tokens(torch.randn(halves * rows, 5, 12)).unflatten(
                0, (halves, -1)
            ),
            pooled=torch.randn(halves, rows, POOLED),
            time_ids=torch.tensor([[64.0, 32, 0, 0, 64, 32]]).repeat(rows, 1),
        )

    @staticmethod
    def row_of(job: Job, row: int) -> Job:
        """One row of a job, as a job of one row."""
        picked = slice(row, row + 1)
        by_half = {name: getattr(job, name)[:, picked] for name in ("text", "image_tokens", "pooled")}
        whole = {
            name: getattr(job, name)[picked] for name in ("fixed", "garment", "garment_prompt", "time_ids")
        }
        return Job(**whole, **by_half)


def make_pair(config: dict) -> Pair:
    """A pair with seeded weights; random biases and norms show when one is left out."""
    torch.manual_seed(7)
    garment = {**config, "in_channels": 4}
    pair = Pair(config, build_tryon(config).eval(), build_garment(garment).eval())
    for parameter in (*pair.tryon.parameters(), *pair.garment.parameters()):
        parameter.requires_grad_(False).add_(0.05 * torch.randn_like(parameter))
    return pair


@pytest.fixture(params=CONFIGS, scope="session")
def pair(request) -> Pair:
    """Each tiny pair: two levels with linear projections, three levels with convolutions."""
    return make_pair(CONFIGS[request.param])


@pytest.fixture(scope="session")
def flat_pair() -> Pair:
    """The smaller of the two tiny pairs."""
    return make_pair(FLAT)


@pytest.fixture(autouse=True)
def _seeded():
    """The same random inputs in every run."""
    torch.manual_seed(11)
