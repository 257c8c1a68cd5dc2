"""Principal components of rows, by which networks start that carry pictures from the first step."""

from __future__ import annotations

import torch
from torch import Tensor


def principal_components(rows: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean (P,), the first principal components (P, count) and their standard deviations (count,).

    `rows` is (n, P). A variance counts as at least 1e-6.
    """
    mean = rows.mean(dim=0)
    variance, vectors = torch.linalg.eigh((rows - mean).T.double().cov())
    basis = vectors.flip(1)[:, :count].float()
    return mean, basis, variance.flip(0)[:count].clamp(min=1e-6).sqrt().float()
