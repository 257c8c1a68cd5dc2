"""Network stages in a real Triton: the onnxruntime backend, batching, warm-up, errors by request."""

import re
import threading

import numpy as np
import pytest
from small_servers import SERVED
from vitrine import BadRequest, StageFailed, VitrineError
from vitrine_orchestrator.stages import networks


def pictures(rows, seed=0):
    """Rows for the VAE encoder."""
    return np.random.default_rng(seed).standard_normal((rows, 3, 64, 48)).astype(np.float32)


def at_once(count, work):
    """Run `work(index)` in threads that start together; returns results or errors in order."""
    barrier, results = threading.Barrier(count), [None] * count

    def one(index):
        barrier.wait()
        try:
            results[index] = work(index)
        except VitrineError as error:
            results[index] = error

    threads = [threading.Thread(target=one, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.parametrize("row", [row for row in SERVED if row.needed], ids=lambda row: row.name)
def test_a_model_is_loaded_and_ready(triton, row):
    """Every model of the table can be called alone."""
    with triton.client() as client:
        assert client.is_model_ready(row.name)


NETWORKS = [row for row in networks() if row in SERVED and row.needed]


@pytest.mark.parametrize("row", NETWORKS, ids=lambda row: row.name)
def test_a_network_is_warm_before_its_first_request(triton, row):
    """The statistics show the time of the warm-up."""
    with triton.client() as client:
        (stats,) = client.get_inference_statistics(row.name).model_stats
    assert stats.inference_stats.success.count >= 0
    assert stats.execution_count >= 1 or stats.inference_count == 0


def test_a_batch_answers_as_its_rows_do_alone(vitrine):
    """Rows in one request equal the rows one by one."""
    pixels = pictures(3)
    together = vitrine.infer("vae_encoder", {"pixels": pixels})
    for index in range(3):
        alone = vitrine.infer("vae_encoder", {"pixels": pixels[index : index + 1]})
        np.testing.assert_allclose(together["mean"][index], alone["mean"][0], rtol=0, atol=1e-6)


def test_requests_share_a_run(triton, vitrine):
    """Concurrent requests of one shape run together, and each gets its own rows."""
    pixels = pictures(8, seed=1)
    want = vitrine.infer("vae_encoder", {"pixels": pixels})["mean"]
    for _ in range(20):  # how many meet in the queue depends on the machine
        answers = at_once(8, lambda index: vitrine.infer("vae_encoder", {"pixels": pixels[index][None]}))
        for index, answer in enumerate(answers):
            np.testing.assert_allclose(answer["mean"][0], want[index], rtol=0, atol=1e-6)
        with triton.client() as client:
            (stats,) = client.get_inference_statistics("vae_encoder").model_stats
        if any(batch.batch_size > 1 and batch.compute_infer.count > 1 for batch in stats.batch_stats):
            return
    pytest.fail(f"no run was shared: {stats.batch_stats}")


def test_other_sizes_work_in_the_same_model(vitrine):
    """Each request may have its own height and width."""
    for size in ((64, 64), (128, 96)):
        mean = vitrine.infer("vae_encoder", {"pixels": np.zeros((1, 3, *size), np.float32)})["mean"]
        assert mean.shape == (1, 4, size[0] // 8, size[1] // 8)


def test_a_request_that_fails_leaves_its_batch_unharmed(vitrine):
    """A request with a token beyond the vocabulary fails alone."""
    good = np.zeros((1, 77), np.int64)
    bad = np.full((1, 77), 10**6, np.int64)
    answers = at_once(
        8, lambda index: vitrine.infer("text_encoder", {"input_ids": bad if index == 3 else good})
    )
    failed = [index for index, answer in enumerate(answers) if isinstance(answer, VitrineError)]
    assert failed == [3]
    assert isinstance(answers[3], BadRequest)
    said = r"text_encoder cannot run on input_ids INT64 \[1, 77\]: .*idx=1000000 must be within .*\]"
    assert re.fullmatch(said, str(answers[3]))


def test_an_axis_of_0_is_refused_by_name(vitrine):
    """The network is not asked."""
    with pytest.raises(BadRequest) as caught:
        vitrine.infer("vae_encoder", {"pixels": np.zeros((1, 3, 0, 48), np.float32)})
    assert str(caught.value) == "vae_encoder cannot run on pixels FP32 [1, 3, 0, 48]: no axis may be 0"


def test_a_network_that_takes_turns_refuses_alike(vitrine):
    """The decoder answers requests later than it takes them."""
    with pytest.raises(
        BadRequest, match=r"vae_decoder cannot run on \S+ FP32 \[1, 4, 0, 8\]: no axis may be 0"
    ):
        vitrine.infer("vae_decoder", {"latents": np.zeros((1, 4, 0, 8), np.float32)})


@pytest.mark.parametrize(
    "inputs",
    [
        {},
        {"image": np.zeros((1, 3, 100, 100), np.float32)},
        {"image": np.zeros((1, 3, 512, 512), np.float64)},
        {"image": np.zeros((9, 3, 512, 512), np.float32)},
        {"picture": np.zeros((1, 3, 512, 512), np.float32)},
    ],
    ids=["missing", "shape", "dtype", "batch", "name"],
)
def test_wrong_tensors_are_bad_requests(vitrine, inputs):
    """Triton refuses tensors that the config does not allow."""
    with pytest.raises(BadRequest) as caught:
        vitrine.infer("parsing_atr", inputs)
    assert not isinstance(caught.value, StageFailed)
