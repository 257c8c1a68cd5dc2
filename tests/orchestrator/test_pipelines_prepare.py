"""The prepare pipelines over fake networks: what each one sends, returns and caches."""

import numpy as np
import pytest
from kept_values import Kept
from small_manifest import MANIFEST, texts
from vitrine.errors import BadRequest, NotFound, StageFailed, Unavailable
from vitrine_orchestrator.cache.key import IMPORTED, Key, owner
from vitrine_orchestrator.person.labels import Label
from vitrine_orchestrator.pictures import encode
from vitrine_orchestrator.pipeline.request_context import read_report
from vitrine_orchestrator.stages import fashn, stage
from vitrine_orchestrator.stages.calls import FakeStages
from vitrine_orchestrator.try_on.context import TryOnContext
from vitrine_orchestrator.try_on.prepare_garment import prepare_garment
from vitrine_orchestrator.try_on.prepare_person import prepare_person
from vitrine_orchestrator.try_on.prepare_text import prepare_text


def own_outputs(model, others):
    """The names of a model's outputs without those of another family."""
    return [tensor.name for tensor in stage(model).outputs if tensor not in others]


PHOTO = np.random.default_rng(0).integers(0, 255, (160, 120, 3), dtype=np.uint8)


def labels(channels):
    """Logits of a map whose middle is labelled as upper clothes."""
    logits = np.zeros((1, channels, 64, 64), np.float32)
    logits[0, 0] = 1
    logits[0, Label.UPPER_CLOTHES, 20:44, 20:44] = 2
    return logits


def networks(**others):
    """Fake networks whose outputs have the right shapes; noise in the pose maps makes a person."""
    noise = np.random.default_rng(1)
    answers = {
        "pose": lambda given: {
            name: noise.standard_normal((1, channels, 23, 18)).astype(np.float32)
            for name, channels in (("pafs", 38), ("heatmaps", 19))
        },
        "parsing_atr": lambda given: {"logits": labels(18)},
        "parsing_lip": lambda given: {"logits": labels(20)},
        "densepose": lambda given: {"parts": np.full((1, 512, 384), 2, np.uint8)},
        "vae_encoder": lambda given: {"mean": given["pixels"][:, [0, 1, 2, 0], ::8, ::8], "std": np.zeros(1)},
        "image_encoder": lambda given: {
            "image_tokens": np.stack([np.full((16, 8), one.mean()) for one in given["pixel_values"]])
        },
        "text_encoder": lambda given: {"hidden_states": np.repeat(given["input_ids"][..., None], 5, -1)},
        "text_encoder_2": lambda given: {
            "hidden_states": np.repeat(given["input_ids"][..., None], 3, -1),
            "pooled": given["input_ids"][:, :3],
        },
    }
    return FakeStages(**(answers | others))


def tokenizers():
    """Token ids: the length of the text, 77 times."""
    return (lambda text: np.full(77, len(text), np.int64),) * 2


async def test_a_person_gets_every_output_of_its_row():
    """Output names are the stage table's, shapes the checkpoint's."""
    outputs = await prepare_person(TryOnContext(networks(), MANIFEST), {"person": texts(encode(PHOTO))})
    assert list(outputs) == own_outputs("prepare_person", (*fashn.PERSON_CONDITIONING, *fashn.PERSON_PLACES))
    shapes = {name: array.shape for name, array in outputs.items()}
    assert shapes["image"] == (128, 96, 3)
    assert shapes["mask"] == (128, 96)
    assert shapes["mask_latent"] == (1, 16, 12)
    assert shapes["masked_latents"] == shapes["pose_latents"] == (4, 16, 12)
    assert shapes["keypoints"] == (18, 3)


async def test_masked_picture_and_pose_are_encoded_in_one_batch():
    """The VAE encoder gets one call of two rows; the first is mid-grey inside the mask."""
    stages = networks()
    outputs = await prepare_person(TryOnContext(stages, MANIFEST), {"person": texts(encode(PHOTO))})
    (pixels,) = [given["pixels"] for name, given in stages.calls if name == "vae_encoder"]
    assert pixels.shape == (2, 3, 128, 96)
    assert not pixels[0][:, outputs["mask"] > 0].any()


async def test_raw_and_encoded_pictures_are_the_same_person():
    """A person's key depends on pixels, not on the form in which they were sent."""
    context = TryOnContext(networks(), MANIFEST, Kept())
    encoded = await prepare_person(context, {"person": texts(encode(PHOTO))})
    raw = await prepare_person(context, {"person_raw": PHOTO})
    assert read_report(raw)["sources"] == {"person": "memory"}
    assert raw["person_key"] == encoded["person_key"]


@pytest.mark.parametrize("change", [{"category": texts("dresses")}, {"crop": texts("crop")}])
async def test_a_person_of_another_category_or_crop_is_prepared_again(change):
    """Whatever changes the result changes the key."""
    context = TryOnContext(networks(), MANIFEST, Kept())
    first = await prepare_person(context, {"person_raw": PHOTO[:100]})
    second = await prepare_person(context, {"person_raw": PHOTO[:100], **change})
    assert read_report(second)["sources"] == {"person": "fresh"}
    assert first["person_key"] != second["person_key"]


async def test_a_person_is_found_by_id_alone():
    """After a picture was sent with an id, the id alone is enough."""
    context = TryOnContext(networks(), MANIFEST, Kept())
    first = await prepare_person(context, {"person_raw": PHOTO, "person_id": texts("anna")})
    again = await prepare_person(context, {"person_id": texts("anna")})
    assert (again["image"] == first["image"]).all()


async def test_a_new_picture_replaces_what_an_id_had():
    """A person's new photograph removes the old one's results, in every category."""
    memo = Kept()
    context = TryOnContext(networks(), MANIFEST, memo)
    for category in ("upper_body", "dresses"):
        await prepare_person(
            context, {"person_raw": PHOTO, "person_id": texts("anna"), "category": texts(category)}
        )
    new = await prepare_person(context, {"person_raw": 255 - PHOTO, "person_id": texts("anna")})
    assert read_report(new)["sources"] == {"person": "fresh"}
    assert len(memo.values) == 1


async def test_a_new_picture_counts_even_where_nothing_can_be_forgotten():
    """A cache that cannot take an invalidation is not used, and the try-on succeeds."""

    class Stuck(Kept):
        async def forget(self, owner):
            raise Unavailable("the folder cannot be written")

    context = TryOnContext(networks(), MANIFEST, Stuck())
    for picture in (PHOTO, 255 - PHOTO):
        outputs = await prepare_person(context, {"person": texts(encode(picture)), "person_id": texts("ann")})
        assert read_report(outputs)["sources"] == {"person": "fresh"}
    plain = await prepare_person(TryOnContext(networks(), MANIFEST), {"person": texts(encode(255 - PHOTO))})
    np.testing.assert_array_equal(outputs["image"], plain["image"])


async def test_the_answer_is_of_the_picture_that_was_sent():
    """This holds while other callers send other pictures under the same id."""
    others = Kept()
    await prepare_person(TryOnContext(networks(), MANIFEST, others), {"person": texts(encode(PHOTO))})
    (theirs,) = others.values.values()

    class Busy(Kept):
        async def get_or_compute(self, key, compute, able=True):
            return theirs, "memory"

    inputs = {"person": texts(encode(255 - PHOTO)), "person_id": texts("ann")}
    outputs = await prepare_person(TryOnContext(networks(), MANIFEST, Busy()), inputs)
    assert read_report(outputs)["sources"] == {"person": "fresh"}
    assert not np.array_equal(outputs["image"], theirs["image"])


async def test_an_unknown_id_is_not_found():
    """The message says what to send."""
    context = TryOnContext(networks(), MANIFEST, Kept())
    with pytest.raises(NotFound, match="'eve' is not known: send its picture once"):
        await prepare_person(context, {"person_id": texts("eve")})


async def test_imported_pictures_are_prepared_when_their_ids_are_requested():
    """An imported picture is prepared once, at the first request for its id."""
    memo = Kept()
    memo.values[Key("upper_body", owner("person", "ann"), IMPORTED)] = {"image": PHOTO}
    memo.values[Key("garment", owner("garment", "coat"), IMPORTED)] = {"image": PHOTO}
    context = TryOnContext(networks(), MANIFEST, memo)
    for prepare, name, id in ((prepare_person, "person", "ann"), (prepare_garment, "garment", "coat")):
        sent = await prepare(TryOnContext(networks(), MANIFEST), {f"{name}_raw": PHOTO})
        by_id = {f"{name}_id": texts(id)}
        outputs = [await prepare(context, by_id) for _ in range(2)]
        assert [read_report(one)["sources"][name] for one in outputs] == ["fresh", "memory"]
        for tensor in sent.keys() - {"report", f"{name}_key"}:
            np.testing.assert_array_equal(outputs[1][tensor], sent[tensor])
    with pytest.raises(NotFound):
        await prepare_person(context, {"person_id": texts("ann"), "category": texts("dresses")})


async def test_each_crop_of_an_imported_picture_is_prepared_by_itself():
    """The order of requests decides nothing."""
    memo = Kept()
    memo.values[Key("upper_body", owner("person", "ann"), IMPORTED)] = {"image": PHOTO[:60]}
    context = TryOnContext(networks(), MANIFEST, memo)
    for crop in ("crop", "fit", "squash", "crop"):
        sent = await prepare_person(
            TryOnContext(networks(), MANIFEST), {"person_raw": PHOTO[:60], "crop": texts(crop)}
        )
        known = await prepare_person(context, {"person_id": texts("ann"), "crop": texts(crop)})
        np.testing.assert_array_equal(known["image"], sent["image"])


async def test_a_person_without_a_body_is_refused_with_advice():
    """The message asks for another picture."""
    stages = networks(densepose=lambda given: {"parts": np.zeros((1, 512, 384), np.uint8)})
    with pytest.raises(BadRequest, match="no body found"):
        await prepare_person(TryOnContext(stages, MANIFEST), {"person_raw": PHOTO})


async def test_a_failing_network_names_itself():
    """The error names the stage."""
    stages = networks(parsing_lip=StageFailed("parsing_lip", "out of memory"))
    with pytest.raises(StageFailed, match="parsing_lip: out of memory"):
        await prepare_person(TryOnContext(stages, MANIFEST), {"person_raw": PHOTO})


@pytest.mark.parametrize(
    ("inputs", "complaint"),
    [
        ({}, "person, person_raw or person_id must be given"),
        ({"person": texts("no picture")}, "person is .* bytes of another kind; send PNG"),
        ({"person": texts(encode(PHOTO)), "person_raw": PHOTO}, "must not both be given"),
        ({"person_raw": PHOTO, "category": texts("shoes")}, "category must be one of upper_body"),
        ({"person_raw": PHOTO, "crop": texts("cut")}, "crop must be one of fit, crop, squash, got 'cut'"),
        ({"person_id": texts("x" * 201)}, "person_id must have at most 200 characters, got 201"),
        ({"person_raw": PHOTO[:, :20]}, "person_raw must be at least 32 pixels"),
    ],
)
async def test_a_bad_person_is_refused_by_name(inputs, complaint):
    """The message has field, rule and value."""
    with pytest.raises(BadRequest, match=complaint):
        await prepare_person(TryOnContext(networks(), MANIFEST), inputs)


async def test_a_garment_gets_every_output_of_its_row():
    """The unconditional tokens come from an all-zero input, not from a white picture."""
    stages = networks()
    outputs = await prepare_garment(TryOnContext(stages, MANIFEST), {"garment": texts(encode(PHOTO))})
    assert list(outputs) == own_outputs("prepare_garment", fashn.GARMENT_CONDITIONING)
    assert outputs["garment_latents"].shape == (4, 16, 12)
    assert not outputs["negative_image_tokens"].any()
    assert outputs["image_tokens"].any()


async def test_a_garment_is_remembered_by_its_id():
    """A garment sent once with an id is found by the id."""
    context = TryOnContext(networks(), MANIFEST, Kept())
    await prepare_garment(context, {"garment_raw": PHOTO, "garment_id": texts("coat")})
    again = await prepare_garment(context, {"garment_id": texts("coat")})
    assert read_report(again)["sources"] == {"garment": "memory"}


async def test_a_text_gets_the_five_embeddings():
    """Both encoders run concurrently; the batch has the person's, the negative and the garment's prompt."""
    outputs = await prepare_text(
        TryOnContext(networks(), MANIFEST), tokenizers(), {"description": texts(" a shirt ")}
    )
    assert list(outputs) == [tensor.name for tensor in stage("prepare_text").outputs]
    prompts = {
        "prompt_embeds": "model is wearing a shirt",
        "negative_prompt_embeds": "blurry",
        "garment_prompt_embeds": "a photo of a shirt",
    }
    for name, prompt in prompts.items():
        assert outputs[name].shape == (77, 8)
        assert (outputs[name] == len(prompt)).all()
    assert outputs["pooled_prompt_embeds"].shape == (3,)


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("", "description must be given"),
        ("x" * 2001, "description must have at most 2000 characters, got 2001"),
        (b"\xff\xfe", "description must be UTF-8"),
    ],
)
async def test_a_bad_description_is_refused(value, complaint):
    """A description must be text, neither empty nor too long."""
    with pytest.raises(BadRequest, match=complaint):
        await prepare_text(TryOnContext(networks(), MANIFEST), tokenizers(), {"description": texts(value)})


NETWORKS = ("pose", "parsing_atr", "parsing_lip", "vae_encoder", "image_encoder", "text_encoder_2")


@pytest.mark.parametrize("broken", NETWORKS)
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
async def test_a_network_that_gives_no_numbers_fails_by_its_name(broken, number):
    """One NaN or infinity in a float output fails the stage, and nothing is kept."""
    sound = networks().answers[broken]

    def spoilt(given):
        outputs = {name: array.astype(np.float32) for name, array in sound(given).items()}
        next(iter(outputs.values())).flat[-1] = number
        return outputs

    memo = Kept()
    context = TryOnContext(networks(**{broken: spoilt}), MANIFEST, memo)

    async def prepared():
        await prepare_person(context, {"person": texts(encode(PHOTO))})
        await prepare_garment(context, {"garment": texts(encode(PHOTO))})
        await prepare_text(context, tokenizers(), {"description": texts("a shirt")})

    with pytest.raises(StageFailed, match="are not finite") as failed:
        await prepared()
    assert failed.value.stage == broken
    assert not [key for key in memo.values if key.category == BROKEN_CATEGORY.get(broken, "upper_body")]


BROKEN_CATEGORY = {"image_encoder": "garment", "text_encoder_2": "text"}


async def test_another_picture_under_an_id_voids_all_its_categories():
    """A new photograph for one category removes the old one from all; the same photograph does not."""
    memo = Kept()
    context = TryOnContext(networks(parsing_atr=_all_clothes, parsing_lip=_all_clothes), MANIFEST, memo)

    async def person(picture, category):
        given = {} if picture is None else {"person_raw": picture}
        return await prepare_person(context, given | {"person_id": texts("ada"), "category": texts(category)})

    await person(PHOTO, "upper_body")
    await person(PHOTO, "lower_body")
    assert (await person(None, "upper_body"))["image"].any()
    made = await person(255 - PHOTO, "dresses")
    assert read_report(made)["sources"] == {"person": "fresh"}
    assert {key.category for key in memo.values} == {"dresses"}
    for category in ("upper_body", "lower_body"):
        with pytest.raises(NotFound):
            await person(None, category)


def _all_clothes(given):
    """Logits in which each quarter of the picture has another garment."""
    logits = np.zeros((1, 20, 64, 64), np.float32)
    parts = (Label.UPPER_CLOTHES, Label.PANTS, Label.SKIRT, Label.DRESS)
    for index, part in enumerate(parts):
        logits[0, part, 16 * index : 16 * (index + 1)] = 2
    return {"logits": logits}
