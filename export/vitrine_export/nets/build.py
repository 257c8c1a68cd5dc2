"""Builds nets from config dicts and released state dicts, and the reverse."""

import inspect
from collections.abc import Mapping
from typing import Any, Final

from diffusers import UNet2DConditionModel
from torch import Tensor

from vitrine_export.nets.garment_unet import GarmentNet
from vitrine_export.nets.image_projection import ProjectionShape
from vitrine_export.nets.tryon_unet import TryonNet

PROJECTION = "encoder_hid_proj."
PROJECTION_KEY = "image_projection"  # our one key in unet/config.json: sizes that the weights lack

# config key → the values that the released code supports
KNOWN: Final[dict[str, tuple[object, ...]]] = {
    "mid_block_type": ("UNetMidBlock2DCrossAttn",),
    "center_input_sample": (False,),
    "only_cross_attention": (False,),
    "mid_block_only_cross_attention": (None, False),
    "dual_cross_attention": (False,),
    "class_embed_type": (None,),
    "num_class_embeds": (None,),
    "time_embedding_type": ("positional",),
    "time_embedding_act_fn": (None,),
    "time_cond_proj_dim": (None,),
    "attention_type": ("default",),
    "cross_attention_norm": (None,),
}
BLOCKS = {"DownBlock2D", "CrossAttnDownBlock2D", "UpBlock2D", "CrossAttnUpBlock2D"}


def build_tryon(config: Mapping[str, object], state: Mapping[str, Tensor] | None = None) -> TryonNet:
    """Build TryonNet from a unet/config.json, with the released weights `state` or random ones.

    Raises ValueError for a config of another architecture or a state that does not fit it.
    """
    unet = _unet({**config, "encoder_hid_dim": None, "encoder_hid_dim_type": None})
    net = TryonNet(unet, _projection(config, state))
    if state is not None:
        load_released_state_dict(net, state)
    return net


def build_garment(config: Mapping[str, object], state: Mapping[str, Tensor] | None = None) -> GarmentNet:
    """Build GarmentNet from a unet_encoder/config.json, with the released weights `state` or random ones.

    It has no added conditions, because the released code trains and runs it without them.
    """
    ignored = {"addition_embed_type": None, "encoder_hid_dim": None, "encoder_hid_dim_type": None}
    net = GarmentNet(_unet({**config, **ignored}))
    if state is not None:
        load_released_state_dict(net, state)
    return net


def load_released_state_dict(net: TryonNet | GarmentNet, state: Mapping[str, Tensor]) -> None:
    """Load weights with the released names. GarmentNet's leftovers of a full SDXL UNet are ignored.

    Raises ValueError with the missing, unknown or misshapen keys.
    """
    expected = net.unet.state_dict()
    spare = {key for key in state if isinstance(net, GarmentNet) and key.startswith("add_embedding.")}
    shared = expected.keys() & state.keys()
    problems = {
        "unknown": state.keys() - expected.keys() - spare,
        "missing": expected.keys() - state.keys(),
        "misshapen": {key for key in shared if expected[key].shape != state[key].shape},
    }
    for problem, keys in problems.items():
        if keys:
            first = ", ".join(sorted(keys)[:3])
            raise ValueError(f"{type(net).__name__} weights: {len(keys)} {problem} keys, first {first}")
    net.unet.load_state_dict({key: state[key] for key in expected})


def released_state_dict(net: TryonNet | GarmentNet) -> dict[str, Tensor]:
    """Return the weights with the released names, as in unet/diffusion_pytorch_model.safetensors."""
    return {key: tensor.detach().contiguous() for key, tensor in net.unet.state_dict().items()}


def released_config(net: TryonNet | GarmentNet) -> dict[str, object]:
    """Return the net's config.json in the released layout."""
    config = {key: value for key, value in net.unet.config.items() if not key.startswith("_")}
    config["_class_name"] = "UNet2DConditionModel"
    if isinstance(net, TryonNet):
        shape = net.unet.encoder_hid_proj.shape
        config |= {"encoder_hid_dim": shape.embedding_dim, "encoder_hid_dim_type": "ip_image_proj"}
        config[PROJECTION_KEY] = shape.to_config()
    return config


def _unet(config: Mapping[str, object]) -> UNet2DConditionModel:
    parameters = inspect.signature(UNet2DConditionModel.__init__).parameters
    _refuse_unknown(config)
    return UNet2DConditionModel(**{key: value for key, value in config.items() if key in parameters})


def _refuse_unknown(config: Mapping[str, Any]) -> None:
    for key, values in KNOWN.items():
        if key in config and config[key] not in values:
            raise ValueError(f"UNet config: {key} must be one of {values}, got {config[key]!r}")
    blocks = {*config.get("down_block_types", ()), *config.get("up_block_types", ())}
    if blocks - BLOCKS:
        raise ValueError(
            f"UNet config: block types must be among {sorted(BLOCKS)}, got {sorted(blocks - BLOCKS)}"
        )


def _projection(config: Mapping[str, Any], state: Mapping[str, Tensor] | None) -> ProjectionShape:
    if state is None:
        return ProjectionShape.from_config(config)
    projection = config.get(PROJECTION_KEY) or {}
    return ProjectionShape.from_state(state, PROJECTION, projection.get("dim_head"))
