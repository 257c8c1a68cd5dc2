"""The rows of advertisements: a composition by itself, and the pipeline from photographs to a finished ad.

They read no checkpoint and belong to no family. Servers of pictures have them; what they call may be missing.
"""

from __future__ import annotations

from vitrine_orchestrator.stages.picture_tensors import LORAS
from vitrine_orchestrator.stages.pictures import ADVERTISING
from vitrine_orchestrator.stages.shared import ENCODING, MODEL, REPORT, SAMPLING
from vitrine_orchestrator.stages.table import Queue, Service, Stage, Tensor, optional

MAX_COMPOSED = 4
"""Compositions at the same time: each holds about 60 bytes per pixel of its scene."""
MAX_ACTIVE, MAX_QUEUED = 8, 32
"""Ads running and waiting in each pipeline."""

AD_INPUTS = optional(
    Tensor("product", "STRING", (-1,)),  # photographs, or cut-outs with a transparent ground
    Tensor("each", "BOOL", (1,)),  # whether every product gets an ad of its own, all in the same scene
    Tensor("scene", "STRING", (1,)),  # a picture; else the scene is drawn from a prompt or a sentence
    Tensor("prompt", "STRING", (1,)),
    Tensor("negative_prompt", "STRING", (1,)),
    Tensor("sentence", "STRING", (1,)),  # of the shop's owner, for the prompt processor
    Tensor("trade", "STRING", (1,)),
    Tensor("style", "STRING", (1,)),
    Tensor("theme", "STRING", (1,)),
    Tensor("sizes", "STRING", (-1,)),  # names of ratios: one layout for each
    Tensor("width", "INT32", (1,)),
    Tensor("height", "INT32", (1,)),
    Tensor("settings", "STRING", (1,)),  # JSON, as of `compose`
    Tensor("enlarge", "INT32", (1,)),  # times that a drawn scene is enlarged before products and texts
    Tensor("harmonise", "FP32", (1,)),  # strength of a pass over all but the product
    Tensor("texts", "STRING", (1,)),  # JSON, as of `text_overlay`
    *SAMPLING,
    *LORAS,
    MODEL,
    Tensor("format", "STRING", (1,)),
    Tensor("describe", "BOOL", (1,)),  # answer with the report alone: which releases would serve the request
    ENCODING,
)
AD_OUTPUTS = (
    Tensor("image", "STRING", (-1,)),  # the ads
    Tensor("origin", "STRING", (-1,)),  # the same without text
    Tensor("alpha", "STRING", (-1,)),  # of their products, grey PNGs
    Tensor("seed", "UINT64", (1,)),
    REPORT,
)

ROWS: tuple[Stage, ...] = (
    Stage(
        "compose",
        optional(
            Tensor("scene", "STRING", (1,)),
            Tensor("scene_raw", "UINT8", (-1, -1, 3)),
            Tensor("product", "STRING", (-1,)),  # pictures with a transparent ground
            Tensor("settings", "STRING", (1,)),  # JSON: see composition/settings.py
            Tensor("format", "STRING", (1,)),
            ENCODING,
        ),
        (
            Tensor("image", "STRING", (1,)),
            Tensor("alpha", "STRING", (1,)),  # of all products, a grey PNG
            Tensor("shadow", "STRING", (1,)),  # the share of light that their shadows take, a grey PNG
            REPORT,
        ),
        beside=ADVERTISING,
        runs=Service(in_flight=MAX_COMPOSED, own_queue=True),
        on_gpu=False,
    ),
    Stage(
        "product_ad",
        AD_INPUTS,
        AD_OUTPUTS,
        queue=Queue(size=MAX_QUEUED),
        beside=ADVERTISING,
        runs=Service(in_flight=MAX_ACTIVE),
        on_gpu=False,
    ),
    Stage(
        "product_ad_stream",
        (*AD_INPUTS, *optional(Tensor("previews", "BOOL", (1,)))),
        (Tensor("event", "STRING", (1,)), *AD_OUTPUTS),
        queue=Queue(size=MAX_QUEUED),
        beside=ADVERTISING,
        runs=Service(in_flight=MAX_ACTIVE, decoupled=True),
        on_gpu=False,
    ),
)
