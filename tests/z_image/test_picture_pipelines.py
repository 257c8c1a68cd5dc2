"""The picture pipelines on fake stages: what they send, what they refuse, cancellation."""

from __future__ import annotations

import asyncio
import io
import json

import numpy as np
import pytest
from fake_picture_stages import FACTS, STEPS, fake_context, inputs, jobs, png, sent, texted, write_card
from PIL import Image
from vitrine.errors import BadRequest, NotFound, StageFailed
from vitrine_orchestrator.drawing.picture_request import RATIOS, size_of
from vitrine_orchestrator.drawing.pipeline import image_to_image, picture_stream, text_to_image
from vitrine_orchestrator.drawing.prepare_prompt import prepare_prompt
from vitrine_orchestrator.stages.calls import FakeStages


def opened(answer):
    """The picture of an answer."""
    return Image.open(io.BytesIO(answer["image"][0]))


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


async def test_adapters_are_sent_with_their_weights(stages, tmp_path):
    """The weight is 1 unless given."""
    write_card(tmp_path, "night")
    write_card(tmp_path, "line")
    context = fake_context(stages, lora_folder=tmp_path)
    await text_to_image(context, inputs(lora=texted("night", "line")))
    await text_to_image(context, inputs(lora="night", lora_weight=0.5))
    first, second = sent(stages, "denoise")
    assert (first["lora"].tolist(), first["lora_weight"].tolist()) == ([b"night", b"line"], [1.0, 1.0])
    assert (second["lora"].tolist(), second["lora_weight"].tolist()) == ([b"night"], [0.5])


async def test_the_digest_counts_the_adapters(stages, tmp_path):
    """Another adapter under the same name is another digest; `prepare_prompt` reports it too."""
    write_card(tmp_path, "night", "1" * 64)
    context = fake_context(stages, lora_folder=tmp_path)

    async def encode(stages, prompt):
        return {"caption": np.ones((3, 4), np.float32)}

    async def digests(**asked):
        drawn = await text_to_image(context, inputs(**asked))
        changed = await image_to_image(context, inputs(**asked, image=png(64, 64)))
        prepared = await prepare_prompt(context, encode, inputs(**asked))
        return {json.loads(answer["report"][0])["pipeline_digest"] for answer in (drawn, changed, prepared)}

    (plain,), (first,) = await digests(), await digests(lora="night")
    write_card(tmp_path, "night", "2" * 64)
    (second,) = await digests(lora="night")
    assert plain == context.manifest.pipeline_digest
    assert len({plain, first, second}) == 3


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
    context = fake_context(stages, released)
    asked = inputs(width=sides[0], height=sides[1])
    if drawn:
        assert opened(await text_to_image(context, asked)).size == sides
    else:
        with pytest.raises(
            BadRequest, match=r"height must be .* up to 8192, got 8208|at most 4194304 pixels"
        ):
            await text_to_image(context, asked)


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("sides", [(2048, 2048), (2048, 2000), (1536, 1536)])
def test_every_ratio_can_be_drawn_by_a_large_checkpoint(stages, ratio, sides):
    """Where rounding gives too many pixels, the longer side gets one unit less."""
    large = FACTS | {"width": sides[0], "height": sides[1], "rows": 512, "columns": 512}
    wide, tall = RATIOS[ratio]
    width, height = size_of(inputs(aspect_ratio=ratio), fake_context(stages, large).facts)
    assert abs(width / height / (wide / tall) - 1) < 0.025
    assert width * height > 0.97 * sides[0] * sides[1]


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
    ({"lora": "a", "lora_weight": 5.0}, "lora_weight must be -4 to 4, got 5"),
    ({"lora": "a", "lora_weight": float("nan")}, "lora_weight must be -4 to 4, got nan"),
    ({"lora": "../a"}, "lora must be a name of letters"),
    ({"lora": "none"}, "there is no lora 'none'"),
    ({"lora": "other"}, "lora other must be of base z-image 000000000000"),
    ({"lora": texted("a", "b", "a")}, "the ranks of all loras of a request must sum to at most 16, got 24"),
    ({"steps": 51}, "steps must be 1 to 50 (num_train_timesteps), got 51"),
    ({"format": "gif"}, "format must be one of"),
    ({"n": 0}, "n must be 1 to 8, got 0"),
    ({"n": 9}, "n must be 1 to 8, got 9"),
    (
        {"n": 2, "seed": np.array([2**64 - 1], np.uint64)},
        "seed + n - 1 must be at most 18446744073709551615, got seed 18446744073709551615 and n 2",
    ),
]


@pytest.mark.parametrize(("asked", "said"), BAD)
async def test_a_bad_request_runs_no_network(stages, tmp_path, asked, said):
    """The error names the input, the rule and the value, and no stage has been called."""
    for name, base in (("a", "0" * 64), ("b", "0" * 64), ("other", "1" * 64)):
        write_card(tmp_path, name, base=base)
    facts = FACTS | {"scheduler": FACTS["scheduler"] | {"num_train_timesteps": 50}}
    context = fake_context(stages, facts, lora_folder=tmp_path)
    arrays = inputs(**{"prompt": "a cup", **asked})
    if isinstance(asked.get("prompt"), bytes):
        arrays["prompt"] = texted(asked["prompt"])
    with pytest.raises((BadRequest, NotFound)) as refused:
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
        await text_to_image(fake_context(waiting), inputs(n=2, seed=np.array([7], np.uint64)))
    assert begun.is_set()
    (cancelled,) = [given for given in sent(waiting, "denoise") if "cancel" in given]
    assert cancelled["job"] == jobs(waiting)[0]["job"]
    assert cancelled["submission"] == jobs(waiting)[0]["submission"]


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
    running = asyncio.create_task(text_to_image(fake_context(waiting), inputs()))
    await asyncio.wait_for(begun.wait(), 10)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    first, last = sent(waiting, "denoise")
    assert last["cancel"].all()
    assert last["job"] == first["job"]
