"""Import of the old layout: sets, conversion, resuming and refusing, with nothing deleted."""

import io
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from store_faults import ALWAYS, Times, status
from vitrine_orchestrator.cache.codec import decode
from vitrine_orchestrator.cache.key import IMPORTED, Key, owner
from vitrine_orchestrator.cache.objects import Listed, Patience, Place, S3Objects
from vitrine_orchestrator.cache.store import Store
from vitrine_orchestrator.cache.takeover.importing import Importer
from vitrine_orchestrator.cache.takeover.old_layout import IMPORTED_SCHEMAS, find_sets

TENSORS = Path(__file__).parents[2] / "data" / "old_tensors"
FIVE = (
    "prompt_embeds",
    "negative_prompt_embeds",
    "pooled_prompt_embeds",
    "negative_pooled_prompt_embeds",
    "prompt_embeds_c",
)
ALICE, COAT, TEXT = (
    Key("upper_body", owner("person", "alice"), IMPORTED),
    Key("garment", owner("garment", "coat-1"), IMPORTED),
    Key("text", owner("garment", "coat-1"), IMPORTED),
)


def png(mode="RGB", size=(6, 8), color=100):
    out = io.BytesIO()
    Image.new(mode, size, color if mode in ("L", "1") else (color,) * len(mode)).save(out, "PNG")
    return out.getvalue()


def tensor(name):
    """A tensor that torch wrote: see make_old_tensors.py."""
    return (TENSORS / f"pickle_{name}.pkl").read_bytes()


def old_objects():
    """One person, one garment and its text, in the old service's form."""
    at = "users/alice/vton-cache"
    person = {"human_img.png": png(), "mask.png": png("L"), "mask_gray.png": png()}
    text = {name: tensor("pooled" if "pooled" in name else "hidden") for name in FIVE}
    return {
        **{f"{at}/upper/{name}": data for name, data in person.items()},
        f"{at}/upper/pose_tensor.pkl": tensor("pixels"),
        f"{at}/garments/coat-1_img.png": png("RGBA"),
        f"{at}/garments/coat-1_tensor.pkl": tensor("pixels"),
        **{f"{at}/text/coat-1_{name}.pkl": data for name, data in text.items()},
    }


@pytest.fixture
def old(s3):
    """The old bucket's objects, in the same server under another prefix."""
    for path, data in old_objects().items():
        s3.objects[f"old/{path}"] = data
    return S3Objects(Place("bucket", "old", s3.endpoint, "us-east-1", ("key", "secret")))


@pytest.fixture
def store(s3):
    quick = Patience(request_s=2.0, retries=0)
    return Store(S3Objects(Place("bucket", "new", s3.endpoint, "us-east-1", ("key", "secret")), quick))


async def test_every_set_becomes_a_checked_entry(s3, old, store):
    """PNG files and pickled tensors become arrays of known names, dtypes and shapes under the same ids."""
    report = await Importer(old, store).run()
    assert report.outcomes == {"imported": 3}
    assert not report.failed
    person = decode((await store.get(ALICE)).value)
    assert person["image"].shape == (8, 6, 3)
    assert person["mask"].shape == (8, 6)
    assert person["pose_pixels"].dtype == np.float32
    text = decode((await store.get(TEXT)).value)
    assert set(text) == set(IMPORTED_SCHEMAS["text"])
    assert text["prompt_embeds"].shape == (77, 2)
    assert (await store.get(COAT)).value is not None


async def test_new_entries_hold_pictures_tensors_and_digests(s3, old, store):
    """PNG, safetensors, and a manifest that says where the entry came from, written after them."""
    await Importer(old, store).run()
    names = [path.rsplit("/")[-1] for path in s3.objects if path.startswith("new/v1/person/alice/")]
    assert sorted(name.split("-")[0].split(".")[0] for name in names) == [
        "image",
        "manifest",
        "mask",
        "mask_grey",
        "tensors",
    ]
    manifest = next(data for path, data in s3.objects.items() if "alice" in path and "manifest" in path)
    assert b'"source": "users/alice/vton-cache/upper"' in manifest


async def test_nothing_old_is_changed_or_deleted(s3, old, store):
    """The old objects do not change."""
    await Importer(old, store).run()
    assert {path[4:]: data for path, data in s3.objects.items() if path.startswith("old/")} == old_objects()
    assert not [one for one in s3.requests if one.method != "GET" and one.path.startswith("old/")]


async def test_a_dry_run_checks_everything_and_writes_nothing(s3, old, store):
    """A dry run finds what would be refused."""
    s3.objects["old/users/alice/vton-cache/garments/coat-1_tensor.pkl"] = pickle.dumps(print)
    report = await Importer(old, store, dry_run=True).run()
    assert report.outcomes == {"imported": 2, "refused": 1}
    assert report.read_bytes > 0
    assert not [one for one in s3.requests if one.method == "PUT"]


async def test_a_second_run_goes_on_where_the_first_ended(s3, old, store):
    """Imported sets are not read again."""
    s3.fault = Times(1, status(500, "InternalError"), "PUT", "garment/coat-1/text")
    first = await Importer(old, store).run()
    assert first.outcomes == {"imported": 2, "not reached": 1}
    assert first.failed
    s3.requests.clear()
    again = await Importer(old, Store(store.objects)).run()
    assert again.outcomes == {"already there": 2, "imported": 1}
    assert {one.path.split("/")[4] for one in s3.requests if one.path.endswith((".pkl", ".png"))} == {"text"}


async def test_a_planted_program_is_refused_by_name_and_the_rest_imported(s3, old, store):
    """A bad object fails its own set only, and the reason names it."""

    class Evil:
        def __reduce__(self):
            return (exec, ("raise SystemExit",))

    s3.objects["old/users/alice/vton-cache/upper/pose_tensor.pkl"] = pickle.dumps(Evil())
    report = await Importer(old, store).run()
    assert report.outcomes == {"imported": 2, "refused": 1}
    assert report.reasons == ["users/alice/vton-cache/upper: refused: global builtins.exec"]
    assert report.failed


@pytest.mark.parametrize(
    ("path", "data", "reason"),
    [
        ("upper/mask.png", b"no picture", "not a PNG file"),
        ("upper/human_img.png", png()[:50], "cannot be decoded"),
        ("garments/coat-1_tensor.pkl", tensor("hidden"), "garment_pixels is float32 (1, 77, 2)"),
        ("text/coat-1_prompt_embeds_c.pkl", tensor("not_finite"), "garment_prompt_embeds holds NaN"),
    ],
    ids=["no picture", "cut picture", "another shape", "not finite"],
)
async def test_objects_that_are_not_what_they_should_be_are_refused(s3, old, store, path, data, reason):
    """Format, shape and values are checked before anything is written."""
    s3.objects[f"old/users/alice/vton-cache/{path}"] = data
    report = await Importer(old, store).run()
    assert report.outcomes["refused"] == 1
    assert reason in report.reasons[0]


async def test_an_incomplete_set_is_left_out(s3, old, store):
    """An incomplete set is not imported, and the reason names what is missing."""
    del s3.objects["old/users/alice/vton-cache/upper/mask.png"]
    report = await Importer(old, store).run()
    assert report.reasons == ["users/alice/vton-cache/upper: incomplete: no mask"]


async def test_one_garment_id_of_two_users_is_a_conflict(s3, old, store):
    """The first set stays, and the report names the other."""
    await Importer(old, store).run()
    for path, data in old_objects().items():
        s3.objects[f"old/{path.replace('alice', 'bob')}"] = data
    report = await Importer(old, Store(store.objects)).run()
    assert report.outcomes == {"already there": 3, "imported": 1, "conflict": 2}
    assert min(report.reasons).endswith("it is there from users/alice/vton-cache/garments/coat-1")


async def test_a_store_that_does_not_answer_is_reported(s3, old, store):
    """No set is reported as imported that is not stored."""
    s3.fault = Times(ALWAYS, status(503, "SlowDown"), "PUT")
    report = await Importer(old, store).run()
    assert report.outcomes == {"not reached": 3}
    assert report.failed


def test_names_with_equal_ends_are_distinguished():
    """The longest ending decides, whatever the garment's id."""
    at = "users/u/vton-cache/text"
    listed = [Listed(f"{at}/my_negative_id_{name}.pkl", 1) for name in FIVE]
    sets, others = find_sets([*listed, Listed("users/u/notes.txt", 1), Listed(f"{at}/stray.pkl", 1)])
    (only,) = sets
    assert only.key.owner == "garment:my_negative_id"
    assert only.missing == []
    assert others == ["users/u/notes.txt", f"{at}/stray.pkl"]
