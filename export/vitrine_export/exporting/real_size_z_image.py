"""Z-Image's transformer at the released size with random weights: whole in bfloat16, one block in float32.

onnxruntime has no matrix products in bfloat16 on the CPU, and in float32 the whole takes 24.6 GB: so the
whole is exported and its file checked, and one block of its 34 is run and compared.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from vitrine_export.checkpoint.ad_layout import LORA_RANK
from vitrine_export.exporting.ad_graphs import ZImageGraph
from vitrine_export.exporting.ad_networks import Input, network_of, z_image_inputs
from vitrine_export.exporting.network import Inside, Network
from vitrine_export.nets.dit.rotary import RotaryTable, bias_of
from vitrine_export.nets.random_weights import filled
from vitrine_export.nets.z_image import ZImageConfig, ZImageNet
from vitrine_export.nets.z_image.block import AttentionInputs, Block

RELEASED = ZImageConfig()


class BlockGraph(nn.Module):
    """One modulated block with its table of positions: tokens (B, N, dim) → (B, N, dim)."""

    def __init__(self, config: ZImageConfig) -> None:
        super().__init__()
        self.block = Block(config, modulated=True)
        self.rotary = RotaryTable(config.rope_theta, config.axes_dims, config.axes_lens)

    def forward(self, tokens: Tensor, ids: Tensor, valid: Tensor, time: Tensor) -> Tensor:
        """`ids` (B, N, 3) int64, `valid` (B, N) bool, `time` (B, width) the embedded time."""
        given = AttentionInputs(self.rotary(ids), bias_of(valid, tokens.dtype))
        return self.block(tokens, given, time, None)


def transformer() -> Network:
    """Return the whole graph with LoRA slots in bfloat16; positions and the time's embedding stay float32."""
    with torch.device("meta"):
        net = ZImageNet(RELEASED)
    for name, part in net.named_parameters():
        if not name.startswith("t_embedder."):
            part.data = part.data.to(torch.bfloat16)
    inputs = z_image_inputs(net, LORA_RANK)
    graph = ZImageGraph(filled(net, seed=0))
    network = network_of("transformer.onnx", graph, inputs, "velocity", 0)
    cast = [given.kind in ("normal", "small") for given in inputs]
    return replace(network, module=Inside(graph, torch.bfloat16, cast).eval())


def block() -> Network:
    """Return one block in float32."""
    with torch.device("meta"):
        net = BlockGraph(RELEASED)
    inputs = (
        Input("tokens", "normal", ("picture_tokens", RELEASED.dim)),
        Input("ids", "places", ("picture_tokens", 3)),
        Input("valid", "most", ("picture_tokens",)),
        Input("time", "normal", (RELEASED.modulation_width,)),
    )
    return network_of("block.onnx", filled(net, seed=0), inputs, "mixed", 0)
