"""Font files: which faces they hold, which characters each has, and how Pillow opens them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont, features

from vitrine_orchestrator.settings import BadSettings

SUFFIXES = (".ttf", ".otf", ".ttc", ".otc")
"""Font files that are read; other files of a folder, such as licences, are left alone."""
PACKED = (".woff", ".woff2", ".pfb", ".fon")
"""Font files that are refused: they must be unpacked first."""
COLLECTION = b"ttcf"
STARTS = (b"\x00\x01\x00\x00", b"OTTO", b"true", COLLECTION)
MAX_FILE_BYTES = 100 * 2**20
FAMILY_NAMES, STYLE_ITALIC = (1, 16), 1
"""Numbers of the entries of a font's name table that are families; the bit of OS/2's fsSelection."""
WEIGHT_AXIS = "wght"
OPENED = 64
"""Fonts at a size that are kept open."""


@dataclass(frozen=True)
class Axis:
    """One axis of a variable font."""

    tag: str
    least: float
    usual: float
    most: float


@dataclass(frozen=True)
class Face:
    """One face of a font file."""

    path: Path
    index: int  # in a collection (.ttc); 0 in other files
    families: tuple[str, ...]  # its names, in every language
    weight: int  # 400 is regular, 700 bold
    italic: bool
    axes: tuple[Axis, ...] = ()  # of a variable font

    @property
    def family(self) -> str:
        """Its first name."""
        return self.families[0]

    def distance(self, weight: int) -> float:
        """How far its weight is from the wanted one; 0 for a variable font that reaches it."""
        reach = [(axis.least, axis.most) for axis in self.axes if axis.tag == WEIGHT_AXIS]
        low, high = reach[0] if reach else (self.weight, self.weight)
        return max(low - weight, weight - high, 0)


@lru_cache(maxsize=256)
def read_faces(path: Path) -> tuple[Face, ...]:
    """Every face of a font file. Raises BadSettings, with the file's name, for a file that is no font."""
    _check_start(path)
    try:
        ImageFont.truetype(path, 16)
        faces = [_face(path, index) for index in range(_count(path))]
    except Exception as error:  # fontTools raises whatever a damaged table leads to
        raise BadSettings(f"font {path.name} cannot be read: {type(error).__name__}") from error
    return tuple(faces)


def _check_start(path: Path) -> None:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as error:
        raise BadSettings(f"font {path.name} cannot be read: {error.strerror}") from error
    if size > MAX_FILE_BYTES:
        raise BadSettings(f"font {path.name} must have at most {MAX_FILE_BYTES} bytes, got {size}")
    if start not in STARTS:
        raise BadSettings(f"font {path.name} must be a TrueType or OpenType file, got {start!r} as its start")


def _count(path: Path) -> int:
    """How many faces a file holds."""
    with path.open("rb") as file:
        head = file.read(12)
    return int.from_bytes(head[8:12], "big") if head[:4] == COLLECTION else 1


def _face(path: Path, index: int) -> Face:
    from fontTools.ttLib import TTFont

    with TTFont(path, fontNumber=index, lazy=True) as font:
        named = [record for record in font["name"].names if record.nameID in FAMILY_NAMES]
        axes = font["fvar"].axes if "fvar" in font else ()
        return Face(
            path,
            index,
            tuple(dict.fromkeys(record.toUnicode() for record in named)),
            int(font["OS/2"].usWeightClass),
            bool(font["OS/2"].fsSelection & STYLE_ITALIC),
            tuple(Axis(axis.axisTag, axis.minValue, axis.defaultValue, axis.maxValue) for axis in axes),
        )


@lru_cache(maxsize=64)
def characters_of(path: Path, index: int) -> frozenset[int]:
    """The code points that a face has a glyph for, by its cmap table; none of a font of symbols alone."""
    from fontTools.ttLib import TTFont

    with TTFont(path, fontNumber=index, lazy=True) as font:
        # the names of glyphs are not needed, and reading them takes longer than the rest
        font.setGlyphOrder([f"g{number}" for number in range(font["maxp"].numGlyphs)])
        found = font.getBestCmap() or {}  # None: no table is by Unicode
        return frozenset(code for code, glyph in found.items() if glyph != "g0")


@lru_cache(maxsize=OPENED)
def opened(face: Face, size: int, weight: int) -> ImageFont.FreeTypeFont:
    """The face at a size in pixels, shaped by RAQM; a variable font at the weight."""
    font = ImageFont.truetype(face.path, size, index=face.index, layout_engine=ImageFont.Layout.RAQM)
    if face.axes:
        font.set_variation_by_axes(
            [
                min(max(weight, axis.least), axis.most) if axis.tag == WEIGHT_AXIS else axis.usual
                for axis in face.axes
            ]
        )
    return font


def check_shaping() -> None:
    """BadSettings unless Pillow shapes text with RAQM: without it Hangul jamo and vertical text are wrong."""
    if not features.check("raqm"):
        raise BadSettings("Pillow must have RAQM, this one lacks it: install Pillow from its wheels")


def fonts_in(folder: Path) -> Iterator[Path]:
    """The font files of a folder and its folders, in order. Raises BadSettings for a packed font."""
    if not folder.is_dir():
        raise BadSettings(f"VITRINE_FONT_FOLDER must be a folder, got {str(folder)!r}")
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in PACKED:
            raise BadSettings(f"font {path.name} must be unpacked to TrueType or OpenType first")
        if path.suffix.lower() in SUFFIXES:
            yield path
