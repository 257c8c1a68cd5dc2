"""The data of a queued job: what is read, and what is refused. No Redis is needed."""

import pytest
from pydantic import ValidationError
from vitrine_gateway.queue_bridge import QueuedTryOn


def test_the_data_of_a_queued_job():
    """One garment or several; the category holds for each."""
    one = QueuedTryOn(userId="ada", clothingId="a").submission()
    assert (one.garment_ids, one.user, one.options) == (("a",), "ada", {"steps": 10, "seed": 42})
    two = QueuedTryOn(userId="ada", clothingIds=["a", "b"], category="dresses").submission()
    assert two.options["category"] == ["dresses", "dresses"]


def test_null_in_the_data_of_a_queued_job_is_nothing():
    """JavaScript sends it for what was not chosen."""
    nulls = dict.fromkeys(("clothingIds", "denoiseSteps", "seed", "category"))
    job = QueuedTryOn.model_validate({"userId": "ada", "clothingId": "a", **nulls})
    assert job == QueuedTryOn(userId="ada", clothingId="a")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"userId": "ada", "clothingId": "a", "seed": True}, "seed\n.*must be a whole number"),
        ({"userId": "ada", "clothingId": "a", "clothingIds": ["b"]}, "'a' is not in clothingIds"),
        (["ada"], "the data of the job must be an object, got list"),
        ({"clothingId": "a", "userId": None}, "userId\n.*required"),
    ],
)
def test_data_that_are_refused(data, told):
    """The message names the field and the rule; nothing that was sent is left out."""
    with pytest.raises(ValidationError, match=told):
        QueuedTryOn.model_validate(data)
