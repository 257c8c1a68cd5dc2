"""Parts the inputs of a request as JSON, of REST and of MCP, into pictures and options."""

from __future__ import annotations

import re
from typing import Any

from vitrine.errors import BadRequest

from vitrine_gateway.jobs.pipelines import PIPELINES
from vitrine_gateway.jobs.submitting import FileId, Submission
from vitrine_gateway.pictures.reading import from_base64

_OWN_LINK = re.compile(r"https?://[^/?#]+(?:/[^?#]*)?/v1/files/(file_[0-9A-Za-z]+)/content(?:\?[^#]*)?")


def from_inputs(
    pipeline: str, inputs: dict[str, Any], *, user: str = "", webhook: str | None = None
) -> Submission:
    """Part the inputs into pictures and options. Raises BadRequest for a picture without its form."""
    names = PIPELINES[pipeline].pictures if pipeline in PIPELINES else {}
    pictures = {}
    for name in names:
        value = inputs.get(name)
        if value is not None:
            several = value if isinstance(value, list) else [value]
            pictures[name] = [_picture(one, name) for one in several]
    options = {name: value for name, value in inputs.items() if name not in names}
    return Submission(pipeline, user, options, pictures, webhook=webhook)


def file_of_link(text: str) -> FileId | None:
    """Return the file of a link to a picture that the gateway has given; None for anything else.

    Its signature and its time do not matter: a job takes files of its own account alone.
    """
    found = _OWN_LINK.fullmatch(text) if text.startswith("http") else None
    return FileId(found[1]) if found else None


def _picture(value: Any, name: str) -> bytes | FileId:
    if isinstance(value, str):
        return file_of_link(value) or from_base64(value, name)
    if isinstance(value, dict) and set(value) == {"file_id"} and isinstance(value["file_id"], str):
        return FileId(value["file_id"])
    raise BadRequest(f'{name} must be base64, a data URI or {{"file_id": "…"}}')
