"""The caller's own mask and a choice among people, over the wire of a real Triton."""

import io

import numpy as np
import pytest
from PIL import Image
from vitrine import BadRequest


def painted():
    """A mask that is white on the chest of a picture of 192x256."""
    mask = np.zeros((256, 192), np.uint8)
    mask[80:150, 50:140] = 255
    return mask


@pytest.mark.parametrize("crop", ["fit", "crop", "squash"])
def test_the_mask_that_was_sent_comes_back(vitrine, person, garment, crop):
    """The picture changes inside the mask only, and the report says that it is the caller's."""
    result = vitrine.try_on(person=person, garment=garment, mask=painted(), crop=crop, steps=2, seed=7)
    np.testing.assert_array_equal(np.asarray(result.mask), painted())
    assert result.report["mask"] == "caller's"
    before, after = np.asarray(Image.open(io.BytesIO(person))), np.asarray(result.image)
    assert (before == after)[painted() == 0].all()
    assert (before != after)[painted() > 0].mean() > 0.5


def test_the_mask_counts_in_every_cache(vitrine, person, garment):
    """Without a mask, with it and with another one the pictures differ, from memory too."""
    made = {}
    for _ in range(2):
        for name, mask in (("none", None), ("one", painted()), ("other", np.roll(painted(), 20, 0))):
            result = vitrine.try_on(
                person=person, person_id="mask ann", garment=garment, mask=mask, steps=2, seed=7
            )
            assert made.setdefault(name, result.encoded) == result.encoded
    assert len(set(made.values())) == 3
    by_id = vitrine.try_on(person_id="mask ann", garment=garment, mask=painted(), steps=2, seed=7)
    np.testing.assert_array_equal(np.asarray(by_id.mask), painted())


def test_an_outfit_has_one_mask_for_each_garment(vitrine, person, garment):
    """One garment's mask may be left to the server."""
    result = vitrine.try_on(
        person=person, garment=[garment, garment], mask=[painted(), None], steps=2, seed=7
    )
    assert result.report["mask"] == ["caller's", "found"]


@pytest.mark.parametrize(
    ("value", "said"), [(0, "mask must have white where"), (255, "mask must have black where")]
)
def test_a_mask_of_one_colour_is_refused(vitrine, person, garment, value, said):
    """Such a mask paints nothing, or leaves nothing of the person."""
    with pytest.raises(BadRequest, match=said):
        vitrine.try_on(person=person, garment=garment, mask=np.full((256, 192), value, np.uint8), steps=2)


def test_a_person_who_is_not_there_is_refused(vitrine, person, garment):
    """The error gives the number of people."""
    with pytest.raises(BadRequest, match=r"person_index must be 0 to .*found in the picture"):
        vitrine.try_on(person=person, garment=garment, person_index=31, steps=2)
    with pytest.raises(BadRequest, match="person_point must lie in the picture of 192x256, got 500, 3"):
        vitrine.try_on(person=person, garment=garment, person_point=(500, 3), steps=2)
