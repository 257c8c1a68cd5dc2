"""Opens and serves the Python models that read no checkpoint and have no network: one row each.

They belong to no family; `beside` of their rows says which servers have them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from vitrine_orchestrator.adapters.metrics import ModelMetrics
from vitrine_orchestrator.adapters.service import Outputs, Send, Service
from vitrine_orchestrator.adapters.waiting import places_of
from vitrine_orchestrator.pictures import Limits
from vitrine_orchestrator.pipeline.request_context import PlainContext
from vitrine_orchestrator.settings import Settings
from vitrine_orchestrator.stages import stage
from vitrine_orchestrator.stages.calls import Stages

if TYPE_CHECKING:
    from vitrine_orchestrator.lettering.overlay import Setters

PlainAnswer = Callable[[PlainContext, Outputs, Send], Awaitable[Outputs]]
"""Answers one request, from its context, its inputs and a function for earlier responses."""

OpenPlain = Callable[[Settings], PlainAnswer]
"""Opens a model; BadSettings for settings that it cannot use."""


def _ad_prompts(settings: Settings) -> PlainAnswer:
    """The prompt processor, with the endpoint of the settings."""
    from vitrine_orchestrator.ad_prompts.endpoint import endpoint_of
    from vitrine_orchestrator.ad_prompts.pipeline import prepare_ad_prompt

    endpoint = endpoint_of(settings)

    async def answered(context: PlainContext, inputs: Outputs, send: Send) -> Outputs:
        return await prepare_ad_prompt(context, endpoint, inputs)

    return answered


def _workflows(settings: Settings) -> PlainAnswer:
    """Workflows, with the memory of their nodes' answers."""
    from vitrine_orchestrator.workflows.kept import KeptNodes
    from vitrine_orchestrator.workflows.pipeline import run_workflow

    kept = KeptNodes(settings.workflow_bytes)

    async def answered(context: PlainContext, inputs: Outputs, send: Send) -> Outputs:
        return await run_workflow(context, kept, inputs)

    return answered


def _workflow_streams(settings: Settings) -> PlainAnswer:
    """The same with progress events."""
    from vitrine_orchestrator.workflows.kept import KeptNodes
    from vitrine_orchestrator.workflows.pipeline import workflow_stream

    kept = KeptNodes(settings.workflow_bytes)

    async def answered(context: PlainContext, inputs: Outputs, send: Send) -> Outputs:
        return await workflow_stream(context, kept, inputs, send)

    return answered


def _compositions(settings: Settings) -> PlainAnswer:
    """Compositions, with the vision model of the settings."""
    from vitrine_orchestrator.ad_prompts.proposing import vision_of
    from vitrine_orchestrator.compose.pipeline import compose
    from vitrine_orchestrator.composition.seen_scenes import SeenScenes

    vision, scenes = vision_of(settings), SeenScenes()

    async def answered(context: PlainContext, inputs: Outputs, send: Send) -> Outputs:
        return await compose(context, inputs, vision, scenes)

    return answered


def _ads(settings: Settings) -> PlainAnswer:
    """Advertisements, which need no settings."""
    from vitrine_orchestrator.product_ad.pipeline import product_ad

    async def answered(context: PlainContext, inputs: Outputs, send: Send) -> Outputs:
        return await product_ad(context, inputs)

    return answered


def _ad_streams(settings: Settings) -> PlainAnswer:
    """The same with progress events."""
    from vitrine_orchestrator.product_ad.pipeline import product_ad_stream

    return product_ad_stream


def _texts(settings: Settings) -> PlainAnswer:
    """Texts on pictures, with the fonts of the settings; the painting is imported at the first request."""
    from vitrine_orchestrator.ad_prompts.proposing import vision_of
    from vitrine_orchestrator.lettering.fonts import open_fonts

    vision = vision_of(settings)
    fonts = open_fonts(settings.font_folder)

    @cache
    def setters() -> Setters:
        from vitrine_orchestrator.lettering.overlay import Setters

        allowed = cast(Any, settings.caller_html)
        return Setters(fonts, caller_html=allowed, caller_html_s=settings.caller_html_s)

    async def answered(context: PlainContext, inputs: Outputs, send: Send) -> Outputs:
        from vitrine_orchestrator.lettering.context import TextContext
        from vitrine_orchestrator.lettering.pipeline import text_overlay

        return await text_overlay(TextContext(setters(), context.limits, vision), context.stages, inputs)

    return answered


PLAIN: dict[str, OpenPlain] = {
    "prepare_ad_prompt": _ad_prompts,
    "run_workflow": _workflows,
    "workflow_stream": _workflow_streams,
    "compose": _compositions,
    "product_ad": _ads,
    "product_ad_stream": _ad_streams,
    "text_overlay": _texts,
}
"""How each model is opened. Each imports its own pipeline alone: every model is a process."""


def serve_plain(args: Mapping[str, str], pb_utils: Any) -> Service:
    """Start answering; `args` is what `initialize` is given. The stages are the newest that are loaded."""
    config = json.loads(args["model_config"])
    name = config["name"]
    settings = Settings.from_environment(os.environ)
    limits = Limits(settings.max_picture_bytes, settings.max_pixels)
    repository = Path(args["model_repository"]).parent
    opened = PLAIN[name](settings)

    async def answer(stages: Stages, inputs: Outputs, send: Send) -> Outputs:
        return await opened(PlainContext(stages, limits, repository, settings.lora_folder), inputs, send)

    return Service(pb_utils, stage(name), answer, ModelMetrics(pb_utils, name), places_of(config, settings))
