"""The floor: the engine alone in a loop, everything prepared, and the decoder after it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from vitrine_orchestrator.engine import DeviceRow, load_engine
from vitrine_orchestrator.manifest import Manifest, read_manifest
from vitrine_orchestrator.stages import NETWORK_FILE

HALVES = 2
ROWS = (1, 2, 3, 4, 6, 8)
DECODED = (1, 2, 4)
PROMPT_TOKENS = 77


@dataclass(frozen=True)
class Setting:
    """How the processor is shared out in one engine call."""

    threads: int = 0  # 0: one for each core
    spinning: bool = False


class Floor:
    """One checkpoint's denoising networks and decoder in this process, on random inputs of its sizes."""

    def __init__(self, repository: Path, setting: Setting | None = None) -> None:
        setting = setting or Setting()
        folder = repository / "denoise" / "1"
        self.manifest: Manifest = read_manifest(folder)
        self.engine = load_engine(folder, threads=setting.threads, spinning=setting.spinning)
        self.decoder = _decoder(repository, setting)
        self._draw = np.random.default_rng(0)

    def steps(self, rows: int, steps: int) -> float:
        """Seconds of `steps` denoising calls of so many rows."""
        conditioning = self.engine.conditioning(self._conditioning(rows))
        latents = self._latents(rows)
        garments: Sequence[DeviceRow] = self.engine.garment(
            latents, np.full(rows, 500, np.float32), self._text(rows)
        )
        batch: Any = self.engine.batch(
            conditioning, np.full(rows, self.manifest.default_guidance, np.float32)
        )
        times = np.linspace(950, 1, steps, dtype=np.float32)
        self.engine.predict(batch, latents, np.full(rows, times[0]), garments)
        return _seconds(
            lambda: [self.engine.predict(batch, latents, np.full(rows, at), garments) for at in times]
        )

    def decode(self, rows: int) -> float:
        """Seconds of decoding so many latents in one call."""
        feeds = {"latents": self._latents(rows)}
        self.decoder.run(None, feeds)
        return _seconds(lambda: self.decoder.run(None, feeds))

    def best(self, steps: int) -> float:
        """Pictures a second at the best sizes of both calls."""
        denoise = min(self.steps(rows, steps) / rows for rows in ROWS)
        return 1 / (denoise + min(self.decode(rows) / rows for rows in DECODED))

    def one(self, steps: int) -> float:
        """Seconds of one picture alone."""
        return self.steps(1, steps) + self.decode(1)

    def _conditioning(self, rows: int) -> dict[str, np.ndarray]:
        manifest = self.manifest
        size = np.array([manifest.height, manifest.width, 0, 0, manifest.height, manifest.width], np.float32)
        return {
            "mask_latent": (self._latents(rows, 1) > 0).astype(np.float32),
            "masked_latents": self._latents(rows),
            "pose_latents": self._latents(rows),
            "prompt_embeds": self._text(rows, HALVES),
            "pooled_prompt_embeds": self._normal(rows, HALVES, manifest.pooled_width),
            "image_tokens": self._normal(rows, HALVES, manifest.image_tokens, manifest.context_width),
            "time_ids": np.tile(size, (rows, 1)),
        }

    def _latents(self, rows: int, channels: int = 4) -> np.ndarray:
        height, width = (side // self.manifest.factor for side in (self.manifest.height, self.manifest.width))
        return self._normal(rows, channels, height, width)

    def _text(self, *rows: int) -> np.ndarray:
        return self._normal(*rows, PROMPT_TOKENS, self.manifest.context_width)

    def _normal(self, *shape: int) -> np.ndarray:
        return self._draw.standard_normal(shape, np.float32)


def _decoder(repository: Path, setting: Setting) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = setting.threads
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(setting.spinning)))
    path = repository / "vae_decoder" / "1" / NETWORK_FILE
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
