"""The answer of `cut_out`: a product on a transparent ground."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image

from vitrine.answers import read_bytes, read_part, read_report
from vitrine.frozen import FrozenDict
from vitrine.pictures import decode_picture
from vitrine.tensors import Tensors


@dataclass(frozen=True)
class CutOut:
    """A product on a transparent ground, with the server's report on how it was computed."""

    image: Image.Image  # RGBA: the product's own colours, without a fringe of the old background
    alpha: Image.Image  # mode L, 0 to 255: the same as the image's alpha
    timings: Mapping[str, float]  # seconds by stage
    report: Mapping[str, Any]  # the whole report of the server, such as network and pipeline_digest
    encoded: bytes  # the picture as the server encoded it

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why the cut-out should be looked at before it is used; empty where it is sure."""
        return tuple(str(one["message"]) for one in self.report.get("doubts", ()))


def read_cut_out(outputs: Tensors) -> CutOut:
    """Read the outputs of `cut_out`."""
    report, encoded = read_report(outputs), read_bytes(outputs, "image")
    return CutOut(
        image=decode_picture(encoded, "image"),
        alpha=decode_picture(read_bytes(outputs, "alpha"), "alpha"),
        timings=read_part(report, "timings"),
        report=FrozenDict(report),
        encoded=encoded,
    )
