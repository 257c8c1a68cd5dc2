"""The types of options that several pipelines and routes share."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field


def _whole(value: Any) -> Any:
    """Refuse what pydantic would take for a number: true, and text."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("must be a whole number")
    return value


Sentence = Annotated[str, Field(max_length=1000)]  # may be empty
Prompt = Annotated[str, Field(min_length=1, max_length=10_000)]
Side = Annotated[int, Field(ge=16, le=4096, multiple_of=16)]
Format = Literal["png", "jpeg", "webp"]
Name = Annotated[str, Field(min_length=1, max_length=200)]
WHOLE = BeforeValidator(_whole)
"""Of a whole number of a JSON body, after its limits; forms send text."""
Category = Literal["upper_body", "lower_body", "dresses"]
