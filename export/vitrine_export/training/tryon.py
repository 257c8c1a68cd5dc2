"""Trains both UNets together with the text encoders, the image encoder and the image projection."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import DDPMScheduler
from torch import nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

from vitrine_export.nets import build_garment, build_tryon
from vitrine_export.training import latents as world
from vitrine_export.training.loop import Plan, device, fit
from vitrine_export.training.recipe import (
    GARMENT_UNET,
    IMAGE_ENCODER,
    IMAGE_PROJECTION,
    PICTURE,
    PLANS,
    SCHEDULER,
    SEED,
    TEXT_ENCODER,
    TRYON_UNET,
)
from vitrine_export.training.tokenizers import END, START, vocabulary, write_tokenizer

NEGATIVE_PROMPT = "monochrome, lowres, bad anatomy, worst quality, low quality"
DROPPED, BRIEF, NOISY = 0.05, 0.25, 0.65
"""Shares of rows: without conditions; with the category's default text; with a timestep from 700 on."""


class Nets(nn.Module):
    """All nets that are trained together, with the names of the checkpoint's folders."""

    def __init__(self) -> None:
        super().__init__()
        words = vocabulary()
        text = {
            **TEXT_ENCODER,
            "vocab_size": len(words),
            "bos_token_id": words[START],
            "eos_token_id": words[END],
        }
        self.unet = build_tryon({**TRYON_UNET, "image_projection": IMAGE_PROJECTION})
        self.unet_encoder = build_garment(GARMENT_UNET)
        self.text_encoder = CLIPTextModel(CLIPTextConfig(**text, hidden_act="quick_gelu"))
        self.text_encoder_2 = CLIPTextModelWithProjection(CLIPTextConfig(**text, hidden_act="gelu"))
        self.image_encoder = CLIPVisionModelWithProjection(CLIPVisionConfig(**IMAGE_ENCODER))

        for unet in (self.unet, self.unet_encoder):
            zero_residuals(unet)
        copy_shared_weights(self.unet.unet, self.unet_encoder.unet)

    def encode_text(self, ids: torch.Tensor, ids_2: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode both tokenizers' ids (R, 77) to context (R, 77, C) and pooled (R, P), as SDXL does."""
        first = self.text_encoder(ids, output_hidden_states=True).hidden_states[-2]
        second = self.text_encoder_2(ids_2, output_hidden_states=True)
        return torch.cat([first, second.hidden_states[-2]], dim=-1), second.text_embeds

    def encode_image(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Encode CLIP pixel values (R, 3, S, S) to image tokens (R, 16, C)."""
        hidden = self.image_encoder(pixel_values, output_hidden_states=True).hidden_states[-2]
        return self.unet.image_tokens(hidden)


@torch.no_grad()
def copy_shared_weights(tryon: nn.Module, garment: nn.Module) -> None:
    """Copy TryonNet's weights into GarmentNet for every tensor that both have.

    TryonNet's attention compares the features of both nets, so equal weights make equal contents match from
    the first step. The released pair also started from one net, SDXL.
    """
    given, own = tryon.state_dict(), garment.state_dict()
    for name, value in own.items():
        if name == "conv_in.weight":
            value.copy_(given[name][:, : value.shape[1]])
        elif name in given and given[name].shape == value.shape:
            value.copy_(given[name])


def zero_residuals(net: nn.Module) -> None:
    """Zero the residual branches' last layers (Dhariwal and Nichol, "Diffusion Models Beat GANs", 2021)."""
    for name, module in net.named_modules():
        if name.endswith((".conv2", ".proj_out")) and "encoder_hid_proj" not in name:
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)


class Prompts:
    """Tokenizes prompts with both tokenizers, which are written into `folder`."""

    def __init__(self, folder: Path) -> None:
        self.tokenizers = []
        for name, pad in (("tokenizer", END), ("tokenizer_2", "!")):
            write_tokenizer(folder / name, pad)
            self.tokenizers.append(CLIPTokenizer.from_pretrained(folder / name))

    def ids(self, prompts: list[str]) -> list[torch.Tensor]:
        """Return the token ids (R, 77) of each tokenizer."""
        options = {"padding": "max_length", "max_length": 77, "truncation": True, "return_tensors": "pt"}
        return [tokenizer(prompts, **options).input_ids.to(device()) for tokenizer in self.tokenizers]


def train_tryon(data: world.TryOnSet, folder: Path) -> Nets:
    """Train on the encoded set; the nets predict clean latents, as the checkpoint's scheduler declares."""
    plan = PLANS["tryon"]
    torch.manual_seed(0)
    nets, predictor = Nets(), LatentPredictor(data, folder)
    nets.unet.to(memory_format=torch.channels_last), nets.unet_encoder.to(memory_format=torch.channels_last)

    def loss_of(indices: torch.Tensor, step: int) -> torch.Tensor:
        rows = data.rows(indices)
        return latent_error(predictor.predict(nets, indices, rows, step), rows)

    fit("tryon", nets, loss_of, lambda first: _order(first, plan, len(data.samples)), plan, folder)
    return nets


def _order(first: int, plan: Plan, count: int) -> list[torch.Tensor]:
    """Return the row numbers of each step from `first` on; every epoch has another random order."""
    epochs = range(plan.steps * plan.batch // count + 1)
    orders = [torch.randperm(count, generator=torch.Generator().manual_seed(SEED + e)) for e in epochs]
    return list(torch.cat(orders)[: plan.steps * plan.batch].split(plan.batch))[first:]


class LatentPredictor:
    """Predicts the clean latents of a set's rows with noise and dropped conditions drawn by step."""

    def __init__(self, data: world.TryOnSet, folder: Path) -> None:
        self.prompts = Prompts(folder)
        settings = {key: value for key, value in SCHEDULER.items() if not key.startswith("_")}
        self.alphas = DDPMScheduler(**settings).alphas_cumprod.to(device())
        self.texts = [world.descriptions(index) for index in data.samples]

    def predict(
        self, nets: Nets, indices: torch.Tensor, rows: dict[str, torch.Tensor], step: int
    ) -> torch.Tensor:
        """Return the clean latents (R, 4, h, w) that `nets` predict for `rows`, those at `indices`."""
        draw = torch.Generator().manual_seed(step)
        texts = [self.texts[index][torch.rand((), generator=draw) < BRIEF] for index in indices.tolist()]
        return _predict(nets, rows, self.prompts, texts, self.alphas, draw)


def _predict(
    nets: Nets,
    rows: dict[str, torch.Tensor],
    prompts: Prompts,
    texts: list[str],
    alphas: torch.Tensor,
    draw: torch.Generator,
) -> torch.Tensor:
    count = len(texts)
    given = (torch.rand(count, generator=draw) >= DROPPED).to(device())
    people = [
        f"model is wearing {text}" if keep else NEGATIVE_PROMPT
        for text, keep in zip(texts, given, strict=True)
    ]
    context, pooled = nets.encode_text(*prompts.ids(people + [f"a photo of {text}" for text in texts]))
    timesteps = _timesteps(count, draw)
    features = nets.unet_encoder(rows["garment"], timesteps, context[count:])
    features = [feature * given[:, None, None] for feature in features]
    alpha = alphas[timesteps][:, None, None, None]
    noise = torch.randn(rows["target"].shape, generator=draw).to(device())
    noised = alpha.sqrt() * rows["target"] + (1 - alpha).sqrt() * noise
    mask = rows["mask"].float()
    sample = torch.cat([noised, mask, rows["masked"], rows["pose"]], dim=1).contiguous(
        memory_format=torch.channels_last
    )
    tokens = nets.encode_image(rows["pixel_values"] * given[:, None, None, None])
    time_ids = torch.tensor([PICTURE[1], PICTURE[0], 0, 0, PICTURE[1], PICTURE[0]], device=device()).expand(
        count, -1
    )
    return nets.unet(sample, timesteps, context[:count], tokens, pooled[:count], time_ids.float(), features)


def latent_error(predicted: torch.Tensor, rows: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return the squared and absolute error of latents, with a larger weight inside the mask."""
    error = predicted - rows["target"]
    return ((0.15 + rows["mask"].float()) * (error.square() + 0.5 * error.abs())).mean()


def _timesteps(count: int, draw: torch.Generator) -> torch.Tensor:
    """Draw timesteps from 0 to 999, most from 700 on, where the picture's composition is determined."""
    anywhere = torch.randint(0, 1000, (count,), generator=draw)
    noisy = torch.randint(700, 1000, (count,), generator=draw)
    return torch.where(torch.rand(count, generator=draw) < NOISY, noisy, anywhere).to(device())
