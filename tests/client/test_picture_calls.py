"""The client's calls for pictures from prompts: their tensors, both clients, the fake."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image
from vitrine import AsyncFakeTransport, AsyncVitrine, BadRequest, Drawn, FakeTransport, Vitrine, VitrineError
from vitrine.answers import read_drawn
from vitrine.inputs import cut_out_inputs, image_to_image_inputs, picture_stream_inputs, text_to_image_inputs
from vitrine.texts import read_lettered, text_description_inputs, text_overlay_inputs


def test_only_what_is_given_becomes_a_tensor():
    """The server has the defaults; numbers have the dtypes of the stage table."""
    assert text_to_image_inputs(prompt="커피").keys() == {"prompt"}
    inputs = text_to_image_inputs(prompt="a cup", width=64, height=32, seed=2**64 - 1, guidance=2)
    assert {name: array.dtype for name, array in inputs.items()} == {
        "prompt": np.dtype(object),
        "width": np.dtype(np.int32),
        "height": np.dtype(np.int32),
        "seed": np.dtype(np.uint64),
        "guidance": np.dtype(np.float32),
    }


@pytest.mark.parametrize(
    ("lora", "names", "weights"),
    [("night", [b"night"], [1.0]), ({"night": 0.5, "line": 1}, [b"night", b"line"], [0.5, 1.0])],
)
def test_adapters_have_weights(lora, names, weights):
    """One name has weight 1; a mapping gives the weight of each."""
    inputs = text_to_image_inputs(prompt="a cup", lora=lora)
    assert (inputs["lora"].tolist(), inputs["lora_weight"].tolist()) == (names, weights)


@pytest.mark.parametrize(
    "options",
    [
        {"prompt": "\ud800"},
        {"prompt": ["a", "b"]},
        {"prompt": "a", "width": 1.5},
        {"prompt": "a", "steps": "4"},
    ],
)
def test_options_that_cannot_be_sent_are_refused(options):
    """Lone surrogates and wrong types are refused before anything is sent."""
    with pytest.raises(BadRequest):
        text_to_image_inputs(**options)


def test_a_picture_to_change_is_encoded():
    """Image and strength are added to the inputs of a prompt."""
    inputs = image_to_image_inputs(prompt="a cup", image=Image.new("RGB", (40, 40)), strength=0.3)
    assert inputs["image"][0].startswith(b"\x89PNG")
    assert inputs["strength"] == np.float32(0.3)


async def test_both_clients_draw():
    """The sync and the async client give the same results from the fake."""
    picture = Image.new("RGB", (64, 64), "white")
    with Vitrine(transport=FakeTransport()) as client:
        drawn = client.text_to_image(prompt="a cup", width=80, height=48, seed=5)
        changed = client.image_to_image(prompt="a cup", image=picture, strength=0.5, seed=5)
    assert (drawn.image.size, drawn.seed, changed.image.size) == ((80, 48), 5, (64, 64))
    async with AsyncVitrine(transport=AsyncFakeTransport()) as other:
        again = await other.text_to_image(prompt="a cup", width=80, height=48, seed=5)
        assert again.encoded == drawn.encoded
        assert (await other.image_to_image(prompt="a cup", image=picture, strength=0.5, seed=5)).seed == 5


def test_one_request_draws_several_pictures():
    """The first is the answer's own picture; each has the seed after the one before."""
    with Vitrine(transport=FakeTransport()) as client:
        drawn = client.text_to_image(prompt="a cup", seed=5, n=3)
        third = client.text_to_image(prompt="a cup", seed=7)
    assert [one.seed for one in drawn.pictures] == [5, 6, 7]
    assert (drawn.seed, drawn.encoded) == (5, drawn.pictures[0].encoded)
    assert drawn.pictures[2].encoded == third.encoded


async def test_both_clients_stream_pictures():
    """Progress first, the pictures last; leaving early cancels the request."""
    with Vitrine(transport=FakeTransport()) as client:
        *steps, last = client.picture_stream(prompt="a cup", steps=3, seed=5, previews=True)
    assert [one.step for one in steps] == [1, 2, 3]
    assert steps[0].preview is not None
    assert isinstance(last, Drawn)
    fake = FakeTransport()
    with Vitrine(transport=fake) as client:
        events = client.picture_stream(prompt="a cup", image=Image.new("RGB", (8, 8)), strength=0.5)
        next(events)
        events.close()
    assert fake.streams_cancelled == 1
    async with AsyncVitrine(transport=AsyncFakeTransport()) as other:
        told = [one async for one in other.picture_stream(prompt="a cup", steps=3, seed=5)]
    assert told[-1].encoded == last.encoded


def test_a_strength_without_a_picture_is_refused():
    """Before anything is sent."""
    with pytest.raises(BadRequest, match=r"strength must not be given without image, got 0\.5"):
        picture_stream_inputs(prompt="a cup", strength=0.5)


def test_as_many_seeds_as_pictures_are_read():
    """An answer that lacks a seed is an error, not a picture less."""
    outputs = FakeTransport().infer("text_to_image", text_to_image_inputs(prompt="a", n=2), timeout_s=1)
    with pytest.raises(VitrineError, match="2 pictures and 1 seeds"):
        read_drawn(outputs | {"seed": outputs["seed"][:1]})


def test_a_box_is_four_whole_numbers():
    """Picture, box and format become tensors; what is no box is refused before anything is sent."""
    picture = Image.new("RGB", (40, 40))
    inputs = cut_out_inputs(image=picture, box=(1, 2, 30, 40), format="webp")
    assert (inputs["box"].tolist(), inputs["box"].dtype) == ([1, 2, 30, 40], np.int32)
    assert cut_out_inputs(image=picture).keys() == {"image"}
    for box in ((1, 2, 3), "1234", (1, 2, 3.5, 4)):
        with pytest.raises(BadRequest, match="box must be"):
            cut_out_inputs(image=picture, box=box)


def test_a_mask_of_a_file_is_upright():
    """A photograph's mask is turned as the server turns the photograph."""
    turned, file = Image.Exif(), io.BytesIO()
    turned[0x0112] = 6
    Image.new("L", (64, 48)).save(file, "JPEG", exif=turned)
    inputs = text_overlay_inputs(image=file.getvalue(), texts="a", keep_clear=file.getvalue())
    assert inputs["keep_clear"].shape == (64, 48)


def test_a_mask_has_the_limits_of_pictures():
    """More pixels than any picture may have are refused before they are decoded."""
    file = io.BytesIO()
    Image.new("1", (20_000, 10_000)).save(file, "PNG")
    with pytest.raises(BadRequest, match="keep_clear must have at most 40000000 pixels"):
        text_description_inputs(keep_clear=file.getvalue())


def test_texts_and_masks_become_tensors():
    """One text or several; a cut-out's alpha is the mask, or a picture's brightness."""
    picture = Image.new("RGB", (40, 30))
    inputs = text_overlay_inputs(image=picture, texts="신메뉴", format="webp")
    assert json.loads(inputs["texts"][0]) == ["신메뉴"]
    assert inputs.keys() == {"image", "texts", "format"}
    assert json.loads(text_overlay_inputs(image=picture, texts={"text": "a"})["texts"][0]) == [{"text": "a"}]
    masks = {77: Image.new("RGBA", (40, 30), (9, 9, 9, 77)), 200: Image.new("L", (40, 30), 200)}
    for level, mask in {**masks, 5: np.full((30, 40), 5, np.uint8)}.items():
        sent = text_overlay_inputs(image=picture, texts="a", keep_clear=mask)["keep_clear"]
        assert (sent.shape, sent.dtype, set(sent.ravel())) == ((30, 40), np.uint8, {level})
    with pytest.raises(BadRequest, match="texts must be strings, numbers and lists by field"):
        text_overlay_inputs(image=picture, texts=[{"text": b"bytes"}])
    with pytest.raises(BadRequest, match="keep_clear is 10 bytes of another kind; send PNG, JPEG"):
        text_overlay_inputs(image=picture, texts="a", keep_clear=b"no picture")
    with pytest.raises(BadRequest, match="texts must be valid Unicode"):
        text_overlay_inputs(image=picture, texts="a\ud800")


async def test_both_clients_set_texts():
    """The sync and the async client give the same picture and report from the fake."""
    picture = Image.new("RGB", (64, 48), "red")
    with Vitrine(transport=FakeTransport()) as client:
        result = client.text_overlay(picture, ["위", {"text": "아래"}])
    assert (result.image.size, [one["text"] for one in result.texts]) == ((64, 48), ["위", "아래"])
    async with AsyncVitrine(transport=AsyncFakeTransport()) as other:
        assert (await other.text_overlay(picture, ["위", {"text": "아래"}])).encoded == result.encoded
    with pytest.raises(VitrineError, match="the server's answer lacks"):
        read_lettered({"report": np.array([b"{}"], object)})


async def test_both_clients_cut_out():
    """The sync and the async client give the same RGBA picture from the fake, of the picture's size."""
    picture = Image.new("RGB", (64, 48), "red")
    with Vitrine(transport=FakeTransport()) as client:
        result = client.cut_out(picture)
    assert (result.image.mode, result.image.size, result.alpha.mode) == ("RGBA", (64, 48), "L")
    assert result.report["network"] == "fake"
    async with AsyncVitrine(transport=AsyncFakeTransport()) as other:
        assert (await other.cut_out(picture)).encoded == result.encoded


async def test_both_clients_prepare_an_ad_prompt():
    """The options become texts; a sentence must be text."""
    fake = FakeTransport()
    with Vitrine(transport=fake) as client:
        made = client.prepare_ad_prompt(sentence="빨간 머그잔", style="anime")
    assert (made.prompt, made.way, made.fallback) == ("빨간 머그잔", "tables", None)
    assert {name: one[0].decode() for name, one in fake.calls[0].inputs.items()} == {
        "sentence": "빨간 머그잔",
        "style": "anime",
    }
    async with AsyncVitrine(transport=AsyncFakeTransport(fake)) as other:
        assert (await other.prepare_ad_prompt(sentence="캔")).prompt == "캔"
        with pytest.raises(BadRequest, match="sentence must be text, got int"):
            await other.prepare_ad_prompt(sentence=3)
