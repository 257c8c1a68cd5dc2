"""The largest size at which a text fits: under a width, a height, a number of lines and a least size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from vitrine.errors import BadRequest

from vitrine_orchestrator.lettering.breaking import LEVELS, Level, Piece, pieces_of
from vitrine_orchestrator.lettering.lines import balanced, greedy
from vitrine_orchestrator.lettering.setting import Ink, Script, Setting


@dataclass(frozen=True)
class Shape:
    """How lines of a text become a block."""

    spacing: float  # from line to line, in sizes
    edge: float  # what an outline adds on each side, in sizes
    rotation: float  # degrees against the clock


@dataclass(frozen=True)
class Limits:
    """Bounds of a block of text."""

    width: int  # in pixels, after the rotation
    height: int
    least: int  # sizes in pixels
    most: int
    lines: int


@dataclass(frozen=True, eq=False)
class Block:
    """A text in lines at a size, with the place of each line in the block before it is turned."""

    setting: Setting
    lines: tuple[str, ...]
    inks: tuple[Ink, ...]
    shape: Shape
    level: Level

    @property
    def size(self) -> int:
        """In pixels."""
        return self.setting.size

    @property
    def edge(self) -> int:
        """Pixels of the outline on each side."""
        return math.ceil(self.shape.edge * self.size)

    @property
    def pitch(self) -> int:
        """Pixels from line to line."""
        return round(self.shape.spacing * self.size)

    @property
    def flat(self) -> tuple[int, int]:
        """Width and height before the rotation: all ink and outline, and no more."""
        along = max(self.extent(ink)[1] - self.extent(ink)[0] for ink in self.inks)
        first, last = self.inks[0], self.inks[-1]
        down = (len(self.lines) - 1) * self.pitch
        if self.setting.script.vertical:
            across = down + first[2] - last[0]
            return across + 2 * self.edge, along + 2 * self.edge
        return along + 2 * self.edge, down + last[3] - first[1] + 2 * self.edge

    @property
    def turned(self) -> tuple[int, int]:
        """Width and height of the upright box around the block."""
        return turned(*self.flat, self.shape.rotation)

    def extent(self, ink: Ink) -> tuple[int, int]:
        """First and last pixel of a line along its direction."""
        return (ink[1], ink[3]) if self.setting.script.vertical else (ink[0], ink[2])


def turned(width: int, height: int, degrees: float) -> tuple[int, int]:
    """Width and height of the upright box around a turned one."""
    cosine, sine = abs(math.cos(math.radians(degrees))), abs(math.sin(math.radians(degrees)))
    wide, high = width * cosine + height * sine, width * sine + height * cosine
    return math.ceil(round(wide, 6)), math.ceil(round(high, 6))


def fitted(name: str, text: str, script: Script, shape: Shape, limits: Limits) -> Block:
    """The block of the largest size within the limits.

    Words are broken only where the text does not fit otherwise. BadRequest, naming the limit that is
    broken, where the least size does not fit.
    """
    for level in LEVELS:
        pieces = pieces_of(text, script.language, level)
        low, high, best = limits.least, limits.most, None
        while low <= high:
            size = (low + high) // 2
            if block := block_at(pieces, script.at(size), shape, limits, level):
                best, low = block, size + 1
            else:
                high = size - 1
        if best:
            return best
    raise BadRequest(f"{name} {_reason(pieces_of(text, script.language), script, shape, limits)}")


def block_at(
    pieces: Sequence[Piece], setting: Setting, shape: Shape, limits: Limits, level: Level = "words"
) -> Block | None:
    """The pieces in even lines at a setting's size; None where they break a limit."""
    room = room_along(setting, shape, limits)
    if room < 1 or (fewest := greedy(pieces, room, setting.length)) is None or len(fewest) > limits.lines:
        return None
    lines = balanced(pieces, room, setting.length)
    assert lines, "greedy has found lines"
    block = Block(setting, tuple(lines), tuple(map(setting.ink, lines)), shape, level)
    wide, high = block.turned
    return block if wide <= limits.width and high <= limits.height else None


def room_along(setting: Setting, shape: Shape, limits: Limits) -> float:
    """Pixels that a line may be long: of the side along which it mostly runs."""
    lies = abs(math.cos(math.radians(shape.rotation))) >= math.sqrt(0.5)
    side = limits.width if lies != setting.script.vertical else limits.height
    return side - 2 * math.ceil(shape.edge * setting.size)


def _reason(pieces: Sequence[Piece], script: Script, shape: Shape, limits: Limits) -> str:
    """Which limit the least size breaks, and by how much."""
    setting = script.at(limits.least)
    said = f"must fit at its least size of {limits.least} px"
    lines = greedy(pieces, room_along(setting, shape, limits), setting.length)
    if lines is None:
        widest = max(pieces, key=lambda piece: setting.length(piece.text))
        return (
            f"{said} into {limits.width}x{limits.height} px: {widest.text[:40]!r} alone "
            f"is {math.ceil(setting.length(widest.text))} px long"
        )
    if len(lines) > limits.lines:
        return f"{said} into {limits.lines} lines of {limits.width} px, got {len(lines)}: raise lines or box"
    inks = tuple(setting.ink(" ".join(piece.text for piece in line)) for line in lines)
    texts = tuple("".join(piece.text + piece.space for piece in line) for line in lines)
    wide, high = Block(setting, texts, inks, shape, "words").turned
    return f"{said} into {limits.width}x{limits.height} px, got {wide}x{high}: shorten it or enlarge its box"
