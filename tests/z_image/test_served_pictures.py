"""Pictures from a real server and from the same stages in this process, with the exported tiny checkpoint."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime
import pytest
from container_probe import probe
from local_stages import LocalStages
from obstore.store import MemoryStore
from PIL import Image
from vitrine import Progress, Results, Shelf
from vitrine.errors import BadRequest, NotFound
from vitrine.results import DIGEST_TTL_S
from vitrine_orchestrator.drawing.pipeline import image_to_image, text_to_image
from vitrine_orchestrator.manifest import read_manifest
from vitrine_orchestrator.stages.z_image import FAMILY
from worlds import write_lora

PROMPT = "a red cup, 따뜻한 라떼 ☕"


@pytest.fixture(scope="module")
def sessions():
    """The paths of all graphs that were opened since."""
    opened, real = [], onnxruntime.InferenceSession

    def counted(path, *args, **kwargs):
        opened.append(str(path))
        return real(path, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnxruntime, "InferenceSession", counted)
        yield opened


@pytest.fixture(scope="module")
def local(repository, loras, sessions):
    """The stages in this process."""
    stages = LocalStages(repository, FAMILY, loras)
    yield stages
    stages.front.close()


def text(value):
    """A BYTES tensor."""
    return np.array([value.encode()], object)


def request(seed=7, **more):
    """The inputs of text_to_image."""
    return {"prompt": text(PROMPT), "seed": np.array([seed], np.uint64), **more}


def pixels(encoded):
    """The levels of an encoded picture."""
    return np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB")).astype(int)


def start(width=64, height=64):
    """A picture to start from."""
    return np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)


async def test_both_pipelines_share_every_network(local, sessions):
    """Image to image opens one graph more, the encoder; text encoder, transformer and decoder are shared."""
    drawn = await text_to_image(local.context, request())
    first = list(sessions)
    changed = await image_to_image(local.context, request(image_raw=start()))
    assert pixels(drawn["image"][0]).shape == pixels(changed["image"][0]).shape == (64, 64, 3)
    assert len(first) == len(set(first)) == 3
    assert [path for path in sessions if path not in first] == [
        path for path in sessions if "z_image_vae_encoder" in path
    ]
    assert len(sessions) == 4


async def test_concurrent_pictures_equal_those_made_alone(local):
    """Different sizes, prompts, steps and adapters at once: each within one level of itself alone."""
    asked = [
        request(1),
        request(2, width=np.array([96], np.int32), height=np.array([48], np.int32)),
        request(3, steps=np.array([5], np.int32), lora=text("night")),
        request(4, guidance=np.array([2.0], np.float32), negative_prompt=text("blurry")),
    ]
    alone = [await text_to_image(local.context, one) for one in asked]
    with local.arriving_together(len(asked)):
        together = await asyncio.gather(*(text_to_image(local.context, one) for one in asked))
    for one, other in zip(alone, together, strict=True):
        assert np.abs(pixels(one["image"][0]) - pixels(other["image"][0])).max() <= 1
    assert max(json.loads(one["report"][0])["rows_per_call"] for one in together) > 1


async def test_strength_says_how_much_of_a_picture_is_kept(local):
    """The first step's noise grows with the strength, so the answers differ; the same request is the same."""

    async def changed(strength):
        inputs = request(image_raw=start(), strength=np.array([strength], np.float32))
        return pixels((await image_to_image(local.context, inputs))["image"][0])

    half, most = await changed(0.34), await changed(0.9)
    assert np.array_equal(half, await changed(0.34))
    assert np.abs(half - most).max() > 3


async def test_a_served_picture_is_the_one_made_in_this_process(vitrine, local):
    """Over the wire: the same picture, its seed and size, for a prompt and for a picture with a prompt."""
    served = vitrine.text_to_image(prompt=PROMPT, seed=7, aspect_ratio="16:9", lora={"night": 0.8})
    inputs = request(aspect_ratio=text("16:9"), lora=text("night"), lora_weight=np.array([0.8], np.float32))
    drawn = await text_to_image(local.context, inputs)
    assert served.image.size == (80, 48)
    assert served.seed == 7
    assert np.abs(np.asarray(served.image).astype(int) - pixels(drawn["image"][0])).max() <= 1
    picture = Image.fromarray(start())
    changed = vitrine.image_to_image(prompt=PROMPT, image=picture, seed=7, strength=0.5)
    wanted = await image_to_image(
        local.context, request(image_raw=start(), strength=np.array([0.5], np.float32))
    )
    assert np.abs(np.asarray(changed.image).astype(int) - pixels(wanted["image"][0])).max() <= 1
    assert changed.report["steps"] == 1  # the whole part of 0.5 of 3


def test_served_pictures_share_calls(vitrine):
    """Pictures that are made at the same time are rows of common calls.

    A picture's steps take a third of a second here. On a busy machine the requests' arrivals can lie further
    apart than that, so pictures are made until two have shared a call.
    """
    for first in range(0, 40, 4):
        with ThreadPoolExecutor(4) as pool:
            seeds = range(first, first + 4)
            made = pool.map(lambda seed: vitrine.text_to_image(prompt="bread", seed=seed, steps=100), seeds)
        if max(one.report["rows_per_call"] for one in made) > 1:
            return
    pytest.fail("40 pictures, four at a time, and none has shared a call with another")


def test_a_known_prompt_gives_the_same_picture(vitrine):
    """Over the wire: features from the cache, the picture of fresh ones."""
    fresh, again = (vitrine.text_to_image(prompt="a teapot", seed=3) for _ in range(2))
    assert (fresh.sources["prompt"], again.sources["prompt"]) == ("fresh", "memory")
    assert again.encoded == fresh.encoded


def test_a_served_stream_shows_steps_and_ends_with_the_plain_pictures(vitrine):
    """Two pictures of one request: steps on the way, and at the end those of the plain call."""
    asked = {"prompt": "bread", "seed": 11, "n": 2, "steps": 8}
    *steps, last = vitrine.picture_stream(previews=True, **asked)
    assert all(isinstance(one, Progress) for one in steps)
    assert steps[-1].steps == 16
    plain = vitrine.text_to_image(**asked)
    assert [one.seed for one in last.pictures] == [11, 12]
    for one, other in zip(last.pictures, plain.pictures, strict=True):
        assert np.abs(np.asarray(one.image).astype(int) - np.asarray(other.image)).max() <= 1
    alone = vitrine.text_to_image(prompt="bread", seed=12, steps=8)
    assert np.abs(np.asarray(alone.image).astype(int) - np.asarray(plain.pictures[1].image)).max() <= 1


def test_a_served_stream_shows_previews(vitrine):
    """One is left out where the picture is ready first, so a tiny network may need more than one request."""
    for _ in range(20):
        *steps, _ = vitrine.picture_stream(prompt="bread", n=2, steps=60, previews=True)
        previews = [one.preview for one in steps if one.preview is not None]
        if previews:
            break
    assert {one.size for one in previews} == {(64, 64)}


def test_leaving_a_stream_cancels_its_job(vitrine):
    """The next request does not wait for the hundred steps that nobody wants."""
    with contextlib.closing(vitrine.picture_stream(prompt="bread", steps=100)) as events:
        next(events)
    *_, last = vitrine.picture_stream(prompt="bread", steps=2, seed=1)
    assert last.seed == 1


def test_a_kept_picture_is_found_by_its_request(vitrine):
    """The second request finds the first one's picture; another seed is another one."""
    results = Results(vitrine, Shelf(MemoryStore()))
    first = results.text_to_image(user="ada", prompt="bread", seed=1)
    again = results.text_to_image(user="ada", prompt="bread", seed=1)
    assert (first.found, again.found, first.trouble) == (False, True, None)
    assert again.encoded == first.encoded
    assert not results.text_to_image(user="ada", prompt="bread", seed=2).found


def test_a_replaced_adapter_draws_a_new_picture(vitrine, loras, net, repository):
    """A kept picture is not found any more once another adapter has its adapter's name."""

    def register(seed):
        base = read_manifest(repository / "denoise" / "1", FAMILY).digest
        write_lora(net, loras / "replaced", 8, seed, base=base)

    now = [0.0]
    results = Results(vitrine, Shelf(MemoryStore()), clock=lambda: now[0])
    asked = {"user": "ada", "prompt": "bread", "seed": 1, "lora": "replaced"}
    register(1)
    first, again = results.text_to_image(**asked), results.text_to_image(**asked)
    register(2)
    now[0] += DIGEST_TTL_S
    second = results.text_to_image(**asked)
    assert (first.found, again.found, second.found) == (False, True, False)
    assert second.encoded != first.encoded


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"prompt": ""}, BadRequest, "prompt must be given"),
        ({"prompt": "a" * 511}, BadRequest, "prompt must have at most 205 tokens, got 511"),
        ({"prompt": "a", "width": 60, "height": 60}, BadRequest, "width must be a multiple of 16"),
        ({"prompt": "a", "lora": "day"}, NotFound, "there is no lora 'day'"),
    ],
)
def test_a_served_refusal_is_typed(vitrine, options, error, said):
    """The caller gets the error that the rule raises, with its words."""
    with pytest.raises(error) as refused:
        vitrine.text_to_image(**options)
    assert said in str(refused.value)


def test_the_containers_probe_finds_every_model_alive(server):
    """`prepare_prompt` answers the probe's empty request, since an empty prompt is one."""
    assert probe(server.http) == (0, "")
