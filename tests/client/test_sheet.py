"""Contact sheets show every picture, whole and in its place."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageFont
from vitrine import sheet
from vitrine.sheet import Cell, contact_sheet, wardrobe_sheet

RED, BLUE = (200, 0, 0), (0, 0, 200)


def test_rows_and_columns_are_where_they_were_put():
    """In a sheet of two rows of two, each colour is in its own quarter."""
    red, blue = Image.new("RGB", (20, 20), RED), Image.new("RGB", (20, 20), BLUE)
    sheet = contact_sheet([[Cell(red), Cell(blue)], [Cell(blue), Cell(red)]], cell=(40, 40))
    pixels = np.asarray(sheet)
    h, w = pixels.shape[0] // 2, pixels.shape[1] // 2
    for quarter, colour in zip(
        (pixels[:h, :w], pixels[:h, w:], pixels[h:, :w], pixels[h:, w:]), (RED, BLUE, BLUE, RED), strict=True
    ):
        assert (quarter == colour).all(-1).sum() >= 1500  # 40 × 40, its edges blended


@pytest.mark.parametrize("size", [(400, 10), (10, 400), (1, 1)])
def test_a_picture_keeps_its_shape(size):
    """A picture is neither cut nor stretched: its longer side fills the cell."""
    sheet = contact_sheet([[Cell(Image.new("RGB", size, RED))]], cell=(50, 50))
    rows, columns = np.nonzero((np.asarray(sheet) == RED).all(-1))
    seen = (columns.max() - columns.min() + 1, rows.max() - rows.min() + 1)
    scale = 50 / max(size)
    assert abs(seen[0] - size[0] * scale) <= 1
    assert abs(seen[1] - size[1] * scale) <= 1


def test_transparent_pictures_are_pasted_on_white():
    """A transparent background becomes white, not black."""
    sheet = contact_sheet([[Cell(Image.new("RGBA", (20, 20), (9, 9, 9, 0)))]])
    assert np.asarray(sheet).min() == 255


def test_long_captions_are_shortened():
    """A long caption is shortened to the width of its picture."""
    cell = Cell(None, "a very long caption indeed, longer than any picture is wide\nand more")
    sheet = np.asarray(contact_sheet([[cell, Cell()]], cell=(60, 60)))
    assert (sheet[:, :72] < 255).any()
    assert (sheet[:, 78:] == 255).all()


def test_a_wardrobe_sheet_is_a_table():
    """Garments are in the first row, people in the first column, and one corner is empty."""
    cells = [Cell(Image.new("RGB", (10, 10), RED))] * 2
    sheet = wardrobe_sheet(cells, cells, [cells, cells], cell=(30, 30))
    assert sheet.size == contact_sheet([cells + cells[:1]] * 3, cell=(30, 30)).size
    assert np.asarray(sheet)[:50, :42].min() == 255


def test_an_empty_sheet_is_a_blank_page():
    """A sheet without rows is a blank page, not an error."""
    assert contact_sheet([]).size == (12, 12)


def test_a_korean_caption_is_not_drawn_as_boxes():
    """With a font for it, different syllables look different; without one the sheet is still made."""
    one, other = (np.asarray(contact_sheet([[Cell(None, caption)]])) for caption in ("가가", "힣힣"))
    assert one.shape == other.shape
    installed = any(_found(name) for name, _ in sheet._WIDE_FONTS[:2])
    assert (not np.array_equal(one, other)) or not installed


def _found(name):
    try:
        return bool(ImageFont.truetype(name, 12))
    except OSError:
        return False


@pytest.mark.parametrize("tag", [0x0112, 0x8769], ids=["orientation", "another"])
def test_odd_exif_data_are_ignored(tag):
    """A value of the EXIF data that cannot be read does not spoil a sheet."""
    first = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
    odd = struct.pack("<HHI4s", tag, 2, 4, b"abc\0")
    entries = [odd] if tag == 0x0112 else [first, odd]
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    file = io.BytesIO()
    Image.new("RGB", (64, 32), RED).save(file, "JPEG", exif=exif)
    sheet = np.asarray(contact_sheet([[Cell(Image.open(file))]], cell=(64, 64)))
    rows = np.flatnonzero((sheet < 255).any((1, 2)))
    assert rows[-1] - rows[0] + 1 == (32 if tag == 0x0112 else 64)


def test_sixteen_bits_are_shown():
    """A grey picture of 16 bits has its brightness on the sheet."""
    deep = Image.fromarray(np.full((20, 20), 128 * 257, np.uint16))
    assert np.asarray(contact_sheet([[Cell(deep)]], cell=(20, 20)))[20, 20].tolist() == [128] * 3
