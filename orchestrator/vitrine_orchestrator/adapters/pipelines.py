"""The pipelines behind the Python models, by model and family: one row each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

from vitrine_orchestrator.adapters.service import Outputs, Send
from vitrine_orchestrator.cache.schemas import CacheRow
from vitrine_orchestrator.clip import facts as clip
from vitrine_orchestrator.clip.context import ScoreContext
from vitrine_orchestrator.clip.score import score
from vitrine_orchestrator.clip.tokens import ClipTokens
from vitrine_orchestrator.cut_out import cache_rows as cut_out_cache
from vitrine_orchestrator.cut_out import facts as cut_out_facts
from vitrine_orchestrator.cut_out.context import CutOutContext
from vitrine_orchestrator.cut_out.pipeline import cut_out
from vitrine_orchestrator.drawing.context import PictureContext
from vitrine_orchestrator.drawing.pipeline import image_to_image, picture_stream, text_to_image
from vitrine_orchestrator.drawing.prepare_prompt import EncodePrompt, prepare_prompt
from vitrine_orchestrator.fashn import cache_rows as fashn_cache
from vitrine_orchestrator.fashn import facts as fashn
from vitrine_orchestrator.fashn import pipeline as fashn_pipeline
from vitrine_orchestrator.fashn import stream as fashn_stream
from vitrine_orchestrator.fashn.context import FashnContext
from vitrine_orchestrator.fashn.prepare_garment import prepare_garment as prepare_fashn_garment
from vitrine_orchestrator.fashn.prepare_person import prepare_person as prepare_fashn_person
from vitrine_orchestrator.fashn.prepare_text import prepare_text as prepare_fashn_text
from vitrine_orchestrator.flux import cache_rows as flux_cache
from vitrine_orchestrator.flux import facts as flux
from vitrine_orchestrator.flux.context import FluxContext
from vitrine_orchestrator.flux.prompt_encoder import open_encoder as open_flux_encoder
from vitrine_orchestrator.manifest import Manifest
from vitrine_orchestrator.pipeline import cache_rows as note_cache
from vitrine_orchestrator.stages.pictures import FAMILIES as PICTURES
from vitrine_orchestrator.try_on import cache_rows as idm_vton_cache
from vitrine_orchestrator.try_on import facts as idm_vton
from vitrine_orchestrator.try_on.context import TryOnContext
from vitrine_orchestrator.try_on.pipeline import try_on
from vitrine_orchestrator.try_on.prepare_garment import prepare_garment
from vitrine_orchestrator.try_on.prepare_person import prepare_person
from vitrine_orchestrator.try_on.prepare_text import prepare_text, read_tokenizers
from vitrine_orchestrator.try_on.stream import try_on_stream
from vitrine_orchestrator.z_image import cache_rows as z_image_cache
from vitrine_orchestrator.z_image import facts as z_image
from vitrine_orchestrator.z_image.context import ZImageContext
from vitrine_orchestrator.z_image.prompt_encoder import open_encoder as open_z_image_encoder

Caches = Literal["values", "answers"]
"""values: a model's own results, in every tier. answers: responses of the models it calls, in memory only."""

Answer = Callable[[Any, Outputs, Send], Awaitable[Outputs]]
"""Answers one request, from its family's request context, its inputs and a function for earlier responses."""

Open = Callable[[Path, Manifest], Answer]
"""Opens a family's pipeline from its model's version folder; Unavailable when the folder lacks a file."""


class HostedPipeline(NamedTuple):
    """The row of one Python model: what it caches, and how each family's pipeline is opened."""

    caches: Caches
    families: dict[str, Open]


CONTEXTS: dict[str, Callable[..., Any]] = {
    idm_vton.FAMILY: TryOnContext,
    fashn.FAMILY: FashnContext,
    z_image.FAMILY: ZImageContext,
    flux.FAMILY: FluxContext,
    clip.FAMILY: ScoreContext,
    cut_out_facts.FAMILY: CutOutContext,
}
"""The class of each family's request contexts; see pipeline.request_context.Context for its fields."""

CACHE_ROWS: dict[str, CacheRow] = {
    **idm_vton_cache.ROWS,
    **fashn_cache.ROWS,
    **z_image_cache.ROWS,
    **flux_cache.ROWS,
    **cut_out_cache.ROWS,
    **note_cache.ROWS,
}
"""The categories of cached values of all families."""


def _plain(answer: Callable[[Any, Outputs], Awaitable[Outputs]]) -> Open:
    """A pipeline that needs no files and sends one response."""

    async def answered(context: Any, inputs: Outputs, send: Send) -> Outputs:
        return await answer(context, inputs)

    return lambda folder, manifest: answered


def _streamed(answer: Answer) -> Open:
    """A pipeline that needs no files and sends several responses."""
    return lambda folder, manifest: answer


def _texts(folder: Path, manifest: Manifest) -> Answer:
    """IDM-VTON's pipeline of descriptions, with the checkpoint's tokenizers."""
    tokenizers = read_tokenizers(folder, idm_vton.read_facts(manifest))

    async def answered(context: TryOnContext, inputs: Outputs, send: Send) -> Outputs:
        return await prepare_text(context, tokenizers, inputs)

    return answered


def _prompts(
    open_encoder: Callable[[Path, Any], EncodePrompt], read_facts: Callable[[Manifest], Any]
) -> Open:
    """A family's pipeline of prompts, with the checkpoint's tokenizers."""

    def opened(folder: Path, manifest: Manifest) -> Answer:
        encode = open_encoder(folder, read_facts(manifest))

        async def answered(context: PictureContext, inputs: Outputs, send: Send) -> Outputs:
            return await prepare_prompt(context, encode, inputs)

        return answered

    return opened


def _scores(folder: Path, manifest: Manifest) -> Answer:
    """CLIP's pipeline, with the checkpoint's tokenizer."""
    tokens = ClipTokens(folder / clip.TOKENIZER, clip.read_facts(manifest))

    async def answered(context: ScoreContext, inputs: Outputs, send: Send) -> Outputs:
        return await score(context, tokens, inputs)

    return answered


PIPELINES: dict[str, HostedPipeline] = {
    "prepare_person": HostedPipeline(
        "values", {idm_vton.FAMILY: _plain(prepare_person), fashn.FAMILY: _plain(prepare_fashn_person)}
    ),
    "prepare_garment": HostedPipeline(
        "values", {idm_vton.FAMILY: _plain(prepare_garment), fashn.FAMILY: _plain(prepare_fashn_garment)}
    ),
    "prepare_text": HostedPipeline(
        "values", {idm_vton.FAMILY: _texts, fashn.FAMILY: _plain(prepare_fashn_text)}
    ),
    "try_on": HostedPipeline(
        "answers", {idm_vton.FAMILY: _plain(try_on), fashn.FAMILY: _plain(fashn_pipeline.try_on)}
    ),
    "try_on_stream": HostedPipeline(
        "answers",
        {idm_vton.FAMILY: _streamed(try_on_stream), fashn.FAMILY: _streamed(fashn_stream.try_on_stream)},
    ),
    "prepare_prompt": HostedPipeline(
        "values",
        {
            z_image.FAMILY: _prompts(open_z_image_encoder, z_image.read_facts),
            flux.FAMILY: _prompts(open_flux_encoder, flux.read_facts),
        },
    ),
    "text_to_image": HostedPipeline("answers", dict.fromkeys(PICTURES, _plain(text_to_image))),
    "image_to_image": HostedPipeline("answers", dict.fromkeys(PICTURES, _plain(image_to_image))),
    "picture_stream": HostedPipeline("answers", dict.fromkeys(PICTURES, _streamed(picture_stream))),
    "score": HostedPipeline("answers", {clip.FAMILY: _scores}),
    "cut_out": HostedPipeline("values", {cut_out_facts.FAMILY: _plain(cut_out)}),
}
