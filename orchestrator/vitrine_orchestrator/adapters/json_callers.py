"""Recognises callers that use JSON only, by their HTTP headers, so that pictures are returned as base64 text.

JSON cannot hold raw bytes; Triton writes a picture's bytes into it anyway, and no JSON parser accepts that.
Triton passes the headers named by its option --http-header-forward-pattern to the models as parameters.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from vitrine_orchestrator.adapters.bls import parameters_of

FORWARDED = "(?i)(host|inference-header-content-length)"  # headers that Triton passes on
HTTP, BINARY = "host", "inference-header-content-length"  # of every HTTP request; of binary ones only


def encoding_for(request: Any) -> dict[str, np.ndarray]:
    """{"encoding": base64} for a request that is pure JSON over HTTP; {} for any other."""
    names = {name.lower() for name in parameters_of(request)}
    if HTTP in names and BINARY not in names:
        return {"encoding": np.array([b"base64"], np.object_)}
    return {}
