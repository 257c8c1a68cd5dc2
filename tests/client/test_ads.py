"""Ads in the client, on the fake: tensors, both clients, kept results, saving, and `vitrine ad`."""

import hashlib
import json

import numpy as np
import pytest
from obstore.store import MemoryStore
from PIL import Image
from vitrine import (
    AsyncFakeTransport,
    AsyncVitrine,
    BadRequest,
    FakeTransport,
    ProductAd,
    Results,
    Shelf,
    Vitrine,
    VitrineError,
    command,
    save_picture,
)
from vitrine.ads import product_ad_inputs, read_product_ad
from vitrine.commands import ad
from vitrine.saving import pixel_path, save_ad

PRODUCT = Image.new("RGBA", (40, 40), (200, 30, 40, 255))


def test_only_what_is_given_becomes_a_tensor():
    """Settings and texts go as JSON, one text as a list of one."""
    assert product_ad_inputs(product=PRODUCT, sentence="라떼").keys() == {"product", "sentence"}
    inputs = product_ad_inputs(
        product=[PRODUCT, PRODUCT],
        each=True,
        sizes=["1:1", "9:16"],
        texts="신메뉴",
        settings={"match": 0.2},
        harmonise=0.1,
        prompt="a table",
        steps=4,
    )
    assert len(inputs["product"]) == 2
    assert [one.decode() for one in inputs["sizes"]] == ["1:1", "9:16"]
    assert json.loads(inputs["texts"][0]) == ["신메뉴"]
    assert json.loads(inputs["settings"][0]) == {"match": 0.2}
    assert (inputs["harmonise"].dtype, inputs["steps"].dtype) == (np.float32, np.int32)
    assert bool(inputs["each"][0])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "product must be given"),
        ({"product": PRODUCT, "settings": {"light": object()}}, "settings must be strings"),
        ({"product": PRODUCT, "prompt": "\ud800"}, "prompt must be valid Unicode"),
    ],
)
def test_options_that_cannot_be_sent_are_refused(options, said):
    """Before any request."""
    with pytest.raises(BadRequest, match=said):
        product_ad_inputs(**options)


async def test_both_clients_make_ads():
    """The sync and the async client give the same from the fake; a stream ends with it."""
    asked = {"product": [PRODUCT, PRODUCT], "each": True, "prompt": "a table", "sizes": ["1:1", "9:16"]}
    scene = Image.new("RGB", (80, 60))
    with Vitrine(transport=FakeTransport()) as client:
        made = client.product_ad(**asked, seed=5)
        *steps, last = client.product_ad_stream(**asked, seed=5)
        composed = client.compose(scene=scene, product=PRODUCT)
    assert [(one.size, one.products, one.image.size) for one in made.ads] == [
        ("1:1", (0,), (64, 64)),
        ("1:1", (1,), (64, 64)),
        ("9:16", (0,), (64, 113)),
        ("9:16", (1,), (64, 113)),
    ]
    assert isinstance(last, ProductAd)
    assert (last.encoded, len(steps)) == (made.encoded, 3)
    assert (composed.image.size, composed.alpha.mode, composed.shadow.mode) == ((80, 60), "L", "L")
    async with AsyncVitrine(transport=AsyncFakeTransport()) as other:
        assert (await other.product_ad(**asked, seed=5)).encoded == made.encoded
        assert [one async for one in other.product_ad_stream(**asked, seed=5)][-1].seed == 5
        assert (
            await other.compose(scene=Image.new("RGB", (80, 60)), product=PRODUCT)
        ).image == composed.image


def test_an_answer_that_lacks_a_picture_is_an_error():
    """Never an ad less."""
    outputs = FakeTransport().infer("product_ad", product_ad_inputs(product=PRODUCT, prompt="a"), timeout_s=1)
    with pytest.raises(VitrineError, match="the server's answer cannot be read"):
        read_product_ad(outputs | {"alpha": outputs["alpha"][:0]})


def test_an_ad_is_kept_and_found_again():
    """By a key of the whole request and of all models of the server; one ad a request."""
    fake, shelf = FakeTransport(), Shelf(MemoryStore())
    results = Results(Vitrine(transport=fake), shelf)
    asked = {"user": "ada", "product": PRODUCT, "prompt": "a table", "seed": 7}
    first, again = results.product_ad(**asked), results.product_ad(**asked)
    assert (first.found, again.found, again.encoded) == (False, True, first.encoded)
    assert results.product_ad(**asked, texts="New").key != first.key
    assert first.story["seed"] == 7
    assert "product" not in first.story["parameters"]
    models = [(call.model, "describe" in call.inputs) for call in fake.calls]
    assert models == [("product_ad", True), ("product_ad", False), ("product_ad", False)]
    for several in ({"each": True}, {"sizes": ["1:1", "4:5"]}):
        with pytest.raises(BadRequest, match="a kept result must be one ad"):
            results.product_ad(**asked, **several)


def test_a_picture_is_saved_under_its_pixels(tmp_path):
    """In the old service's layout; a file of the same pixels is used again, other pixels are another file."""
    image = Image.new("RGB", (8, 4), (1, 2, 3))
    path = save_picture(image, tmp_path)
    digits = hashlib.sha256(bytes((1, 2, 3)) * 32).hexdigest()
    assert path == tmp_path / digits[:2] / f"{digits[:16]}.jpg"
    before = path.stat()
    assert save_picture(image, tmp_path, dpi=300) == path
    assert path.stat() == before
    assert save_picture(Image.new("RGB", (8, 4)), tmp_path) != path
    assert not list(tmp_path.glob("**/.*"))


@pytest.mark.parametrize("format", ["jpg", "png", "webp"])
@pytest.mark.parametrize("share", [0, 0.05, 0.6])
def test_a_broken_file_is_written_anew(tmp_path, format, share):
    """An empty one, and one that a full disk cut short: in its header or in its pixels."""
    noise = Image.effect_noise((64, 48), 50).convert("RGB")
    path = save_picture(noise, tmp_path, format=format)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    assert save_picture(noise, tmp_path, format=format) == path
    assert path.read_bytes() == whole


def test_jpeg_is_another_word_for_jpg(tmp_path):
    """The name is the same, so that no picture is there twice."""
    image = Image.new("RGB", (8, 4))
    assert save_picture(image, tmp_path, format="jpeg") == save_picture(image, tmp_path)
    assert pixel_path(image, "jpeg") == pixel_path(image)


@pytest.mark.parametrize(("format", "kind"), [("jpg", "JPEG"), ("png", "PNG"), ("webp", "WEBP")])
def test_each_format_notes_the_resolution(tmp_path, format, kind):
    """As 300 pixels for each inch; a transparent picture stays so where the format can."""
    clear = PRODUCT.copy()
    clear.putpixel((0, 0), (0, 0, 0, 0))
    path = save_picture(clear, tmp_path, format=format, dpi=300)
    with Image.open(path) as saved:
        assert saved.format == kind
        noted = saved.info.get("dpi", (saved.getexif().get(0x011A),))[0]
        assert float(noted) == pytest.approx(300, abs=0.1)
        assert saved.mode == ("RGB" if format == "jpg" else "RGBA")


def test_two_sizes_of_the_same_pixels_are_two_files(tmp_path):
    """The old digits are of the bytes alone; the second has its size in the name, and is found again."""
    tall, wide = Image.new("RGB", (10, 20), "white"), Image.new("RGB", (20, 10), "white")
    first, second = save_picture(tall, tmp_path), save_picture(wide, tmp_path)
    assert (first, second) == (tmp_path / pixel_path(tall), first.with_stem(f"{first.stem}-20x10"))
    for path, image in ((first, tall), (second, wide)):
        with Image.open(path) as saved:
            assert saved.size == image.size
        assert save_picture(image, tmp_path) == path


@pytest.mark.parametrize("format", ["jpg", "png", "webp"])
@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "RGBa", "I", "I;16", "F", "CMYK", "YCbCr", "LAB", "HSV"]
)
def test_every_mode_is_saved(tmp_path, mode, format):
    """As 8-bit sRGB, whatever a format's writer takes."""
    path = save_picture(Image.new(mode, (8, 8)), tmp_path, format=format)
    with Image.open(path) as saved:
        assert saved.mode in ("L", "RGB", "RGBA")
        assert saved.size == (8, 8)


def test_a_palette_with_transparency_lies_on_white_as_jpeg(tmp_path):
    """As every transparent picture does."""
    clear = Image.new("P", (8, 8))
    clear.info["transparency"] = 0
    with Image.open(save_picture(clear, tmp_path)) as saved:
        assert saved.getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("size", "format", "said"),
    [
        ((16_384, 1), "webp", "image must have sides of 1 to 16383 pixels as webp, got 16384x1"),
        ((1, 65_501), "jpg", "image must have sides of 1 to 65500 pixels as jpg, got 1x65501"),
        ((0, 9), "png", "image must have sides of 1 to 2147483647 pixels as png, got 0x9"),
    ],
)
def test_a_picture_that_a_format_cannot_hold_is_refused(tmp_path, size, format, said):
    """By name, before its pixels are read."""
    with pytest.raises(BadRequest, match=said):
        save_picture(Image.new("RGB", size), tmp_path, format=format)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"format": "gif"}, "format must be one of jpg, png, webp"),
        ({"dpi": 0}, "dpi must be 1 to 9600, got 0"),
    ],
)
def test_what_cannot_be_saved_is_refused(tmp_path, options, said):
    """Nothing is written."""
    with pytest.raises(BadRequest, match=said):
        save_picture(PRODUCT, tmp_path, **options)
    assert not list(tmp_path.iterdir())


def test_an_ads_origin_is_saved_beside_it(tmp_path):
    """Below `origin`, under its own pixels."""
    with Vitrine(transport=FakeTransport()) as client:
        (made,) = client.product_ad(product=PRODUCT, prompt="a table").ads
    saved = save_ad(made, tmp_path, format="png")
    assert saved.path == tmp_path / pixel_path(made.image, "png")
    assert saved.origin == tmp_path / "origin" / pixel_path(made.origin, "png")
    assert saved.origin.exists()


@pytest.fixture
def fake(monkeypatch, tmp_path):
    """The fake that every command line calls, and a folder in which they run."""
    fake = FakeTransport()
    monkeypatch.setattr(ad, "open_client", lambda args: Vitrine(transport=fake))
    monkeypatch.chdir(tmp_path)
    for name in ("cup.png", "bag.png"):
        PRODUCT.save(name)
    Image.new("RGB", (64, 48), "white").save("counter.jpg")
    return fake


def run(*words):
    """The exit code of one command line."""
    try:
        return command.main(["ad", *map(str, words)])
    except SystemExit as left:
        return left.code


def test_a_sentence_and_a_product_become_a_file(fake, capsys):
    """The words are sent under the client's names, and the path is printed."""
    words = [
        "따뜻한 라떼, 카페 신메뉴",
        "--product",
        "cup.png",
        "--text",
        "신메뉴 4,500원",
        "--trade",
        "cafe",
    ]
    assert (
        run(*words, "--trade", "cafe", "--at", 0.5, 0.9, 0.4, "--shadow", "floating", "-o", "out/ad.jpg") == 0
    )
    assert capsys.readouterr().out == "out/ad.jpg\n"
    (call,) = fake.calls
    assert call.model == "product_ad_stream"
    assert call.inputs["sentence"][0].decode() == "따뜻한 라떼, 카페 신메뉴"
    assert json.loads(call.inputs["texts"][0]) == ["신메뉴 4,500원"]
    placement = {"x": 0.5, "y": 0.9, "scale": 0.4}
    assert json.loads(call.inputs["settings"][0]) == {"shadow": "floating", "placements": [placement]}


def test_several_ads_are_named_and_shown_on_a_sheet(fake, capsys):
    """By product and size; the sheet shows all."""
    words = ["봄", "--product", "cup.png", "--product", "bag.png", "--each", "--sizes", "1:1", "9:16"]
    assert run(*words, "--sheet", "--origin", "plain.png", "-o", "ad.png") == 0
    names = [f"ad-{one}.png" for one in ("cup-1x1", "bag-1x1", "cup-9x16", "bag-9x16", "sheet")]
    assert capsys.readouterr().out.split() == names
    with Image.open("ad-sheet.png") as sheet, Image.open("plain-bag-9x16.png") as plain:
        assert sheet.width > 3 * 192
        assert plain.size == (64, 113)


def test_over_http_there_is_no_stream(fake, capsys):
    """The plain call; --json prints files and report."""
    words = [
        "--product",
        "cup.png",
        "--scene",
        "counter.jpg",
        "-o",
        "ad.png",
        "--url",
        "http://localhost:8000",
    ]
    assert run(*words, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["files"] == ["ad.png"]
    assert told["report"]["ads"] == [{"size": "", "products": [0]}]
    assert [call.model for call in fake.calls] == ["product_ad"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("봄", "-o", "ad.gif"), "OUT must end in .png"),
        (("-o", "ad.png"), "SENTENCE, --prompt or --scene must say where the product stands"),
        (("봄", "-o", "ad.png", "--at", 1, 1, 1, "--at", 1, 1, 1), "--at must be given once for each of 1"),
        (("봄", "-o", "ad.png", "--origin", "a.jpg"), "FILE must end as OUT does"),
    ],
)
def test_wrong_words_are_refused_before_any_request(fake, capsys, words, said):
    """Exit code 2, and what is wrong."""
    assert run("--product", "cup.png", *words) == 2
    assert said in capsys.readouterr().err
    assert not fake.calls
