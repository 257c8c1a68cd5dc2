"""Makes a whole model repository on tiny networks with the project's configs and adapters."""

from __future__ import annotations

import shutil
from pathlib import Path

from tiny_networks import CONTEXT, POOLED, TOKENS, WORDS, write_networks
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from vitrine_orchestrator.manifest import manifest_text
from vitrine_orchestrator.stages import stages_of
from vitrine_orchestrator.stages.idm_vton import FAMILY

SOURCE = Path(__file__).parents[2] / "model_repository"

FACTS = {
    "width": 192,
    "height": 256,
    "channels": 4,
    "factor": 8,
    "scheduler": {
        "_class_name": "DDPMScheduler",
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "clip_sample": False,
        "timestep_spacing": "leading",
        "steps_offset": 1,
        "set_alpha_to_one": False,
    },
    "context_width": CONTEXT,
    "pooled_width": POOLED,
    "image_tokens": TOKENS,
    "image_size": 224,
    "default_steps": 4,
    "default_guidance": 2.0,
    "person_prompt": "model is wearing {}",
    "garment_prompt": "a photo of {}",
    "negative_prompt": "blurry",
    "pad_ids": [1, 0],
}
ENTRY = {
    "facts": FACTS,
    "digest": "0" * 64,
    "precision": {},
    "tokens": {},
    "exporter": "tiny",
    "files": {},
}
PROMPT_WORDS = ("model", "is", "wearing", "a", "photo", "of", "blurry", "red", "blue", "shirt", "dress")
SAID = ("!", "</s>", "<s>", "?", *PROMPT_WORDS)


def write_repository(folder: Path) -> Path:
    """Fill `folder` with every model; returns it."""
    ours = shutil.ignore_patterns("*.onnx", "*.json", "__pycache__")
    shutil.copytree(SOURCE, folder, ignore=ours)
    write_networks(folder)
    for row in stages_of(FAMILY):
        if row.needs_manifest:
            (folder / row.name / "1" / "manifest.json").write_text(manifest_text({FAMILY: ENTRY}))
    for name in ("tokenizer.json", "tokenizer_2.json"):
        _tokenizer().save(str(folder / "prepare_text" / "1" / name))
    return folder


def _tokenizer() -> Tokenizer:
    vocabulary = {word: index for index, word in enumerate(SAID)}
    vocabulary |= {f"word{index}": index for index in range(len(SAID), WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 2), ("</s>", 1)]
    )
    return tokenizer
