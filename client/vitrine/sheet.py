"""Contact sheets: pictures in rows, each with a caption."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from vitrine.modes import standard
from vitrine.photos.orientation import upright

CELL = (192, 256)  # width and height of a picture on the sheet
_GAP = 12
_CAPTION = 20  # height of a caption, and the size of its letters with their line
_WIDE_FONTS = (("NotoSansCJK-Regular.ttc", 1), ("NanumGothic.ttf", 0), ("DejaVuSans.ttf", 0))
"""Fonts with more than Latin letters, and the face in the file; the first that is installed is used."""
_PAPER, _INK = (255, 255, 255), (60, 60, 60)


@dataclass(frozen=True)
class Cell:
    """One picture of a sheet, or an empty place where `image` is None."""

    image: Image.Image | None = None
    caption: str = ""


def contact_sheet(rows: Sequence[Sequence[Cell]], *, cell: tuple[int, int] = CELL) -> Image.Image:
    """Draw the rows below each other; every picture is fitted undistorted into `cell` (width, height).

    Pictures of every mode are shown upright, in sRGB. Raises BadRequest for values that are no brightness.
    """
    width, height = cell
    columns = max((len(row) for row in rows), default=0)
    step = (width + _GAP, height + _CAPTION + _GAP)
    sheet = Image.new("RGB", (_GAP + columns * step[0], _GAP + len(rows) * step[1]), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for y, row in enumerate(rows):
        for x, one in enumerate(row):
            left, top = _GAP + x * step[0], _GAP + y * step[1]
            if one.image is not None:
                picture = _fitted(one.image, cell)
                sheet.paste(picture, (left + (width - picture.width) // 2, top + height - picture.height))
            font = _font(one.caption)
            caption = _shortened(one.caption, width, draw, font)
            draw.text((left + width / 2, top + height + 3), caption, _INK, font, anchor="ma")
    return sheet


def wardrobe_sheet(
    people: Sequence[Cell],
    garments: Sequence[Cell],
    results: Sequence[Sequence[Cell]],
    *,
    cell: tuple[int, int] = CELL,
) -> Image.Image:
    """Draw a table: a column per garment, a row per person, and results[person][garment] in its cells."""
    rows = [[Cell(), *garments]]
    rows += [[person, *row] for person, row in zip(people, results, strict=True)]
    return contact_sheet(rows, cell=cell)


def _fitted(image: Image.Image, cell: tuple[int, int]) -> Image.Image:
    """Return the picture in RGB on white, as large as the cell allows."""
    image = upright(image, standard(image, "a picture of the sheet"))
    scale = min(cell[0] / image.width, cell[1] / image.height)
    size = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
    clear = image.convert("RGBA").resize(size, Image.Resampling.LANCZOS)
    paper = Image.new("RGBA", size, (*_PAPER, 255))
    return Image.alpha_composite(paper, clear).convert("RGB")


def _font(caption: str) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return Pillow's own font, or one of the system's for letters that it does not have."""
    size = _CAPTION * 0.65
    if not caption.isascii():
        for name, face in _WIDE_FONTS:
            try:
                return ImageFont.truetype(name, size, index=face)
            except OSError:  # not installed here
                continue
    return ImageFont.load_default(size)


def _shortened(
    caption: str, width: int, draw: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont | ImageFont.ImageFont
) -> str:
    """Return the first line of the caption, cut to the width."""
    line = caption.partition("\n")[0]
    short = line
    while short and draw.textlength(short if short == line else short + "…", font) > width:
        short = short[:-1]
    return short if short == line else short + "…"
