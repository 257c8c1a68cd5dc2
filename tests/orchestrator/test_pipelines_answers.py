"""The answers that try_on caches equal the models' own."""

import random

import numpy as np
import pytest
from vitrine.errors import NotFound
from vitrine_orchestrator.cache.key import EVERYTHING, owner
from vitrine_orchestrator.cache.open_cache import CacheSettings, open_cache
from vitrine_orchestrator.person.labels import CATEGORIES
from vitrine_orchestrator.pipeline.prepared_items import (
    PreparedItem,
    content_array,
    get_or_prepare,
    recipe_digest,
)
from vitrine_orchestrator.pipeline.request_context import read_report, report_array, text_array
from vitrine_orchestrator.try_on.cached_answers import CachedAnswers, open_answers

PIPELINE = "0" * 64
SHOWN = {"person": "mask_latent", "garment": "garment_latents", "text": "prompt_embeds"}


def texts(value):
    """A BYTES tensor."""
    return np.array([value.encode()], object)


def first_of(array):
    """The bytes of an array's first value."""
    value = array.reshape(-1)[0]
    return value if isinstance(value, bytes) else value.tobytes()


class PrepareModels:
    """The three models in a process with its own memory; they count their calls.

    Their result for a picture is its first number, for a description its bytes.
    """

    def __init__(self, settings):
        self.cache, self.calls = open_cache(settings), []

    async def __call__(self, name, inputs):
        self.calls.append(name)
        what = name.removeprefix("prepare_")
        given = inputs.get("description", inputs.get(f"{what}_raw"))
        content = None if given is None else first_of(given).hex()
        known = inputs[f"{what}_id"][0].decode() if f"{what}_id" in inputs else None
        category = inputs["category"][0].decode() if what == "person" else what
        kind = "content" if what == "text" else what
        siblings = CATEGORIES if what == "person" else ()
        item = PreparedItem(
            category, recipe_digest(name, PIPELINE), content, kind, known, siblings, known and content
        )

        async def make():
            if content is None:
                raise NotFound(f"{what}_id {known!r} is not known")
            number = np.frombuffer(bytes.fromhex(content), np.uint8).astype(np.float32)
            return {SHOWN[what]: number} | content_array(content)

        arrays, source = await get_or_prepare(self.cache.memo, item, make)
        key = {f"{what}_key": text_array(item.key.digest)}
        return arrays | key | {"report": report_array({"networks": 1.0}, {what: source})}


class Served:
    """A process that calls the models through cached answers."""

    def __init__(self, settings):
        self.models, self.kept, self.found = PrepareModels(settings), open_answers(settings), []
        self.stages = CachedAnswers(self.models, self.kept, PIPELINE, self.found.append)

    async def person(self, number=None, person_id=None, category="upper_body"):
        asked = {"category": texts(category), "crop": texts("squash")}
        if number is not None:
            asked["person_raw"] = np.full((2, 2, 3), number, np.uint8)
        if person_id is not None:
            asked["person_id"] = texts(person_id)
        answer = await self.stages("prepare_person", asked)
        return answer["mask_latent"][0], read_report(answer)["sources"]["person"]


@pytest.fixture
async def served(tmp_path):
    settings = CacheSettings(folder=tmp_path / "cache", disk_bytes=0)
    one = Served(settings)
    yield one
    await one.kept.close()
    await one.models.cache.close()


async def test_a_known_answer_is_the_models_own(served):
    """The answer is equal bit for bit, keys included; no model is called and no time is reported."""
    asked = {"description": texts("a red shirt")}
    first, again = await served.stages("prepare_text", asked), await served.stages("prepare_text", asked)
    assert served.models.calls == ["prepare_text"]
    assert first.keys() == again.keys()
    for name in first.keys() - {"report"}:
        assert first[name].dtype == again[name].dtype
        np.testing.assert_array_equal(first[name], again[name])
    assert read_report(again) == {"timings": {}, "sources": {"text": "memory"}}
    assert served.found == ["text"]
    with pytest.raises(ValueError, match="read-only"):
        again["prompt_embeds"][...] = 0


async def test_each_thing_has_its_own_answer(served):
    """Another description, picture, category or id calls the model again."""
    assert await served.person(1) == (1, "fresh")
    assert await served.person(2) == (2, "fresh")
    assert await served.person(1, category="dresses") == (1, "fresh")
    assert await served.person(3, "alice") == (3, "fresh")
    assert await served.person(4, "bob") == (4, "fresh")
    assert await served.person(1) == (1, "memory")
    assert await served.person(None, "alice") == (3, "memory")
    assert await served.person(None, "bob") == (4, "memory")


async def test_an_id_answers_without_its_picture(served):
    """After its picture was sent, an id is answered, from the second answer on without a call."""
    await served.person(3, "alice")
    assert await served.person(None, "alice") == (3, "memory")
    calls = len(served.models.calls)
    assert await served.person(None, "alice") == (3, "memory")
    assert len(served.models.calls) == calls
    assert served.found == ["person"]


async def test_another_picture_replaces_the_former(served):
    """This holds where the model has forgotten the id and cannot notice the change."""
    for _ in range(3):
        await served.person(3, "alice")
    assert await served.person(4, "alice") == (4, "fresh")
    assert await served.person(None, "alice") == (4, "memory")
    for number in sorted([*range(20)] * 2):  # more people than memory keeps, each asked for again
        await served.models("prepare_person", _asked(number, f"guest {number}"))
    assert await served.person(None, "alice") == (4, "memory")
    await served.models("prepare_person", _asked(5, "alice"))  # a call by another process
    assert await served.person(None, "alice") == (5, "memory")


async def test_an_invalidation_reaches_the_answers(served, tmp_path):
    """Once it has returned, it holds for every process of the folder."""
    for _ in range(3):
        await served.person(3, "alice")
    elsewhere = open_cache(CacheSettings(folder=tmp_path / "cache", disk_bytes=0))
    for who in (owner("person", "alice"), EVERYTHING):
        await elsewhere.clear(who)
        with pytest.raises(NotFound):
            await served.person(None, "alice")
        for _ in range(3):
            assert (await served.person(3, "alice"))[0] == 3
    await elsewhere.close()


@pytest.mark.parametrize("seed", range(4))
async def test_an_id_never_answers_another_picture_than_its_last(served, tmp_path, seed):
    """The test mixes random pictures under few ids, calls in two processes, evictions and invalidations."""
    dice, last = random.Random(seed), {}
    elsewhere = open_cache(CacheSettings(folder=tmp_path / "cache", disk_bytes=0))
    for step in range(400):
        name, draw = dice.choice("abc"), dice.random()
        if draw < 0.2:
            last[name] = step % 200 + 1
            await served.person(last[name], name)
        elif draw < 0.3:
            last[name] = step % 200 + 1
            await served.models("prepare_person", _asked(last[name], name))
        elif draw < 0.4:
            for number in range(dice.randrange(20)):
                await served.models("prepare_person", _asked(number, f"guest {number}"))
        elif draw < 0.45:
            await elsewhere.clear(owner("person", name))
            last.pop(name, None)
        else:
            try:
                assert await served.person(None, name) == (last.get(name), "memory")
            except NotFound:
                continue
    assert len(served.found) > 40
    await elsewhere.close()


async def test_errors_are_not_kept(served):
    """An error is not cached, since an unknown id may be known a moment later."""
    for _ in range(2):
        with pytest.raises(NotFound):
            await served.person(None, "alice")
    await served.person(3, "alice")
    assert (await served.person(None, "alice"))[0] == 3


async def test_each_request_is_counted_once(served):
    """The cache that answers counts the request, and all answers have one name for their size."""
    for number in (3, 3, 3, 4):
        await served.person(number)
    known, made = served.kept.memo.counters.snapshot(), served.models.cache.memo.counters.snapshot()
    assert (known["total_requests"], known["l1_hits"], known["misses"], known["stale_put"]) == (2, 2, 0, 0)
    assert (made["total_requests"], made["l1_hits"], made["misses"], made["stale_put"]) == (2, 0, 2, 0)
    sizes = served.kept.memory_sizes()
    assert sizes.keys() == {"answers"}
    assert sizes["answers"]["entries"] == 2
    assert sizes["answers"]["bytes"] > served.models.cache.memory_sizes()["upper_body"]["bytes"]


@pytest.mark.parametrize("settings", [{"memory": "off"}, {"folder": None}])
def test_without_memory_or_folder_nothing_is_kept(tmp_path, settings):
    """Without a folder nothing is kept, since other processes' invalidations would be missed."""
    assert open_answers(CacheSettings(**({"folder": tmp_path} | settings))) is None


async def test_other_stages_pass(served):
    """Networks are called as usual."""

    async def network(name, inputs):
        return {"latents": inputs["latents"] + 1}

    served.stages.stages = network
    for _ in range(2):
        assert (await served.stages("vae_encoder", {"latents": np.ones(2)}))["latents"].sum() == 4


def _asked(number, person_id):
    return {
        "category": texts("upper_body"),
        "crop": texts("squash"),
        "person_raw": np.full((2, 2, 3), number, np.uint8),
        "person_id": texts(person_id),
    }
