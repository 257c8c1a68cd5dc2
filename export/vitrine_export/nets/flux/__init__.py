"""The transformer of FLUX.1 in tensor form: dev with embedded guidance, schnell without."""

from vitrine_export.nets.flux.config import FluxConfig
from vitrine_export.nets.flux.net import FluxNet
from vitrine_export.nets.flux.rows import FluxRows, rows_of, velocities

__all__ = ["FluxConfig", "FluxNet", "FluxRows", "rows_of", "velocities"]
