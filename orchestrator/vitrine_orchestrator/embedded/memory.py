"""A server with little shared memory: fewer requests at once, and room that is kept for each model."""

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
PATIENCE_S = 60.0  # for one of the requests that keep room

logger = logging.getLogger(__name__)


def admitted(repository: Path, models: Sequence[str], environment: Mapping[str, str]) -> dict[str, str]:
    """Settings for a server with little shared memory; empty where there is enough.

    A setting of the caller's stays. Unavailable where not even one try-on fits.
    """
    most = at_once(repository, models, free_bytes())
    return {AT_ONCE: environment.get(AT_ONCE) or str(most)} if most else {}


def reserve(address: str, repository: Path) -> None:
    """Have each model take the shared memory that one try-on needs, before large requests take all of it.

    A model's part never shrinks: where one has grown over all that is there, the others could never work.
    """
    with Vitrine(address, timeout_s=PATIENCE_S, retry=Retry(tries=1)) as vitrine:
        for model, inputs in _requests(*picture_size(repository)):
            try:
                vitrine.infer(model, inputs)
            except VitrineError as error:  # such as no person in the picture: its networks have run
                logger.info("keeping shared memory for %s: %s", model, error)


def _requests(height: int, width: int) -> list[tuple[str, Tensors]]:
    """Small requests that reach every model of a try-on, and the networks with as many rows as it sends."""
    drawn = np.random.default_rng(0).integers(0, 255, (512, 384, 3), np.uint8)
    file = BytesIO()
    Image.fromarray(drawn).save(file, "PNG")
    picture = np.array([file.getvalue()], np.object_)
    three = np.zeros((3, 3, height, width), np.float32)  # person and body at once, garment beside them
    return [
        ("vae_encoder", {"pixels": three}),
        ("vae_decoder", {"latents": np.zeros((1, 4, height // 8, width // 8), np.float32)}),
        ("prepare_garment", {"garment": picture}),
        ("prepare_person", {"person": picture}),
        ("prepare_text", {"description": np.array([b"a garment"], np.object_)}),
        ("try_on", {"person": picture, "garment": picture, "steps": np.array([1], np.int32)}),
    ]
