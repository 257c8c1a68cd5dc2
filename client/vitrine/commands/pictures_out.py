"""Writes the pictures of commands."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from PIL import Image

from vitrine.ads import Ad
from vitrine.answers import Fitting
from vitrine.errors import VitrineError
from vitrine.files import save
from vitrine.photos.reading import Limits, read
from vitrine.pictures import Picture, encode_picture
from vitrine.sheet import Cell, contact_sheet

FORMATS = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}
_ROW = 6  # pictures in a row of a sheet
_SENT = Limits(min_side=1)  # the server has its own smallest side

__all__ = [
    "FORMATS",
    "ad_sheet",
    "fitting_sheet",
    "image_file",
    "read_once",
    "save",
    "save_image",
    "unique_stems",
]


def save_image(image: Image.Image, path: Path) -> None:
    """Write a picture in the format of the path's extension; VitrineError where it cannot be written."""
    save(image_file(image, path), path)


def image_file(image: Image.Image, path: Path) -> bytes:
    """Return the file of a picture in the format of the path's extension.

    Raises VitrineError for a picture that is too large for the format.
    """
    file, kind = io.BytesIO(), FORMATS[path.suffix.lower()]
    try:
        image.save(file, kind)
    except (OSError, ValueError) as error:
        size = f"{image.width}x{image.height}"
        raise VitrineError(f"a picture of {size} pixels cannot be written as {kind}: {error}") from error
    return file.getvalue()


def unique_stems(paths: Sequence[Path]) -> list[str]:
    """Return the files' names without extension; a number is added to repeated names."""
    taken: dict[str, None] = {}  # in the order of the paths
    for path in paths:
        stem, count = path.stem, 1
        while (name := stem if count == 1 else f"{stem}-{count}") in taken:
            count += 1
        taken[name] = None
    return list(taken)


def read_once(paths: Iterable[Path]) -> dict[Path, Picture]:
    """Read each file one time, so that a pipe can be one; a path that cannot be read stands for itself."""
    read: dict[Path, Picture] = {}
    for path in paths:
        if path not in read:
            try:
                read[path] = path.read_bytes() or path
            except (OSError, ValueError):  # the request that names it reports it
                read[path] = path
    return read


def fitting_sheet(person: Picture, fittings: Sequence[Fitting], captions: Sequence[str]) -> Image.Image:
    """Draw a contact sheet: a row of garments, and the results below them, in blocks of `_ROW` columns.

    A sent picture that cannot be decoded here, such as HEIC without its package, leaves its place empty.
    """
    me = _sent(person, "person")
    rows: list[list[Cell]] = []
    for start in range(0, len(fittings), _ROW):
        block = fittings[start : start + _ROW]
        names = captions[start : start + _ROW]
        garments = [_sent(fitting.garment, name) for fitting, name in zip(block, names, strict=True)]
        rows.append([Cell(), *garments])
        rows.append([me, *(_result(fitting) for fitting in block)])
    return contact_sheet(rows)


def ad_sheet(ads: Sequence[Ad], captions: Sequence[str]) -> Image.Image:
    """Draw a contact sheet of advertisements, `_ROW` in a row."""
    cells = [Cell(ad.image, caption) for ad, caption in zip(ads, captions, strict=True)]
    return contact_sheet([cells[start : start + _ROW] for start in range(0, len(cells), _ROW)])


def _sent(picture: Picture, caption: str) -> Cell:
    try:
        return Cell(read(encode_picture(picture, "picture"), "picture", _SENT), caption)
    except VitrineError:
        return Cell(None, caption)


def _result(fitting: Fitting) -> Cell:
    if fitting.result is None:
        return Cell(None, str(fitting.error))
    return Cell(fitting.result.image, f"seed {fitting.result.seed}")
