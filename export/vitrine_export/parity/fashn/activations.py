"""The activations between the blocks of a network, with the names of the reference arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vitrine_export.nets.fashn import FashnNet
from vitrine_export.parity.fashn.forms import Conditions

WATCHED = ("t_embedder", "y_embedder", "x_embedder", "garment_embedder", "final_layer")
BLOCKS = ("x_patch_mixer", "double_blocks", "single_blocks")


@torch.no_grad()
def activations(
    net: FashnNet, state: np.ndarray, times: np.ndarray, given: Conditions
) -> dict[str, np.ndarray]:
    """Return each block's outputs in a plain evaluation; double blocks: `.img` and `.txt` (garment)."""
    found: dict[str, np.ndarray] = {}

    def keep(name: str) -> Any:
        def hook(module: nn.Module, inputs: object, output: Tensor | tuple[Tensor, Tensor]) -> None:
            parts = {name: output} if isinstance(output, Tensor) else _streams(name, output)
            found.update({key: tensor.numpy() for key, tensor in parts.items()})

        return hook

    modules = {name: net.get_submodule(name) for name in WATCHED}
    for stack in BLOCKS:
        modules |= {f"{stack}.{n}": block for n, block in enumerate(net.get_submodule(stack).children())}
    hooks = [module.register_forward_hook(keep(name)) for name, module in modules.items()]
    try:
        inputs = (state, times, *given.pictures, given.categories)
        net(*map(torch.from_numpy, inputs))
    finally:
        for hook in hooks:
            hook.remove()
    return found | _rope(net)


def _streams(name: str, output: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    return {f"{name}.img": output[0], f"{name}.txt": output[1]}


def _rope(net: FashnNet) -> dict[str, np.ndarray]:
    """Return the rotation of each token and pair as a 2×2 matrix, (N, D/2, 2, 2), equal for both streams."""
    cos, sin = net.cos.numpy(), net.sin.numpy()
    matrix = np.stack((np.stack((cos, -sin), -1), np.stack((sin, cos), -1)), -2)
    return {"rope.img": matrix[None, None], "rope.garment": matrix[None, None]}
