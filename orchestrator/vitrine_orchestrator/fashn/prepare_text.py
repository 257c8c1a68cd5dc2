"""FASHN VTON's `prepare_text`: its network reads no text, so the answer is a key and the report."""

from __future__ import annotations

import numpy as np
from vitrine.errors import BadRequest

from vitrine_orchestrator.cache.key import digest_of
from vitrine_orchestrator.fashn.context import FashnContext
from vitrine_orchestrator.pipeline.request_context import report_array, text_array
from vitrine_orchestrator.wire.fields import Inputs, text


async def prepare_text(context: FashnContext, inputs: Inputs) -> dict[str, np.ndarray]:
    """The outputs of the model `prepare_text` without embeddings; BadRequest for a missing description."""
    description = text(inputs, "description")
    if description is None:
        raise BadRequest("description must be given: say what the garment is, such as 'a red shirt'")
    return {
        "text_key": text_array(digest_of("prepare_text", context.manifest.pipeline_digest, description)),
        "report": report_array({}, {}, **context.origin),
    }
