"""Token ids for the two CLIP text encoders."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

LENGTH = 77  # tokens including start and end; a longer text is cut


class Tokens:
    """One text encoder's tokenizer. Several threads may use it."""

    def __init__(self, file: Path, pad_id: int) -> None:
        """Read `file` (tokenizer.json). `pad_id` fills the rest: end token for CLIP-L, "!" (0) for bigG."""
        self.pad_id = pad_id
        self._tokenizer = Tokenizer.from_file(str(file))
        self._tokenizer.enable_truncation(LENGTH)
        self._tokenizer.no_padding()

    def __call__(self, text: str) -> NDArray[np.int64]:
        """The ids (77,) int64: start, text, end, padding. A text that does not fit is cut."""
        ids = np.full(LENGTH, self.pad_id, np.int64)
        found = self._tokenizer.encode(text).ids
        ids[: len(found)] = found
        return ids
