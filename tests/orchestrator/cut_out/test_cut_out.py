"""The cut-out's pipeline: whatever picture is sent, the product's alpha and colours at its own size."""

import asyncio
import io

import numpy as np
import pytest
from PIL import Image
from vitrine.errors import BadRequest
from vitrine_orchestrator.cut_out.context import CutOutContext
from vitrine_orchestrator.cut_out.pipeline import cut_out

SIDE = 64  # of the fake network's square


@pytest.fixture
def cut(stages, manifest):
    """Cuts a picture out: RGBA levels (height, width, 4)."""

    def run(picture, **more):
        inputs = {"image_raw": picture} if isinstance(picture, np.ndarray) else {}
        inputs |= {"image": np.array([picture], object)} if isinstance(picture, bytes) else {}
        outputs = asyncio.run(cut_out(CutOutContext(stages, manifest), inputs | more))
        levels = np.asarray(Image.open(io.BytesIO(outputs["image"][0])))
        alpha = np.asarray(Image.open(io.BytesIO(outputs["alpha"][0])))
        assert np.array_equal(levels[..., 3], alpha)
        return levels

    run.stages = stages
    return run


def encoded(image, kind="PNG"):
    """The bytes of a PIL image or of an array of pixels."""
    file = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(file, kind)
    return file.getvalue()


def red_square(width, height, inset):
    """A picture with red inside, `inset` pixels from each side, and blue around it."""
    picture = np.full((height, width, 3), (20, 20, 200), np.uint8)
    picture[inset : height - inset, inset : width - inset] = (250, 0, 0)
    return picture


def inside(width, height, inset):
    """Whether a pixel is well inside or well outside of the red square: near its edge alpha is soft."""
    down, across = np.mgrid[:height, :width]
    depth = np.minimum.reduce([down, across, height - 1 - down, width - 1 - across]) - inset
    blur = 3 * max(width, height) / SIDE
    return depth >= blur, depth < -blur


@pytest.mark.parametrize("size", [(64, 64), (200, 100), (90, 400), (33, 32), (4000, 40), (41, 1203)])
def test_a_picture_of_any_shape_keeps_its_size_and_place(cut, size):
    """Opaque pixels are the picture's own, transparent ones have no colour left."""
    picture = red_square(*size, inset=min(size) // 8)
    levels = cut(picture)
    product, ground = inside(*size, inset=min(size) // 8)
    assert levels.shape == (*picture.shape[:2], 4)
    assert (levels[product, 3] == 255).all()
    assert np.array_equal(levels[product, :3], picture[product])
    assert not levels[ground].any()


@pytest.mark.parametrize("mode", ["L", "I;16", "RGB", "RGBA", "P"])
def test_grey_and_deep_and_indexed_pictures_are_read(cut, mode):
    """The network gets the same square from each mode as from RGB."""
    grey = np.repeat(red_square(80, 80, 20)[..., :1], 3, 2)
    plain = Image.fromarray(grey)
    deep = Image.fromarray(grey[..., 0].astype(np.uint16) * 257)
    sent = {"I;16": deep, "P": plain.quantize(4)}.get(mode) or plain.convert(mode)
    seen = []
    for one in (plain, sent):
        with pytest.raises(BadRequest, match="no product found"):  # grey is not red
            cut(encoded(one))
        seen.append(cut.stages.calls[-1][1]["image"])
    assert np.abs(seen[0] - seen[1]).max() < 1e-6


def test_what_was_transparent_stays_transparent(cut):
    """The sent alpha and the found one are combined: a hole that was cut before is not filled again."""
    picture = Image.fromarray(red_square(128, 128, 16)).convert("RGBA")
    picture.paste((250, 0, 0, 0), (44, 44, 84, 84))
    levels = cut(encoded(picture))
    assert not levels[44:84, 44:84].any()
    assert levels[30, 30, 3] == 255


def test_an_oriented_photograph_is_turned_first(cut):
    """The answer is upright, as the caller sees the photograph."""
    image, exif = Image.fromarray(red_square(120, 60, 10)), Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    file = io.BytesIO()
    image.save(file, "JPEG", exif=exif, quality=95)
    assert cut(file.getvalue()).shape == (120, 60, 4)


def test_outside_the_box_everything_is_transparent(cut):
    """The network sees the box only, and a second product outside of it is left out."""
    picture = np.concatenate([red_square(80, 80, 20), red_square(80, 80, 20)], axis=1)
    levels = cut(picture, box=np.array([80, 0, 160, 80], np.int32))
    assert not levels[:, :80].any()
    assert levels[40, 120, 3] == 255
    both = cut(picture)
    assert (both[40, 40, 3], both[40, 120, 3]) == (255, 255)


@pytest.mark.parametrize(
    ("box", "said"),
    [
        ([0, 0, 20, 40], "box must be at least 32 pixels wide and high, got 20x40"),
        ([-1, 0, 40, 40], "box must lie in the picture of 64x64"),
        ([40, 0, 0, 40], "box must lie in the picture of 64x64"),
        ([0, 0, 40], "box must be left, top, right and bottom, got 3 numbers"),
    ],
)
def test_a_wrong_box_is_refused(cut, box, said):
    """The message gives the rule and the value, and the network is not called."""
    with pytest.raises(BadRequest, match=said):
        cut(red_square(64, 64, 8), box=np.array(box, np.int32))
    assert not cut.stages.calls


@pytest.mark.parametrize("size", [(1, 4000), (4000, 1), (31, 64)])
def test_a_line_of_pixels_is_refused(cut, size):
    """A picture of less than 32 pixels a side shows no product."""
    with pytest.raises(
        BadRequest, match=f"must be at least 32 pixels wide and high, got {size[0]}x{size[1]}"
    ):
        cut(encoded(np.zeros((size[1], size[0], 3), np.uint8)))


@pytest.mark.parametrize(("kind", "longest"), [("webp", 16_383), ("png", 1_000_000)])
def test_a_side_that_no_file_can_hold_is_refused(cut, kind, longest):
    """The formats' own limits are checked before any work."""
    picture = np.zeros((32, longest + 1, 3), np.uint8)
    with pytest.raises(BadRequest, match=f"at most {longest} pixels wide and high for {kind}"):
        cut(picture, format=np.array([kind.encode()], object))
    assert not cut.stages.calls


def test_a_request_is_one_picture(cut):
    """None, and both forms at once, are refused."""
    with pytest.raises(BadRequest, match="image must be one picture, or image_raw must be given; got 0"):
        cut(None)
    with pytest.raises(BadRequest, match="image and image_raw must not both be given"):
        cut(red_square(64, 64, 8), image=np.array([b"x"], object))


def test_webp_holds_transparency_too(cut):
    """Its alpha is without loss."""
    picture = red_square(96, 96, 20)
    webp = cut(picture, format=np.array([b"webp"], object))
    assert np.array_equal(webp[..., 3], cut(picture)[..., 3])


@pytest.mark.parametrize(("side", "shown"), [(500, (240, 120)), (60, (60, 30))])
def test_the_product_alone_is_cut_to_its_box_and_never_enlarged(cut, side, shown):
    """At its own size opaque pixels are the picture's own; a smaller one has the same shape."""
    picture = np.full((300, 400, 3), (20, 20, 200), np.uint8)
    picture[90:210, 80:320] = (250, 0, 0)
    picture[90:210, 80:320, 2] = np.arange(240) // 4  # so that a shift would be seen
    levels = cut(picture, product_side=np.array([side], np.int32))
    height, width = levels.shape[:2]
    rim = 3 * 400 / SIDE * shown[0] / 240
    assert abs(width - shown[0]) <= 2 * rim
    assert abs(height - shown[1]) <= 2 * rim
    assert levels[height // 2, width // 2, 3] == 255
    if side == 500:
        whole = cut(picture)
        rows, columns = (np.flatnonzero(whole[..., 3].any(axis)) for axis in (1, 0))
        part = whole[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert np.array_equal(levels, part)


def test_the_product_alone_keeps_the_box_and_what_was_transparent(cut):
    """As the whole picture does."""
    picture = Image.fromarray(red_square(256, 128, 16)).convert("RGBA")
    picture.paste((250, 0, 0, 0), (128, 0, 256, 128))
    inputs = {"product_side": np.array([64], np.int32), "box": np.array([0, 0, 250, 128], np.int32)}
    levels = cut(encoded(picture), **inputs)
    height, width = levels.shape[:2]
    assert max(height, width) <= 64
    assert levels[height // 2, width // 2, 3] == 255
    assert (levels[..., 3] > 200).mean() + 0.35 > 0.9  # the left half, with a soft rim


def test_a_wrong_size_of_the_product_is_refused(cut):
    """The message gives the rule and the value."""
    with pytest.raises(BadRequest, match="product_side must be 32 to 16384, got 8"):
        cut(red_square(64, 64, 8), product_side=np.array([8], np.int32))


@pytest.mark.parametrize("side", [{}, {"product_side": np.array([60], np.int32)}])
@pytest.mark.parametrize(
    ("opaque", "said"),
    [
        (0, "largest value must be at least 0.5, got 0.39"),
        (4, "fill at least 0.5% of the picture"),
        (20, None),
    ],
)
def test_what_is_transparent_in_the_sent_picture_is_no_product(cut, opaque, said, side):
    """An almost empty cut-out is refused as one without a product, whatever the network finds below."""
    sent = np.dstack([red_square(80, 80, 20), np.full((80, 80), 255, np.uint8)])
    sent[20:60, 20:60, 3] = 100
    sent[40 - opaque // 2 : 40 + opaque // 2, 40 - opaque // 2 : 40 + opaque // 2, 3] = 255
    if said is None:
        assert cut(encoded(sent), **side)[..., 3].max() == 255
    else:
        with pytest.raises(BadRequest, match=f"no product found where it is not transparent: .*{said}"):
            cut(encoded(sent), **side)
