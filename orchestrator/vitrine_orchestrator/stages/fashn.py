"""FASHN VTON's rows of the stage table: its networks, and what it adds to the shared models."""

from __future__ import annotations

from vitrine_orchestrator.stages.table import Network, Stage, Tensor, of_family

FAMILY = "fashn"

# Pictures on the canvas, RGB or grey: uint8 is a quarter of what the network takes.
PERSON_CONDITIONING = (
    Tensor("person_picture", "UINT8", (-1, -1, 3)),
    Tensor("person_pose_picture", "UINT8", (-1, -1)),
)
GARMENT_CONDITIONING = (
    Tensor("garment_picture", "UINT8", (-1, -1, 3)),
    Tensor("garment_pose_picture", "UINT8", (-1, -1)),
)
DENOISE_INPUTS = (*PERSON_CONDITIONING, *GARMENT_CONDITIONING, Tensor("category", "STRING", (1,)))

PERSON_PLACES = (
    Tensor("face_points", "FP32", (68, 2)),  # x, y in shares of the canvas; -1 where unseen
    Tensor("place", "INT32", (4,)),  # left, top, right, bottom of the picture on the canvas, in px
)
"""What `prepare_person` also answers: it is needed to paste back."""
GARMENT_CHOICES = (
    Tensor("category", "STRING", (1,)),  # read only for a garment that somebody wears
    Tensor("garment_photo_type", "STRING", (1,)),  # auto, flat-lay or model
)
"""What `prepare_garment` also takes."""

GARMENT_PARSER = "garment_parser"
MOST_CROPS = 8
"""People of one call of `dwpose`."""

ROWS: tuple[Stage, ...] = of_family(
    FAMILY,
    Stage(
        "yolox",
        (Tensor("image", "FP32", (3, 640, 640)),),
        # a row: x, y, log width, log height in cells; the scores of an object and of each class
        (Tensor("boxes", "FP32", (8400, -1)),),
        runs=Network(max_batch=4),
    ),
    Stage(
        "dwpose",
        (Tensor("image", "FP32", (3, 384, 288)),),
        (Tensor("simcc_x", "FP32", (133, 576)), Tensor("simcc_y", "FP32", (133, 768))),
        runs=Network(max_batch=MOST_CROPS),
    ),
    # RGB in, a label of `fashn.masks.LABELS` for each pixel out: a segmenter that the operator may use
    # commercially, for photographs of worn garments. Without it such photographs are refused.
    Stage(
        GARMENT_PARSER,
        (Tensor("image", "UINT8", (576, 384, 3)),),
        (Tensor("labels", "UINT8", (576, 384)),),
        runs=Network(max_batch=4, tolerance=0.0),
        needed=False,
    ),
)
