"""OpenPose's body network; the shapes of a file's weights determine its widths.

Cao et al., "OpenPose: Realtime Multi-Person 2D Pose Estimation using Part Affinity Fields" (2018): a VGG-19
front that reduces the size by 8, then stages with two branches, which refine 38 part affinity maps (L1) and
19 heatmaps (L2).

Parameter names are those of `body_pose_model.pth`, which are the Caffe layers' (`conv1_1.weight`,
`Mconv1_stage2_L1.weight`, …), so that a released file can be loaded unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Self

import torch
from torch import nn

PAFS, HEATMAPS = 38, 19
FRONT: tuple[str, ...] = (
    "conv1_1",
    "conv1_2",
    "pool",
    "conv2_1",
    "conv2_2",
    "pool",
    "conv3_1",
    "conv3_2",
    "conv3_3",
    "conv3_4",
)
FRONT += ("pool", "conv4_1", "conv4_2", "conv4_3_CPM", "conv4_4_CPM")
SMALL_WIDTHS = {
    **dict.fromkeys(("conv1_1", "conv1_2"), 8),
    **dict.fromkeys(("conv2_1", "conv2_2"), 16),
    **dict.fromkeys(("conv3_1", "conv3_2", "conv3_3", "conv3_4"), 32),
    **dict.fromkeys(("conv4_1", "conv4_2", "conv4_3_CPM"), 48),
    "conv4_4_CPM": 32,
}


class BodyPose(nn.Module):
    """Maps BGR pictures / 256 − 0.5 (R, 3, H, W) to part affinities and heatmaps of 1/8 of the size.

    H and W must be multiples of 8.
    """

    def __init__(
        self,
        widths: Mapping[str, int],
        stages: int = 6,
        branch: tuple[int, int] = (128, 512),
        later: int = 128,
    ) -> None:
        """Build `stages` stages with these widths.

        `widths` are those of FRONT by name, `branch` those of stage 1's 3×3 and 1×1 layers, and `later` is
        that of all layers of the other stages.
        """
        super().__init__()
        self.stages, channels = stages, 3
        for name in FRONT:
            if name != "pool":
                self._add(name, channels, widths[name], 3)
                channels = widths[name]
        for tail, out in (("L1", PAFS), ("L2", HEATMAPS)):
            shape: tuple[int, ...] = (channels, branch[0], branch[0], branch[0], branch[1], out)
            for index, kernel in enumerate((3, 3, 3, 1, 1)):
                self._add(f"conv5_{index + 1}_CPM_{tail}", shape[index], shape[index + 1], kernel)
            for stage in range(2, stages + 1):
                shape = (channels + PAFS + HEATMAPS, *[later] * 6, out)
                for index, kernel in enumerate((7, 7, 7, 7, 7, 1, 1)):
                    self._add(f"Mconv{index + 1}_stage{stage}_{tail}", shape[index], shape[index + 1], kernel)

    @classmethod
    def from_state(cls, state: Mapping[str, torch.Tensor]) -> Self:
        """Build the network of the weights `state` (released names). Raises KeyError for a missing layer."""
        widths = {name: state[f"{name}.weight"].shape[0] for name in FRONT if name != "pool"}
        stages = max([1, *(int(found[1]) for key in state if (found := re.search(r"_stage(\d+)_", key)))])
        branch = (state["conv5_1_CPM_L1.weight"].shape[0], state["conv5_4_CPM_L1.weight"].shape[0])
        later = state["Mconv1_stage2_L1.weight"].shape[0] if stages > 1 else branch[0]
        net = cls(widths, stages, branch, later)
        net.load_state_dict(dict(state))
        return net

    def _add(self, name: str, before: int, after: int, kernel: int) -> None:
        self.add_module(name, nn.Conv2d(before, after, kernel, padding=kernel // 2))

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the last stage's (R, 38, H/8, W/8) part affinities and (R, 19, H/8, W/8) heatmaps."""
        return self.every_stage(image)[-1]

    def every_stage(self, image: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Return the outputs of each stage, for supervision at every stage."""
        front = image
        for name in FRONT:
            front = nn.functional.max_pool2d(front, 2) if name == "pool" else self._step(name, front)
        answers = [
            tuple(
                self._branch([f"conv5_{i}_CPM_{tail}" for i in range(1, 6)], front) for tail in ("L1", "L2")
            )
        ]
        for stage in range(2, self.stages + 1):
            seen = torch.cat([*answers[-1], front], dim=1)
            names = [f"Mconv{i}_stage{stage}_" for i in range(1, 8)]
            answers.append(
                tuple(self._branch([name + tail for name in names], seen) for tail in ("L1", "L2"))
            )
        return answers

    def _step(self, name: str, hidden: torch.Tensor) -> torch.Tensor:
        return nn.functional.relu(self.get_submodule(name)(hidden))

    def _branch(self, names: list[str], hidden: torch.Tensor) -> torch.Tensor:
        for name in names[:-1]:
            hidden = self._step(name, hidden)
        return self.get_submodule(names[-1])(hidden)
