"""The networks of the advertising families: how each is built, and the names of its keys."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import nn
from transformers import CLIPTextConfig, Qwen3Config, T5Config

from vitrine_export.checkpoint.ad_layout import EMA, TRANSFORMERS, VAE_GAPS, Z_IMAGE_PROMPT_TOKENS
from vitrine_export.checkpoint.components import COMPONENTS, Component, Config, State, refuse_quantised
from vitrine_export.checkpoint.config_values import whole
from vitrine_export.errors import BadCheckpoint
from vitrine_export.nets.flux import FluxConfig, FluxNet
from vitrine_export.nets.text import ClipPooled, Qwen3Features, T5Text, clip, qwen3, t5
from vitrine_export.nets.z_image import ZImageConfig, ZImageNet

log = logging.getLogger(__name__)

Made = tuple[Component, Config]
"""A network's component, and its config completed with known defaults."""


def component_of(family: str, part: str, config: Config) -> Made:
    """Return the component of a part; raises BadCheckpoint for a config of another architecture."""
    return _COMPONENTS[family, part](config)


def filled(part: str, config: Config, gaps: Mapping[str, Any]) -> dict[str, Any]:
    """Complete the config with the released model's values, and report the completed settings."""
    missing = {key: value for key, value in gaps.items() if key not in config}
    if missing:
        values = ", ".join(f"{key} = {value!r}" for key, value in sorted(missing.items()))
        log.warning(
            "%s/config.json lacks settings of the released model; their released values are used: %s",
            part,
            values,
        )
    return {**config, **missing}


def _transformer(family: str, settings: type[Any], net: Callable[[Any], nn.Module], given: Config) -> Made:
    known = TRANSFORMERS[family]
    refuse_quantised(given, "transformer")
    config = filled("transformer", given, known.gaps)
    plain = {key: value for key, value in config.items() if not key.startswith("_")}
    for key, values in known.only.items():
        if key in plain and plain[key] not in values:
            raise BadCheckpoint(f"transformer/config.json: {key} must be {values[0]!r}, got {plain[key]!r}")
    told = {key for key, value in plain.items() if value is not None} - EMA
    if unknown := sorted(told - {*known.read, *known.only, *known.idle}):
        raise BadCheckpoint(f"transformer/config.json: unknown settings {unknown}")
    chosen = {
        key: tuple(plain[key]) if isinstance(plain[key], list) else plain[key]
        for key in known.read
        if key in plain
    }

    def build(config: Config, state: State) -> nn.Module:
        return net(settings(**chosen))

    return Component(build, str), config


def _vae(given: Config) -> Made:
    config = filled("vae", {k: v for k, v in given.items() if k not in VAE_GAPS or v is not None}, VAE_GAPS)
    stock = COMPONENTS["vae"]
    return Component(stock.build, stock.name_of, rules={"latent_channels": 16}), config


def _qwen3(given: Config) -> Made:
    layers = whole("text_encoder", given, "num_hidden_layers")
    if layers < 2:
        raise BadCheckpoint(f"text_encoder/config.json: num_hidden_layers must be 2 or more, got {layers}")
    return Component(_qwen3_net, partial(qwen3.name_in_net, layers=layers)), given


def _qwen3_net(given: Config, state: State) -> nn.Module:
    config = Qwen3Config.from_dict(dict(given))
    window, kinds = config.sliding_window, (config.layer_types or ())[: config.num_hidden_layers - 1]
    if window is not None and window < Z_IMAGE_PROMPT_TOKENS and "sliding_attention" in kinds:
        raise BadCheckpoint(
            "text_encoder/config.json: use_sliding_window must be false, or sliding_window at least "
            f"{Z_IMAGE_PROMPT_TOKENS}, the longest prompt, got {window}"
        )
    return Qwen3Features(config)


def _clip(given: Config) -> Made:
    build = lambda config, state: ClipPooled(CLIPTextConfig.from_dict(dict(config)))  # noqa: E731
    return Component(build, clip.name_in_net), given


def _t5(given: Config) -> Made:
    build = lambda config, state: T5Text(T5Config.from_dict(dict(config)))  # noqa: E731
    return Component(build, t5.name_in_net, inside="stack"), given


_COMPONENTS: dict[tuple[str, str], Callable[[Config], Made]] = {
    ("z-image", "transformer"): partial(_transformer, "z-image", ZImageConfig, ZImageNet),
    ("z-image", "text_encoder"): _qwen3,
    ("z-image", "vae"): _vae,
    ("flux", "transformer"): partial(_transformer, "flux", FluxConfig, FluxNet),
    ("flux", "text_encoder"): _clip,
    ("flux", "text_encoder_2"): _t5,
    ("flux", "vae"): _vae,
}
"""Components by family and folder."""
