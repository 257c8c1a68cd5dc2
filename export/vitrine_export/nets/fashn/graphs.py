"""The three graphs of FASHN VTON for a denoiser, with named tensors as inputs and outputs.

Every row is one branch of one job with its own time, category and pictures.
B rows, N tokens, d the hidden width, M modulation numbers.
"""

from torch import Tensor, nn

from vitrine_export.nets.fashn.net import FashnNet


class FixedTokensGraph(nn.Module):
    """Computes the tokens of a job's pictures, once per job."""

    def __init__(self, net: FashnNet) -> None:
        super().__init__()
        self.net = net

    def forward(
        self, person: Tensor, person_pose: Tensor, garment: Tensor, garment_pose: Tensor
    ) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W), (B, 1, H, W), twice, in -1…1 → image_fixed and garment_tokens, (B, N, d) each.

        For the unconditional branch, pictures and poses are 0.0.
        """
        return self.net.fixed_tokens(person, person_pose, garment, garment_pose)


class ModulationsGraph(nn.Module):
    """Computes the modulations of a time and category; jobs with equal ones share a row."""

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
