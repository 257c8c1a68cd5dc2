"""A request is checked before it takes a place: each refusal names the input, the rule and the value."""

import numpy as np
import pytest
from vitrine.errors import BadRequest
from vitrine_orchestrator.sampling.noise import initial_noise, step_noise
from vitrine_orchestrator.try_on.denoise_request import JobShapes, read_request


def read(jobs, change, shapes=None):
    arrays = jobs.arrays()
    change(arrays)
    return read_request(arrays, shapes or jobs.shapes, jobs.schedules)


@pytest.mark.parametrize(
    "name", ["mask_latent", "garment_latents", "prompt_embeds", "seed", "steps", "guidance"]
)
def test_a_missing_input_is_named(jobs, name):
    """The error names an input that the job lacks."""
    with pytest.raises(BadRequest, match=f"{name} is missing"):
        read(jobs, lambda arrays: arrays.pop(name))


def test_each_tensor_of_a_wrong_shape_is_named(jobs):
    """The message has the checkpoint's shape and the request's."""
    for name in jobs.shapes.of((8, 4)):
        with pytest.raises(BadRequest, match=rf"{name} must have shape \(.*\), got \(2,\)"):
            read(jobs, lambda arrays, name=name: arrays.update({name: np.zeros(2, np.float32)}))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_tensor_that_is_not_finite_is_refused(jobs, value):
    """One NaN is refused, since it would spread over the whole result."""

    def spoil(arrays):
        arrays["pose_latents"][0, 1, 2] = value

    with pytest.raises(BadRequest, match="pose_latents must be finite, got 1"):
        read(jobs, spoil)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("steps", np.array([0], np.int32), "steps must be 1 to 100, got 0"),
        ("steps", np.array([101], np.int32), "steps must be 1 to 100, got 101"),
        ("steps", np.array([4], np.int64), "steps must be int32, got int64"),
        ("steps", np.array([4, 4], np.int32), "steps must have 1 element, got 2"),
        ("guidance", np.array([-0.5], np.float32), "guidance must be 0 to 20, got -0.5"),
        ("guidance", np.array([20.5], np.float32), "guidance must be 0 to 20, got 20.5"),
        ("guidance", np.array([np.nan], np.float32), "guidance must be 0 to 20, got nan"),
        ("seed", np.array([1], np.int64), "seed must be uint64, got int64"),
        ("prompt_embeds", np.zeros((77, 6)), "prompt_embeds must be float32, got float64"),
        ("scheduler", np.array([b"plms"], object), "scheduler must be one of .*, got 'plms'"),
        ("garment_key", np.array([b"x" * 201], object), "garment_key must have at most 200 .*, got 201"),
        ("job", np.array([b"a", b"b"], object), "job must have 1 element, got 2"),
        ("job", np.array([b"\xff"], object), "job must be UTF-8, got b'.xff'"),
    ],
)
def test_a_value_out_of_range_is_refused(jobs, name, value, message):
    """Scalars and words have ranges and dtypes."""
    with pytest.raises(BadRequest, match=message):
        read(jobs, lambda arrays: arrays.update({name: value}))


@pytest.mark.parametrize("size", [(6, 4), (0, 4), (4, 1000)])
def test_a_latent_size_that_the_unet_cannot_halve_is_refused(jobs, size):
    """Sides must be multiples of 4 within the limit."""
    with pytest.raises(BadRequest, match="mask_latent must have sides that are multiples of 4 up to 192"):
        read_request(jobs.arrays(size=size), jobs.shapes, jobs.schedules)


def test_graphs_of_one_size_refuse_another(jobs):
    """An engine exported for one latent size refuses others."""
    shapes = JobShapes(context_width=6, pooled_width=5, latent_size=(8, 8))
    with pytest.raises(BadRequest, match=r"mask_latent must have shape \(1, 8, 8\), got \(1, 8, 4\)"):
        read(jobs, lambda arrays: None, shapes)


def test_the_unconditional_half_comes_first(jobs):
    """Pairs are [negative, positive], and the time ids are the picture's height and width."""
    arrays = jobs.arrays()
    inputs = read_request(arrays, jobs.shapes, jobs.schedules).inputs
    for pair in ("prompt_embeds", "pooled_prompt_embeds", "image_tokens"):
        np.testing.assert_array_equal(inputs[pair][0], arrays[f"negative_{pair}"])
        np.testing.assert_array_equal(inputs[pair][1], arrays[pair])
    np.testing.assert_array_equal(inputs["time_ids"], [64, 32, 0, 0, 64, 32])


def test_noise_is_a_matter_of_seed_and_step():
    """The noise of each seed and step is drawn alone, and no two are equal."""
    shape, seed = (4, 8, 4), 2**64 - 1
    drawn = [initial_noise(seed, shape), *(step_noise(seed, step, shape) for step in range(3))]
    np.testing.assert_array_equal(step_noise(seed, 1, shape), drawn[2])
    assert drawn[0].dtype == np.float32
    assert len({array.tobytes() for array in (*drawn, initial_noise(0, shape))}) == 5
    assert abs(np.corrcoef([array.ravel() for array in drawn])[0, 1]) < 0.3


def test_noise_stays_what_it_was():
    """A seed gives the same noise in every release: these are the first numbers of seed 42."""
    shape = (4, 8, 4)
    np.testing.assert_array_equal(
        initial_noise(42, shape).ravel()[:3], np.float32([0.18170474, -1.2426393, -0.551553])
    )
    np.testing.assert_array_equal(
        step_noise(42, 7, shape).ravel()[:3], np.float32([1.2589537, 1.0121614, 0.83824015])
    )
