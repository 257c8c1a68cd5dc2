"""The transformer of Z-Image in tensor form: rows of any size in one call, with masked padding."""

from vitrine_export.nets.z_image.config import ZImageConfig
from vitrine_export.nets.z_image.net import ZImageNet
from vitrine_export.nets.z_image.rows import ZImageRows, rows_of, velocities

__all__ = ["ZImageConfig", "ZImageNet", "ZImageRows", "rows_of", "velocities"]
