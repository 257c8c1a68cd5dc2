"""The caches of real servers: by request, shared by two of a host, and followed by another host."""

import asyncio
import io
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_servers import png
from tiny_repository import write_repository
from tritonclient.http import InferenceServerClient
from vitrine import AsyncVitrine, NotFound, Vitrine, VitrineError
from vitrine.inputs import try_on_inputs
from vitrine_orchestrator.embedded.ports import ANY_PORTS
from vitrine_orchestrator.embedded.server import EmbeddedTriton

VITRINE = str(Path(sys.executable).with_name("vitrine"))
PEOPLE = ("prepare_person", "pose", "parsing_atr", "parsing_lip", "densepose", "vae_encoder", "cache_control")
GARMENTS = ("prepare_garment", "image_encoder")
REST = ("prepare_text", "text_encoder", "text_encoder_2", "denoise", "vae_decoder", "try_on")
FOLLOWED_S = 30.0  # other hosts look every 5 s; the machine may be slow


def soon(ask, within_s=FOLLOWED_S):
    """The result of `ask` once it is true without an error; raises its last error if that never comes."""
    give_up = time.monotonic() + within_s
    while True:
        try:
            if (answer := ask()) or time.monotonic() > give_up:
                return answer
        except VitrineError:
            if time.monotonic() > give_up:
                raise
        time.sleep(0.1)


def at_rest(vitrine):
    """The statistics when they hold all earlier requests: each process publishes its own once a second."""
    told = vitrine.cache_statistics()
    while True:
        time.sleep(1.5)
        before, told = told, vitrine.cache_statistics()
        if told.total_requests == before.total_requests:
            return told


def test_statistics_have_the_figures_of_every_process(vitrine, person, garment):
    """Hits and misses of all models add up, with entries and bytes of each cache."""
    before = at_rest(vitrine)
    vitrine.prepare_person(person=person, person_id="counted", category="dresses")
    vitrine.prepare_garment(garment=garment, garment_id="counted")
    vitrine.prepare_person(person_id="counted", category="dresses")
    after = soon(
        lambda: (told := vitrine.cache_statistics()).total_requests >= before.total_requests + 3 and told
    )
    assert (after.misses - before.misses, after.l1_hits - before.l1_hits) == (2, 1)
    hits = after.l1_hits + after.l2_hits + after.l3_hits
    assert hits + after.misses == after.total_requests
    assert after.l1_hit_rate == pytest.approx(after.l1_hits / after.total_requests)
    for part in ("dresses", "garment"):
        assert after.numbers[f"{part}_entries"] >= 1
        assert after.numbers[f"{part}_bytes"] > 1000


def test_what_is_cleared_is_gone_when_the_call_returns(vitrine, person):
    """It is gone from the other models' processes too, in each category; other owners stay."""
    for name, category in itertools.product(("1", "10"), ("upper_body", "dresses")):
        vitrine.prepare_person(person=person, person_id=name, category=category)
    vitrine.clear_cache(person_id="1")
    for category in ("upper_body", "dresses"):
        with pytest.raises(NotFound, match="'1' is not known"):
            vitrine.prepare_person(person_id="1", category=category)
        assert vitrine.prepare_person(person_id="10", category=category).sources == {"person": "memory"}
    vitrine.clear_cache(everything=True)
    with pytest.raises(NotFound):
        vitrine.prepare_person(person_id="10", category="dresses")


def test_try_on_forgets_when_others_are_told(triton, vitrine, person, garment):
    """Cached answers are used until one of them is cleared or changed."""

    def dressed():
        return vitrine.try_on(person_id="known", garment_id="known", seed=1, steps=2)

    def calls():
        client = InferenceServerClient(triton.http)
        names = ("prepare_person", "prepare_garment", "prepare_text")
        return [client.get_inference_statistics(n)["model_stats"][0]["inference_count"] for n in names]

    vitrine.prepare_person(person=person, person_id="known")
    vitrine.prepare_garment(garment=garment, garment_id="known")
    first, asked = dressed(), calls()
    again = dressed()
    assert calls() == asked
    assert set(again.sources.values()) == {"memory"}
    assert np.array_equal(again.image, first.image)
    vitrine.prepare_garment(garment=person, garment_id="known")
    assert not np.array_equal(dressed().image, first.image)
    vitrine.clear_cache(person_id="known")
    with pytest.raises(NotFound, match="'known' is not known"):
        dressed()


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_the_async_client_and_both_protocols_ask_the_same(triton, garment, protocol):
    """Statistics and clearing work over HTTP and gRPC, awaited too."""

    async def use():
        url = f"http://{triton.http}" if protocol == "http" else triton.grpc
        async with AsyncVitrine(url, timeout_s=60) as client:
            await client.prepare_garment(garment=garment, garment_id="awaited")
            await client.clear_cache(garment_id="awaited")
            with pytest.raises(NotFound):
                await client.prepare_garment(garment_id="awaited")
            return await client.cache_statistics()

    assert asyncio.run(use()).total_requests > 0


def test_the_command_asks_a_server(triton, vitrine, garment):
    """The commands `vitrine cache stats` and `clear` work with --url."""

    def command(*words):
        return subprocess.run(
            [VITRINE, "cache", *words, "--url", triton.grpc], capture_output=True, text=True, check=True
        ).stdout

    vitrine.prepare_garment(garment=garment, garment_id="typed")
    assert "l1_hit_rate" in command("stats")
    assert json.loads(command("stats", "--json"))["total_requests"] > 0
    assert command("clear", "--garment", "typed") == "cleared typed\n"
    with pytest.raises(NotFound):
        vitrine.prepare_garment(garment_id="typed")


@pytest.fixture(scope="module")
def store():
    """The endpoint of a simulated object store in a process of its own."""
    command = [sys.executable, "-m", "vitrine_measure.cache.simulated_s3", "0", "inf"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield process.stdout.readline().strip()
        process.terminate()


@pytest.fixture(scope="module")
def servers(tmp_path_factory, store):
    """Two servers of one host (one folder) and one of another, all with the same object store."""
    scratch = tmp_path_factory.mktemp("hosts")
    repository = write_repository(scratch / "repository")
    common = {
        "VITRINE_CACHE_STORE": "s3://wardrobe/cache",
        "VITRINE_CACHE_ENDPOINT": store,
        "VITRINE_CACHE_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }
    plan = (("here", PEOPLE + GARMENTS), ("here", PEOPLE), ("there", PEOPLE + GARMENTS + REST))
    with ExitStack() as running:
        yield [
            running.enter_context(
                EmbeddedTriton(
                    repository,
                    models=models,
                    ports=ANY_PORTS,
                    environment={**os.environ, **common, "VITRINE_CACHE_FOLDER": str(scratch / host)},
                )
            )
            for host, models in plan
        ]


@pytest.fixture
def clients(servers):
    """A client of each server."""
    with ExitStack() as open_ones:
        yield [open_ones.enter_context(Vitrine(server.grpc, timeout_s=120)) for server in servers]


def version(number):
    """A picture of the person that shows its version."""
    pixels = np.random.default_rng(0).integers(0, 255, (256, 192, 3), dtype=np.uint8)
    pixels[0, 0] = number
    return png(pixels)


def test_a_person_changed_on_one_server_is_never_served_stale_by_the_other(clients):
    """A request after a change has returned gets the new person or nothing, under constant reading."""
    one, other, _ = clients
    changed, stale, seen, over = [0], [], set(), threading.Event()

    def read(client):
        while not over.is_set():
            least = changed[0]
            try:
                shown = int(client.prepare_person(person_id="ann").tensors["image"][0, 0, 0])
            except NotFound:
                continue
            seen.add(shown)
            if shown < least:
                stale.append((shown, least))

    readers = [threading.Thread(target=read, args=(client,)) for client in (one, other, one, other)]
    for reader in readers:
        reader.start()
    try:
        for number, client in zip(range(1, 13), itertools.cycle((one, other)), strict=False):
            client.prepare_person(person=version(number), person_id="ann")
            changed[0] = number
            time.sleep(0.2)
    finally:
        over.set()
        for reader in readers:
            reader.join()
    assert stale == []
    assert len(seen) > 5  # the readers did see the changes


def test_a_person_cleared_on_one_server_is_gone_on_the_other(clients):
    """The person is gone from memory, folder and store; another one stays warm."""
    one, other, _ = clients
    for name in ("bob", "eve"):
        one.prepare_person(person=version(1), person_id=name)
        assert other.prepare_person(person_id=name).sources["person"] in ("disk", "memory")
    one.clear_cache(person_id="bob")
    with pytest.raises(NotFound):
        other.prepare_person(person_id="bob")
    assert other.prepare_person(person_id="eve").sources == {"person": "memory"}


def test_two_ids_are_a_whole_request(clients, garment):
    """Ids prepared on one host make a whole request on another, which goes straight to denoising."""
    here, _, there = clients
    here.prepare_person(person=version(1), person_id="ida")
    here.prepare_garment(garment=garment, garment_id="red coat")
    wanted = {"person_id": "ida", "garment_id": "red coat", "steps": 2, "seed": 7}
    sizes = [len(tensor.tobytes()) + 8 * tensor.size for tensor in try_on_inputs(**wanted).values()]
    assert sum(sizes) < 100
    result = soon(lambda: there.try_on(**wanted))  # uploads end after the answer
    assert (result.sources["person"], result.sources["garment"]) == ("store", "store")
    assert "pose" not in result.timings
    again = there.try_on(**wanted)
    assert dict(again.sources) == dict.fromkeys(("person", "garment", "text"), "memory")
    with Image.open(io.BytesIO(again.encoded)) as picture:
        assert picture.size == (192, 256)
    here.prepare_person(person=version(9), person_id="ida")
    followed = soon(lambda: there.prepare_person(person_id="ida").tensors["image"][0, 0, 0] == 9)
    assert followed, "another host follows within some seconds"


def test_a_new_picture_for_one_category_voids_the_others(vitrine, person, garment):
    """An id alone is unknown wherever its old picture was, for try_on too."""
    vitrine.prepare_person(person=person, person_id="grown", category="upper_body")
    for _ in range(2):  # the second keeps its answer in try_on's own memory
        vitrine.try_on(person_id="grown", garment=garment, steps=1, seed=1)
    other = png(np.random.default_rng(77).integers(0, 255, (256, 192, 3), dtype=np.uint8))
    vitrine.prepare_person(person=other, person_id="grown", category="lower_body")
    with pytest.raises(NotFound):
        vitrine.prepare_person(person_id="grown", category="upper_body")
    with pytest.raises(NotFound):
        vitrine.try_on(person_id="grown", garment=garment, steps=1, seed=1)
