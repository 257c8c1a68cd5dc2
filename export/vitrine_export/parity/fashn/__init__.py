"""Checks against reference arrays of FASHN VTON: the network, its sampler, and its picture processing."""

from vitrine_export.parity.fashn.folder import FashnFolder, recognised
from vitrine_export.parity.fashn.network import check_forward, check_pipelines, check_samples
from vitrine_export.parity.fashn.pictures import check_masks, check_people, check_poses, check_sizes

KINDS = (
    check_forward,
    check_samples,
    check_pipelines,
    check_sizes,
    check_poses,
    check_people,
    check_masks,
)
"""The checks of every kind of file in such a folder."""

__all__ = ["KINDS", "FashnFolder", "recognised"]
