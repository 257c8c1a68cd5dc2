"""The stage table: one row for each model of the repository.

Triton's configs, TensorRT's shape ranges, warm-up, the exporter's samples and axis names, docs and tests are
derived from these rows (`configs.py` writes the configs).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

NETWORK_FILE = "model.onnx"  # in a version folder of a network stage

Dim = int | str
"""A fixed size, or the name of one that varies (a row of `SIZES`); -1 varies without a name."""


@dataclass(frozen=True)
class Tensor:
    """One input or output; `dims` are without the batch."""

    name: str
    dtype: Literal["FP32", "INT32", "INT64", "UINT8", "UINT64", "BOOL", "STRING"]
    dims: tuple[Dim, ...]
    optional: bool = False


@dataclass(frozen=True)
class Size:
    """A size that depends on the checkpoint or the request.

    `least` to `most` is what an engine is built for, `doll` the paper-doll checkpoint's, `full` IDM-VTON's.
    """

    least: int
    doll: int
    full: int
    most: int


SIZES: dict[str, Size] = {
    "height": Size(64, 256, 1024, 1536),
    "width": Size(64, 192, 768, 1536),
    "latent_height": Size(8, 32, 128, 192),
    "latent_width": Size(8, 24, 96, 192),
    "pose_height": Size(64, 184, 184, 512),  # 512 · 0.5 · 368 / 512, a multiple of 8
    "pose_width": Size(64, 144, 144, 512),  # 384 · 0.5 · 368 / 512, padded to a multiple of 8
    "clip_height": Size(32, 224, 224, 448),
    "clip_width": Size(32, 224, 224, 448),
}


@dataclass(frozen=True)
class Stage:
    """One model: what it takes and gives, how requests wait and are batched, how exact its export must be."""

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    max_batch: int = 0  # 0: the tensors have no batch dimension
    queue_delay_us: int = 500  # how long a network waits for others to share its call
    queue_size: int = 128  # more waiting requests than this are refused as busy
    queue_timeout_us: int = 60_000_000  # waited longer: refused as busy
    in_flight: int = 0  # a model of ours: requests answered at the same time; a network: 0
    decoupled: bool = False  # many responses for one request
    of_checkpoint: bool = True  # whether what it answers depends on the checkpoint
    in_turn: bool = False  # whether a network's calls on the CPU take turns with the denoiser's: see turns.py
    on_gpu: bool = True  # whether the CUDA and TensorRT profiles put it on a GPU
    tolerance: float = 1e-3  # largest absolute difference between the exported and the torch network

    @property
    def backend(self) -> Literal["onnxruntime", "python"]:
        """Networks run in ONNX Runtime; models of ours in Python."""
        return "python" if self.in_flight else "onnxruntime"

    @property
    def needs_manifest(self) -> bool:
        """Models of ours read the checkpoint's manifest beside them."""
        return self.backend == "python" and self.of_checkpoint


def _optional(*tensors: Tensor) -> tuple[Tensor, ...]:
    return tuple(Tensor(t.name, t.dtype, t.dims, optional=True) for t in tensors)


REPORT = Tensor("report", "STRING", (1,))

PERSON_CONDITIONING = (
    Tensor("mask_latent", "FP32", (1, -1, -1)),
    Tensor("masked_latents", "FP32", (4, -1, -1)),
    Tensor("pose_latents", "FP32", (4, -1, -1)),
)
GARMENT_CONDITIONING = (
    Tensor("garment_latents", "FP32", (4, -1, -1)),
    Tensor("image_tokens", "FP32", (-1, -1)),
    Tensor("negative_image_tokens", "FP32", (-1, -1)),
)
TEXT_CONDITIONING = (
    Tensor("prompt_embeds", "FP32", (77, -1)),
    Tensor("negative_prompt_embeds", "FP32", (77, -1)),
    Tensor("pooled_prompt_embeds", "FP32", (-1,)),
    Tensor("negative_pooled_prompt_embeds", "FP32", (-1,)),
    Tensor("garment_prompt_embeds", "FP32", (77, -1)),
)
SAMPLING = (
    Tensor("seed", "UINT64", (1,)),
    Tensor("steps", "INT32", (1,)),
    Tensor("guidance", "FP32", (1,)),
    Tensor("scheduler", "STRING", (1,)),
)
ONE_PERSON = (
    Tensor("person", "STRING", (1,)),
    Tensor("person_raw", "UINT8", (-1, -1, 3)),
    Tensor("person_id", "STRING", (1,)),
)
WHICH_PERSON = (Tensor("person_index", "INT32", (1,)), Tensor("person_point", "INT32", (2,)))
ENCODING = Tensor("encoding", "STRING", (1,))
TRY_ON_INPUTS = _optional(
    *ONE_PERSON,
    *WHICH_PERSON,
    Tensor("mask", "STRING", (-1,)),
    Tensor("garment", "STRING", (-1,)),
    Tensor("garment_raw", "UINT8", (-1, -1, 3)),
    Tensor("garment_id", "STRING", (-1,)),
    Tensor("category", "STRING", (-1,)),
    Tensor("description", "STRING", (-1,)),
    *SAMPLING,
    Tensor("paste_back", "BOOL", (1,)),
    Tensor("crop", "STRING", (1,)),
    Tensor("format", "STRING", (1,)),
    ENCODING,
)
TRY_ON_OUTPUTS = (
    Tensor("image", "STRING", (1,)),
    Tensor("mask", "STRING", (1,)),
    Tensor("seed", "UINT64", (1,)),
    REPORT,
)
LATENTS = Tensor("latents", "FP32", (4, "latent_height", "latent_width"))
PIXELS = Tensor("pixels", "FP32", (3, "height", "width"))
TOKENS = Tensor("input_ids", "INT64", (77,))

AT_WORK, PATIENCE = 16, 32
"""Try-ons under way and waiting: what is accepted is answered while its caller still wants it."""

STAGES: tuple[Stage, ...] = (
    Stage(
        "pose",
        (Tensor("image", "FP32", (3, "pose_height", "pose_width")),),
        (Tensor("pafs", "FP32", (38, -1, -1)), Tensor("heatmaps", "FP32", (19, -1, -1))),
        max_batch=8,
    ),
    Stage(
        "parsing_atr",
        (Tensor("image", "FP32", (3, 512, 512)),),
        (Tensor("logits", "FP32", (18, -1, -1)),),
        max_batch=8,
    ),
    Stage(
        "parsing_lip",
        (Tensor("image", "FP32", (3, 473, 473)),),
        (Tensor("logits", "FP32", (20, -1, -1)),),
        max_batch=8,
    ),
    Stage(
        "densepose",
        (Tensor("image", "UINT8", (512, 384, 3)),),
        (Tensor("parts", "UINT8", (512, 384)),),
        max_batch=8,
        tolerance=0.0,
    ),
    Stage("text_encoder", (TOKENS,), (Tensor("hidden_states", "FP32", (77, -1)),), max_batch=24),
    Stage(
        "text_encoder_2",
        (TOKENS,),
        (Tensor("hidden_states", "FP32", (77, -1)), Tensor("pooled", "FP32", (-1,))),
        max_batch=24,
    ),
    Stage(
        "image_encoder",
        (Tensor("pixel_values", "FP32", (3, "clip_height", "clip_width")),),
        (Tensor("image_tokens", "FP32", (-1, -1)),),
        max_batch=8,
    ),
    Stage(
        "vae_encoder",
        (PIXELS,),
        (Tensor("mean", "FP32", (4, -1, -1)), Tensor("std", "FP32", (4, -1, -1))),
        max_batch=8,
    ),
    Stage("vae_decoder", (LATENTS,), (Tensor("pixels", "FP32", (3, -1, -1)),), max_batch=4, in_turn=True),
    Stage(
        "prepare_person",
        _optional(
            *ONE_PERSON,
            *WHICH_PERSON,
            Tensor("mask", "STRING", (1,)),
            Tensor("category", "STRING", (1,)),
            Tensor("crop", "STRING", (1,)),
            ENCODING,
        ),
        (
            Tensor("image", "UINT8", (-1, -1, 3)),
            Tensor("mask", "UINT8", (-1, -1)),
            *PERSON_CONDITIONING,
            Tensor("keypoints", "FP32", (18, 3)),
            Tensor("person_key", "STRING", (1,)),
            REPORT,
        ),
        in_flight=16,
        on_gpu=False,
    ),
    Stage(
        "prepare_garment",
        _optional(
            Tensor("garment", "STRING", (1,)),
            Tensor("garment_raw", "UINT8", (-1, -1, 3)),
            Tensor("garment_id", "STRING", (1,)),
            ENCODING,
        ),
        (*GARMENT_CONDITIONING, Tensor("garment_key", "STRING", (1,)), REPORT),
        in_flight=16,
        on_gpu=False,
    ),
    Stage(
        "prepare_text",
        (Tensor("description", "STRING", (1,)),),
        (*TEXT_CONDITIONING, Tensor("text_key", "STRING", (1,)), REPORT),
        in_flight=32,
        on_gpu=False,
    ),
    Stage(
        "denoise",
        _optional(
            *PERSON_CONDITIONING,
            *GARMENT_CONDITIONING,
            *TEXT_CONDITIONING,
            Tensor("garment_key", "STRING", (1,)),
            *SAMPLING,
            Tensor("family", "STRING", (1,)),
            Tensor("job", "STRING", (1,)),
            Tensor("after_step", "INT32", (1,)),
            Tensor("cancel", "BOOL", (1,)),
        ),
        (Tensor("latents", "FP32", (4, -1, -1)), REPORT),
        in_flight=64,
    ),
    Stage(
        "try_on",
        TRY_ON_INPUTS,
        TRY_ON_OUTPUTS,
        queue_size=PATIENCE,
        in_flight=AT_WORK,
        on_gpu=False,
    ),
    Stage(
        "try_on_stream",
        (*TRY_ON_INPUTS, Tensor("previews", "BOOL", (1,), optional=True)),
        (Tensor("event", "STRING", (1,)), *TRY_ON_OUTPUTS),
        queue_size=PATIENCE,
        in_flight=AT_WORK,
        decoupled=True,
        on_gpu=False,
    ),
    Stage(
        "cache_control",
        _optional(
            Tensor("action", "STRING", (1,)),
            Tensor("person_id", "STRING", (1,)),
            Tensor("garment_id", "STRING", (1,)),
            Tensor("everything", "BOOL", (1,)),
        ),
        (Tensor("answer", "STRING", (1,)),),
        in_flight=16,
        on_gpu=False,
        of_checkpoint=False,
    ),
)

_NUMPY: dict[str, np.dtype] = {
    "FP32": np.dtype(np.float32),
    "INT32": np.dtype(np.int32),
    "INT64": np.dtype(np.int64),
    "UINT8": np.dtype(np.uint8),
    "UINT64": np.dtype(np.uint64),
    "BOOL": np.dtype(np.bool_),
    "STRING": np.dtype(np.object_),
}


def numpy_dtype(tensor: Tensor) -> np.dtype:
    """The numpy dtype of a tensor; STRING is object (bytes)."""
    return _NUMPY[tensor.dtype]


def stage(name: str) -> Stage:
    """The row of that name (KeyError when there is none)."""
    return _BY_NAME[name]


def networks() -> tuple[Stage, ...]:
    """The stages that are one ONNX network each."""
    return tuple(row for row in STAGES if not row.in_flight)


_BY_NAME = {row.name: row for row in STAGES}
