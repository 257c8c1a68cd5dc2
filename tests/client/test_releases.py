"""A client can be pinned to a release: every pipeline that it calls is that version."""

import asyncio
from contextlib import suppress

import numpy as np
import pytest
from vitrine import AsyncFakeTransport, AsyncVitrine, BadRequest, FakeTransport, NotFound, Retry, Vitrine
from vitrine.releases import PIPELINES
from vitrine_orchestrator.stages import STAGES

PERSON = np.full((64, 48, 3), 200, np.uint8)
COAT = np.full((20, 20, 3), 30, np.uint8)
DRAWN = {"prompt": "a cup"}
ASKED = {"person": PERSON, "garment": COAT, "steps": 2}


def use_everything(client):
    """Call every pipeline once, each in every way."""
    client.try_on(**ASKED)
    list(client.try_on_many(person=PERSON, garments=[COAT, COAT]))
    list(client.try_on_stream(**ASKED))
    client.prepare_person(person=PERSON)
    client.prepare_garment(garment=COAT)
    client.prepare_text(description="a coat")
    client.pipeline_digest()
    client.text_to_image(**DRAWN)
    client.image_to_image(**DRAWN, image=PERSON)
    list(client.picture_stream(**DRAWN))
    client.infer("prepare_prompt", {})
    client.score(picture=PERSON, prompt="a cup")
    client.cut_out(PERSON)


async def use_everything_awaited(client):
    """The same as `use_everything`, awaited."""
    await client.try_on(**ASKED)
    _ = [one async for one in client.try_on_many(person=PERSON, garments=[COAT, COAT])]
    _ = [one async for one in client.try_on_stream(**ASKED)]
    await client.prepare_person(person=PERSON)
    await client.prepare_garment(garment=COAT)
    await client.prepare_text(description="a coat")
    await client.pipeline_digest()
    await client.text_to_image(**DRAWN)
    await client.image_to_image(**DRAWN, image=PERSON)
    _ = [one async for one in client.picture_stream(**DRAWN)]
    await client.infer("prepare_prompt", {})
    await client.score(picture=PERSON, prompt="a cup")
    await client.cut_out(PERSON)


@pytest.mark.parametrize(("release", "version"), [(1, "1"), (None, "")])
def test_every_pipeline_is_called_in_the_pinned_release(release, version):
    """All calls of pipelines send the pinned release. Without a pin the server chooses its newest."""
    fake, awaited = FakeTransport(), FakeTransport()
    use_everything(Vitrine(transport=fake, release=release))
    client = AsyncVitrine(transport=AsyncFakeTransport(awaited), release=release)
    asyncio.run(use_everything_awaited(client))
    for calls in (fake.calls, awaited.calls):
        assert {call.model for call in calls} == set(PIPELINES)
        assert {call.version for call in calls} == {version}


def test_other_models_are_not_pinned():
    """Caches and stages have versions of their own."""
    fake = FakeTransport()
    client = Vitrine(transport=fake, release=1)
    client.cache_statistics()
    with suppress(NotFound):
        client.infer("vae_decoder", {})
    list(client.product_ad_stream(product=COAT, prompt="a table"))
    assert [call.version for call in fake.calls] == ["", "", ""]


def test_an_asynchronous_stream_of_another_model_is_not_pinned():
    """The asynchronous client has the same rule for its streams."""
    fake = FakeTransport()

    async def run():
        client = AsyncVitrine(transport=AsyncFakeTransport(fake), release=1)
        return [one async for one in client.product_ad_stream(product=COAT, prompt="a table")]

    asyncio.run(run())
    assert [call.version for call in fake.calls] == [""]


def test_a_version_in_the_call_wins():
    """A version given to `infer` is the one that is called."""
    fake = FakeTransport()
    with pytest.raises(NotFound, match="version 3"):
        Vitrine(transport=fake, release=1).infer("try_on", {}, version="3")


def awaited(fake):
    """A try-on by an asynchronous client pinned to a release that the fake does not have."""
    client = AsyncVitrine(transport=AsyncFakeTransport(fake), release=2, retry=Retry(first_s=0.0))
    return asyncio.run(client.try_on(**ASKED))


def called(fake):
    """The same try-on by the synchronous client."""
    return Vitrine(transport=fake, release=2, retry=Retry(first_s=0.0)).try_on(**ASKED)


@pytest.mark.parametrize("attempt", [awaited, called])
def test_a_release_that_is_not_there_is_not_found_and_not_tried_again(attempt):
    """The error names model and version, and the client does not retry."""
    fake = FakeTransport()
    with pytest.raises(NotFound, match="'try_on' version 2 is not found"):
        attempt(fake)
    assert len(fake.calls) == 1


@pytest.mark.parametrize("release", [0, -1, "x", "1", 1.0, True])
@pytest.mark.parametrize("kind", [Vitrine, AsyncVitrine])
def test_a_release_is_a_whole_number_from_1(kind, release):
    """Other values are refused before any request, over either protocol."""
    transport = FakeTransport() if kind is Vitrine else AsyncFakeTransport()
    with pytest.raises(BadRequest, match="release must be a whole number from 1"):
        kind(transport=transport, release=release)


def test_the_pipelines_are_the_table_s():
    """A release consists of the pipelines that name the versions they call, and of no network."""
    named = {row.name for row in STAGES}
    assert set(PIPELINES) <= named
    assert named - set(PIPELINES) >= {"denoise", "cache_control", "vae_decoder"}
