"""Serves with little shared memory: fewer concurrent requests, and memory reserved for each model."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from vitrine import Vitrine
from vitrine.errors import VitrineError
from vitrine.inputs import Tensors
from vitrine.retry import Retry

from vitrine_orchestrator.shared_memory import at_once, free_bytes, picture_size

AT_ONCE = "VITRINE_AT_ONCE"
REQUEST_TIMEOUT_S = 60.0  # time limit of each request that reserves memory

logger = logging.getLogger(__name__)


def request_limit(repository: Path, models: Sequence[str], environment: Mapping[str, str]) -> dict[str, str]:
    """The setting that limits concurrent requests if shared memory is small; {} if there is enough.

    A value in `environment` is kept. Unavailable if the memory is too small for one try-on.
    """
    most = at_once(repository, models, free_bytes())
    return {AT_ONCE: environment.get(AT_ONCE) or str(most)} if most else {}


def reserve(address: str, repository: Path) -> None:
    """Make each model allocate the shared memory of one try-on, before large requests take all of it.

    A model's region never shrinks: if one model took all memory, the others could never work.
    """
    with Vitrine(address, timeout_s=REQUEST_TIMEOUT_S, retry=Retry(tries=1)) as vitrine:
        for model, inputs in _requests(*picture_size(repository)):
            try:
                vitrine.infer(model, inputs)
            except VitrineError as error:  # expected, such as no person in the picture: the networks have run
                logger.info("keeping shared memory for %s: %s", model, error)


def _requests(height: int, width: int) -> list[tuple[str, Tensors]]:
    """Small requests that reach every model of a try-on, with the numbers of rows that a try-on sends."""
    drawn = np.random.default_rng(0).integers(0, 255, (512, 384, 3), np.uint8)
    file = BytesIO()
    Image.fromarray(drawn).save(file, "PNG")
    picture = np.array([file.getvalue()], np.object_)
    # a person's two pictures, which Triton may batch with a garment's
    three = np.zeros((3, 3, height, width), np.float32)
    return [
        ("vae_encoder", {"pixels": three}),
        ("vae_decoder", {"latents": np.zeros((1, 4, height // 8, width // 8), np.float32)}),
        ("prepare_garment", {"garment": picture}),
        ("prepare_person", {"person": picture}),
        ("prepare_text", {"description": np.array([b"a garment"], np.object_)}),
        ("try_on", {"person": picture, "garment": picture, "steps": np.array([1], np.int32)}),
    ]
