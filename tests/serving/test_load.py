"""Concurrent requests: shared steps, equal pictures, cancellation, metrics, malformed requests."""

import random
import threading
import time
import urllib.request

import numpy as np
import pytest
from small_servers import SERVED
from vitrine import Cancellation, Cancelled, Vitrine, VitrineError
from vitrine_orchestrator.adapters.metrics import METRIC_FAMILIES
from vitrine_orchestrator.batching.metrics import FIGURES
from vitrine_orchestrator.stages import numpy_dtype


def metrics(triton):
    """Every metric of the metrics port: line without value → value."""
    with urllib.request.urlopen(f"http://{triton.metrics}/metrics", timeout=30) as response:
        lines = response.read().decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line[:1] != "#"}


def test_concurrent_requests_share_steps_and_keep_their_pictures(triton, vitrine, person, garment):
    """Eight concurrent requests give their single pictures in fewer calls than steps."""
    steps = 40
    alone = vitrine.try_on(person=person, garment=garment, steps=steps, seed=3)
    before = metrics(triton)
    answers = {}

    def ask(seed):
        answers[seed] = vitrine.try_on(person=person, garment=garment, steps=steps, seed=seed)

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = {
        key: value - before.get(key, 0)
        for key, value in metrics(triton).items()
        if key.startswith("vitrine_denoise_calls_total")
    }
    difference = np.asarray(answers[3].image).astype(int) - np.asarray(alone.image)
    assert np.abs(difference).max() <= 1
    assert len({answer.encoded for answer in answers.values()}) == 8
    assert sum(rows.values()) < 8 * steps


def test_a_cancelled_try_on_leaves_the_denoiser(triton, vitrine, person, garment):
    """Triton reports the cancellation to the model; the job leaves, and the server continues."""
    key = 'vitrine_requests_total{model="try_on",outcome="cancelled"}'
    before = metrics(triton).get(key, 0)
    cancellation = Cancellation()

    def cancel_when_taken():
        while not metrics(triton).get('vitrine_in_flight{model="try_on"}'):
            time.sleep(0.01)
        cancellation.cancel()

    threading.Thread(target=cancel_when_taken).start()
    with pytest.raises(Cancelled):
        vitrine.try_on(person=person, garment=[garment] * 4, steps=100, cancellation=cancellation)
    give_up = time.monotonic() + 60
    while metrics(triton).get(key, 0) == before and time.monotonic() < give_up:
        time.sleep(0.1)
    assert metrics(triton)[key] == before + 1


ONLY_WITH_A_BUDGET = "vitrine_stage_wait_seconds_total"
"""Nothing waits for a model's load on a server without a memory budget: test_residency.py reads it."""


def test_metrics_of_ours_are_next_to_tritons(triton, vitrine, person, garment):
    """Every metric of the reference is on the metrics port after a try-on, with its counts."""
    before = metrics(triton)
    vitrine.try_on(person=person, garment=garment, steps=2)
    time.sleep(1.5)  # the cache's are published once a second
    after = metrics(triton)
    names = {line.partition("{")[0] for line in after}
    expected = {one.name for one in (*METRIC_FAMILIES, *FIGURES)} - {ONLY_WITH_A_BUDGET}
    assert names >= {"nv_inference_request_success", *expected}
    grown = {key: value - before.get(key, 0) for key, value in after.items()}
    least = {  # others of these tests may have left jobs behind
        "vitrine_requests_total": 1,
        "vitrine_sources_total": 3,
        "vitrine_denoise_calls_total": 2,
        "vitrine_denoise_started_total": 1,
        "vitrine_denoise_step_seconds_total": 1e-6,
        "vitrine_denoise_queue_seconds_total": 1e-9,
    }
    for name, wanted in least.items():
        assert sum(grown[key] for key in grown if key.startswith(name)) >= wanted, name


JUNK = (b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff" * 9, b"x" * 300)


def malformed(chance, row):
    """Random tensors for a model, mostly of the right type and seldom of the right shape or content."""
    inputs = {}
    for tensor in row.inputs:
        if chance.random() < 0.3:
            continue
        shape = tuple(chance.choice((0, 1, 1, 2, 3)) if dim == -1 else dim for dim in tensor.dims)
        if row.max_batch or not all(isinstance(dim, int) for dim in shape):
            shape = (1, *(dim if isinstance(dim, int) else chance.choice((1, 8, 9)) for dim in shape))
        if chance.random() < 0.2:
            shape = (*shape, 1)
        values = np.frombuffer(chance.randbytes(8 * int(np.prod(shape))), np.uint8)
        if tensor.dtype == "STRING":
            junk = [
                chance.choice((b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff" * 9, b"x" * 300))
                for _ in values[::8]
            ]
            inputs[tensor.name] = np.array(junk, object).reshape(shape)
        else:
            wide = values.view(np.float64) if tensor.dtype == "FP32" else values.view(np.int64)
            with np.errstate(all="ignore"):
                inputs[tensor.name] = wide.astype(numpy_dtype(tensor)).reshape(shape)
    return inputs


def resident_bytes(triton):
    """The memory of the server and its processes."""
    from vitrine_orchestrator.embedded.processes import stubs

    total = 0
    for pid in (triton.pid, *stubs(triton.pid)):
        with open(f"/proc/{pid}/statm") as file:
            total += int(file.read().split()[1]) * 4096
    return total


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_malformed_requests_leave_the_server_healthy(triton, person, garment, protocol):
    """A thousand random requests on both protocols give typed errors, flat memory and a working server."""
    chance = random.Random(protocol)
    rows = [row for row in SERVED if not row.decoupled]
    url = f"http://{triton.http}" if protocol == "http" else triton.grpc
    refused, sizes = 0, []
    with Vitrine(url, timeout_s=120) as client:
        for index in range(500):
            row = chance.choice(rows)
            try:
                client.infer(row.name, malformed(chance, row), timeout_s=60)
            except VitrineError:
                refused += 1
            if index in (100, 499):
                sizes.append(resident_bytes(triton))
        assert client.try_on(person=person, garment=garment, steps=2).image.size == (192, 256)
    assert refused > 300
    assert sizes[1] - sizes[0] < 50e6
