"""The calls that a client can make: a table with one row per call, used by both clients.

To add a call, write a function for its inputs, a function that reads its response, a row here, and a method
in each client that names the row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from vitrine.ad_prompts import AdPrompt, ad_prompt_inputs, read_ad_prompt
from vitrine.ads import (
    Composed,
    ProductAd,
    compose_inputs,
    describe_inputs,
    product_ad_inputs,
    product_ad_stream_inputs,
    read_composed,
    read_product_ad,
    read_product_ad_event,
)
from vitrine.answers import (
    CacheStatistics,
    Drawn,
    Prepared,
    Progress,
    TryOn,
    read_cache_statistics,
    read_drawn,
    read_event,
    read_picture_event,
    read_pipeline_digest,
    read_prepared,
    read_result,
)
from vitrine.cut_outs import CutOut, read_cut_out
from vitrine.inputs import (
    Tensors,
    cache_inputs,
    cut_out_inputs,
    image_to_image_inputs,
    picture_stream_inputs,
    prepare_garment_inputs,
    prepare_person_inputs,
    prepare_text_inputs,
    text_to_image_inputs,
    try_on_inputs,
)
from vitrine.picture_inputs import lora_tensor
from vitrine.scores import Scores, read_scores, score_inputs
from vitrine.texts import (
    Described,
    Lettered,
    read_described,
    read_lettered,
    text_description_inputs,
    text_overlay_inputs,
)
from vitrine.workflows import Workflow, read_workflow, read_workflow_event, workflow_inputs

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class ModelCall(Generic[Answer]):
    """One model of the server, with the functions that write its inputs and read its outputs.

    `write` takes keyword arguments and raises BadRequest for options that cannot be sent. `read` raises
    VitrineError for a response that cannot be read.
    """

    model: str
    write: Callable[..., Mapping[str, np.ndarray]]
    read: Callable[[Tensors], Answer]
    digest: ModelCall[str] | None = None  # reports the pipeline digest of this call's results


def _stream_inputs(*, previews: bool, **options: Any) -> Mapping[str, np.ndarray]:
    return try_on_inputs(**options) | {"previews": np.array([previews])}


def _digest_inputs(*, model: str | None = None) -> Mapping[str, np.ndarray]:
    """Return the smallest request whose report has the digest; after the first, the cache answers it."""
    return prepare_text_inputs(description="a garment", model=model)


def _picture_digest_inputs(
    *, model: str | None = None, loras: Sequence[str] = ()
) -> Mapping[str, np.ndarray]:
    return text_to_image_inputs(prompt="a picture", model=model) | lora_tensor(loras)


def _clear_inputs(**named: Any) -> Mapping[str, np.ndarray]:
    return cache_inputs("clear", **named)


PIPELINE_DIGEST: ModelCall[str] = ModelCall("prepare_text", _digest_inputs, read_pipeline_digest)
PICTURE_DIGEST: ModelCall[str] = ModelCall("prepare_prompt", _picture_digest_inputs, read_pipeline_digest)
TRY_ON: ModelCall[TryOn] = ModelCall("try_on", try_on_inputs, read_result, PIPELINE_DIGEST)
TRY_ON_STREAM: ModelCall[Progress | TryOn] = ModelCall("try_on_stream", _stream_inputs, read_event)
TEXT_TO_IMAGE: ModelCall[Drawn] = ModelCall("text_to_image", text_to_image_inputs, read_drawn, PICTURE_DIGEST)
IMAGE_TO_IMAGE: ModelCall[Drawn] = ModelCall(
    "image_to_image", image_to_image_inputs, read_drawn, PICTURE_DIGEST
)
PICTURE_STREAM: ModelCall[Progress | Drawn] = ModelCall(
    "picture_stream", picture_stream_inputs, read_picture_event
)
SCORE: ModelCall[Scores] = ModelCall("score", score_inputs, read_scores)
CUT_OUT: ModelCall[CutOut] = ModelCall("cut_out", cut_out_inputs, read_cut_out)
PREPARE_AD_PROMPT: ModelCall[AdPrompt] = ModelCall("prepare_ad_prompt", ad_prompt_inputs, read_ad_prompt)
RUN_WORKFLOW: ModelCall[Workflow] = ModelCall("run_workflow", workflow_inputs, read_workflow)
WORKFLOW_STREAM: ModelCall[Progress | Workflow] = ModelCall(
    "workflow_stream", workflow_inputs, read_workflow_event
)
COMPOSE: ModelCall[Composed] = ModelCall("compose", compose_inputs, read_composed)
AD_DIGEST: ModelCall[str] = ModelCall("product_ad", describe_inputs, read_pipeline_digest)
PRODUCT_AD: ModelCall[ProductAd] = ModelCall("product_ad", product_ad_inputs, read_product_ad, AD_DIGEST)
PRODUCT_AD_STREAM: ModelCall[Progress | ProductAd] = ModelCall(
    "product_ad_stream", product_ad_stream_inputs, read_product_ad_event
)
TEXT_OVERLAY: ModelCall[Lettered] = ModelCall("text_overlay", text_overlay_inputs, read_lettered)
DESCRIBE: ModelCall[Described] = ModelCall("text_overlay", text_description_inputs, read_described)
PREPARE_PERSON: ModelCall[Prepared] = ModelCall("prepare_person", prepare_person_inputs, read_prepared)
PREPARE_GARMENT: ModelCall[Prepared] = ModelCall("prepare_garment", prepare_garment_inputs, read_prepared)
PREPARE_TEXT: ModelCall[Prepared] = ModelCall("prepare_text", prepare_text_inputs, read_prepared)
CACHE_STATISTICS: ModelCall[CacheStatistics] = ModelCall(
    "cache_control", lambda: cache_inputs("stats"), read_cache_statistics
)
CLEAR_CACHE: ModelCall[None] = ModelCall("cache_control", _clear_inputs, lambda outputs: None)
