"""The fake's answers of the models that make advertisements; see vitrine.fake."""

from __future__ import annotations

import json

import numpy as np

from vitrine.inputs import Tensors, byte_tensor


def ad_prompt(inputs: Tensors) -> dict[str, np.ndarray]:
    """Answer with the sentence itself."""
    report = {"timings": {}, "sources": {}, "trade": "shop", "way": "tables", "fallback": None}
    return {
        "prompt": byte_tensor([inputs["sentence"][0]]),
        "negative_prompt": byte_tensor([b"text"]),
        "report": byte_tensor([json.dumps(report).encode()]),
    }
