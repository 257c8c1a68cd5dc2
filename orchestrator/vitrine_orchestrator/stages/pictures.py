"""The rows of the picture pipelines, which serve every family that draws pictures from prompts."""

from __future__ import annotations

from vitrine_orchestrator.stages import cut_out, flux, z_image
from vitrine_orchestrator.stages.picture_tensors import LORAS
from vitrine_orchestrator.stages.shared import ENCODING, MODEL, REPORT, SAMPLING
from vitrine_orchestrator.stages.table import Queue, Service, Stage, Tensor, joined, optional

FAMILIES = (z_image.FAMILY, flux.FAMILY)
"""The first that a release holds is the default of a request without `model`."""
ADVERTISING = (*FAMILIES, cut_out.FAMILY)
"""Beside these, models of advertisements that need no checkpoint are of use."""

PICTURE_INPUTS = optional(
    Tensor("prompt", "STRING", (1,)),
    Tensor("negative_prompt", "STRING", (1,)),
    Tensor("avoid", "STRING", (1,)),  # a negative prompt, used where checkpoint and guidance can take one
    Tensor("width", "INT32", (1,)),
    Tensor("height", "INT32", (1,)),
    Tensor("aspect_ratio", "STRING", (1,)),
    Tensor("n", "INT32", (1,)),
    *SAMPLING,
    *LORAS,
    Tensor("format", "STRING", (1,)),
    Tensor("job", "STRING", (1,)),  # names the jobs NAME-0, NAME-1, … in `denoise`, to poll or cancel them
    MODEL,
    ENCODING,
)
START_INPUTS = optional(
    Tensor("image", "STRING", (1,)),
    Tensor("image_raw", "UINT8", (-1, -1, 3)),
    Tensor("strength", "FP32", (1,)),
)
PICTURE_OUTPUTS = (Tensor("image", "STRING", (-1,)), Tensor("seed", "UINT64", (-1,)), REPORT)
MAX_ACTIVE, MAX_QUEUED = 16, 32
"""Requests running and waiting in each pipeline."""

ROWS: tuple[Stage, ...] = (
    Stage(
        "prepare_prompt",
        (Tensor("prompt", "STRING", (1,)), *optional(LORAS[0], MODEL)),
        (
            *joined(z_image.PROMPT_CONDITIONING, flux.PROMPT_CONDITIONING),
            Tensor("prompt_key", "STRING", (1,)),
            REPORT,
        ),
        families=FAMILIES,
        runs=Service(in_flight=32, own_queue=True),
        on_gpu=False,
    ),
    Stage(
        "text_to_image",
        PICTURE_INPUTS,
        PICTURE_OUTPUTS,
        queue=Queue(size=MAX_QUEUED),
        families=FAMILIES,
        runs=Service(in_flight=MAX_ACTIVE),
        on_gpu=False,
    ),
    Stage(
        "image_to_image",
        (*PICTURE_INPUTS, *START_INPUTS),
        PICTURE_OUTPUTS,
        queue=Queue(size=MAX_QUEUED),
        families=FAMILIES,
        runs=Service(in_flight=MAX_ACTIVE),
        on_gpu=False,
    ),
    Stage(
        "picture_stream",
        (*PICTURE_INPUTS, *START_INPUTS, *optional(Tensor("previews", "BOOL", (1,)))),
        (Tensor("event", "STRING", (1,)), *PICTURE_OUTPUTS),
        queue=Queue(size=MAX_QUEUED),
        families=FAMILIES,
        runs=Service(in_flight=MAX_ACTIVE, decoupled=True),
        on_gpu=False,
    ),
)
