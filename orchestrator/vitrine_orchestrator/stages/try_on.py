"""The rows of the try-on's pipelines, which serve every try-on family."""

from __future__ import annotations

from vitrine_orchestrator.stages import fashn, idm_vton
from vitrine_orchestrator.stages.shared import ENCODING, MODEL, REPORT, SAMPLING
from vitrine_orchestrator.stages.table import Queue, Service, Stage, Tensor, joined, optional

FAMILIES = (idm_vton.FAMILY, fashn.FAMILY)
"""The first that a release holds is the default of a request without `model`."""

ONE_PERSON = (
    Tensor("person", "STRING", (1,)),
    Tensor("person_raw", "UINT8", (-1, -1, 3)),
    Tensor("person_id", "STRING", (1,)),
)
WHICH_PERSON = (Tensor("person_index", "INT32", (1,)), Tensor("person_point", "INT32", (2,)))
TRY_ON_INPUTS = optional(
    *ONE_PERSON,
    *WHICH_PERSON,
    Tensor("mask", "STRING", (-1,)),
    Tensor("garment", "STRING", (-1,)),
    Tensor("garment_raw", "UINT8", (-1, -1, 3)),
    Tensor("garment_id", "STRING", (-1,)),
    Tensor("category", "STRING", (-1,)),
    Tensor("garment_photo_type", "STRING", (-1,)),
    Tensor("description", "STRING", (-1,)),
    *SAMPLING,
    Tensor("paste_back", "BOOL", (1,)),
    Tensor("crop", "STRING", (1,)),
    Tensor("format", "STRING", (1,)),
    MODEL,
    ENCODING,
)
TRY_ON_OUTPUTS = (
    Tensor("image", "STRING", (1,)),
    Tensor("mask", "STRING", (1,)),
    Tensor("seed", "UINT64", (1,)),
    REPORT,
)
MAX_ACTIVE, MAX_QUEUED = 16, 32
"""Try-ons running and waiting. With higher limits, accepted requests would time out before their answer."""

ROWS: tuple[Stage, ...] = (
    Stage(
        "prepare_person",
        optional(
            *ONE_PERSON,
            Tensor("person_digest", "STRING", (1,)),
            *WHICH_PERSON,
            Tensor("mask", "STRING", (1,)),
            Tensor("category", "STRING", (1,)),
            Tensor("crop", "STRING", (1,)),
            MODEL,
            ENCODING,
        ),
        (
            Tensor("image", "UINT8", (-1, -1, 3)),
            Tensor("mask", "UINT8", (-1, -1)),
            *joined(idm_vton.PERSON_CONDITIONING, fashn.PERSON_CONDITIONING),
            Tensor("keypoints", "FP32", (18, 3)),
            *fashn.PERSON_PLACES,
            Tensor("person_key", "STRING", (1,)),
            REPORT,
        ),
        families=FAMILIES,
        runs=Service(in_flight=16, own_queue=True),
        on_gpu=False,
    ),
    Stage(
        "prepare_garment",
        optional(
            Tensor("garment", "STRING", (1,)),
            Tensor("garment_raw", "UINT8", (-1, -1, 3)),
            Tensor("garment_id", "STRING", (1,)),
            *fashn.GARMENT_CHOICES,
            MODEL,
            ENCODING,
        ),
        (
            *joined(idm_vton.GARMENT_CONDITIONING, fashn.GARMENT_CONDITIONING),
            Tensor("garment_key", "STRING", (1,)),
            REPORT,
        ),
        families=FAMILIES,
        runs=Service(in_flight=16, own_queue=True),
        on_gpu=False,
    ),
    Stage(
        "prepare_text",
        (Tensor("description", "STRING", (1,)), *optional(MODEL)),
        (*idm_vton.TEXT_CONDITIONING, Tensor("text_key", "STRING", (1,)), REPORT),
        families=FAMILIES,
        runs=Service(in_flight=32, own_queue=True),
        on_gpu=False,
    ),
    Stage(
        "try_on",
        TRY_ON_INPUTS,
        TRY_ON_OUTPUTS,
        queue=Queue(size=MAX_QUEUED),
        families=FAMILIES,
        runs=Service(in_flight=MAX_ACTIVE),
        on_gpu=False,
    ),
    Stage(
        "try_on_stream",
        (*TRY_ON_INPUTS, Tensor("previews", "BOOL", (1,), optional=True)),
        (Tensor("event", "STRING", (1,)), *TRY_ON_OUTPUTS),
        queue=Queue(size=MAX_QUEUED),
        families=FAMILIES,
        runs=Service(in_flight=MAX_ACTIVE, decoupled=True),
        on_gpu=False,
    ),
)
