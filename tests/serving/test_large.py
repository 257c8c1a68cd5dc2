"""Triton 2.51 takes requests of 100 MB and more on both protocols; the limits are ours."""

import threading
from pathlib import Path

import numpy as np
import pytest
from vitrine import BadRequest, Vitrine

HUNDRED_MB = 100_000_000
LARGE = {
    "encoded": (
        {"person": np.array([b"\x89PNG\r\n\x1a\n" + bytes(HUNDRED_MB - 8)], object)},
        "person must have at most 20000000 bytes, got 100000000",
    ),
    "raw": (
        {"person_raw": np.zeros((6400, 6400, 3), np.uint8)},
        "person_raw must have at most 40000000 pixels, got 6400x6400 = 40960000",
    ),
    "text": (
        {"description": np.array([b"a" * HUNDRED_MB], object)},
        "description must have at most 2000 characters, got 100000000",
    ),
}


def shared_bytes(triton):
    """Shared memory between the server and its processes, which holds each request in work."""
    return sum(file.stat().st_blocks * 512 for file in Path("/dev/shm").glob(f"{triton.shared_prefix}*"))


@pytest.mark.parametrize("kind", LARGE)
@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_a_hundred_megabytes_are_refused_by_their_limit(triton, person, garment, kind, protocol):
    """Nothing is decoded or computed; the message has limit and value."""
    large, complaint = LARGE[kind]
    inputs = {"garment": np.array([garment], object), **large}
    if "person_raw" not in inputs:
        inputs = {"person": np.array([person], object)} | inputs
    url = f"http://{triton.http}" if protocol == "http" else triton.grpc
    with Vitrine(url, timeout_s=120) as client, pytest.raises(BadRequest, match=complaint):
        client.infer("try_on", inputs)


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_other_callers_are_served_during_large_requests(triton, vitrine, person, garment, protocol):
    """Other requests are answered meanwhile, and no refused request stays in memory."""
    large, complaint = LARGE["encoded"]
    url = f"http://{triton.http}" if protocol == "http" else triton.grpc
    alone = vitrine.try_on(person=person, garment=garment, steps=4, seed=5).encoded
    refused, sizes = [], []

    def send():
        with Vitrine(url, timeout_s=120) as client:
            for _ in range(3):
                with pytest.raises(BadRequest, match=complaint) as caught:
                    client.infer("try_on", {"garment": np.array([garment], object), **large})
                refused.append(caught)

    for _ in range(2):
        sending = threading.Thread(target=send)
        sending.start()
        assert vitrine.try_on(person=person, garment=garment, steps=4, seed=5).encoded == alone
        sending.join()
        sizes.append(shared_bytes(triton))
    assert len(refused) == 6
    assert sizes[1] - sizes[0] < HUNDRED_MB
    assert sizes[1] < 6 * HUNDRED_MB
