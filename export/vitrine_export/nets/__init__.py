"""The two UNets of the released try-on model, built of diffusers modules, with the released key names."""

from vitrine_export.nets.build import (
    build_garment,
    build_tryon,
    load_released_state_dict,
    released_config,
    released_state_dict,
)
from vitrine_export.nets.garment_unet import GarmentNet
from vitrine_export.nets.image_projection import ImageProjection, ProjectionShape
from vitrine_export.nets.tryon_unet import TryonNet

__all__ = [
    "GarmentNet",
    "ImageProjection",
    "ProjectionShape",
    "TryonNet",
    "build_garment",
    "build_tryon",
    "load_released_state_dict",
    "released_config",
    "released_state_dict",
]
