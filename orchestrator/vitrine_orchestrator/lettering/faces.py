"""Font files: which faces they hold, which characters each has, and how Pillow opens them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont, features
from vitrine.errors import StageFailed

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
TABLES = ("name", "OS/2", "cmap", "maxp")
"""The tables of a font that are read here."""
WEIGHT_AXIS = "wght"
OPENED = 64
"""Fonts at a size that are kept open."""
STAGE = "text_overlay"


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


def shown(path: Path) -> str:
    """A file's name for messages: as UTF-8, whatever the locale is, without lone surrogates."""
    return os.fsencode(path.name).decode("utf-8", "replace")


@lru_cache(maxsize=256)
def read_faces(path: Path) -> tuple[Face, ...]:
    """Every face of a font file. Raises BadSettings, with the file's name, for a file that is no font."""
    _check_start(path)
    try:
        ImageFont.truetype(path, 16)
        faces = [_face(path, index) for index in range(_count(path))]
    except BadSettings:
        raise
    except Exception as error:  # fontTools raises whatever a damaged table leads to
        raise BadSettings(f"font {shown(path)} cannot be read: {type(error).__name__}") from error
    return tuple(faces)


def _check_start(path: Path) -> None:
    name = f"font {shown(path)}"
    try:
        if not path.is_file() and path.exists():  # opening a pipe would wait for ever
            raise BadSettings(f"{name} must be a file, got a folder, a pipe or a device")
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as error:
        raise BadSettings(f"{name} cannot be read: {error.strerror}") from error
    if size > MAX_FILE_BYTES:
        raise BadSettings(f"{name} must have at most {MAX_FILE_BYTES} bytes, got {size}")
    if start not in STARTS:
        raise BadSettings(f"{name} must be a TrueType or OpenType file, got {start!r} as its start")


def _count(path: Path) -> int:
    """How many faces a file holds."""
    with path.open("rb") as file:
        head = file.read(12)
    return int.from_bytes(head[8:12], "big") if head[:4] == COLLECTION else 1


def _face(path: Path, index: int) -> Face:
    from fontTools.ttLib import TTFont

    with TTFont(path, fontNumber=index, lazy=True) as font:
        if lacking := [table for table in TABLES if table not in font]:
            raise BadSettings(f"font {shown(path)} must have the tables {', '.join(TABLES)}, lacks {lacking}")
        names = [record for record in font["name"].names if record.nameID in FAMILY_NAMES]
        families = tuple(dict.fromkeys(name for record in names if (name := record.toUnicode().strip())))
        if not families:
            raise BadSettings(f"font {shown(path)} must have the name of a family, its name table has none")
        axes = font["fvar"].axes if "fvar" in font else ()
        return Face(
            path,
            index,
            families,
            int(font["OS/2"].usWeightClass),
            bool(font["OS/2"].fsSelection & STYLE_ITALIC),
            tuple(Axis(axis.axisTag, axis.minValue, axis.defaultValue, axis.maxValue) for axis in axes),
        )


@contextmanager
def naming(path: Path, kind: type[Exception] = OSError) -> Iterator[None]:
    """StageFailed, with the file's name, where a damaged part of a font is met only now.

    kind: what such a part leads to; FreeType raises OSError.
    """
    try:
        yield
    except kind as error:
        why = str(error) if isinstance(error, OSError) else type(error).__name__
        raise StageFailed(STAGE, f"the font {shown(path)} is damaged: {why}") from error


@lru_cache(maxsize=64)
def characters_of(path: Path, index: int) -> frozenset[int]:
    """The code points that a face has a glyph for, by its cmap table; none of a font of symbols alone."""
    from fontTools.ttLib import TTFont

    with naming(path, Exception), TTFont(path, fontNumber=index, lazy=True) as font:
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
    """The font files of a folder and its folders, linked ones too, in order; hidden names are left out.

    Raises BadSettings for a packed font.
    """
    if not folder.is_dir():
        raise BadSettings(f"VITRINE_FONT_FOLDER must be a folder, got {str(folder)!r}")
    for path in sorted(_files(folder)):
        if path.suffix.lower() in PACKED:
            raise BadSettings(f"font {shown(path)} must be unpacked to TrueType or OpenType first")
        if path.suffix.lower() in SUFFIXES:
            yield path


def _files(folder: Path) -> Iterator[Path]:
    """Every file under a folder but those whose own or folder's name begins with a dot.

    A folder is gone through once, so links that lead back do not matter.
    """
    gone = set()
    for at, folders, files in os.walk(folder, followlinks=True):
        status = os.stat(at)
        if (status.st_dev, status.st_ino) in gone:
            folders.clear()
            continue
        gone.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(at, name) for name in files if not name.startswith("."))
