"""The types of options that several pipelines and routes share."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator


class OldBody(BaseModel):
    """The body of a contract that is not ours. Unknown fields have no effect.

    A null counts as left out: JavaScript sends it for what was not chosen.
    """

    model_config = ConfigDict(extra="ignore", protected_namespaces=())

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {name: value for name, value in data.items() if value is not None}


def _number(value: Any) -> Any:
    """Refuse true, which pydantic would take for 1."""
    if isinstance(value, bool):
        raise ValueError("must be a number")
    return value


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
NUMBER = BeforeValidator(_number)
"""Of a number, after its limits. Text of a form may hold one."""
WHOLE = BeforeValidator(_whole)
"""Of a whole number of a JSON body, after its limits; forms send text."""
Category = Literal["upper_body", "lower_body", "dresses"]
