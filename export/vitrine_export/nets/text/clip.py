"""CLIP-L for FLUX: the normed last hidden state at the prompt's end, without the projection."""

from __future__ import annotations

from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel

FIRST_CLIP_END = 2
"""An eos_token_id of 2 in a config is an error of old transformers: the end is the highest id of the row."""


class ClipPooled(nn.Module):
    """Token ids (B, 77) → pooled (B, width)."""

    def __init__(self, config: CLIPTextConfig) -> None:
        super().__init__()
        model = CLIPTextModel(config)
        text = getattr(model, "text_model", model)
        self.embeddings, self.encoder, self.final_layer_norm = (
            text.embeddings,
            text.encoder,
            text.final_layer_norm,
        )
        self.end = config.eos_token_id

    def forward(self, input_ids: Tensor) -> Tensor:
        hidden = self.embeddings(input_ids=input_ids)
        for layer in self.encoder.layers:
            hidden = layer(hidden, None, is_causal=True)
        marks = input_ids if self.end == FIRST_CLIP_END else input_ids == self.end
        end = marks.int().argmax(dim=-1)[:, None, None].expand(-1, 1, hidden.shape[-1])
        return self.final_layer_norm(hidden).gather(1, end)[:, 0]


def name_in_net(key: str) -> str | None:
    """Return the net's key for a file's key, or None for buffers that are computed and weights not used."""
    name = key.removeprefix("text_model.")
    return None if name.endswith("position_ids") or name.startswith("text_projection.") else name
