"""The networks behind the ONNX files of an advertising checkpoint: names, axes and samples of their inputs.

One table describes each input; samples and axes are derived from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from vitrine_orchestrator.stages import Stage

from vitrine_export.checkpoint.ad_layout import LORA_RANK
from vitrine_export.checkpoint.ads import AdCheckpoint
from vitrine_export.errors import ExportFailed
from vitrine_export.exporting.ad_graphs import FluxGraph, LatentDecoder, LatentEncoder, ZImageGraph
from vitrine_export.exporting.network import BATCH, Inside, Network, Size
from vitrine_export.nets.flux import FluxNet
from vitrine_export.nets.z_image import ZImageNet

TOLERANCE = 1e-4
SLOTS = "slots"

Dims = tuple[int | str, ...]

SAMPLES: Mapping[str, tuple[int, int]] = {
    "picture_tokens": (64, 32),
    "caption_tokens": (96, 32),
    "text_tokens": (24, 12),
    "tokens": (24, 12),
    "height": (64, 32),
    "width": (96, 32),
    "latent_height": (8, 4),
    "latent_width": (12, 4),
    SLOTS: (3, 2),
}
"""The length of each named axis in the traced sample, and in a second sample that is checked."""


@dataclass(frozen=True)
class Input:
    """One input without its batch axis; `kind` selects the numbers of its samples."""

    name: str
    kind: str
    dims: Dims
    shared: bool = False  # all rows share it: it has no batch axis


def network_of(file: str, module: nn.Module, inputs: tuple[Input, ...], output: str, most: int) -> Network:
    """Return the network of a file; `most` is the exclusive limit of its integer inputs."""

    def sample(rows: int, size: Size) -> tuple[Tensor, ...]:
        which, draw = (0 if size == "small" else 1), torch.Generator().manual_seed(rows)
        return tuple(_drawn(given, rows, which, most, draw) for given in inputs)

    return Network(
        file=file,
        module=Inside(module, torch.float32, [given.kind in ("normal", "small") for given in inputs]).eval(),
        inputs=tuple((g.name, g.dims if g.shared else (BATCH, *g.dims)) for g in inputs),
        outputs=(output,),
        tolerance=TOLERANCE,
        sample=sample,
    )


def ensure_float32(row: Stage, dtype: torch.dtype) -> None:
    """Raise ExportFailed for another precision of a network whose values overflow in float16."""
    if dtype != torch.float32:
        raise ExportFailed(f"{row.name}: the precision must be fp32, got {dtype}: fp16 overflows")


def _drawn(given: Input, rows: int, which: int, most: int, draw: torch.Generator) -> Tensor:
    lengths = [dim if isinstance(dim, int) else SAMPLES[dim][which] for dim in given.dims]
    shape = lengths if given.shared else [rows, *lengths]
    return _KINDS[given.kind](shape, most, draw)


_KINDS: dict[str, Callable[[list[int], int, torch.Generator], Tensor]] = {
    "normal": lambda shape, most, draw: torch.randn(shape, generator=draw),
    "share": lambda shape, most, draw: torch.rand(shape, generator=draw),
    "small": lambda shape, most, draw: 0.05 * torch.randn(shape, generator=draw),
    "whole": lambda shape, most, draw: torch.randint(0, most, shape, generator=draw),
    "slot": lambda shape, most, draw: torch.randint(0, 2, shape, generator=draw),
    "places": lambda shape, most, draw: torch.randint(0, 16, shape, generator=draw),
    "some": lambda shape, most, draw: torch.arange(shape[-1]).expand(shape) >= shape[-1] - 4,
    "most": lambda shape, most, draw: (torch.arange(shape[-1]).expand(shape) < shape[-1] - 2).clone(),
}


def z_image_inputs(net: ZImageNet, rank: int) -> tuple[Input, ...]:
    """Return the inputs of ZImageGraph, in its order."""
    pictures, captions = "picture_tokens", "caption_tokens"
    return (
        Input("patches", "normal", (pictures, net.config.patch_width)),
        Input("picture_ids", "places", (pictures, 3)),
        Input("picture_pad", "some", (pictures,)),
        Input("picture_valid", "most", (pictures,)),
        Input("caption", "normal", (captions, net.config.cap_feat_dim)),
        Input("caption_ids", "places", (captions, 3)),
        Input("caption_pad", "some", (captions,)),
        Input("caption_valid", "most", (captions,)),
        Input("time", "share", ()),
        *_lora_inputs(net, rank),
    )


def flux_inputs(net: FluxNet, rank: int) -> tuple[Input, ...]:
    """Return the inputs of FluxGraph, in its order."""
    guidance = (Input("guidance", "share", ()),) if net.config.guidance_embeds else ()
    return (
        Input("patches", "normal", ("picture_tokens", net.config.in_channels)),
        Input("picture_ids", "places", ("picture_tokens", 3)),
        Input("picture_valid", "most", ("picture_tokens",)),
        Input("text", "normal", ("text_tokens", net.config.joint_attention_dim)),
        Input("text_valid", "most", ("text_tokens",)),
        Input("pooled", "normal", (net.config.pooled_projection_dim,)),
        Input("time", "share", ()),
        *guidance,
        *_lora_inputs(net, rank),
    )


def _lora_inputs(net: ZImageNet | FluxNet, rank: int) -> tuple[Input, ...]:
    return (
        Input("lora_down", "small", (SLOTS, rank, net.sites.inputs), shared=True),
        Input("lora_up", "small", (SLOTS, rank, net.sites.outputs), shared=True),
        Input("lora_slot", "slot", ()),
    )


def ad_networks(checkpoint: AdCheckpoint, rank: int = LORA_RANK) -> Iterator[tuple[str, Network]]:
    """Yield every network of the checkpoint with its name, in float32; `rank` is that of a LoRA slot."""
    for part in checkpoint.kind.networks:
        yield from _MAKERS[checkpoint.kind.name, part](part, checkpoint, rank)


def _file(name: str) -> str:
    return f"{name}/1/model.onnx"


def _text(part: str, checkpoint: AdCheckpoint, rank: int) -> Iterator[tuple[str, Network]]:
    words = int(checkpoint.config(part)["vocab_size"])
    inputs = (Input("input_ids", "whole", ("tokens",)),)
    yield part, network_of(_file(part), checkpoint.load(part), inputs, "features", words)


def _pooled(part: str, checkpoint: AdCheckpoint, rank: int) -> Iterator[tuple[str, Network]]:
    config = checkpoint.config(part)
    inputs = (Input("input_ids", "whole", (int(config["max_position_embeddings"]),)),)
    yield part, network_of(_file(part), checkpoint.load(part), inputs, "pooled", int(config["vocab_size"]))


def _z_image(part: str, checkpoint: AdCheckpoint, rank: int) -> Iterator[tuple[str, Network]]:
    net = checkpoint.load(part)
    assert isinstance(net, ZImageNet)
    yield part, network_of(_file(part), ZImageGraph(net), z_image_inputs(net, rank), "velocity", 0)


def _flux(part: str, checkpoint: AdCheckpoint, rank: int) -> Iterator[tuple[str, Network]]:
    net = checkpoint.load(part)
    assert isinstance(net, FluxNet)
    yield part, network_of(_file(part), FluxGraph(net), flux_inputs(net, rank), "velocity", 0)


def _vae(part: str, checkpoint: AdCheckpoint, rank: int) -> Iterator[tuple[str, Network]]:
    vae = checkpoint.load(part)
    pixels = (Input("pixels", "normal", (3, "height", "width")),)
    latents = (Input("latents", "normal", (16, "latent_height", "latent_width")),)
    yield "vae_encoder", network_of(_file("vae_encoder"), LatentEncoder(vae), pixels, "latents", 0)
    yield "vae_decoder", network_of(_file("vae_decoder"), LatentDecoder(vae), latents, "pixels", 0)


_MAKERS: dict[tuple[str, str], Callable[[str, AdCheckpoint, int], Iterator[tuple[str, Network]]]] = {
    ("z-image", "transformer"): _z_image,
    ("z-image", "text_encoder"): _text,
    ("z-image", "vae"): _vae,
    ("flux", "transformer"): _flux,
    ("flux", "text_encoder"): _pooled,
    ("flux", "text_encoder_2"): _text,
    ("flux", "vae"): _vae,
}
"""Networks by family and folder."""
