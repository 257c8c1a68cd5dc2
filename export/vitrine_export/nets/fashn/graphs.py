"""The three graphs that a denoiser runs FASHN VTON by: named tensors in, named tensors out.

Every row is one branch of one job: its own time, category and pictures.
B rows, N tokens, d the hidden width, M modulation numbers.
"""

from torch import Tensor, nn

from vitrine_export.nets.fashn.net import FashnNet


class FixedTokensGraph(nn.Module):
    """What a job computes once: the tokens of its pictures."""

    def __init__(self, net: FashnNet) -> None:
        super().__init__()
        self.net = net

    def forward(
        self, person: Tensor, person_pose: Tensor, garment: Tensor, garment_pose: Tensor
    ) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W), (B, 1, H, W), twice, in -1…1 → image_fixed and garment_tokens, (B, N, d) each.

        The unconditional branch takes pictures and poses of 0.0.
        """
        return self.net.fixed_tokens(person, person_pose, garment, garment_pose)


class ModulationsGraph(nn.Module):
    """What a step needs of its time and category: one row can serve every job that shares both."""

    def __init__(self, net: FashnNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, times: Tensor, category: Tensor) -> Tensor:
        """(B,) float32 in 0…1, (B,) int64, 0 for the unconditional branch → (B, M)."""
        return self.net.modulations(times, category)


class StepGraph(nn.Module):
    """One evaluation of the network."""

    def __init__(self, net: FashnNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, state: Tensor, image_fixed: Tensor, garment_tokens: Tensor, mods: Tensor) -> Tensor:
        """The noisy picture (B, 3, H, W) and the outputs of the other two graphs → velocity (B, 3, H, W)."""
        return self.net.step(state, image_fixed, garment_tokens, mods)
