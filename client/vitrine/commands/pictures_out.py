"""Writes the pictures of commands."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from vitrine.ads import Ad
from vitrine.answers import Fitting
from vitrine.errors import VitrineError
from vitrine.files import save
from vitrine.pictures import decode_picture, encode_picture
from vitrine.sheet import Cell, contact_sheet

FORMATS = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}
_ROW = 6  # pictures in a row of a sheet

__all__ = ["FORMATS", "ad_sheet", "fitting_sheet", "save", "save_image", "unique_stems"]


def save_image(image: Image.Image, path: Path) -> None:
    """Write a picture in the format of the path's extension."""
    file = io.BytesIO()
    image.save(file, FORMATS[path.suffix.lower()])
    save(file.getvalue(), path)


def unique_stems(paths: Sequence[Path]) -> list[str]:
    """Return the files' names without extension; a number is added to repeated names."""
    taken: dict[str, None] = {}  # in the order of the paths
    for path in paths:
        stem, count = path.stem, 1
        while (name := stem if count == 1 else f"{stem}-{count}") in taken:
            count += 1
        taken[name] = None
    return list(taken)


def fitting_sheet(person: Path, fittings: Sequence[Fitting]) -> Image.Image:
    """Draw a contact sheet: a row of garments, and the results below them, in blocks of `_ROW` columns."""
    me = Cell(decode_picture(encode_picture(person, "person"), "person"), "person")
    captions = unique_stems([Path(str(fitting.garment)) for fitting in fittings])
    rows: list[list[Cell]] = []
    for start in range(0, len(fittings), _ROW):
        block = fittings[start : start + _ROW]
        names = captions[start : start + _ROW]
        rows.append([Cell(), *(_garment(*pair) for pair in zip(block, names, strict=True))])
        rows.append([me, *(_result(fitting) for fitting in block)])
    return contact_sheet(rows)


def ad_sheet(ads: Sequence[Ad], captions: Sequence[str]) -> Image.Image:
    """Draw a contact sheet of advertisements, `_ROW` in a row."""
    cells = [Cell(ad.image, caption) for ad, caption in zip(ads, captions, strict=True)]
    return contact_sheet([cells[start : start + _ROW] for start in range(0, len(cells), _ROW)])


def _garment(fitting: Fitting, caption: str) -> Cell:
    path = Path(str(fitting.garment))
    try:
        return Cell(decode_picture(encode_picture(path, "garment"), "garment"), caption)
    except VitrineError:  # the error of the fitting reports it
        return Cell(None, caption)


def _result(fitting: Fitting) -> Cell:
    if fitting.result is None:
        return Cell(None, str(fitting.error))
    return Cell(fitting.result.image, f"seed {fitting.result.seed}")
