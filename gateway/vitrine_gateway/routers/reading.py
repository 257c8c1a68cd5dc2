"""Reads requests for jobs: a form with files, or JSON with base64."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import FormData, UploadFile
from vitrine.errors import BadRequest

from vitrine_gateway.jobs.inputs import from_inputs
from vitrine_gateway.jobs.submitting import FileId, Submission

MAX_FILES = 40
MAX_FIELDS = 80
MAX_FIELD_BYTES = 40_000_000  # base64 in a text field
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")  # half of a character, as JSON escapes it


class JobRequest(BaseModel):
    """A job as JSON. `inputs` has pictures (base64, a data URI, or {"file_id": …}) and options."""

    model_config = ConfigDict(extra="forbid")

    pipeline: str = "try_on"
    user: str = Field("", max_length=200, description="your name of the person, for history and erasure")
    inputs: dict[str, Any]
    webhook: str | None = Field(None, max_length=2000)


def form_with_file(fields: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Return what the OpenAPI says of a form that must have `file`; `more` goes into its schema."""
    properties = {"file": {"type": "string", "format": "binary"}, **fields}
    schema = {"type": "object", "required": ["file"], "properties": properties, **more}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


async def read_submission(request: Request) -> Submission:
    """Read the body of POST /v1/jobs. Raises BadRequest or pydantic's ValidationError."""
    if is_form(request):
        async with read_form(request) as form:
            return await _from_form(form)
    wanted = JobRequest.model_validate(await read_json(request))
    return from_inputs(wanted.pipeline, wanted.inputs, user=wanted.user, webhook=wanted.webhook)


def is_form(request: Request) -> bool:
    """Whether the body is a form with files; the names of media types have no case."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == "multipart/form-data"


async def read_json(request: Request) -> Any:
    """Return the body as JSON; BadRequest if it is none, or holds what cannot be kept.

    Python's own reader takes more than JSON has: NaN, numbers that become infinite, and halves of characters.
    """
    body = await request.body()
    try:
        text = body.decode(json.detect_encoding(body))
        read = json.loads(text, parse_constant=_finite, parse_float=_finite)
        if _SURROGATE.search(text):
            json.dumps(read, ensure_ascii=False).encode()  # raises if one of them has no other half
        return read
    except ValueError as error:
        raise BadRequest(f"the body must be JSON or multipart/form-data: {error}") from error
    except RecursionError as error:
        raise BadRequest("the JSON is nested too deeply") from error


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"a number must be finite, got {text[:20]}")
    return number


def read_form(request: Request) -> AbstractAsyncContextManager[FormData]:
    """Return the body as a form, whose files are closed at the end of the block."""
    return request.form(max_files=MAX_FILES, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES)


async def _from_form(form: FormData) -> Submission:
    """Read fields: files are pictures, `NAME_file_id` names an earlier upload, other fields are options."""
    pictures: dict[str, list[bytes | FileId]] = {}
    options: dict[str, Any] = {}
    for name, value in filled(form):
        if isinstance(value, UploadFile):
            pictures.setdefault(name, []).append(await value.read())
        elif name.endswith("_file_id"):
            pictures.setdefault(name.removesuffix("_file_id"), []).append(FileId(value))
        elif name in options and name not in ("pipeline", "user", "webhook"):
            before = options[name]
            options[name] = [*before, value] if isinstance(before, list) else [before, value]
        else:
            options[name] = value
    pipeline, user = options.pop("pipeline", "try_on"), options.pop("user", "")
    return Submission(pipeline, user, options, pictures, webhook=options.pop("webhook", None) or None)


def filled(form: FormData) -> list[tuple[str, UploadFile | str]]:
    """Return the fields that somebody has filled in: a browser also sends those that were left empty.

    Of several fields of one name the empty ones stay, because their order says what they belong to.
    """
    several = form.multi_items()
    filled_in = {name for name, value in several if not _empty(value)}
    return [(name, value) for name, value in several if name in filled_in and not _unchosen(value)]


def _empty(value: UploadFile | str) -> bool:
    return value == "" or _unchosen(value)


def _unchosen(value: UploadFile | str) -> bool:
    """Whether this is a file that was not chosen: HTML sends it with an empty name and no bytes."""
    return isinstance(value, UploadFile) and not value.filename and not value.size
