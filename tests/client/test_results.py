"""Finished pictures are made once, found again and never lost. The store is moto's S3 server on loopback."""

import asyncio
import json
import re
from pathlib import Path

import numpy as np
import pytest
import vitrine
from obstore.store import MemoryStore
from PIL import Image
from vitrine import (
    AsyncFakeTransport,
    AsyncVitrine,
    BadRequest,
    Busy,
    FakeTransport,
    Unavailable,
    Vitrine,
    VitrineError,
)
from vitrine.fake import FAKE_DIGEST
from vitrine.results import DIGEST_TTL_S, AsyncResults, Results
from vitrine.shelf import Shelf
from vitrine.stores import open_store

PAGE = Path(__file__).parents[2] / "docs" / "cache.md"
PERSON, COAT, SHIRT = (np.full((20, 16, 3), grey, np.uint8) for grey in (200, 30, 90))
KEYS = {"access_key_id": "test", "secret_access_key": "test", "region": "us-east-1"}


@pytest.fixture(params=["sync", "async"])
def make(request):
    """A try-on through a store, called or awaited, over a given fake and shelf."""

    def results(fake, shelf, **options):
        if request.param == "sync":
            return Results(Vitrine(transport=fake), shelf, **options).try_on
        awaited = AsyncResults(AsyncVitrine(transport=AsyncFakeTransport(fake)), shelf, **options)
        return lambda **asked: asyncio.run(awaited.try_on(**asked))

    return results


def test_drawn_pictures_are_kept_too():
    """One mechanism for all calls: found again by the request, one picture a request, PNG only."""
    fake, shelf = FakeTransport(), Shelf(MemoryStore())
    results = Results(Vitrine(transport=fake), shelf)
    asked = {"user": "ada", "prompt": "a cup", "seed": 7}
    first, again = results.text_to_image(**asked), results.text_to_image(**asked, n=1)
    assert (first.found, again.found, again.encoded) == (False, True, first.encoded)
    assert first.result.seed == again.story["seed"] == 7
    assert first.story["parameters"] == {"prompt": ["a cup"], "seed": [7]}
    changed = results.image_to_image(**asked, image=PERSON, strength=0.5)
    assert changed.key != first.key
    assert "image" not in changed.story["parameters"]
    assert [call.model for call in fake.calls] == ["prepare_prompt", "text_to_image", "image_to_image"]
    for wrong, said in (
        ({"n": 2}, "n must be 1 for kept results, got 2"),
        ({"format": "jpeg"}, "must be png"),
    ):
        with pytest.raises(BadRequest, match=said):
            results.text_to_image(**asked, **wrong)
    awaited = AsyncResults(AsyncVitrine(transport=AsyncFakeTransport(fake)), shelf)
    assert asyncio.run(awaited.text_to_image(**asked)).found
    assert asyncio.run(awaited.image_to_image(**asked, image=PERSON, strength=0.5)).found


def tried_on(fake):
    """The number of pictures that the server made."""
    return sum(call.model == "try_on" for call in fake.calls)


class Broken:
    """A store whose every operation fails."""

    def __getattr__(self, name):
        def fail(*args, **options):
            raise PermissionError(f"{name}: denied\nmore")

        return fail


def test_a_picture_is_made_once(make, bucket):
    """The second request finds the first one's picture and how it was made."""
    name, client, shelf = bucket
    fake = FakeTransport()
    asked = {"user": "ada", "person": PERSON, "garment": COAT, "seed": 7, "description": "코트"}
    first, second = make(fake, shelf)(**asked), make(fake, shelf)(**asked)
    assert (first.found, second.found, tried_on(fake)) == (False, True, 1)
    assert first.trouble is second.trouble is None
    assert second.encoded == first.encoded
    assert second.image.size == (16, 20)
    assert second.story["seed"] == 7
    assert second.story["parameters"] == {"seed": [7], "description": ["코트"]}
    assert second.story["pipeline_digest"] == FAKE_DIGEST
    assert first.result is not None
    stored = client.get_object(Bucket=name, Key=f"vto/ada/{first.key}.png")
    assert stored["Body"].read() == first.encoded
    assert stored["ContentType"] == "image/png"
    assert json.loads(stored["Metadata"]["vitrine"])["seed"] == 7


def test_another_request_is_another_picture(make):
    """A request with another garment, seed or user finds nothing."""
    fake, shelf = FakeTransport(), Shelf(MemoryStore())
    try_on = make(fake, shelf)
    asked = {"user": "ada", "person": PERSON, "garment": COAT, "seed": 7}
    for changed in ({}, {"garment": SHIRT}, {"seed": 8}, {"user": "bob"}):
        assert not try_on(**asked | changed).found
    assert tried_on(fake) == 4


def test_a_broken_store_never_loses_the_picture(make):
    """A failing lookup or write costs no picture, and `trouble` reports it in one line."""
    kept = make(FakeTransport(), Shelf(Broken()))(user="ada", person=PERSON, garment=COAT)
    assert kept.image.size == (16, 20)
    assert isinstance(kept.trouble, Unavailable)
    assert str(kept.trouble) == f"the result store cannot write {kept.path}: put: denied"


def test_a_store_that_is_not_there_costs_seconds_only(make):
    """A refused connection is reported, and the picture is returned."""
    shelf = Shelf(open_store("s3://pictures", endpoint="http://127.0.0.1:9", **KEYS))
    kept = make(FakeTransport(), shelf)(user="ada", person=PERSON, garment=COAT)
    assert kept.result is not None
    assert isinstance(kept.trouble, Unavailable)


@pytest.mark.parametrize(
    "damage", ["flipped", "cut", "no picture", "no story", "story is a list", "deep story"]
)
def test_a_damaged_object_is_computed_again(make, damage):
    """An object that does not match its digest or is no picture is replaced and never returned."""
    store = MemoryStore()
    shelf, fake = Shelf(store), FakeTransport()
    try_on = make(fake, shelf)
    asked = {"user": "ada", "person": PERSON, "garment": COAT}
    made = try_on(**asked)
    stored = store.get(made.path)
    content, attributes = bytes(stored.bytes()), dict(stored.attributes)
    flipped = bytes([*content[:40], content[40] ^ 1, *content[41:]])
    damaged = {
        "flipped": (flipped, attributes),
        "cut": (content[:-5], attributes),
        "no picture": (b"junk", {}),
        "no story": (content, {"vitrine": "{"}),
        "deep story": (content, {"vitrine": "[" * 100_000}),
        "story is a list": (content, {"vitrine": "[]"}),
    }[damage]
    store.put(made.path, damaged[0], attributes=damaged[1])
    again = try_on(**asked)
    assert (again.found, again.encoded, tried_on(fake)) == (False, content, 2)
    assert try_on(**asked).found


def test_a_failed_try_on_stores_nothing(make):
    """The caller gets the server's error, and the store does not change."""
    store = MemoryStore()

    class Fails(FakeTransport):
        def infer(self, model, inputs, **options):
            if model == "try_on":
                raise BadRequest("no person found")
            return super().infer(model, inputs, **options)

    with pytest.raises(BadRequest, match="no person found"):
        make(Fails(), Shelf(store))(user="ada", person=PERSON, garment=COAT)
    assert store.list().collect() == []


def test_a_new_pipeline_makes_new_pictures(make):
    """After a deployment old pictures are not found any more, at most DIGEST_TTL_S later."""

    class Deployed(FakeTransport):
        digest = "one"

        def infer(self, model, inputs, **options):
            outputs = super().infer(model, inputs, **options)
            report = json.loads(outputs["report"][0]) | {"pipeline_digest": self.digest}
            return outputs | {"report": np.array([json.dumps(report).encode()], object)}

    fake, now = Deployed(), [0.0]
    try_on = make(fake, Shelf(MemoryStore()), clock=lambda: now[0])
    asked = {"user": "ada", "person": PERSON, "garment": COAT}
    first = try_on(**asked)
    fake.digest = "two"
    assert try_on(**asked).key == first.key  # not asked again yet
    now[0] += DIGEST_TTL_S
    second = try_on(**asked)
    assert not second.found
    assert second.key != first.key
    assert second.story["pipeline_digest"] == "two"


def test_the_digest_is_asked_for_with_the_adapters():
    """Each set of adapters has its own digest, since another adapter under a name draws other pictures."""
    fake = FakeTransport()
    results = Results(Vitrine(transport=fake), Shelf(MemoryStore()))
    for lora in (None, "night", {"night": 0.5}, {"night": 1.0, "line": 1.0}):
        results.text_to_image(user="ada", prompt="a cup", seed=7, lora=lora)
    asked = [call.inputs for call in fake.calls if call.model == "prepare_prompt"]
    assert [one["lora"].tolist() if "lora" in one else None for one in asked] == [
        None,
        [b"night"],
        [b"night", b"line"],
    ]


def test_a_picture_is_stored_under_the_pipeline_that_made_it(make):
    """A deployment during a request does not put its new picture under an old key."""
    store = MemoryStore()

    class Switches(FakeTransport):
        def infer(self, model, inputs, **options):
            outputs = super().infer(model, inputs, **options)
            digest = "new" if model == "try_on" else "old"
            report = json.loads(outputs["report"][0]) | {"pipeline_digest": digest}
            return outputs | {"report": np.array([json.dumps(report).encode()], object)}

    try_on = make(Switches(), Shelf(store))
    asked = {"user": "ada", "person": PERSON, "garment": COAT}
    assert not try_on(**asked).found
    assert try_on(**asked).found  # under "new", the digest in the first answer


def test_what_the_digest_cannot_be_read_from_is_an_error(make):
    """A request whose pipeline digest cannot be read raises an error, since its key would be wrong."""

    class Old(FakeTransport):
        def infer(self, model, inputs, **options):
            return super().infer(model, inputs, **options) | {"report": np.array([b"{}"], object)}

    with pytest.raises(VitrineError, match="lacks 'pipeline_digest'"):
        make(Old(), Shelf(MemoryStore()))(user="ada", person=PERSON, garment=COAT)


def test_only_png_is_kept(make):
    """Formats other than PNG are refused, since paths end in .png."""
    with pytest.raises(BadRequest, match="format must be png"):
        make(FakeTransport(), Shelf(MemoryStore()))(user="a", person=PERSON, garment=COAT, format="jpeg")


def test_a_long_description_is_kept_as_its_digest(make, bucket):
    """A long description is stored as a digest, since S3 takes 2 KB of metadata."""
    shelf = bucket[2]
    asked = {"user": "ada", "person": PERSON, "garment": COAT, "description": "코트 " * 5000, "seed": 3}
    kept = make(FakeTransport(), shelf)(**asked)
    assert kept.trouble is None
    story = shelf.find(user="ada", key=kept.key).story
    assert story["parameters"]["description"].startswith("sha256:")
    assert story["parameters"]["seed"] == [3]


def test_busy_is_still_retried_through_the_store():
    """The client retries as usual when a store is used."""
    fake = FakeTransport(failures=[Busy("later")])
    kept = Results(Vitrine(transport=fake), Shelf(MemoryStore())).try_on(
        user="ada", person=PERSON, garment=COAT
    )
    assert kept.result is not None


def test_the_documented_example_runs(bucket, tmp_path, monkeypatch, capsys):
    """The example of docs/cache.md runs with the fake as server: made once, found the second time."""
    _, _, shelf = bucket
    (example,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    for name, pixels in (("me.png", PERSON), ("coat.png", COAT)):
        Image.fromarray(pixels).save(name)
    monkeypatch.setattr(vitrine, "Vitrine", lambda url: Vitrine(url, transport=FakeTransport()))
    monkeypatch.setattr(vitrine, "open_store", lambda url: None)
    monkeypatch.setattr(vitrine, "Shelf", lambda store: shelf)
    for _ in range(2):
        exec(compile(example, PAGE.name, "exec"), {})
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("False vto/ada/")
    assert second == first.replace("False", "True", 1)
