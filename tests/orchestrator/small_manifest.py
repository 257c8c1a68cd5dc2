"""The manifest of a small try-on checkpoint, and tensors of text, for pipelines over fake stages."""

import numpy as np
from vitrine_orchestrator.manifest import Manifest

MANIFEST = Manifest(
    family="idm_vton",
    facts={
        "channels": 4,
        "width": 96,
        "height": 128,
        "factor": 8,
        "context_width": 8,
        "pooled_width": 3,
        "image_tokens": 16,
        "image_size": 32,
        "default_steps": 4,
        "default_guidance": 2.0,
        "person_prompt": "model is wearing {}",
        "garment_prompt": "a photo of {}",
        "negative_prompt": "blurry",
        "pad_ids": (1, 0),
        "scheduler": {},
    },
    digest="0" * 64,
    exporter="test",
    files={},
)


def texts(*values):
    """A BYTES tensor."""
    return np.array([one if isinstance(one, bytes) else one.encode() for one in values], object)
