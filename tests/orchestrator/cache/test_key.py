"""Keys name values in stores that outlive a release, so the bytes of a key must never change."""

import pytest
from vitrine_orchestrator.cache.key import Key, owner
from vitrine_orchestrator.try_on.cache_rows import OWNER_KINDS, ROWS

FIXED = [
    (
        Key("upper_body", owner("person", "alice"), "name-1"),
        "8a5389bb94bf71eb9e27b8daff646ca83c092546ed2f9a00c033e7f32b3f2ac1",
    ),
    (
        Key("garment", owner("garment", "coat"), "name-1"),
        "82414021044f408f7c8b835ec75bb827b0fb546b42428c06bc5683e51a9465eb",
    ),
    (
        Key("text", owner("content", "ab" * 32), "name-1"),
        "675daf56d1ace55bab702a1aea29443d070de90c7feacd39928efa813b6a7595",
    ),
]


@pytest.mark.parametrize(("key", "digest"), FIXED)
def test_a_key_keeps_its_digest_from_release_to_release(key, digest):
    """Values that are already stored are found again."""
    assert key.digest == digest


def test_a_value_of_an_id_may_change_and_a_value_of_content_may_not():
    """Only values by id need to be voided in other processes' memories."""
    assert [key.may_change for key, _ in FIXED] == [True, True, False]


def test_the_categories_and_kinds_of_the_try_on_keep_their_names():
    """They are part of the keys of stored values."""
    assert list(ROWS) == ["upper_body", "lower_body", "dresses", "garment", "text"]
    assert OWNER_KINDS == ("person", "garment")
