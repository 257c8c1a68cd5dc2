"""Two families of networks from one repository and one `denoise` process, on a real server."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from tiny_fashn import FAMILY, HEIGHT, WIDTH, painted
from vitrine import BadRequest, Vitrine


def job(number):
    """A FASHN job of its own pictures, category and length, and its right answer."""
    draw = np.random.default_rng(number)
    colours = [draw.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8) for _ in range(2)]
    greys = [draw.integers(0, 256, (HEIGHT, WIDTH), dtype=np.uint8) for _ in range(2)]
    category, steps = number % 3, 4 + number % 3
    inputs = {
        "person_picture": colours[0],
        "person_pose_picture": greys[0],
        "garment_picture": colours[1],
        "garment_pose_picture": greys[1],
        "category": np.array([(b"upper_body", b"lower_body", b"dresses")[category]], object),
        "family": np.array([FAMILY.encode()], object),
        "seed": np.array([number], np.uint64),
        "steps": np.array([steps], np.int32),
        "guidance": np.array([1.5], np.float32),
    }
    return inputs, (colours[0], greys[0], colours[1], greys[1]), category + 1, steps


def test_jobs_of_both_families_in_flight_each_get_their_own_answer(triton, vitrine, person, garment):
    """The same pictures as alone, while the other family's jobs run in the same process."""
    asked = [{"person": person, "garment": garment, "seed": 100 + i, "steps": 6 + i} for i in range(3)]
    alone = [vitrine.try_on(**one).encoded for one in asked]
    jobs = [job(number) for number in range(6)]
    start = threading.Barrier(len(jobs) + len(asked))

    def denoise(inputs):
        with Vitrine(triton.grpc, timeout_s=120) as client:
            start.wait()
            return client.infer("denoise", inputs)["latents"]

    def try_on(options):
        with Vitrine(triton.grpc, timeout_s=120) as client:
            start.wait()
            return client.try_on(**options).encoded

    with ThreadPoolExecutor(len(jobs) + len(asked)) as pool:
        states = [pool.submit(denoise, inputs) for inputs, *_ in jobs]
        pictures = [pool.submit(try_on, options) for options in asked]
    for seed, ((_, given, category, steps), state) in enumerate(zip(jobs, states, strict=True)):
        np.testing.assert_allclose(state.result(), painted(given, category, seed, steps), atol=2e-5)
    assert [picture.result() for picture in pictures] == alone


def test_the_model_is_chosen_by_name(vitrine, person, garment):
    """The default is the first family; the other one answers at the original's size, and by the same call."""
    given = {"person": person, "garment": garment, "seed": 7, "steps": 3}
    usual, named = vitrine.try_on(**given), vitrine.try_on(**given, model="idm_vton")
    other = vitrine.try_on(**given, model=FAMILY, garment_photo_type="flat-lay")
    assert usual.encoded == named.encoded != other.encoded
    assert other.image.size == usual.image.size
    assert other.report["pipeline_digest"] != usual.report["pipeline_digest"]
    again = vitrine.try_on(**given, model=FAMILY, garment_photo_type="flat-lay")
    assert again.encoded == other.encoded
    assert set(again.sources.values()) == {"memory"}


def test_a_streamed_picture_of_the_second_family_equals_the_plain_one(vitrine, person, garment):
    """Progress, previews and the same result."""
    given = {"person": person, "garment": garment, "seed": 8, "steps": 3}
    given |= {"model": FAMILY, "garment_photo_type": "flat-lay"}
    *events, last = vitrine.try_on_stream(**given, previews=True)
    assert [event.step for event in events][-1] == 3
    assert last.encoded == vitrine.try_on(**given).encoded


def test_prepared_things_of_the_second_family(vitrine, person, garment):
    """The prepare models answer with the family's own arrays."""
    found = vitrine.prepare_person(person=person, model=FAMILY)
    assert found.tensors["person_picture"].shape == (HEIGHT, WIDTH, 3)
    assert "mask_latent" not in found.tensors
    coat = vitrine.prepare_garment(garment=garment, model=FAMILY, garment_photo_type="flat-lay")
    assert coat.tensors["garment_picture"].shape == (HEIGHT, WIDTH, 3)


def test_a_model_that_is_not_served_is_refused(vitrine, person, garment):
    """The error lists those that are."""
    with pytest.raises(BadRequest, match="model must be one of idm_vton, fashn, got 'other'"):
        vitrine.try_on(person=person, garment=garment, model="other")


def test_a_job_of_an_unknown_family_is_refused(vitrine):
    """With two families a job must name its own."""
    inputs, *_ = job(0)
    del inputs["family"]
    with pytest.raises(BadRequest, match="family must be one of"):
        vitrine.infer("denoise", inputs)
