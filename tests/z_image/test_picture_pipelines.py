"""The picture pipelines on fake stages: what they send, what they refuse, tiles, cancellation."""

from __future__ import annotations

import asyncio
import io
import json

import numpy as np
import pytest
from kept_values import Kept
from PIL import Image
from tiny_z_image import tokenizer
from vitrine.errors import BadRequest, StageFailed
from vitrine_orchestrator.drawing.pipeline import image_to_image, picture_stream, text_to_image
from vitrine_orchestrator.drawing.prepare_prompt import prepare_prompt
from vitrine_orchestrator.images.latent_tiles import decoded, encoded
from vitrine_orchestrator.manifest import Manifest
from vitrine_orchestrator.stages.calls import FakeStages
from vitrine_orchestrator.stages.z_image import FAMILY
from vitrine_orchestrator.z_image.context import ZImageContext
from vitrine_orchestrator.z_image.prompt_encoder import open_encoder

FACTS = {
    "width": 64,
    "height": 64,
    "channels": 16,
    "factor": 8,
    "caption_width": 4,
    "caption_positions": 256,
    "rows": 64,
    "columns": 64,
    "prompt_tokens": 512,
    "prompt_before": "<|im_start|>user\n",
    "prompt_after": "<|im_end|>\n<|im_start|>assistant\n",
    "default_steps": 3,
    "default_guidance": 0.0,
    "scheduler": {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0},
    "lora_rank": 16,
    "lora_inputs": 8,
    "lora_outputs": 8,
}
STEPS = 3
REPORT = {"steps": STEPS, "scheduler": "checkpoint", "rows_per_call": 1.0}


def texted(*values):
    """A BYTES tensor."""
    return np.array([value.encode() if isinstance(value, str) else value for value in values], object)


def report(**more):
    """A report's tensor."""
    return texted(json.dumps({"timings": {}, "sources": {}, **more}))


def denoised(inputs):
    """Latents whose first channel is 1, of the size that the job asks for."""
    if "cancel" in inputs:
        return {"report": report()}
    if "after_step" in inputs:
        step = int(inputs["after_step"][0]) + 1
        state = "running" if step < STEPS else "done"
        return {
            "latents": np.ones((16, 8, 8), np.float32),
            "report": report(state=state, step=step, left_s=0),
        }
    if "start_latents" in inputs:
        shape = inputs["start_latents"].shape
    else:
        width, height = inputs["size"]
        shape = 16, height // 8, width // 8
    return {"latents": np.ones(shape, np.float32), "report": report(**REPORT)}


@pytest.fixture
def stages():
    """Stages that answer with the right shapes; the decoder repeats the first channel."""
    return FakeStages(
        prepare_prompt=lambda inputs: {
            "caption": np.ones((len(inputs["prompt"][0]) + 1, 4), np.float32),
            "report": report(),
        },
        z_image_vae_encoder=lambda inputs: {
            "latents": np.repeat(inputs["pixels"][:, :1, ::8, ::8], 16, axis=1)
        },
        z_image_vae_decoder=lambda inputs: {
            "pixels": np.repeat(inputs["latents"][:, :3], 8, axis=2).repeat(8, axis=3)
        },
        denoise=denoised,
    )


@pytest.fixture
def context(stages):
    """A request context over the fakes."""
    return ZImageContext(stages, Manifest(FAMILY, FACTS, "0" * 64, "test", {}))


def sent(stages, name):
    """The inputs of the calls of a stage."""
    return [inputs for stage, inputs in stages.calls if stage == name]


def jobs(stages):
    """The inputs of the calls that submit a job."""
    return [given for given in sent(stages, "denoise") if not {"after_step", "cancel"} & given.keys()]


def opened(answer):
    """The picture of an answer."""
    return Image.open(io.BytesIO(answer["image"][0]))


def inputs(prompt="a red cup", **more):
    """A request's inputs; numbers become tensors of one element."""
    kinds = {float: np.float32, int: np.int32}
    arrays = {"prompt": texted(prompt)} if prompt is not None else {}
    for name, value in more.items():
        if isinstance(value, str | bytes):
            arrays[name] = texted(value)
        elif isinstance(value, float | int):
            arrays[name] = np.array([value], kinds[type(value)])
        else:
            arrays[name] = value
    return arrays


async def test_a_prompt_becomes_a_picture(context, stages):
    """One caption, one job without guidance, one decoder call; the report says seed and size."""
    answer = await text_to_image(context, inputs(seed=np.array([7], np.uint64), format="webp"))
    (job,) = sent(stages, "denoise")
    assert opened(answer).size == (64, 64)
    assert opened(answer).format == "WEBP"
    assert job["size"].tolist() == [64, 64]
    assert job["seed"][0] == 7
    assert job["steps"][0] == 3
    assert "negative_caption" not in job
    assert len(sent(stages, "prepare_prompt")) == 1
    told = json.loads(answer["report"][0])
    assert (told["seed"], told["size"], told["steps"]) == (7, [64, 64], 3)


async def test_guidance_sends_the_negative_prompt(context, stages):
    """An omitted negative prompt is the empty one, as in the released pipeline."""
    await text_to_image(context, inputs(guidance=2.5, negative_prompt="blurry"))
    await text_to_image(context, inputs(guidance=2.5))
    first, second = sent(stages, "denoise")
    assert len(first["negative_caption"]) == len("blurry") + 1
    assert len(second["negative_caption"]) == 1
    assert first["guidance"][0] == 2.5


async def test_adapters_are_sent_with_their_weights(context, stages):
    """The weight is 1 unless given."""
    await text_to_image(context, inputs(lora=texted("night", "line")))
    await text_to_image(context, inputs(lora="night", lora_weight=0.5))
    first, second = sent(stages, "denoise")
    assert (first["lora"].tolist(), first["lora_weight"].tolist()) == ([b"night", b"line"], [1.0, 1.0])
    assert (second["lora"].tolist(), second["lora_weight"].tolist()) == ([b"night"], [0.5])


@pytest.mark.parametrize(
    ("asked", "size"),
    [
        ({"aspect_ratio": "1:1"}, (64, 64)),
        ({"aspect_ratio": "16:9"}, (80, 48)),
        ({"aspect_ratio": "9:16"}, (48, 80)),
        ({"width": 128, "height": 16}, (128, 16)),
        ({"width": 16, "height": 1024}, (16, 1024)),
    ],
)
async def test_the_size_is_given_in_pixels_or_by_name(context, asked, size):
    """A ratio has the usual number of pixels; sides are multiples of 16."""
    assert opened(await text_to_image(context, inputs(**asked))).size == size


@pytest.mark.parametrize(("sides", "drawn"), [((16, 8192), True), ((16, 8208), False), ((4096, 2048), False)])
async def test_released_sizes_have_their_limits(stages, sides, drawn):
    """A strip of the most tokens of one side is drawn; a longer one and too many pixels are refused."""
    released = FACTS | {"rows": 512, "columns": 512}
    context = ZImageContext(stages, Manifest(FAMILY, released, "0" * 64, "test", {}))
    asked = inputs(width=sides[0], height=sides[1])
    if drawn:
        assert opened(await text_to_image(context, asked)).size == sides
    else:
        with pytest.raises(
            BadRequest, match=r"height must be .* up to 8192, got 8208|at most 4194304 pixels"
        ):
            await text_to_image(context, asked)


def png(width, height, grey=128):
    """An encoded grey picture."""
    file = io.BytesIO()
    Image.new("RGB", (width, height), (grey, grey, grey)).save(file, "PNG")
    return file.getvalue()


async def test_a_picture_is_encoded_and_changed(context, stages):
    """The job starts from the picture's latents; the answer has the picture's proportions."""
    answer = await image_to_image(context, inputs(image=png(200, 100), strength=0.3))
    (job,) = sent(stages, "denoise")
    assert opened(answer).size == (96, 48)
    assert job["start_latents"].shape == (16, 6, 12)
    assert job["strength"][0] == np.float32(0.3)
    assert "size" not in job
    level = 128 / 127.5 - 1
    assert np.allclose(job["start_latents"], level, atol=1e-6)


BAD = [
    ({"prompt": None}, "prompt must be given"),
    ({"prompt": ""}, "prompt must be given"),
    ({"prompt": " \n "}, "prompt must be given"),
    ({"prompt": b"\xed\xa0\x80"}, "prompt must be UTF-8"),  # a lone surrogate
    ({"prompt": "x" * 100_000}, "prompt must have at most 10000 characters, got 100000"),
    ({"width": 60, "height": 64}, "width must be a multiple of 16 up to 1024, got 60"),
    ({"width": 64, "height": 2048}, "height must be a multiple of 16 up to 1024, got 2048"),
    ({"width": 64}, "width and height must be given together, got width only"),
    ({"width": 64, "height": 64, "aspect_ratio": "1:1"}, "aspect_ratio must not be given together with"),
    ({"aspect_ratio": "7:3"}, "aspect_ratio must be one of"),
    ({"steps": 0}, "steps must be 1 to 100"),
    ({"guidance": float("inf")}, "guidance must be 0 to 20"),
    ({"negative_prompt": "blurry"}, "negative_prompt must be given with a guidance of more than 0"),
    ({"lora": "a", "lora_weight": np.ones(2, np.float32)}, "lora_weight must be one for each of 1 loras"),
    ({"format": "gif"}, "format must be one of"),
    ({"n": 0}, "n must be 1 to 8, got 0"),
    ({"n": 9}, "n must be 1 to 8, got 9"),
    (
        {"n": 2, "seed": np.array([2**64 - 1], np.uint64)},
        "seed + n - 1 must be at most 18446744073709551615, got seed 18446744073709551615 and n 2",
    ),
]


@pytest.mark.parametrize(("asked", "said"), BAD)
async def test_a_bad_request_runs_no_network(context, stages, asked, said):
    """The error names the input, the rule and the value, and no stage has been called."""
    arrays = inputs(**{"prompt": "a cup", **asked})
    if isinstance(asked.get("prompt"), bytes):
        arrays["prompt"] = texted(asked["prompt"])
    with pytest.raises(BadRequest) as refused:
        await text_to_image(context, arrays)
    assert said in str(refused.value)
    assert not stages.calls


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"strength": 0.0}, "strength must be more than 0"),
        ({"strength": float("nan")}, "strength must be 0 to 1, got nan"),
        ({"strength": 1.1}, "strength must be 0 to 1, got 1.1"),
        ({"image": None}, "image or image_raw must be given"),
        ({"image": b"GIF89a..."}, "image"),
    ],
)
async def test_a_bad_start_runs_no_network(context, stages, asked, said):
    """Strengths out of range and missing or unreadable pictures are refused."""
    arrays = {"image": png(64, 64), **asked}
    arrays = {name: value for name, value in arrays.items() if value is not None}
    with pytest.raises(BadRequest) as refused:
        await image_to_image(context, inputs(**arrays))
    assert said in str(refused.value)
    assert not stages.calls


async def test_several_pictures_are_prepared_once(context, stages):
    """Prompt and start are computed once; each picture is a job of its own, with the next seed."""
    asked = inputs(image=png(64, 64), n=3, seed=np.array([7], np.uint64), strength=0.5)
    answer = await image_to_image(context, asked)
    assert [int(job["seed"][0]) for job in jobs(stages)] == answer["seed"].tolist() == [7, 8, 9]
    assert len(answer["image"]) == 3
    assert len(sent(stages, "prepare_prompt")) == len(sent(stages, "z_image_vae_encoder")) == 1


async def test_a_caller_can_name_the_jobs(context, stages):
    """To poll and cancel them in `denoise`; several pictures have several names."""
    await text_to_image(context, inputs(job="ad", n=2))
    assert [job["job"][0] for job in jobs(stages)] == [b"ad-0", b"ad-1"]


@pytest.mark.parametrize(("guidance", "captions"), [(0.0, 1), (2.0, 2)])
async def test_avoid_is_a_negative_prompt_where_there_can_be_one(context, stages, guidance, captions):
    """Without guidance it is left out, where a negative prompt is refused."""
    await text_to_image(context, inputs(avoid="words", guidance=guidance))
    prompts = [given["prompt"][0] for given in sent(stages, "prepare_prompt")]
    assert prompts == [b"a red cup", b"words"][:captions]
    with pytest.raises(BadRequest, match="negative_prompt must be given with a guidance"):
        await text_to_image(context, inputs(avoid="words", negative_prompt="people", guidance=0.0))


async def test_a_picture_that_fails_cancels_its_neighbours(context, stages):
    """The request fails with the first error; no job of it goes on."""
    begun = asyncio.Event()

    class Waiting(FakeStages):
        async def __call__(self, name, given):
            if name == "denoise" and not {"cancel", "after_step"} & given.keys():
                self.calls.append((name, given))
                if given["seed"][0] == 8:
                    raise StageFailed("denoise", "no numbers")
                begun.set()
                await asyncio.Event().wait()
            return await super().__call__(name, given)

    waiting = Waiting(**stages.answers)
    with pytest.raises(StageFailed, match="no numbers"):
        await text_to_image(
            ZImageContext(waiting, context.manifest), inputs(n=2, seed=np.array([7], np.uint64))
        )
    assert begun.is_set()
    (cancelled,) = [given for given in sent(waiting, "denoise") if "cancel" in given]
    assert cancelled["job"] == jobs(waiting)[0]["job"]


async def streamed(context, asked):
    """The progress events of a stream, and its last response."""
    found = []
    last = await picture_stream(context, asked, found.append)
    return [json.loads(one["event"][0]) | {"preview": one.get("image")} for one in found], last


async def test_a_stream_is_the_plain_answer_with_its_steps_before(context, stages):
    """Steps count over all pictures; each step but a picture's last has a preview."""
    asked = inputs(n=2, seed=np.array([7], np.uint64))
    events, last = await streamed(context, asked | {"previews": np.array([True])})
    plain = await text_to_image(context, asked)
    assert json.loads(last["event"][0]) == {"kind": "result"}
    assert last["image"].tolist() == plain["image"].tolist()
    assert (events[0]["step"], events[-1]["step"], events[-1]["steps"]) == (0, 2 * STEPS, 2 * STEPS)
    assert [one["step"] for one in events] == sorted(one["step"] for one in events)
    shown = [(one["job"], Image.open(io.BytesIO(one["preview"][0])).size) for one in events if one["preview"]]
    assert sorted(shown) == [(0, (64, 64))] * (STEPS - 1) + [(1, (64, 64))] * (STEPS - 1)


async def test_a_stream_of_a_picture_counts_the_steps_that_are_run(context, stages):
    """With strength 0.5, 3 of 6 steps are run."""
    events, last = await streamed(context, inputs(image=png(64, 64), strength=0.5, steps=6))
    assert events[-1]["steps"] == STEPS
    assert "start_latents" in jobs(stages)[0]
    assert opened(last).size == (64, 64)


async def test_a_stream_needs_a_picture_for_a_strength(context, stages):
    """There is nothing to keep without one."""
    with pytest.raises(BadRequest, match="strength must not be given without image"):
        await picture_stream(context, inputs(strength=0.5), lambda response: None)
    assert not stages.calls


async def test_a_stage_that_fails_is_named(context, stages):
    """Numbers that are not finite are refused where they arrive."""
    stages.answers["z_image_vae_decoder"] = lambda given: {
        "pixels": np.full((1, 3, 64, 64), np.nan, np.float32)
    }
    with pytest.raises(StageFailed, match="z_image_vae_decoder"):
        await text_to_image(context, inputs())


async def test_a_caller_that_goes_away_cancels_its_job(context, stages):
    """The job is cancelled by its name."""
    begun, never = asyncio.Event(), asyncio.Event()

    class Waiting(FakeStages):
        async def __call__(self, name, given):
            if name == "denoise" and "cancel" not in given:
                self.calls.append((name, given))
                begun.set()
                await never.wait()
            return await super().__call__(name, given)

    waiting = Waiting(**stages.answers)
    running = asyncio.create_task(text_to_image(ZImageContext(waiting, context.manifest), inputs()))
    await asyncio.wait_for(begun.wait(), 10)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    first, last = sent(waiting, "denoise")
    assert last["cancel"].all()
    assert last["job"] == first["job"]


@pytest.fixture
def encode(tmp_path, context):
    """The family's work on a prompt, with a tokenizer of bytes, framed as the facts say."""
    tokenizer().backend_tokenizer.save(str(tmp_path / "tokenizer.json"))
    return open_encoder(tmp_path, context.facts)


FRAME = 3 + len("user\n") + len("\nassistant\n") - 0
"""Tokens of the frame: three special tokens, and a token a byte of the rest."""


@pytest.mark.parametrize("prompt", ["", "a", "따뜻한 라떼", "☕🏽", "مرحبا بالعالم", "a" * 205])
async def test_a_prompt_becomes_the_features_of_its_tokens(context, stages, encode, prompt):
    """Any script is read; the empty prompt is the frame alone; a token a byte."""
    stages.answers["z_image_text_encoder"] = lambda given: {
        "features": given["input_ids"][..., None].repeat(4, axis=2).astype(np.float32)
    }
    answer = await prepare_prompt(context, encode, {"prompt": texted(prompt)})
    assert len(answer["caption"]) == FRAME + len(prompt.encode())


async def test_a_known_prompt_is_not_encoded_again(context, stages, encode):
    """Cached features are the fresh ones; another prompt or another release is encoded."""
    encoded_prompts = []

    def encoder(given):
        encoded_prompts.append(given["input_ids"])
        return {"features": given["input_ids"][..., None].repeat(4, axis=2).astype(np.float32)}

    stages.answers["z_image_text_encoder"] = encoder
    memo = Kept()
    ours = ZImageContext(stages, context.manifest, memo)
    other = ZImageContext(stages, Manifest(FAMILY, FACTS, "1" * 64, "test", {}), memo)
    fresh = await prepare_prompt(ours, encode, {"prompt": texted("a cup")})
    again = await prepare_prompt(ours, encode, {"prompt": texted("a cup")})
    assert len(encoded_prompts) == 1
    assert np.array_equal(fresh["caption"], again["caption"])
    sources = [json.loads(one["report"][0])["sources"]["prompt"] for one in (fresh, again)]
    assert sources == ["fresh", "memory"]
    await prepare_prompt(ours, encode, {"prompt": texted("A cup")})
    await prepare_prompt(other, encode, {"prompt": texted("a cup")})
    assert len(encoded_prompts) == 3


async def test_a_prompt_of_too_many_tokens_is_refused(context, encode):
    """The released pipeline would cut it and the frame's end with it."""
    most = 224 - FRAME
    with pytest.raises(BadRequest, match=f"prompt must have at most {most} tokens, got 511"):
        await prepare_prompt(context, encode, {"prompt": texted("a" * 511)})


async def test_large_pictures_go_through_the_vae_in_tiles():
    """Tiles of a network that looks at one latent only give the whole's result; no call is larger."""
    seen = []

    async def decoder(part):
        seen.append(part.shape)
        return np.repeat(part[:3], 8, axis=1).repeat(8, axis=2)

    async def encoder(part):
        seen.append(part.shape)
        return np.repeat(part[:1, ::8, ::8], 16, axis=0)

    latents = np.random.default_rng(0).standard_normal((16, 40, 70), np.float32)
    pixels = await decoded(decoder, latents, tile=32)
    assert np.abs(pixels - np.repeat(latents[:3], 8, axis=1).repeat(8, axis=2)).max() < 1e-5
    assert max(max(shape[1:]) for shape in seen) == 32
    seen.clear()
    whole = np.random.default_rng(1).standard_normal((3, 320, 560), np.float32)
    assert np.abs((await encoded(encoder, whole, tile=32))[0] - whole[0, ::8, ::8]).max() < 1e-5
    assert max(max(shape[1:]) for shape in seen) == 256
