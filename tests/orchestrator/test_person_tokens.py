"""Token ids for the text encoders."""

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from vitrine_orchestrator.try_on.tokens import LENGTH, Tokens

WORDS = {"!": 0, "model": 1, "is": 2, "wearing": 3, "<start>": 4, "<end>": 5}


@pytest.fixture
def file(tmp_path):
    """A tokenizer.json of whole words that adds start and end tokens, as CLIP's do."""
    tokenizer = Tokenizer(models.WordLevel(WORDS, unk_token="!"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<start> $A <end>", special_tokens=[("<start>", 4), ("<end>", 5)]
    )
    path = tmp_path / "tokenizer.json"
    tokenizer.save(str(path))
    return path


@pytest.mark.parametrize("pad_id", [5, 0])
def test_a_short_text_is_padded_as_its_encoder_wants(file, pad_id):
    """The ids are start, words, end, then the encoder's own padding up to 77."""
    ids = Tokens(file, pad_id)("model is wearing")
    assert ids.dtype == np.int64
    assert ids.tolist() == [4, 1, 2, 3, 5] + [pad_id] * (LENGTH - 5)


def test_a_long_text_is_cut_and_keeps_its_end(file):
    """The first 75 tokens of a long text stay, between start and end."""
    assert Tokens(file, 0)("is " * 200).tolist() == [4, *[2] * 75, 5]


def test_no_text_is_start_and_end(file):
    """An empty description gives start and end."""
    assert Tokens(file, 0)("").tolist() == [4, 5] + [0] * 75
