"""The VAE of the picture families by stage, with scale and shift inside the graphs."""

from __future__ import annotations

import torch
from vitrine_orchestrator.stages import Stage

from vitrine_export.checkpoint.ads import AdCheckpoint
from vitrine_export.exporting.ad_graphs import LatentDecoder, LatentEncoder
from vitrine_export.exporting.network import Network, stage_network


def encoder(row: Stage, checkpoint: AdCheckpoint, dtype: torch.dtype) -> list[Network]:
    """Return the encoder."""
    return [stage_network(row, LatentEncoder(checkpoint.load("vae", dtype)), dtype)]


def decoder(row: Stage, checkpoint: AdCheckpoint, dtype: torch.dtype) -> list[Network]:
    """Return the decoder."""
    return [stage_network(row, LatentDecoder(checkpoint.load("vae", dtype)), dtype)]
