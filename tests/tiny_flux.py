"""A random, tiny FLUX.1 checkpoint in the released layout, and its tokenizers."""

from __future__ import annotations

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
from tiny_z_image import vae
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    PreTrainedTokenizerFast,
    T5Config,
    T5EncoderModel,
)

WIDTH, POOLED = 32, 24
DYNAMIC = {"shift": 3.0, "use_dynamic_shifting": True}  # dev's scheduler
STATIC = {"shift": 1.0, "use_dynamic_shifting": False}  # schnell's


def clip_tokenizer() -> CLIPTokenizer:
    """CLIP's tokenizer with a token a byte, at the end of a word or inside."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={word: n for n, word in enumerate(words)}, merges=[], model_max_length=77)


def t5_tokenizer() -> PreTrainedTokenizerFast:
    """T5's form of tokenizer with a token a byte: 0 is padding, 1 ends the prompt."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = {word: n for n, word in enumerate(["<pad>", "</s>", "<unk>", *letters])}
    made = Tokenizer(models.BPE(words, []))
    made.normalizer = normalizers.NFKC()
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=512
    )


def transformer(guided: bool = True) -> FluxTransformer2DModel:
    """A transformer with one block of each kind; `guided`: with embedded guidance, as dev has it."""
    torch.manual_seed(0)
    net = FluxTransformer2DModel(
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=WIDTH,
        pooled_projection_dim=POOLED,
        guidance_embeds=guided,
        axes_dims_rope=(4, 6, 6),
    )
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.15)
    return net.eval()


def pipeline(guided: bool = True) -> FluxPipeline:
    """The whole pipeline: dev's form, or schnell's."""
    clip, t5 = clip_tokenizer(), t5_tokenizer()
    net = transformer(guided)
    sizes = {"num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
    texts = CLIPTextConfig(
        vocab_size=len(clip), hidden_size=POOLED, bos_token_id=512, eos_token_id=513, **sizes
    )
    long = T5Config(
        vocab_size=len(t5), d_model=WIDTH, d_kv=8, d_ff=64, num_layers=2, num_heads=4,
        feed_forward_proj="gated-gelu",
    )  # fmt: skip
    return FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(**(DYNAMIC if guided else STATIC)),
        vae=vae(),
        text_encoder=CLIPTextModel(texts).eval(),
        tokenizer=clip,
        text_encoder_2=T5EncoderModel(long).eval(),
        tokenizer_2=t5,
        transformer=net,
    )
