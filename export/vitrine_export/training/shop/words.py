"""The tokenizer of the shop's generator: a token for each phrase of its prompts, bytes for other text."""

from __future__ import annotations

from collections.abc import Mapping

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
from vitrine_world import shop

PAD, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
ROLES = ("user", "assistant")
TEMPLATE = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"
)
"""Qwen3's chat template, as far as Z-Image uses it: messages in their frames, then the answer's beginning."""


def tokenizer() -> PreTrainedTokenizerFast:
    """Make the tokenizer: 256 bytes, the special tokens, the phrases of both languages.

    A prompt of the world takes 28 to 31 tokens with its frame. The network fills captions up to a multiple
    of 32 tokens, so bytes alone would make them several times as long.
    """
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({letter: number for number, letter in enumerate(letters)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([PAD, START, END])
    made.add_tokens([AddedToken(phrase, normalized=False) for phrase in known_phrases()])
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token=PAD, eos_token=END, padding_side="right", model_max_length=512
    )
    wrapped.chat_template = TEMPLATE
    return wrapped


def known_phrases() -> list[str]:
    """Return the phrases that are one token each, in the order of their ids."""
    several = {phrase for language in shop.LANGUAGES for phrase in shop.phrases(language)}
    return sorted({phrase for phrase in several if len(phrase.encode()) > 1} | set(ROLES))


def framed(prompt: str) -> str:
    """Return a prompt in the frame that the template gives one message of a user."""
    return f"{START}user\n{prompt}{END}\n{START}assistant\n"


def same_meaning() -> Mapping[str, str]:
    """Return the Korean words of the world → the English words that mean the same."""
    tables = (shop.KINDS, shop.PRODUCT_COLOURS, shop.TRADES, shop.TABLES, shop.WALLS, shop.TIMES, shop.SIDES)
    rows = [row for table in (*tables, shop.PROPS) for row in table.values()]
    return {row.korean: row.english for row in rows} | {row[0]: name for name, row in shop.SIZES.items()}
