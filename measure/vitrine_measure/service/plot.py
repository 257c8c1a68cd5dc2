"""Plots of a bench, drawn with Pillow: latency by offered load, and a request's time by stage."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from vitrine_measure.service.report import LoadPoint, Report, number

WIDTH, HEIGHT = 1000, 560
LEFT, RIGHT, TOP, BOTTOM = 110, 40, 70, 80  # margins in pixels
FIGURE = 60  # pixels for the number next to the longest bar
INK, GREY, PALE = (30, 30, 40), (120, 120, 130), (226, 226, 232)
COLOURS = (
    (46, 96, 170), (214, 122, 40), (70, 150, 90), (180, 60, 70), (120, 90, 170),
    (150, 110, 70), (90, 170, 180), (200, 170, 60), (110, 110, 120),
)  # fmt: skip
SHOWN = 8  # stages with a colour each; all others together are "other"
NESTED = frozenset({"total", "prepare_person", "prepare_garment", "prepare_text", "queue"})
"""Entries that contain other entries or are part of one; a sum over all would count time twice."""


def draw(report: Report, out: Path) -> None:
    """Write bench-load.png and bench-stages.png into `out`; a plot without data is not written."""
    if report.load:
        _load_plot(report.load).save(out / "bench-load.png")
    if report.stages:
        _stage_plot(report.stages).save(out / "bench-stages.png")


class _Sheet:
    """A white picture with a title."""

    def __init__(self, title: str) -> None:
        self.image = Image.new("RGB", (WIDTH, HEIGHT), "white")
        self.draw = ImageDraw.Draw(self.image)
        self.text((LEFT, 20), title, 22)

    def text(
        self,
        at: tuple[float, float],
        text: str,
        size: int = 15,
        anchor: str = "la",
        ink: tuple[int, ...] = INK,
    ) -> None:
        """Draw text at (x, y); `anchor` is Pillow's text anchor."""
        self.draw.text(at, text, ink, ImageFont.load_default(size), anchor=anchor)


def _load_plot(points: Sequence[LoadPoint]) -> Image.Image:
    """Draw the median and the 99th percentile of the latency over the offered load."""
    sheet = _Sheet("Latency by offered load (Poisson arrivals, gRPC)")
    ticks_x, ticks_y = _ticks(max(p.offered for p in points)), _ticks(max(p.p99_s for p in points))
    most_x, most_y = ticks_x[-1], ticks_y[-1]

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            LEFT + x / most_x * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - y / most_y * (HEIGHT - TOP - BOTTOM),
        )

    for y in ticks_y:
        sheet.draw.line([place(0, y), place(most_x, y)], PALE)
        sheet.text((LEFT - 10, place(0, y)[1]), f"{number(y)} s", anchor="rm", ink=GREY)
    for x in ticks_x:
        sheet.text((place(x, 0)[0], HEIGHT - BOTTOM + 10), number(x), anchor="ma", ink=GREY)
    sheet.text((WIDTH / 2, HEIGHT - 30), "requests a second", anchor="mm")
    for colour, name, values in zip(
        COLOURS, ("p99", "median"), ([p.p99_s for p in points], [p.p50_s for p in points]), strict=False
    ):
        line = [place(point.offered, value) for point, value in zip(points, values, strict=True)]
        sheet.draw.line(line, colour, 3, joint="curve")
        for x, y in line:
            sheet.draw.ellipse((x - 5, y - 5, x + 5, y + 5), colour)
        sheet.text((line[-1][0] - 12, line[-1][1] - 8), name, anchor="rb", ink=colour)
    return sheet.image


def _stage_plot(kinds: Mapping[str, Mapping[str, float]]) -> Image.Image:
    """Draw a bar for each kind of request, divided by stage, in seconds."""
    sheet = _Sheet("Where a request's time goes (seconds by stage; stages of one request can overlap)")
    bars = {kind: {name: s for name, s in one.items() if name not in NESTED} for kind, one in kinds.items()}
    sums: dict[str, float] = {}
    for bar in bars.values():
        for name, seconds in bar.items():
            sums[name] = sums.get(name, 0.0) + seconds
    shown = sorted(sums, key=lambda name: -sums[name])[:SHOWN]
    scale = (WIDTH - LEFT - RIGHT - FIGURE) / max(sum(bar.values()) for bar in bars.values())
    for row, (kind, bar) in enumerate(bars.items()):
        top = TOP + row * 90
        sheet.text((LEFT - 10, top + 25), kind.removeprefix("the "), anchor="rm")
        at = float(LEFT)
        for index, name in enumerate([*shown, "other"]):
            width = scale * (bar.get(name, 0.0) if name in shown else _other(bar, shown))
            sheet.draw.rectangle((at, top, at + max(width, 0), top + 50), COLOURS[index % len(COLOURS)])
            at += width
        sheet.text((at + 6, top + 25), f"{number(sum(bar.values()))} s", anchor="lm", ink=GREY)
    for index, name in enumerate([*shown, "other"]):
        x, y = LEFT + index % 5 * 170, HEIGHT - BOTTOM + index // 5 * 26
        sheet.draw.rectangle((x, y, x + 14, y + 14), COLOURS[index % len(COLOURS)])
        sheet.text((x + 20, y + 7), name, 14, anchor="lm")
    return sheet.image


def _other(bar: Mapping[str, float], shown: Sequence[str]) -> float:
    return sum(seconds for name, seconds in bar.items() if name not in shown)


def _ticks(most: float) -> list[float]:
    """Return axis ticks from 0 to at least `most`, at most six steps of 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(most / 6))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= most / 6)
    return [step * part for part in range(math.ceil(most / step) + 1)]
