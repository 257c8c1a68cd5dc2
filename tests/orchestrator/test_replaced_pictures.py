"""A picture that is sent with an id replaces all that was prepared from another one under that id."""

import numpy as np
import pytest
from kept_values import Kept
from small_manifest import MANIFEST, texts
from test_pipelines_prepare import PHOTO, networks
from vitrine.errors import BadRequest, NotFound
from vitrine_orchestrator.cache.open_cache import CacheSettings, open_cache
from vitrine_orchestrator.pictures import encode
from vitrine_orchestrator.pipeline.request_context import picture_digest, read_report
from vitrine_orchestrator.try_on.context import TryOnContext
from vitrine_orchestrator.try_on.prepare_person import prepare_person

OTHER = 255 - PHOTO
MASK = np.zeros((160, 120), np.uint8)
MASK[40:120, 30:90] = 255
CHOICES = [{"mask": texts(encode(MASK))}, {"person_index": np.array([0], np.int32)}]


@pytest.fixture(params=["dictionary", "cache"])
async def ann(request, tmp_path):
    """Prepares a person with the id ann, over a memo for tests and over the cache."""
    cache = open_cache(CacheSettings(folder=tmp_path / "cache"))
    context = TryOnContext(networks(), MANIFEST, Kept() if request.param == "dictionary" else cache.memo)

    async def prepared(picture=None, **choice):
        given = {} if picture is None else {"person_raw": picture}
        return await prepare_person(context, given | {"person_id": texts("ann")} | choice)

    yield prepared
    await cache.close()


@pytest.mark.parametrize("choice", CHOICES)
async def test_a_picture_with_a_choice_replaces_one_without(ann, choice):
    """The id alone is then not known, instead of the person who was replaced."""
    await ann(PHOTO)
    await ann(OTHER, **choice)
    with pytest.raises(NotFound):
        await ann()
    assert read_report(await ann(**choice))["sources"] == {"person": "memory"}


@pytest.mark.parametrize("choice", CHOICES)
async def test_a_picture_without_a_choice_replaces_one_with_it(ann, choice):
    """The id with the choice is then answered from the new picture."""
    await ann(PHOTO, **choice)
    new = await ann(OTHER)
    np.testing.assert_array_equal((await ann(**choice))["image"], new["image"])


@pytest.mark.parametrize("choice", CHOICES)
async def test_an_id_sent_for_something_else_only_says_for_what_it_must_be_sent(ann, choice):
    """A category, a mask or a choice of person is prepared by itself."""
    await ann(PHOTO, **choice)
    rule = "person_id 'ann' is not known: send its picture once with the id, for the model idm_vton, category"
    with pytest.raises(NotFound, match=f"{rule} upper_body and crop fit, without a mask or choice of person"):
        await ann()
    with pytest.raises(NotFound, match=f"{rule} dresses"):
        await ann(category=texts("dresses"))


async def test_the_same_picture_replaces_nothing(ann):
    """Neither in another encoding nor with another choice."""
    await ann(PHOTO)
    await ann(None, person=texts(encode(PHOTO)), **CHOICES[0])
    for choice in ({}, CHOICES[0]):
        assert read_report(await ann(**choice))["sources"] == {"person": "memory"}


async def test_a_fitted_picture_is_known_by_the_digest_of_the_original(ann):
    """So `try_on`, which sends people fitted, replaces nothing that was prepared from the same picture."""
    first = await ann(PHOTO)
    sent = {"person_digest": texts(picture_digest(PHOTO)), "crop": texts("squash")}
    await ann(first["image"], **sent, **CHOICES[1])
    assert read_report(await ann())["sources"] == {"person": "memory"}


async def test_a_digest_that_is_none_is_refused(ann):
    """The message has field, rule and value."""
    with pytest.raises(BadRequest, match="person_digest must be 64 hexadecimal digits, got 'ABC'"):
        await ann(PHOTO, person_digest=texts("ABC"))


async def test_a_picture_that_came_during_the_work_is_not_overwritten():
    """A picture whose work ends after another one was sent leaves no values under the id."""
    memo, context = Kept(), None

    async def interrupted(key, compute, able=True):
        memo.get_or_compute = type(memo).get_or_compute.__get__(memo)
        await prepare_person(context, {"person_raw": OTHER, "person_id": texts("ann"), **CHOICES[1]})
        return await memo.get_or_compute(key, compute, able)

    context = TryOnContext(networks(), MANIFEST, memo)
    memo.get_or_compute = interrupted
    await prepare_person(context, {"person_raw": PHOTO, "person_id": texts("ann")})
    (note,) = memo.notes.values()
    kept = {values["image"].tobytes() for values in memo.values.values()}
    assert note["content_digest"].tobytes().hex() == picture_digest(PHOTO)
    assert len(memo.values) == len(kept) == 1
