"""The transformer of Z-Image in tensor form: any rows in one call, what is not there masked."""

from vitrine_export.nets.z_image.config import ZImageConfig
from vitrine_export.nets.z_image.net import ZImageNet
from vitrine_export.nets.z_image.rows import ZImageRows, rows_of, velocities

__all__ = ["ZImageConfig", "ZImageNet", "ZImageRows", "rows_of", "velocities"]
