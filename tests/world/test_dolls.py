"""The paper-doll world never changes, draws every garment, and describes itself."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from vitrine_world.dolls import (
    CATEGORIES,
    FORMS,
    PATTERNS,
    VOCABULARY,
    Garment,
    Sample,
    draw_garment,
    draw_person,
    keypoints,
    labels,
    parts,
    sample,
    wear,
)
from vitrine_world.dolls.palette import GARMENT_COLOURS, PAPER, PATTERN_COLOURS, colour_distance

SEED = 20
DATA = Path(__file__).parents[1] / "data"


def samples(count: int) -> list[Sample]:
    """The first samples of the world that the tests use."""
    return [sample(SEED, index) for index in range(count)]


def garments() -> list[Garment]:
    """Every garment form in every pattern."""
    return [
        Garment(
            form.category,
            form.kind,
            form.sleeve,
            form.length,
            "teal",
            pattern,
            "white" * (pattern != "solid"),
        )
        for form in FORMS
        for pattern in PATTERNS
    ]


def dressed(garment: Garment) -> Sample:
    """A sample that asks for exactly this garment."""
    made = sample(SEED, 0, garment.category)
    return Sample(made.person, garment, garment.category, wear(made.person, garment))


def test_the_same_seed_and_index_give_the_same_sample():
    """Seed and index alone decide a sample and its pixels."""
    first, again = sample(SEED, 5), sample(SEED, 5)
    assert first == again
    assert np.array_equal(draw_person(first.target), draw_person(again.target))
    assert sample(SEED, 6) != first
    assert sample(SEED + 1, 5) != first


def test_the_drawings_are_those_the_checkpoint_was_trained_on():
    """A changed drawing needs a retrained checkpoint, then a new reference picture."""
    made = sample(3, 0)
    drawn = [draw_person(made.person), draw_garment(made.garment), draw_person(made.target)]
    with Image.open(DATA / "doll_seed3_index0.png") as reference:
        assert np.abs(np.concatenate(drawn, axis=1).astype(int) - np.asarray(reference)).mean() < 0.1


def test_a_sample_travels_between_processes():
    """Samples can be pickled between worker processes."""
    made = sample(SEED, 5)
    assert pickle.loads(pickle.dumps(made)) == made


@pytest.mark.parametrize("category", CATEGORIES)
def test_a_category_can_be_requested(category):
    """Every sample of a category asks for a garment of it, and its target wears that garment."""
    for index in range(10):
        made = sample(SEED, index, category)
        assert made.category == made.garment.category == category
        assert made.garment in made.target.worn
        assert made.target == wear(made.person, made.garment)


def test_an_unknown_category_is_refused():
    """The error lists the allowed categories."""
    with pytest.raises(ValueError, match=r"category must be one of .*got 'hats'"):
        sample(SEED, 0, "hats")


def test_the_requested_garment_differs_clearly_in_colour():
    """The change of garment is clearly visible."""
    for made in samples(60):
        new = GARMENT_COLOURS[made.garment.colour]
        assert all(colour_distance(new, GARMENT_COLOURS[old.colour]) > 80.0 for old in made.person.worn)


def test_wearing_keeps_everything_else():
    """Only the garment's own place changes; a dress replaces both garments."""
    for made in samples(30):
        before, after = vars(made.person), vars(made.target)
        place = {"upper_body": {"upper"}, "lower_body": {"lower"}, "dresses": {"upper", "lower", "dress"}}
        assert {name for name in before if before[name] != after[name]} <= place[made.category]


def test_an_upper_garment_over_a_dress_is_refused():
    """It is refused, since the other half would be unknown."""
    dress = Garment("dresses", "dress", "short", "knee", "red")
    shirt = Garment("upper_body", "shirt", "short", "regular", "blue")
    person = wear(sample(SEED, 0).person, dress)
    with pytest.raises(ValueError, match="upper_body needs a person without a dress"):
        wear(person, shirt)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": "mauve"}, "colour must be one of .*got 'mauve'"),
        ({"pattern": "plaid"}, "pattern must be one of .*got 'plaid'"),
        ({"pattern_colour": "white"}, "pattern_colour of solid must be one of .*got 'white'"),
        ({"sleeve": "none"}, "garment form must be a row of FORMS"),
    ],
)
def test_a_garment_outside_the_world_is_refused(change, message):
    """The message has the field, the allowed values and the value."""
    fields = {
        "category": "upper_body",
        "kind": "shirt",
        "sleeve": "long",
        "length": "regular",
        "colour": "red",
    }
    with pytest.raises(ValueError, match=message):
        Garment(**(fields | change))


def test_descriptions_use_the_vocabulary_only():
    """A tokenizer built from VOCABULARY covers every description."""
    words = {
        word
        for made in [*samples(200), *map(dressed, garments())]
        for word in made.garment.description.split()
    }
    assert words <= set(VOCABULARY)
    assert len(VOCABULARY) == len(set(VOCABULARY))
    assert set(PATTERN_COLOURS) <= set(VOCABULARY)


def test_a_description_reads_as_a_sentence_part():
    """Words are in their usual order, with the right article."""
    shirt = Garment("upper_body", "shirt", "long", "regular", "orange", "horizontal", "white")
    assert shirt.description == "an orange long sleeve shirt with white horizontal stripes"


def test_every_garment_has_its_own_description():
    """No two garments of one colour are described alike."""
    assert len({garment.description for garment in garments()}) == len(FORMS) * len(PATTERNS)


@pytest.mark.parametrize("garment", garments(), ids=lambda garment: garment.description.replace(" ", "-"))
def test_every_form_and_pattern_is_drawn(garment):
    """Colour and pattern show flat and on the person, and the flat garment is within its picture."""
    flat, worn = draw_garment(garment), draw_person(dressed(garment).target)
    for name in filter(None, (garment.colour, garment.pattern_colour)):
        for picture in (flat, worn):
            assert np.all(picture == PATTERN_COLOURS[name], axis=-1).sum() > 20
    top, bottom, left, right = extent(garment)
    assert min(top, left) > 0.04
    assert max(bottom, right) < 0.96


def extent(garment: Garment) -> tuple[float, float, float, float]:
    """The edges of the flat garment, down and across, as shares of its picture."""
    flat = draw_garment(garment)
    rows, columns = (np.flatnonzero(np.any(flat != PAPER, axis=-1).any(axis=axis)) for axis in (1, 0))
    height, width = flat.shape[:2]
    return rows[0] / height, rows[-1] / height, columns[0] / width, columns[-1] / width


@pytest.mark.parametrize("category", CATEGORIES)
def test_garments_of_a_category_have_one_scale(category):
    """All have one scale, so their lengths can be compared; together they fill the picture."""
    extents = np.array([extent(one) for one in garments() if one.category == category])
    spans = extents[:, [1, 3]].max(axis=0) - extents[:, [0, 2]].min(axis=0)
    assert 0.85 < spans.max() < 0.92
    assert len({round(float(bottom), 2) for bottom in extents[:, 1]}) > 1


@pytest.mark.parametrize("size", [(1, 1), (31, 97), (192, 256), (384, 512), (512, 512)])
def test_any_size_can_be_drawn(size):
    """Pictures and truth have the requested (width, height)."""
    made = sample(SEED, 1)
    width, height = size
    assert (
        draw_person(made.person, size).shape == draw_garment(made.garment, size).shape == (height, width, 3)
    )
    assert labels(made.person, size).shape == parts(made.person, size).shape == (height, width)


def test_an_impossible_size_is_refused():
    """A picture needs at least one pixel."""
    with pytest.raises(ValueError, match="size must be at least 1x1 px, got 0x5"):
        draw_person(sample(SEED, 0).person, (0, 5))


def test_the_whole_body_is_in_the_picture():
    """No joint is cut off, and no limb touches the edge."""
    for made in samples(60):
        assert keypoints(made.person)[:, 2].all()
        body = parts(made.person)
        assert not np.concatenate([body[0], body[-1], body[:, 0], body[:, -1]]).any()
