"""Builds the networks of a checkpoint empty from their config, then loads their files tensor by tensor.

A network is built on the meta device and compared with the headers of its files. After that its tensors are
assigned (`assign=True`), so that memory never holds a second copy of the weights.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)
from vitrine.errors import one_line

from vitrine_export.checkpoint.config_values import VAE_NUMBERS, ensure_vae_numbers
from vitrine_export.checkpoint.weights import headers, tensors
from vitrine_export.errors import BadCheckpoint
from vitrine_export.nets import ImageProjection, ProjectionShape, build_garment, build_tryon
from vitrine_export.person_nets import BodyPose

Config = Mapping[str, Any]
State = Mapping[str, Tensor]

PROJECTION = "encoder_hid_proj."  # prefix of the image projection's keys in unet/
CHANNELS = 4  # what diffusers' UNet and VAE have for in_, out_ and latent_channels that a config omits
SHOWN = 3  # names of keys in an error; further ones are counted


@dataclass(frozen=True)
class Component:
    """One network: how it is built from config.json and the headers of its files, and the names of its keys.

    `name_of` maps a file's key to the network's key, or to None for a known key that is not needed.
    `inside` is the attribute whose state dict has the released names. `rules` are config values that the
    architecture requires.
    """

    build: Callable[[Config, State], nn.Module]
    name_of: Callable[[str], str | None]
    inside: str = ""
    rules: Mapping[str, int] | None = None


def empty(component: Component, config: Config, files: tuple[Path, ...], part: str) -> tuple[nn.Module, dict]:
    """Return the network on the meta device, and {network's key: (file, file's key)}.

    Raises BadCheckpoint with the missing, unknown or misshapen keys.
    """
    refuse_quantised(config, part)
    for key, wanted in (component.rules or {}).items():
        if (got := config.get(key, CHANNELS)) != wanted:
            raise BadCheckpoint(f"{part}/config.json: {key} must be {wanted}, got {got}")
    places: dict[str, tuple[Path, str]] = {}
    state: dict[str, Tensor] = {}
    for file in files:
        for key, header in headers(file, f"{part}/{file.name}").items():
            if (name := component.name_of(key)) is not None:
                places[name], state[name] = (file, key), header
    try:
        with torch.device("meta"):
            net = component.build(config, state)
    except BadCheckpoint:
        raise
    except Exception as error:  # of libraries that were given values of any type, and divide by them
        raise BadCheckpoint(
            f"{part}: the config or the weights are of another architecture: {_reason(error)}"
        ) from error
    label = f"{part}/{files[0].name}" if len(files) == 1 else f"{part}/"
    _compare(_target(component, net).state_dict(), state, label)
    return net, places


def refuse_quantised(config: Config, part: str) -> None:
    """Raise BadCheckpoint for a config that says how its weights are to be taken out of smaller numbers."""
    if given := config.get("quantization_config"):
        method = given.get("quant_method") if isinstance(given, dict) else given
        raise BadCheckpoint(
            f"{part}/config.json: quantization_config must not be set, got {method!r}; fetch the same "
            "network in fp32, fp16 or bf16"
        )


def fill(component: Component, net: nn.Module, places: dict, part: str, dtype: torch.dtype) -> nn.Module:
    """Assign the network's tensors, floating-point ones as `dtype`, and return it in eval mode."""
    target = _target(component, net).requires_grad_(False)
    by_file: dict[Path, dict[str, str]] = {}
    for name, (file, key) in places.items():
        by_file.setdefault(file, {})[key] = name
    for file, names in by_file.items():
        for chunk in tensors(file, f"{part}/{file.name}", list(names), dtype):
            target.load_state_dict({names[key]: t for key, t in chunk.items()}, strict=False, assign=True)
    _restore_buffers(net)
    return net.requires_grad_(False).eval()


def _target(component: Component, net: nn.Module) -> nn.Module:
    return net.get_submodule(component.inside)


def _compare(expected: State, found: State, label: str) -> None:
    """Raise BadCheckpoint unless the keys and shapes are the same."""
    shapes = [
        f"{name} {tuple(found[name].shape)} instead of {tuple(expected[name].shape)}"
        for name in sorted(expected.keys() & found.keys())
        if expected[name].shape != found[name].shape
    ]
    whole = [
        f"{name} {found[name].dtype}"
        for name in sorted(expected.keys() & found.keys())
        if expected[name].is_floating_point() and not found[name].is_floating_point()
    ]
    problems = {
        "missing": sorted(expected.keys() - found.keys()),
        "unknown": sorted(found.keys() - expected.keys()),
        "misshapen": shapes,
        "of whole numbers": whole,
    }
    faults = [f"{len(names)} keys {kind} ({_some(names)})" for kind, names in problems.items() if names]
    if faults:
        raise BadCheckpoint(f"{label} does not fit its config.json: {'; '.join(faults)}")


def _reason(error: Exception) -> str:
    """Return an error of a library in one line; KeyError and their like have only a name to say."""
    told = one_line(error)
    return told if isinstance(error, ValueError | RuntimeError) else f"{type(error).__name__}: {told}"


def _some(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")


def _restore_buffers(net: nn.Module) -> None:
    """Compute the buffers that no file contains: positions, and the tables of a network that makes them."""
    if hasattr(net, "make_tables"):
        net.make_tables()
    for module in net.modules():
        for name, buffer in list(module.named_buffers(recurse=False)):
            if buffer.device.type == "meta":
                assert name == "position_ids", f"a buffer without values: {name}"
                setattr(module, name, torch.arange(buffer.shape[-1]).expand(buffer.shape).clone())


def _tryon(config: Config, state: State) -> nn.Module:
    """Build TryonNet; the weights give the sizes of its image projection, which config.json lacks."""
    given = config.get("image_projection") or {}
    if any(key.startswith(PROJECTION) for key in state):
        given = ProjectionShape.from_state(state, PROJECTION, given.get("dim_head")).to_config()
    return build_tryon({**config, "image_projection": given})


def _projection(config: Config, state: State) -> nn.Module:
    given = config.get("image_projection") or {}
    return ImageProjection(ProjectionShape.from_state(state, "", given.get("dim_head")))


def _vae(config: Config, state: State) -> nn.Module:
    ensure_vae_numbers(config)
    given = {key for key in _VAE_KEYS & config.keys() if not (key in VAE_NUMBERS and config[key] is None)}
    return AutoencoderKL(**{key: config[key] for key in given})


_VAE_KEYS = frozenset(inspect.signature(AutoencoderKL.__init__).parameters) - {"self"}

_OLD_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
"""The VAE's attention keys in files from before diffusers 0.15, and today's."""


def _vae_name(key: str) -> str:
    return re.sub(
        r"(\.attentions\.\d+\.)(query|key|value|proj_attn)\.", lambda m: f"{m[1]}{_OLD_ATTENTION[m[2]]}.", key
    )


def _clip_name(key: str) -> str | None:
    return None if key.endswith("position_ids") else key


def _text_name(key: str) -> str | None:
    return _clip_name(key.removeprefix("text_model."))


def _garment_name(key: str) -> str | None:
    return None if key.startswith("add_embedding.") else key  # leftovers of a full SDXL UNet


def _projection_name(key: str) -> str | None:
    return key.removeprefix(PROJECTION) if key.startswith(PROJECTION) else None


COMPONENTS: dict[str, Component] = {
    "unet": Component(_tryon, str, inside="unet", rules={"in_channels": 13, "out_channels": 4}),
    "image_projection": Component(_projection, _projection_name),  # its weights are in unet/
    "unet_encoder": Component(
        lambda config, state: build_garment(config), _garment_name, inside="unet", rules={"in_channels": 4}
    ),
    "vae": Component(_vae, _vae_name, rules={"latent_channels": 4}),
    "text_encoder": Component(
        lambda config, state: CLIPTextModel(CLIPTextConfig.from_dict(dict(config))), _text_name
    ),
    "text_encoder_2": Component(
        lambda config, state: CLIPTextModelWithProjection(CLIPTextConfig.from_dict(dict(config))), _clip_name
    ),
    "image_encoder": Component(
        lambda config, state: CLIPVisionModelWithProjection(CLIPVisionConfig.from_dict(dict(config))),
        _clip_name,
    ),
    "pose": Component(lambda config, state: BodyPose.from_state(state), str),
}
