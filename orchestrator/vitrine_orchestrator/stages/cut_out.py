"""The cut-out's rows of the stage table: its network, which finds the product, and its pipeline."""

from __future__ import annotations

from vitrine_orchestrator.stages.shared import ENCODING, REPORT
from vitrine_orchestrator.stages.table import Network, Queue, Service, Stage, Tensor, of_family, optional

FAMILY = "cut-out"
NETWORK = "cut_out_network"

MAX_ACTIVE, MAX_QUEUED = 8, 32
"""Pictures that are cut out at the same time and that wait; each holds about 20 bytes per pixel."""
LEAST_PRODUCT_SIDE, MOST_PRODUCT_SIDE = 32, 16_384
"""The least and the most `product_side`, in pixels."""

ROWS: tuple[Stage, ...] = of_family(
    FAMILY,
    # A normalised square picture in, an answer of the same size out; cut_out/facts.py says how both are read.
    # The side is that of the adopted file, 320 or 1024 in most.
    Stage(
        NETWORK,
        (Tensor("image", "FP32", (3, -1, -1)),),
        (Tensor("answer", "FP32", (1, -1, -1)),),
        runs=Network(max_batch=4, row_by_row=True),
    ),
    Stage(
        "cut_out",
        optional(
            Tensor("image", "STRING", (1,)),
            Tensor("image_raw", "UINT8", (-1, -1, 3)),
            Tensor("box", "INT32", (4,)),  # left, top, right, bottom: the part in which the product is
            Tensor("product_side", "INT32", (1,)),  # the answer shows the product alone, at most so large
            Tensor("format", "STRING", (1,)),
            ENCODING,
        ),
        (
            Tensor("image", "STRING", (1,)),  # RGBA: the product's own colours, and its alpha
            Tensor("alpha", "STRING", (1,)),  # the same alpha as a grey PNG
            REPORT,
        ),
        queue=Queue(size=MAX_QUEUED),
        runs=Service(in_flight=MAX_ACTIVE, own_queue=True),
        on_gpu=False,
    ),
)
