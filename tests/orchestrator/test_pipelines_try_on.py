"""The pipeline `try_on` and its stream over fake stages: limits, passes, paste-back, progress."""

import asyncio
import io
import json

import numpy as np
import pytest
from PIL import Image
from small_manifest import MANIFEST, texts
from vitrine.errors import BadRequest, Busy
from vitrine_orchestrator.images.paste_back import pasted, seam_of
from vitrine_orchestrator.pictures import encode
from vitrine_orchestrator.pipeline.request_context import read_report, report_array, text_array
from vitrine_orchestrator.stages import stage
from vitrine_orchestrator.stages.calls import FakeStages
from vitrine_orchestrator.try_on.context import TryOnContext
from vitrine_orchestrator.try_on.pipeline import try_on
from vitrine_orchestrator.try_on.stream import try_on_stream

PHOTO = np.random.default_rng(0).integers(0, 255, (256, 192, 3), dtype=np.uint8)
COAT = encode(PHOTO[::2, ::2])
RED = np.array([255, 0, 0], np.uint8)


def person(inputs):
    """A mask of the upper or the lower half."""
    mask = np.zeros((128, 96), np.uint8)
    half = slice(20, 60) if inputs["category"][0] == b"upper_body" else slice(60, 110)
    mask[half, 20:70] = 255
    latents = np.zeros((4, 16, 12), np.float32)
    return {
        "image": inputs.get("person_raw", np.zeros((128, 96, 3), np.uint8)),
        "mask": mask,
        "mask_latent": latents[:1],
        "masked_latents": latents,
        "pose_latents": latents,
        "report": report_array({"pose": 0.25}, {"person": "disk"}),
    }


def garment(inputs):
    """Garment outputs of zeros."""
    return {
        "garment_latents": np.zeros((4, 16, 12), np.float32),
        "image_tokens": np.zeros((16, 8), np.float32),
        "negative_image_tokens": np.zeros((16, 8), np.float32),
        "garment_key": text_array("key"),
        "report": report_array({}, {"garment": "fresh"}),
    }


def words(inputs):
    """Text outputs of zeros."""
    wide, pooled = np.zeros((77, 8), np.float32), np.zeros(3, np.float32)
    names = [tensor.name for tensor in stage("prepare_text").outputs][:5]
    return {
        **{name: pooled if "pooled" in name else wide for name in names},
        "report": report_array({}, {"text": "memory"}),
    }


def denoise(inputs):
    """A fake denoiser that finishes immediately; a watch sees the steps one by one."""
    if "after_step" in inputs:
        step = int(inputs["after_step"][0]) + 1
        state = "done" if step == 4 else "running"
        said = {"state": state, "step": step, "steps": 4, "left_s": 4.0 - step}
        return {"report": text_array(json.dumps(said)), "latents": np.zeros((4, 16, 12), np.float32)}
    said = {"timings": {"queue": 0.5}, "scheduler": "ddpm", "rows_per_call": 1.5}
    return {"latents": np.zeros((4, 16, 12), np.float32), "report": text_array(json.dumps(said))}


def decoder(inputs):
    """A decoder whose pictures are red."""
    pixels = np.broadcast_to(np.array([1, -1, -1], np.float32)[:, None, None], (3, 128, 96))
    return {"pixels": pixels[None]}


def models(**others):
    """Fakes of all stages that `try_on` calls."""
    answers = {
        "prepare_person": person,
        "prepare_garment": garment,
        "prepare_text": words,
        "denoise": denoise,
        "vae_decoder": decoder,
    }
    return FakeStages(**(answers | others))


def picture(outputs, name="image"):
    """The output as an array."""
    return np.asarray(Image.open(io.BytesIO(outputs[name][0])))


GIVEN = {"person_raw": PHOTO, "garment": texts(COAT)}


@pytest.mark.parametrize("sent", [{}, {"person_raw": PHOTO}], ids=["id alone", "with its picture"])
async def test_an_id_is_asked_for_with_the_requests_crop(sent):
    """So a picture that is kept under the id is cropped as the request says."""
    stages = models()
    asked = {"garment": texts(COAT), "person_id": texts("ann"), "crop": texts("crop"), **sent}
    await try_on(TryOnContext(stages, MANIFEST), asked)
    (inputs,) = [given for name, given in stages.calls if name == "prepare_person"]
    assert inputs["crop"].tolist() == [b"crop"]


async def test_the_picture_is_the_garment_inside_the_mask_and_the_person_outside():
    """By default paste-back is on, exact, and at the size of the picture that was sent."""
    outputs = await try_on(TryOnContext(models(), MANIFEST), GIVEN)
    image, mask = picture(outputs), picture(outputs, "mask")
    assert list(outputs) == [tensor.name for tensor in stage("try_on").outputs]
    assert image.shape == PHOTO.shape
    assert mask.shape == PHOTO.shape[:2]
    assert (image[mask == 0] == PHOTO[mask == 0]).all()
    assert (image[80, 90] == RED).all()


@pytest.mark.parametrize("size", [(128, 96), (256, 192)], ids=["the checkpoint's", "larger"])
async def test_the_rim_of_the_mask_is_blended_once(size):
    """The rim is blended with the pixels of the picture that was sent, at any size."""
    sent = PHOTO[: size[0], : size[1]]
    outputs = await try_on(TryOnContext(models(), MANIFEST), {**GIVEN, "person_raw": sent})
    red = np.broadcast_to(RED, sent.shape)
    assert (picture(outputs) == pasted(red, sent, seam_of(picture(outputs, "mask")))).all()


async def test_an_outfit_keeps_the_person_outside_both_masks():
    """The returned mask is the union, and both garments are inside it."""
    given = {**GIVEN, "garment": texts(COAT, COAT), "category": texts("upper_body", "lower_body")}
    outputs = await try_on(TryOnContext(models(), MANIFEST), given)
    image, mask = picture(outputs), picture(outputs, "mask")
    assert (image[mask == 0] == PHOTO[mask == 0]).all()
    assert (image[[80, 170], 90] == RED).all()


async def test_without_paste_back_the_network_answers_everywhere():
    """The picture is the network's own, at the checkpoint's size."""
    outputs = await try_on(TryOnContext(models(), MANIFEST), {**GIVEN, "paste_back": np.array([False])})
    assert picture(outputs).shape == (128, 96, 3)
    assert (picture(outputs) == RED).all()


async def test_a_full_outfit_dresses_the_result_of_the_first_garment_in_the_second():
    """Garments are put on one after the other; the mask covers all that was repainted."""
    stages = models()
    await try_on(
        TryOnContext(stages, MANIFEST),
        {
            "person_raw": PHOTO,
            "garment": texts(COAT, COAT),
            "category": texts("upper_body", "lower_body"),
            "description": texts("a coat", "trousers"),
        },
    )
    first, second = [given for name, given in stages.calls if name == "prepare_person"]
    assert (second["person_raw"][40, 40] == RED).all()
    assert (first["person_raw"][80:100] == second["person_raw"][80:100]).all()
    assert [name for name, _ in stages.calls].count("denoise") == 2


async def test_the_report_has_timings_sources_and_versions():
    """The report has the times of inner stages and the source of each prepared input."""
    report = read_report(await try_on(TryOnContext(models(), MANIFEST), GIVEN))
    assert report["sources"] == {"person": "disk", "garment": "fresh", "text": "memory"}
    assert report["timings"].keys() >= {"pose", "prepare_person", "denoise", "vae_decoder", "queue", "total"}
    assert report["timings"]["queue"] == 0.5
    assert (report["steps"], report["size"], report["rows_per_call"]) == (4, [192, 256], 1.5)
    assert report["pipeline_digest"] == MANIFEST.pipeline_digest


async def test_without_a_seed_one_is_drawn_and_reported():
    """Two requests differ, and the reported seed repeats each of them."""
    seeds = [int((await try_on(TryOnContext(models(), MANIFEST), GIVEN))["seed"][0]) for _ in range(2)]
    assert seeds[0] != seeds[1]


@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
async def test_the_picture_has_the_requested_format(form):
    """The picture has the requested format and can be opened."""
    outputs = await try_on(TryOnContext(models(), MANIFEST), {**GIVEN, "format": texts(form)})
    assert Image.open(io.BytesIO(outputs["image"][0])).format == form.upper()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"steps": np.array([0], np.int32)}, "steps must be 1 to 100, got 0"),
        ({"steps": np.array([1000], np.int32)}, "steps must be 1 to 100, got 1000"),
        ({"steps": np.array([1, 2], np.int32)}, "steps must be one number, got 2"),
        ({"guidance": np.array([np.nan], np.float32)}, "guidance must be 0 to 20, got nan"),
        ({"guidance": np.array([20.5], np.float32)}, "guidance must be 0 to 20, got 20.5"),
        (
            {"category": texts("shoes")},
            "category must be one of upper_body.*got 'shoes'",
        ),
        ({"category": texts("dresses", "dresses")}, "category must be one for each of 1 garments, got 2"),
        ({"garment": texts(*[COAT] * 5)}, "garment must be at most 4 garments, got 5"),
        ({"garment": texts()}, "garment, garment_raw or garment_id must be given"),
        ({"scheduler": texts("pndm")}, "scheduler must be one of checkpoint, ddpm, ddim, euler, got 'pndm'"),
        ({"format": texts("gif")}, "format must be one of png, jpeg, webp, got 'gif'"),
        ({"crop": texts("cut")}, "crop must be one of fit, crop, squash, got 'cut'"),
        ({"person_raw": PHOTO[:10]}, "person_raw must be at least 32 pixels"),
        ({"person": texts(b"GIF89a")}, "person and person_raw must not both be given"),
    ],
)
async def test_a_bad_request_is_refused_before_any_stage_runs(change, complaint):
    """The message has limit and value, and no stage is called."""
    stages = models()
    with pytest.raises(BadRequest, match=complaint):
        await try_on(TryOnContext(stages, MANIFEST), {**GIVEN, **change})
    assert stages.calls == []


async def test_a_busy_stage_makes_the_request_busy():
    """The caller gets Busy and can try again."""
    with pytest.raises(Busy, match="64 jobs"):
        await try_on(TryOnContext(models(denoise=Busy("64 jobs wait")), MANIFEST), GIVEN)


async def test_a_stream_reports_every_step_and_ends_with_the_picture():
    """Each event has step, steps, seconds so far and left; the last one is what `try_on` answers."""
    sent = []
    seeded = {**GIVEN, "seed": np.array([7], np.uint64)}
    last = await try_on_stream(TryOnContext(models(), MANIFEST), seeded, sent.append)
    events = [json.loads(outputs["event"][0]) for outputs in sent]
    assert [event["step"] for event in events] == [0, 1, 2, 3, 4]
    assert {(event["kind"], event["steps"]) for event in events} == {("progress", 4)}
    assert events[-1]["left_s"] == 0
    assert json.loads(last["event"][0]) == {"kind": "result"}
    assert last["image"] == (await try_on(TryOnContext(models(), MANIFEST), seeded))["image"]


async def test_previews_are_sent_only_on_request():
    """There is a preview for each step except the last, which is the result."""
    for previews in (False, True):
        sent = []
        await try_on_stream(
            TryOnContext(models(), MANIFEST), {**GIVEN, "previews": np.array([previews])}, sent.append
        )
        assert ["image" in outputs for outputs in sent] == [False, previews, previews, previews, False]


async def test_an_outfit_counts_its_steps_together():
    """Progress counts the steps of all garments together."""
    sent = []
    await try_on_stream(
        TryOnContext(models(), MANIFEST), {"person_raw": PHOTO, "garment": texts(COAT, COAT)}, sent.append
    )
    events = [json.loads(outputs["event"][0]) for outputs in sent]
    assert [event["step"] for event in events] == [0, 1, 2, 3, 4, 4, 5, 6, 7, 8]
    assert {event["steps"] for event in events} == {8}


async def test_a_stream_survives_a_watch_that_fails():
    """The picture arrives even if progress fails."""

    def deaf(inputs):
        if "after_step" in inputs:
            raise Busy("no room for watches")
        return denoise(inputs)

    last = await try_on_stream(TryOnContext(models(denoise=deaf), MANIFEST), GIVEN, lambda outputs: None)
    assert picture(last).shape == PHOTO.shape


async def test_a_cancelled_try_on_cancels_its_job():
    """The denoise model gets the cancellation too, and the caller's continues."""

    class Slow(FakeStages):
        async def __call__(self, name, inputs):
            answer = await super().__call__(name, inputs)
            if name == "denoise" and "cancel" not in inputs:
                await asyncio.sleep(60)
            return answer

    stages = Slow(**models().answers)
    work = asyncio.create_task(try_on(TryOnContext(stages, MANIFEST), GIVEN))
    while "denoise" not in [name for name, _ in stages.calls]:
        await asyncio.sleep(0.01)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    job, cancelled = [given for name, given in stages.calls if name == "denoise"]
    assert cancelled["cancel"][0]
    assert cancelled["job"] == job["job"]


@pytest.mark.parametrize(("format", "longest"), [("webp", 16_383), ("jpeg", 65_500)])
async def test_a_person_too_long_for_the_answers_format_is_refused_before_any_work(format, longest):
    """Only with paste-back, whose answer is as long as the picture."""
    stages = models()
    long = GIVEN | {"person_raw": np.zeros((32, longest + 1, 3), np.uint8), "format": texts(format)}
    with pytest.raises(
        BadRequest, match=f"person must be at most {longest} pixels wide and high for {format}"
    ):
        await try_on(TryOnContext(stages, MANIFEST), long)
    assert not stages.calls
    assert picture(
        await try_on(TryOnContext(stages, MANIFEST), long | {"paste_back": np.array([False])})
    ).any()
