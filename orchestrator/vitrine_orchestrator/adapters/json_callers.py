"""Callers who speak JSON only: found out from their HTTP headers, so that their pictures go as base64 text.

JSON holds no bytes, and Triton writes a picture's bytes into it all the same, which no reader takes. Triton
hands the headers that its option --http-header-forward-pattern names to the models, as parameters.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

FORWARDED = "(?i)(host|inference-header-content-length)"  # Triton's option: which headers the models see
HTTP, BINARY = "host", "inference-header-content-length"  # of every HTTP request; of one with binary parts


def encoding_for(request: Any) -> dict[str, np.ndarray]:
    """The input `encoding` of a request that came as pure JSON over HTTP; nothing for any other."""
    names = {name.lower() for name in json.loads(request.parameters() or "{}")}
    if HTTP in names and BINARY not in names:
        return {"encoding": np.array([b"base64"], np.object_)}
    return {}
