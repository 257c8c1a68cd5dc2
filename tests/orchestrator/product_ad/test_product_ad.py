"""The pipeline `product_ad` on fakes: what it calls, how often, with what; cancellation."""

import asyncio
import io
import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from vitrine.errors import BadRequest, NotFound, StageFailed
from vitrine_orchestrator.loras.registry import CARD, Card
from vitrine_orchestrator.manifest import manifest_text
from vitrine_orchestrator.pipeline.request_context import PlainContext
from vitrine_orchestrator.product_ad.pipeline import product_ad, product_ad_stream

sys.path.insert(0, str(Path(__file__).parent))

from fake_ad_stages import NOISE, STEPS, TEXTS, AdStages, asked, cut, opened, photo, png, report, run, texted


@pytest.fixture
def stages():
    """The fakes."""
    return AdStages()


def test_a_sentence_and_a_photograph_become_an_ad(stages):
    """Each stage gets the answer of the one before, and is told with its time; texts are checked first."""
    made = run(stages, asked(sentence="따뜻한 라떼", trade="cafe", texts=TEXTS))
    assert stages.counts("prepare_ad_prompt", "cut_out", "text_to_image", "compose", "text_overlay") == {
        "prepare_ad_prompt": 1,
        "cut_out": 1,
        "text_to_image": 1,
        "compose": 1,
        "text_overlay": 2,
    }
    assert "describe" in stages.calls[0][1]
    (scene,) = stages.sent("text_to_image")
    assert scene["prompt"][0].decode() == "[따뜻한 라떼]"
    assert (scene["avoid"][0], int(scene["seed"][0])) == (b"words", 7)
    assert "negative_prompt" not in scene
    assert (made["image"][0][0] == 255).all()
    assert np.array_equal(made["image"][0][1:], made["origin"][0][1:])
    told = made["report"]
    assert [(one["stage"], one["status"]) for one in told["nodes"]] == [
        (name, "done")
        for name in ("prepare_ad_prompt", "cut_out", "text_to_image", "compose", "text_overlay")
    ]
    assert all(one["time"] >= 0 for one in told["nodes"])
    assert told["total_time"] > 0
    assert told["prompt"] == "[따뜻한 라떼]"
    assert told["versions"] == {"cut_out": {"release": "2"}, "text_to_image": {"release": "3"}}
    assert told["sources"] == {"prompt": "fresh"}
    assert told["ads"][0]["text"]["texts"] == [{"lines": 1}]


def test_the_prompt_processor_is_asked_for_the_scene_alone(stages):
    """The product is put into the scene afterwards, so it must not be drawn a second time."""
    run(stages, asked(cut(), sentence="빨간 머그"))
    (sent,) = stages.sent("prepare_ad_prompt")
    assert sent["empty"].tolist() == [True]


def test_a_drawn_scene_is_enlarged_before_the_product_comes_into_it(stages):
    """The product keeps the detail that the small scene has not; a given scene is not enlarged."""
    small = run(stages, asked(cut(), prompt="a table"))["image"][0]
    large = run(stages, asked(cut(), prompt="a table", enlarge=3))["image"][0]
    assert large.shape[:2] == (3 * small.shape[0], 3 * small.shape[1])
    for more in ({"harmonise": 0.2}, {"scene": photo()}):
        with pytest.raises(BadRequest, match="enlarge must not be given with scene or harmonise"):
            run(
                stages,
                asked(cut(), **({"prompt": "a table"} if "scene" not in more else {}), **more, enlarge=2),
            )
    with pytest.raises(BadRequest, match="enlarge must be 1 to 8, got 9"):
        run(stages, asked(cut(), prompt="a table", enlarge=9))


def test_the_product_keeps_its_pixels(stages):
    """Inside of alpha 255 every pixel is the photograph's."""
    made = run(stages, asked(photo((12, 180, 90)), prompt="a table"))
    inside = made["alpha"][0] == 255
    assert inside.sum() > 100
    assert (made["image"][0][inside] == (12, 180, 90)).all()


def test_one_scene_serves_many_products(stages):
    """With `each` the scene is drawn once for five products, and every ad shows its own product."""
    colours = [(30 * i, 200 - 30 * i, 50) for i in range(5)]
    made = run(stages, asked(*map(photo, colours), each=True, prompt="a table"))
    assert stages.counts("cut_out", "text_to_image", "compose") == {
        "cut_out": 5,
        "text_to_image": 1,
        "compose": 5,
    }
    assert len({inputs["scene"][0] for inputs in stages.sent("compose")}) == 1
    for index, colour in enumerate(colours):
        assert (made["image"][index][made["alpha"][index] == 255] == colour).all()
    assert [one["products"] for one in made["report"]["ads"]] == [[i] for i in range(5)]


def test_without_each_all_products_are_in_one_ad(stages):
    """Side by side."""
    made = run(stages, asked(photo((250, 0, 0)), cut((0, 0, 250)), prompt="a table"))
    assert len(made["image"]) == 1
    shown = {tuple(one) for one in made["image"][0][made["alpha"][0] == 255]}
    assert shown == {(250, 0, 0), (0, 0, 250)}


def test_a_cut_product_is_used_as_it_is(stages):
    """Its bytes reach the composition; an opaque RGBA picture is cut out all the same."""
    opaque = png(np.full((60, 40, 4), 255, np.uint8))
    run(stages, asked(cut(), prompt="a table"))
    assert stages.counts("cut_out") == {"cut_out": 0}
    assert stages.sent("compose")[0]["product"][0] == cut()
    stages.answers["cut_out"] = lambda inputs: AdStages().answers["cut_out"]({"image": texted(photo())})
    run(stages, asked(opaque, prompt="a table"))
    assert stages.counts("cut_out") == {"cut_out": 1}


def test_each_size_is_laid_out_anew(stages):
    """One scene for each size, of one seed; sizes come first in order, then products."""
    products = (cut(), cut((0, 0, 250)))
    made = run(stages, asked(*products, each=True, prompt="a table", sizes=["1:1", "9:16"], texts=TEXTS))
    assert [picture.shape[:2] for picture in made["image"]] == [(96, 96), (96, 96), (170, 96), (170, 96)]
    assert {int(inputs["seed"][0]) for inputs in stages.sent("text_to_image")} == {7}
    assert stages.counts("text_to_image", "text_overlay") == {"text_to_image": 2, "text_overlay": 1 + 4}
    assert [(one["size"], one["products"]) for one in made["report"]["ads"]] == [
        ("1:1", [0]),
        ("1:1", [1]),
        ("9:16", [0]),
        ("9:16", [1]),
    ]


@pytest.mark.parametrize(
    ("more", "shape"),
    [({}, (90, 120)), ({"sizes": ["1:1"]}, (90, 90)), ({"width": 60, "height": 33}, (33, 60))],
)
def test_a_given_scene_is_not_drawn(stages, more, shape):
    """It keeps its pixels; a size takes its middle."""
    scene = np.random.default_rng(0).integers(0, 255, (90, 120, 3), dtype=np.uint8)
    made = run(stages, asked(cut(), scene=png(scene), settings='{"shadow": "none"}', **more))
    assert stages.counts("text_to_image", "cut_out") == {"text_to_image": 0, "cut_out": 0}
    assert made["image"][0].shape[:2] == shape
    if not more:
        outside = made["alpha"][0] == 0
        assert np.array_equal(made["image"][0][outside], scene[outside])


@pytest.mark.parametrize("size", [(90, 120), (97, 33)])
def test_harmonising_puts_the_product_back(stages, size):
    """All else is changed by the drawing model; opaque pixels are those of the composition."""
    scene = np.full((*size, 3), 100, np.uint8)
    inputs = asked(cut(), scene=png(scene), prompt="a table", harmonise=0.2, settings='{"shadow": "none"}')
    made = run(stages, inputs)
    (asked_for,) = stages.sent("image_to_image")
    assert asked_for["strength"] == np.float32(0.2)
    alpha = made["alpha"][0]
    assert (made["image"][0][alpha == 255] == (200, 30, 40)).all()
    assert (made["image"][0][alpha == 0] == 100 + NOISE).all()


def test_options_of_drawing_are_passed_on(stages):
    """As they were sent; nothing else is."""
    run(stages, asked(cut(), prompt="a table", negative_prompt="people", steps=4, guidance=2.0, model="flux"))
    (scene,) = stages.sent("text_to_image")
    assert scene.keys() == {"prompt", "negative_prompt", "steps", "guidance", "model", "seed", "job"}


def streamed(stages, inputs):
    """The progress events of a stream, its previews, and its last response."""
    sent = []
    last = asyncio.run(product_ad_stream(PlainContext(stages), inputs, sent.append))
    events = [json.loads(one["event"][0]) for one in sent]
    return events, [opened(one["image"][0]) for one in sent if "image" in one], last


def test_a_stream_tells_the_stages_and_ends_with_the_ads(stages):
    """Steps only grow, up to all of them; the scene's own steps are among them; a preview has no text yet."""
    slow = asyncio.Event()

    class Slow(AdStages):
        async def __call__(self, name, inputs):
            if name == "text_to_image":
                await asyncio.wait_for(slow.wait(), 10)
            if name == "denoise" and inputs["after_step"][0] == STEPS - 1:
                slow.set()
            return await super().__call__(name, inputs)

    inputs = asked(sentence="라떼", texts=TEXTS)
    events, previews, last = streamed(Slow(), inputs | {"previews": np.array([True])})
    steps = [one["step"] for one in events]
    assert steps == sorted(steps)
    assert steps[-1] == events[-1]["steps"]
    assert [one["stage"] for one in events if one["stage"] == "text_to_image"][STEPS:]
    assert {"prepare_ad_prompt", "cut_out", "compose", "text_overlay"} <= {one["stage"] for one in events}
    assert json.loads(last["event"][0]) == {"kind": "result"}
    assert len(previews) == 1
    assert np.array_equal(previews[0], opened(last["origin"][0]))
    plain = asyncio.run(product_ad(PlainContext(stages), inputs))
    assert plain["image"].tolist() == last["image"].tolist()


def test_a_request_that_is_cancelled_cancels_its_scene():
    """`denoise` is told until the call ends; other stages are not called any more."""
    begun = asyncio.Event()

    class Waiting(AdStages):
        cancelled = 0

        async def __call__(self, name, inputs):
            if name == "text_to_image":
                self.calls.append((name, inputs))
                begun.set()
                while self.cancelled < 2:
                    await asyncio.sleep(0.01)
                raise StageFailed("denoise", "cancelled")
            if name == "denoise" and "cancel" in inputs:
                self.cancelled += 1
            return await super().__call__(name, inputs)

    async def cancelled_request():
        waiting = Waiting()
        running = asyncio.create_task(product_ad(PlainContext(waiting), asked(cut(), prompt="a table")))
        await asyncio.wait_for(begun.wait(), 10)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(running, 10)
        return waiting

    waiting = asyncio.run(cancelled_request())
    (scene,) = waiting.sent("text_to_image")
    assert {inputs["job"][0] for inputs in waiting.sent("denoise")} == {scene["job"][0] + b"-0"}
    assert waiting.cancelled == 2
    assert waiting.counts("compose") == {"compose": 0}


def test_a_photograph_without_a_product_stops_the_scene(stages):
    """The cut-out's refusal is the answer, and nothing is composed."""

    def refused(inputs):
        raise BadRequest("image must show a product, no product found")

    stages.answers["cut_out"] = refused
    with pytest.raises(BadRequest, match="no product found"):
        run(stages, asked(prompt="a table"))
    assert stages.counts("compose") == {"compose": 0}


def test_a_photograph_is_not_decoded_before_its_cut_out(stages):
    """Its header says that it is opaque; the refusal of what is damaged names the product."""
    jpeg = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (128, 128, 3), np.uint8)).save(jpeg, "JPEG")
    cut_off = jpeg.getvalue()[:-2000]

    def refused(inputs):
        assert inputs["image"][0] == cut_off
        raise BadRequest("image cannot be decoded")

    stages.answers["cut_out"] = refused
    with pytest.raises(BadRequest, match=r"product\[1\]: image cannot be decoded"):
        run(stages, asked(cut(), cut_off, prompt="a table"))


@pytest.mark.parametrize(
    ("more", "side"),
    [
        ({"prompt": "a table"}, 2048),
        ({"prompt": "a table", "enlarge": 3}, 8192),
        ({"prompt": "a table", "width": 640, "height": 480}, 1024),
        ({"prompt": "a table", "width": 1600, "height": 480}, 2048),
        ({"scene": png(np.full((64, 1100, 3), 200, np.uint8))}, 2048),
        (
            {"prompt": "a table", "width": 640, "height": 640, "settings": '{"placements": [{"scale": 2}]}'},
            2048,
        ),
    ],
)
def test_a_cut_out_is_as_large_as_its_scene_can_show(stages, more, side):
    """No larger one is computed: a phone's photograph has more pixels than an ad."""
    run(stages, asked(photo(), **more))
    assert stages.sent("cut_out")[0]["product_side"].tolist() == [side]


def test_the_digest_is_that_of_the_releases(stages, tmp_path):
    """`describe` calls no stage and answers as a result would; another checkpoint gives another digest."""

    def release(name, version, digest):
        folder = tmp_path / name / str(version)
        folder.mkdir(parents=True)
        entry = {"facts": {}, "digest": digest * 64, "exporter": "test", "files": {}}
        (folder / "manifest.json").write_text(manifest_text({"a": entry}))

    def described():
        outputs = asyncio.run(product_ad(PlainContext(stages, repository=tmp_path), asked(describe=True)))
        return json.loads(outputs["report"][0])["pipeline_digest"]

    empty = described()
    release("cut_out", 1, "1")
    first = described()
    release("text_to_image", 1, "2")
    second = described()
    release("text_to_image", 2, "3")
    assert len({empty, first, second, described()}) == 4
    assert not stages.calls
    outputs = asyncio.run(product_ad(PlainContext(stages, repository=tmp_path), asked(prompt="a")))
    assert json.loads(outputs["report"][0])["pipeline_digest"] == described()


def test_the_digest_counts_the_adapters_of_the_scene(stages, tmp_path):
    """Another adapter under the name is another digest; an unknown one is refused before anything runs."""
    context = PlainContext(stages, lora_folder=tmp_path)

    def digests(**more):
        wanted = ({"describe": True}, {"prompt": "a"})
        answers = [asyncio.run(product_ad(context, asked(**more, **one))) for one in wanted]
        return {json.loads(outputs["report"][0])["pipeline_digest"] for outputs in answers}

    def register(digest):
        (tmp_path / "night").mkdir(exist_ok=True)
        card = Card("night", "z-image", "b" * 64, digest * 64, 8, (), "CC0-1.0")
        (tmp_path / "night" / CARD).write_text(json.dumps(asdict(card)))

    with pytest.raises(NotFound, match="there is no lora 'night'"):
        digests(lora="night")
    assert not stages.calls
    (plain,) = digests()
    register("1")
    (first,) = digests(lora="night")
    register("2")
    (second,) = digests(lora="night")
    assert len({plain, first, second}) == 3


def test_doubts_about_a_cut_out_are_in_the_report(stages):
    """By product; there are none of those that were sent cut out."""
    doubts = [{"word": "soft", "message": "the product's edge is uncertain"}]
    plain = stages.answers["cut_out"]
    stages.answers["cut_out"] = lambda inputs: plain(inputs) | {"report": report(doubts=doubts)}
    made = run(stages, asked(cut(), photo(), prompt="a table"))
    assert made["report"]["doubts"] == {"product 1": doubts}
    assert run(stages, asked(cut(), prompt="a table"))["report"]["doubts"] == {}
