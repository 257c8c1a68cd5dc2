"""An ad with a drawn scene by a real Triton: the scene of `text_to_image`, told step by step."""

import numpy as np
from PIL import Image
from served_jobs import cancelled_jobs, wait_for_cancelled
from vitrine import Progress

LEVELS = np.zeros((40, 40, 4), np.uint8)
LEVELS[5:-5, 5:-5] = (200, 30, 40, 255)
PRODUCT = Image.fromarray(LEVELS)


def test_an_ads_scene_is_the_picture_of_its_prompt(vitrine):
    """The same seed gives the same scene; the steps of its job in `denoise` are part of the progress."""
    asked = {"prompt": "a table", "seed": 7, "steps": 3, "model": "z-image"}
    scene = np.asarray(vitrine.text_to_image(**asked).image)
    *steps, made = vitrine.product_ad_stream(
        product=PRODUCT, settings={"shadow": "none"}, harmonise=0.2, **asked
    )
    drawing = [one for one in steps if isinstance(one, Progress) and one.stage == "text_to_image"]
    assert len(drawing) > 2
    (ad,) = made.ads
    alpha = np.asarray(ad.alpha)
    assert (np.asarray(ad.image)[alpha == 255] == (200, 30, 40)).all()
    plain = vitrine.product_ad(product=PRODUCT, settings={"shadow": "none"}, **asked)
    assert np.array_equal(np.asarray(plain.image)[alpha == 0], scene[alpha == 0])
    assert made.report["versions"].keys() == {"text_to_image", "image_to_image"}


def test_leaving_a_stream_cancels_the_scene(vitrine, server):
    """`denoise` ends the scene's job long before its hundredth step."""
    before = cancelled_jobs(server)
    asked = {"prompt": "a table", "steps": 100, "model": "z-image", "width": 512, "height": 512}
    events = vitrine.product_ad_stream(product=PRODUCT, **asked)  # large, so that it lasts some seconds
    next(event for event in events if event.stage == "text_to_image" and event.step > 1)
    events.close()
    wait_for_cancelled(server, before + 1)
