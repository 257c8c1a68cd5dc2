"""What a queued job holds: the request in its data, and the key under which the gateway knows it."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, model_validator

from vitrine_gateway.jobs.fields import WHOLE, Category, Name, OldBody
from vitrine_gateway.jobs.pipelines import MAX_GARMENTS
from vitrine_gateway.jobs.submitting import Submission

if TYPE_CHECKING:
    from bullmq import Job as Queued


class QueuedTryOn(OldBody):
    """The data of a queued job: the user, and one garment or several in one picture."""

    userId: Name
    clothingId: Name | None = None
    clothingIds: list[Name] = Field([], max_length=MAX_GARMENTS)
    denoiseSteps: Annotated[int, Field(ge=1, le=100), WHOLE] = 10
    seed: Annotated[int, Field(ge=0, lt=2**64), WHOLE] = 42
    category: Category | None = None

    @model_validator(mode="before")
    @classmethod
    def _an_object(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            raise ValueError(f"the data of the job must be an object, got {type(data).__name__}")
        return data

    @model_validator(mode="after")
    def _one_choice_of_garments(self) -> QueuedTryOn:
        if self.clothingIds and self.clothingId and self.clothingId not in self.clothingIds:
            raise ValueError(f"send clothingId or clothingIds: {self.clothingId!r} is not in clothingIds")
        return self

    def submission(self) -> Submission:
        """Return the try-on of a person and garments whose data the server has."""
        garments = self.clothingIds or [one for one in [self.clothingId] if one]
        options: dict[str, Any] = {"steps": self.denoiseSteps, "seed": self.seed}
        if self.category:
            options["category"] = [self.category] * len(garments)
        person = self.userId
        return Submission("try_on", person, options, person_id=person, garment_ids=tuple(garments))


def key_of(queue: str, queued: Queued) -> str:
    """Return the Idempotency-Key of a queued job, the same however often BullMQ gives it out.

    An id alone comes again: applications choose ids, and a Redis that lost its data counts from 1 again.
    """
    whole = json.dumps([queue, queued.id, queued.timestamp, queued.data], sort_keys=True)
    return f"bullmq:{hashlib.sha256(whole.encode()).hexdigest()}"
