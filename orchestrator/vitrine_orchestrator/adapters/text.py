"""Starts the model `text_overlay`, which sets text on pictures and needs no checkpoint.

What it works with is imported at the first request, so that a server is ready earlier.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from vitrine_orchestrator.adapters.metrics import ModelMetrics
from vitrine_orchestrator.adapters.service import Outputs, Send, Service
from vitrine_orchestrator.lettering.fonts import open_fonts
from vitrine_orchestrator.settings import Settings
from vitrine_orchestrator.stages.calls import Stages


def serve_text(args: Mapping[str, str], pb_utils: Any) -> Service:
    """Start answering; `args` is what `TritonPythonModel.initialize` is given.

    Raises BadSettings for a file of VITRINE_FONT_FOLDER that is no font.
    """
    config = json.loads(args["model_config"])
    settings = Settings.from_environment(os.environ)
    fonts = open_fonts(settings.font_folder)

    async def answer(stages: Stages, inputs: Outputs, send: Send) -> Outputs:
        from vitrine_orchestrator.lettering.context import TextContext
        from vitrine_orchestrator.lettering.pipeline import text_overlay
        from vitrine_orchestrator.pictures import Limits

        limits = Limits(settings.max_picture_bytes, settings.max_pixels)
        return await text_overlay(TextContext(fonts, limits), stages, inputs)

    in_flight = settings.in_flight(int(config["parameters"]["in_flight"]["string_value"]))
    return Service(pb_utils, answer, ModelMetrics(pb_utils, config["name"]), in_flight, has_encoding=True)
