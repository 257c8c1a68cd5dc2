"""The stage `compose`: what it reads, refuses and reports."""

import asyncio
import io
import json
import time
import weakref
from base64 import b64decode, b64encode
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from vitrine.errors import BadRequest
from vitrine_orchestrator.compose.pipeline import compose
from vitrine_orchestrator.compose.settings_json import read_settings
from vitrine_orchestrator.composition.seen_scenes import SeenScenes
from vitrine_orchestrator.composition.settings import NUMBERS, PLACEMENT_NUMBERS, Placement, Settings
from vitrine_orchestrator.pipeline.request_context import PlainContext
from vitrine_orchestrator.stages.calls import FakeStages


def png(levels):
    """The bytes of a picture."""
    file = io.BytesIO()
    Image.fromarray(levels).save(file, "PNG")
    return file.getvalue()


def cut(height=60, width=40, alpha=255):
    """An encoded product with a transparent rim of 5 pixels."""
    levels = np.zeros((height, width, 4), np.uint8)
    levels[5:-5, 5:-5] = (200, 30, 40, alpha)
    return png(levels)


def asked(*products, scene=None, **more):
    """A request's inputs."""
    scene = np.full((100, 120, 3), 180, np.uint8) if scene is None else scene
    inputs = {"scene_raw": scene, "product": np.array(products or (cut(),), object)}
    return inputs | {name: np.array([value.encode()], object) for name, value in more.items()}


def run(inputs):
    """The outputs of the stage."""
    return asyncio.run(compose(PlainContext(FakeStages()), inputs))


def opened(outputs, name):
    """A picture of the answer."""
    return np.asarray(Image.open(io.BytesIO(outputs[name][0])))


def test_masks_and_report_belong_to_the_picture():
    """Alpha and shadow have the scene's size; the reported placement gives the same picture."""
    first = run(asked(cut(), cut(36, 70)))
    assert {opened(first, name).shape for name in ("alpha", "shadow")} == {(100, 120)}
    report = json.loads(first["report"][0])
    assert report["size"] == [120, 100]
    assert {"composition", "encode", "total"} <= report["timings"].keys()
    placements = [{}, {}]
    for row in report["products"]:
        left, top, right, bottom = row["box"]
        assert opened(first, "alpha")[top:bottom, left:right].max() == 255
        placements[row["product"]] = row["placement"]
    again = run(asked(cut(), cut(36, 70), settings=json.dumps({"placements": placements})))
    assert again["image"][0] == first["image"][0]


def test_soft_pixels_keep_their_own_colour():
    """No white and no black gets into the edge: half of red over red is red."""
    levels = np.zeros((60, 40, 4), np.uint8)
    levels[..., :3], levels[10:50, 10:30, 3] = (200, 30, 40), 128
    levels[20:40, 15:25, 3] = 255
    scene = np.full((100, 120, 3), (200, 30, 40), np.uint8)
    settings = '{"shadow": "none", "placements": [{"x": 0.5, "scale": 0.4}]}'  # the size that it has
    outputs = run(asked(png(levels), scene=scene, settings=settings))
    assert np.array_equal(opened(outputs, "image"), scene)


def test_formats_and_text():
    """JPEG as asked for; with encoding base64 pictures are text in both directions."""
    assert run(asked(format="jpeg"))["image"][0].startswith(b"\xff\xd8")
    outputs = run(asked(b64encode(cut()), encoding="base64"))
    assert b64decode(outputs["alpha"][0]).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        (
            asked(png(np.zeros((40, 40, 3), np.uint8))),
            r"product\[0\] must have a transparent ground \(RGBA\)",
        ),
        (
            asked(cut(), cut(alpha=3)),
            r"product\[1\] must show an object: its largest alpha must be at least 128, got 3",
        ),
        (asked(*[cut()] * 9), "product must be 1 to 8 pictures, got 9"),
        (
            asked(png(np.zeros((4000, 1, 4), np.uint8))),
            r"product\[0\] must be at least 32 pixels wide and high",
        ),
        (asked(scene=np.zeros((1, 4000, 3), np.uint8)), "scene_raw must be at least 32 pixels wide and high"),
        ({"product": asked()["product"]}, "scene or scene_raw must be given"),
        (asked(b"GIF89a"), r"product\[0\]"),
        (asked(settings="[]"), "settings must be a JSON object"),
        (asked(settings="{"), "settings must be JSON"),
        (asked(settings=f'{{"margin": {10**400}}}'), r"margin must be 0 to 0.4, got 10+$"),
        (
            asked(settings=f'{{"placements": [{{"order": {10**400}}}]}}'),
            r"order must be -100 to 100, got 10+$",
        ),
        (asked(settings='{"shade": 1}'), "settings must have no names but .*, got 'shade'"),
        (
            asked(settings='{"shadow": "long"}'),
            "shadow must be one of cast, contact, floating, none, got 'long'",
        ),
        (asked(settings='{"margin": "wide"}'), "margin must be a number, got 'wide'"),
        (asked(settings='{"margin": NaN}'), "margin must be a number, got nan"),
        (asked(settings='{"match": 1.5}'), "match must be 0 to 1, got 1.5"),
        (asked(settings='{"placements": {}}'), "placements must be a list of at most 8 objects, got {}"),
        (asked(settings='{"placements": [[]]}'), r"placements\[0\] must be a JSON object"),
        (asked(settings='{"placements": [{"x": true}]}'), r"placements\[0\].x must be a number, got True"),
        (asked(settings='{"placements": [{"order": 1.5}]}'), r"placements\[0\].order must be a whole number"),
        (asked(settings='{"placements": [{}, {}]}'), "placements must be one for each of 1 products"),
    ],
)
def test_what_cannot_be_composed_is_refused(inputs, said):
    """The error names the input, the rule and the value."""
    with pytest.raises(BadRequest, match=said):
        run(inputs)


def test_every_setting_is_read():
    """Each number at its most, each word, and each number of a placement."""
    numbers = {name: most for name, (_, most) in NUMBERS.items()}
    place = {name: most for name, (_, most) in PLACEMENT_NUMBERS.items()}
    given = {**numbers, "shadow": "floating", "light": "left", "placements": [place]}
    settings = read_settings(json.dumps(given))
    assert settings == Settings(**{**given, "placements": (Placement(**place),)})
    assert read_settings(None) == Settings()


def test_a_scene_is_looked_at_once_by_those_who_use_it_meanwhile():
    """All at the same time get one scene; when the last of them has gone, nothing of it is held."""
    scenes, picture, reads = SeenScenes(), np.zeros((40, 40, 3), np.uint8), []

    def read():
        reads.append(1)
        time.sleep(0.1)
        return picture

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: scenes.get(b"file", read), range(4)))
    assert len({id(one) for one in found}) == len(reads) == 1
    assert scenes.get(b"other", read) is not found[0]
    held = weakref.ref(found[0])
    found.clear()
    assert held() is None
    scenes.get(b"file", read)
    assert len(reads) == 3


def test_a_scene_that_cannot_be_read_is_read_again():
    """Its error is that of each request."""
    scenes = SeenScenes()
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            scenes.get(b"broken", lambda: 1 // 0)


def test_a_known_scene_gives_the_same_picture():
    """Whether a scene was decoded for this request or for another one shows nowhere."""
    scene = np.random.default_rng(0).integers(0, 255, (100, 120, 3), dtype=np.uint8)
    inputs = {name: value for name, value in asked().items() if name != "scene_raw"}
    inputs["scene"] = np.array([png(scene)], object)
    fresh, scenes = run(inputs), SeenScenes()
    held = scenes.get(png(scene), lambda: scene)
    known = asyncio.run(compose(PlainContext(FakeStages()), inputs, scenes=scenes))
    assert scenes.get(png(scene), lambda: 1 // 0) is held
    for name in ("image", "alpha", "shadow"):
        assert known[name][0] == fresh[name][0]
