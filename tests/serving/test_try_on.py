"""A try-on over the wire of a real Triton: results, protocols, errors."""

import io
import json
import urllib.request

import numpy as np
import pytest
from PIL import Image
from vitrine import BadRequest, NotFound, Progress, Vitrine, VitrineError


def texts(*values):
    """A BYTES tensor."""
    return np.array([one if isinstance(one, bytes) else one.encode() for one in values], object)


def bomb():
    """A small PNG file whose header gives 400 megapixels."""
    file = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(file, "PNG")
    return file.getvalue()


def half():
    """A PNG that ends in the middle."""
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(2).integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(file, "PNG")
    return file.getvalue()[:6000]


@pytest.fixture(scope="module")
def result(triton, person, garment):
    """One try-on, made once for several tests."""
    with Vitrine(triton.grpc, timeout_s=120) as client:
        return client.try_on(person=person, garment=garment, steps=5, seed=7)


def test_the_person_stays_outside_the_mask(result, person):
    """Paste-back keeps every pixel outside the mask."""
    before, after = Image.open(io.BytesIO(person)), result.image
    outside = np.asarray(result.mask) == 0
    assert (np.asarray(before)[outside] == np.asarray(after)[outside]).all()
    assert not outside.all()


def test_timings_and_sources_are_reported(result):
    """The report has a time for each part and a source for each prepared input."""
    assert {"prepare_person", "denoise", "vae_decoder", "encode", "total"} <= result.timings.keys()
    assert result.sources.keys() == {"person", "garment", "text"}
    assert result.seed == 7


def test_prepared_inputs_are_not_prepared_again(vitrine, result, person, garment):
    """A warm person and garment go straight to denoising and give the same picture."""
    again = vitrine.try_on(person=person, garment=garment, steps=5, seed=7)
    assert again.sources == {"person": "memory", "garment": "memory", "text": "memory"}
    assert "pose" not in again.timings
    assert again.encoded == result.encoded


def test_an_id_stands_for_a_picture_that_was_sent(vitrine, person, garment):
    """A person or garment sent once with an id is then known by it."""
    vitrine.prepare_person(person=person, person_id="anna")
    vitrine.prepare_garment(garment=garment, garment_id="coat")
    by_id = vitrine.try_on(person_id="anna", garment_id="coat", steps=2, seed=7)
    assert by_id.image.size == (192, 256)


def test_the_same_request_gives_the_same_picture_over_http(triton, result, person, garment):
    """The picture does not depend on the protocol."""
    with Vitrine(f"http://{triton.http}", timeout_s=120) as client:
        assert client.try_on(person=person, garment=garment, steps=5, seed=7).encoded == result.encoded


def test_the_streamed_picture_is_the_same(vitrine, result, person, garment):
    """Progress comes first, then the answer of `try_on`."""
    *steps, last = vitrine.try_on_stream(person=person, garment=garment, steps=5, seed=7)
    assert last.encoded == result.encoded
    assert all(isinstance(step, Progress) for step in steps)
    assert [steps[0].step, steps[-1].step] == [0, 5]
    assert {step.steps for step in steps} == {5}


def test_previews_are_pictures(vitrine, person, garment):
    """Previews have the checkpoint's size; steps may be skipped, never repeated."""
    events = vitrine.try_on_stream(person=person, garment=garment, steps=30, seed=7, previews=True)
    *steps, _ = events
    shown = [step.preview for step in steps if step.preview is not None]
    assert len({step.step for step in steps}) == len(steps)
    assert {preview.size for preview in shown} <= {(192, 256)}


def test_raw_pictures_are_taken(vitrine, result, person):
    """The same pixels without encoding give the same picture."""
    garment = np.random.default_rng(1).integers(0, 255, (256, 192, 3), dtype=np.uint8)
    outputs = vitrine.infer(
        "try_on",
        {
            "person_raw": np.asarray(Image.open(io.BytesIO(person))),
            "garment_raw": garment,
            "steps": np.array([5], np.int32),
            "seed": np.array([7], np.uint64),
        },
    )
    assert outputs["image"][0] == result.encoded


def test_a_full_outfit_is_one_request(vitrine, person, garment):
    """Two garments give one picture, and one mask over both."""
    outfit = vitrine.try_on(
        person=person, garment=[garment, garment], category=["upper_body", "lower_body"], steps=2, seed=7
    )
    assert outfit.image.size == (192, 256)


def test_prepared_things_have_keys(vitrine, person, garment):
    """Caches can be warmed before a try-on."""
    prepared = [
        vitrine.prepare_person(person=person),
        vitrine.prepare_garment(garment=garment),
        vitrine.prepare_text(description="a red shirt"),
    ]
    assert len({one.key for one in prepared}) == 3
    assert vitrine.pipeline_digest() == vitrine.pipeline_digest()


def test_curl_gets_a_picture(triton, person, garment):
    """Plain HTTP sends raw tensors and gets the picture's bytes after Triton's JSON."""
    raw = np.asarray(Image.open(io.BytesIO(person)))
    tensor = {"datatype": "UINT8", "shape": list(raw.shape), "data": raw.reshape(-1).tolist()}
    asked = {
        "inputs": [
            {"name": "person_raw", **tensor},
            {"name": "garment_raw", **tensor},
            {"name": "steps", "datatype": "INT32", "shape": [1], "data": [2]},
            {"name": "encoding", "datatype": "BYTES", "shape": [1], "data": ["binary"]},
        ],
        "outputs": [{"name": "image", "parameters": {"binary_data": True}}],
    }
    request = urllib.request.Request(
        f"http://{triton.http}/v2/models/try_on/infer", json.dumps(asked).encode(), method="POST"
    )
    with urllib.request.urlopen(request, timeout=120) as response:
        body = response.read()
        length = int(response.headers["Inference-Header-Content-Length"])
    assert Image.open(io.BytesIO(body[length + 4 :])).size == (192, 256)


REFUSALS = {
    "no picture": (
        {"person": texts(b"hello, this is no picture")},
        "person is .* bytes of another kind; send PNG",
    ),
    "cut off": ({"garment": texts(half())}, "garment cannot be decoded"),
    "bomb": ({"person": texts(bomb())}, "person must have at most 40000000 pixels"),
    "category": ({"category": texts("shoes")}, "category must be one of"),
    "no steps": ({"steps": np.array([0], np.int32)}, "steps must be 1 to 100, got 0"),
    "steps": ({"steps": np.array([1000], np.int32)}, "steps must be 1 to 100, got 1000"),
    "nan": ({"guidance": np.array([np.nan], np.float32)}, "guidance must be 0 to 20, got nan"),
    "dtype": ({"steps": np.array([5], np.int64)}, "steps"),
    "shape": ({"steps": np.array([5, 5], np.int32)}, "steps"),
    "missing": ({"garment": None}, "garment, garment_raw or garment_id must be given"),
    "unknown": ({"stepps": np.array([5], np.int32)}, "stepps"),
    "large": ({"person": texts(b"\x89PNG\r\n\x1a\n" + bytes(21_000_000))}, "at most 20000000 bytes"),
    "garments": ({"garment": texts(*[b"x"] * 5)}, "garment must be at most 4 garments, got 5"),
    "no text": ({"description": texts(b"\xff\xff")}, "description must be UTF-8"),
}


@pytest.mark.parametrize("name", REFUSALS)
@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_a_bad_request_is_refused_by_name(triton, person, garment, name, protocol):
    """Class and code are the same on both protocols; the message has field, rule and value."""
    change, complaint = REFUSALS[name]
    inputs = {"person": texts(person), "garment": texts(garment), **change}
    inputs = {key: value for key, value in inputs.items() if value is not None}
    url = f"http://{triton.http}" if protocol == "http" else triton.grpc
    with Vitrine(url, timeout_s=120) as client, pytest.raises(BadRequest, match=complaint):
        client.infer("try_on", inputs)


def test_an_unknown_id_is_not_found(vitrine, garment):
    """The id of a person that was never sent is NotFound."""
    with pytest.raises(NotFound, match="'nobody' is not known"):
        vitrine.try_on(person_id="nobody", garment=garment)


def test_an_unknown_model_is_not_found(vitrine):
    """The error names the model."""
    with pytest.raises(VitrineError, match="tryon"):
        vitrine.infer("tryon", {})


def test_nan_tensors_are_refused_by_the_denoiser(vitrine, person, garment):
    """A direct call of `denoise` gets a typed error, not a black picture."""
    made = vitrine.prepare_person(person=person).tensors
    inputs = {name: made[name] for name in ("mask_latent", "masked_latents", "pose_latents")}
    inputs |= vitrine.prepare_garment(garment=garment).tensors
    inputs |= vitrine.prepare_text(description="a shirt").tensors
    inputs["masked_latents"] = np.full_like(inputs["masked_latents"], np.nan)
    inputs |= {"seed": np.array([1], np.uint64), "steps": np.array([2], np.int32)}
    inputs |= {"guidance": np.array([2], np.float32), "family": np.array([b"idm_vton"], object)}
    with pytest.raises(BadRequest, match="masked_latents"):
        vitrine.infer("denoise", inputs)
