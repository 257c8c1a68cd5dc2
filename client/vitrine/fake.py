"""Transports that answer without a server, for tests of applications and of this project.

vitrine = Vitrine(transport=FakeTransport())
"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from vitrine import fake_ads, fake_product_ads
from vitrine.cancellation import Cancellation
from vitrine.errors import BadRequest, Cancelled, NotFound, VitrineError
from vitrine.inputs import Tensors
from vitrine.statuses import ModelStatus

FAKE_DIGEST = "fake" * 16  # the pipeline digest in every report
DEFAULT_STEPS = 30
RELEASE = "1"  # the only version of every model


@dataclass(frozen=True)
class Call:
    """One request that the fake received."""

    model: str
    inputs: Tensors
    timeout_s: float
    version: str = ""


class FakeTransport:
    """Answers without a server.

    A try-on is the person's picture with the garment pasted on its middle, tinted by the seed; a picture from
    a prompt has one colour, which the seed sets.

    The first requests raise `failures`, one each. `calls` lists all requests.
    """

    def __init__(self, *, failures: Sequence[VitrineError] = ()) -> None:
        self.failures = list(failures)
        self.calls: list[Call] = []
        self.closed = False
        self.streams_cancelled = 0

    def infer(
        self,
        model: str,
        inputs: Tensors,
        *,
        timeout_s: float,
        version: str = "",
        cancellation: Cancellation | None = None,
    ) -> dict[str, np.ndarray]:
        """See Transport."""
        if cancellation is not None and cancellation.cancelled:
            raise Cancelled("the request was cancelled")
        self._receive(model, inputs, timeout_s, version)
        if model not in _ANSWERS:
            raise NotFound(f"Request for unknown model: '{model}' is not found")
        return _ANSWERS[model](inputs)

    def stream(
        self, model: str, inputs: Tensors, *, timeout_s: float, version: str = ""
    ) -> Generator[dict[str, np.ndarray], None, None]:
        """See Transport."""
        self._receive(model, inputs, timeout_s, version)
        ended = False
        try:
            yield from _events(_ANSWERS[_STREAMS[model]](inputs), inputs)
            ended = True
        finally:
            self.streams_cancelled += not ended

    def models(self, *, timeout_s: float) -> tuple[ModelStatus, ...]:
        """See Transport."""
        self._receive("models", {}, timeout_s)
        return tuple(ModelStatus(name, RELEASE, "READY", "") for name in sorted([*_ANSWERS, *_STREAMS]))

    def close(self) -> None:
        """See Transport."""
        self.closed = True

    def _receive(self, model: str, inputs: Tensors, timeout_s: float, version: str = "") -> None:
        self.calls.append(Call(model, dict(inputs), timeout_s, version))
        if self.failures:
            raise self.failures.pop(0)
        if version not in ("", RELEASE):
            raise NotFound(f"Request for unknown model: '{model}' version {version} is not found")


class AsyncFakeTransport:
    """FakeTransport for asyncio; `fake` holds the calls and failures."""

    def __init__(self, fake: FakeTransport | None = None) -> None:
        self.fake = fake or FakeTransport()

    async def infer(
        self, model: str, inputs: Tensors, *, timeout_s: float, version: str = ""
    ) -> dict[str, np.ndarray]:
        """See AsyncTransport."""
        await asyncio.sleep(0)
        return self.fake.infer(model, inputs, timeout_s=timeout_s, version=version)

    async def stream(
        self, model: str, inputs: Tensors, *, timeout_s: float, version: str = ""
    ) -> AsyncGenerator[dict[str, np.ndarray], None]:
        """See AsyncTransport."""
        answers = self.fake.stream(model, inputs, timeout_s=timeout_s, version=version)
        try:
            for outputs in answers:
                yield outputs
        finally:
            answers.close()

    async def models(self, *, timeout_s: float) -> tuple[ModelStatus, ...]:
        """See AsyncTransport."""
        return self.fake.models(timeout_s=timeout_s)

    async def close(self) -> None:
        """See AsyncTransport."""
        self.fake.close()


def _try_on(inputs: Tensors) -> dict[str, np.ndarray]:
    person = _picture(inputs, "person")
    seed = int(inputs["seed"][0]) if "seed" in inputs else 0
    steps = int(inputs["steps"][0]) if "steps" in inputs else DEFAULT_STEPS
    if not 1 <= steps <= 100:
        raise BadRequest(f"steps must be 1 to 100, got {steps}")
    mask = _dress(person, inputs.get("garment", np.array([])), seed)
    report = {
        "seed": seed,
        "steps": steps,
        "timings": {"denoise": 0.0},
        "sources": {"person": "fresh", "garment": "fresh", "text": "fresh"},
        "size": list(person.size),
        "versions": {"release": RELEASE},
        "pipeline_digest": FAKE_DIGEST,
    }
    kind = inputs["format"][0].decode() if "format" in inputs else "png"
    return {
        "image": _bytes(_encode(person, kind)),
        "mask": _bytes(_encode(mask, "png")),
        "seed": np.array([seed], np.uint64),
        "report": _bytes(json.dumps(report).encode()),
    }


def _draw(inputs: Tensors) -> dict[str, np.ndarray]:
    """Answer with a picture of one colour, which the seed sets; image_to_image blends it in by strength."""
    seed = int(inputs["seed"][0]) if "seed" in inputs else 0
    size = (int(inputs["width"][0]), int(inputs["height"][0])) if "width" in inputs else (64, 64)
    if not inputs["prompt"][0].strip():
        raise BadRequest("prompt must be given: say what the picture shows")
    picture = _picture(inputs, "image").resize(size)
    strength = float(inputs["strength"][0]) if "strength" in inputs else 1.0
    steps = int(inputs["steps"][0]) if "steps" in inputs else 8
    report = {"seed": seed, "steps": steps, "timings": {"denoise": 0.0}, "size": list(size)}
    kind = inputs["format"][0].decode() if "format" in inputs else "png"
    seeds = range(seed, seed + (int(inputs["n"][0]) if "n" in inputs else 1))
    drawn = [_encode(Image.blend(picture, _tint(size, one), strength), kind) for one in seeds]
    return {
        "image": np.array(drawn, np.object_),
        "seed": np.array(seeds, np.uint64),
        "report": _bytes(json.dumps(report | {"pipeline_digest": FAKE_DIGEST}).encode()),
    }


def _tint(size: tuple[int, int], seed: int) -> Image.Image:
    """Return a picture of the seed's colour."""
    return Image.new("RGB", size, (seed % 256, seed // 256 % 256, seed // 65536 % 256))


def _score(inputs: Tensors) -> dict[str, np.ndarray]:
    """Answer with cosines that fall from prompt to prompt, the same for each picture."""
    prompts = [one.decode() for one in inputs["prompt"]]
    row = [round(0.3 / (1 + index), 6) for index in range(len(prompts))]
    cosine = np.array([row] * len(inputs["image"]), np.float32)
    report = {
        "timings": {},
        "sources": {},
        "model": "fake",
        "preprocessing": "none",
        "prompts": [{"prompt": one, "scored": one, "tokens": 2, "cut": "no"} for one in prompts],
        "variants": {"clipscore": (2.5 * cosine).tolist(), "torchmetrics": (100 * cosine).tolist()},
        "pipeline_digest": FAKE_DIGEST,
    }
    return {"cosine": cosine, "report": _bytes(json.dumps(report).encode())}


def _cut_out(inputs: Tensors) -> dict[str, np.ndarray]:
    """Answer with the picture in an ellipse; the rest is transparent."""
    picture = _picture(inputs, "image")
    alpha = Image.new("L", picture.size)
    ImageDraw.Draw(alpha).ellipse((0, 0, *picture.size), fill=255)
    picture.putalpha(alpha)
    report = {"timings": {"cut_out_network": 0.0}, "size": list(picture.size), "network": "fake"}
    kind = inputs["format"][0].decode() if "format" in inputs else "png"
    return {
        "image": _bytes(_encode(picture, kind)),
        "alpha": _bytes(_encode(alpha, "png")),
        "report": _bytes(json.dumps(report | {"pipeline_digest": FAKE_DIGEST}).encode()),
    }


def _text_overlay(inputs: Tensors) -> dict[str, np.ndarray]:
    """Answer with a white bar for each text, from the top down."""
    picture, texts = _picture(inputs, "image"), json.loads(inputs["texts"][0])
    told = []
    for index, one in enumerate(texts):
        box = (0, min(4 * index, picture.height - 1), picture.width, picture.height)
        ImageDraw.Draw(picture).rectangle((*box[:3], min(box[1] + 2, picture.height)), fill="white")
        told.append({"text": one if isinstance(one, str) else one.get("text", ""), "box": list(box)})
    report = {"timings": {"texts": 0.0}, "sources": {}, "size": list(picture.size), "texts": told}
    kind = inputs["format"][0].decode() if "format" in inputs else "png"
    return {"image": _bytes(_encode(picture, kind)), "report": _bytes(json.dumps(report).encode())}


def _dress(person: Image.Image, garments: np.ndarray, seed: int) -> Image.Image:
    """Paste the garments on the person's middle; return the place."""
    w, h = person.size
    box = (w // 4, h // 4, max(w * 3 // 4, w // 4 + 1), max(h * 3 // 4, h // 4 + 1))
    size = (box[2] - box[0], box[3] - box[1])
    for garment in garments:
        person.paste(Image.blend(_open(garment, "garment").resize(size), _tint(size, seed), 0.1), box)
    mask = Image.new("L", person.size)
    mask.paste(255, box)
    return mask


def _events(result: dict[str, np.ndarray], inputs: Tensors) -> Generator[dict[str, np.ndarray], None, None]:
    """Yield an event for each step of a finished result, then the result."""
    steps = json.loads(result["report"][0])["steps"]
    previews = bool(inputs["previews"][0]) if "previews" in inputs else False
    for step in range(1, steps + 1):
        event = {"kind": "progress", "step": step, "steps": steps, "elapsed_s": 0.0, "left_s": 0.0}
        outputs = {"event": _bytes(json.dumps(event).encode())}
        yield outputs | {"image": result["image"][:1]} if previews else outputs
    yield result | {"event": _bytes(json.dumps({"kind": "result"}).encode())}


def _prepare(kind: str, source: str) -> Callable[[Tensors], dict[str, np.ndarray]]:
    """Return a function that answers prepare_<kind>: a key from its first input, and no tensors."""

    def answer(inputs: Tensors) -> dict[str, np.ndarray]:
        if source not in ("description", "prompt"):
            _picture(inputs, source)
        report = {"timings": {}, "sources": {kind: "fresh"}, "pipeline_digest": FAKE_DIGEST}
        return {
            f"{kind}_key": _bytes(f"fake-{kind}".encode()),
            "report": _bytes(json.dumps(report).encode()),
        }

    return answer


def _cache_control(inputs: Tensors) -> dict[str, np.ndarray]:
    """Answer as an empty cache does."""
    counted = ("total_requests", "l1_hits", "l2_hits", "l3_hits", "misses", "evictions")
    numbers = dict.fromkeys(counted, 0) | dict.fromkeys(("l1_hit_rate", "l2_hit_rate", "l3_hit_rate"), 0.0)
    cleared = {"cleared": "everything"}
    return {"answer": _bytes(json.dumps(numbers if inputs["action"][0] == b"stats" else cleared).encode())}


_ANSWERS: dict[str, Callable[[Tensors], dict[str, np.ndarray]]] = {
    "try_on": _try_on,
    "text_to_image": _draw,
    "image_to_image": _draw,
    "score": _score,
    "cut_out": _cut_out,
    "prepare_ad_prompt": fake_ads.ad_prompt,
    "run_workflow": fake_ads.workflow,
    "compose": fake_product_ads.compose,
    "product_ad": lambda inputs: fake_product_ads.product_ad(inputs, FAKE_DIGEST),
    "text_overlay": _text_overlay,
    "prepare_person": _prepare("person", "person"),
    "prepare_garment": _prepare("garment", "garment"),
    "prepare_text": _prepare("text", "description"),
    "prepare_prompt": _prepare("prompt", "prompt"),
    "cache_control": _cache_control,
}
_STREAMS = {
    "try_on_stream": "try_on",
    "picture_stream": "text_to_image",
    "product_ad_stream": "product_ad",
    "workflow_stream": "run_workflow",
}
"""By streaming model, the model whose answer ends its stream."""


def _picture(inputs: Tensors, name: str) -> Image.Image:
    """Return the first picture of an input; a small white one if the caller sent an id only."""
    if name not in inputs:
        return Image.new("RGB", (48, 64), "white")
    return _open(inputs[name][0], name)


def _open(encoded: bytes, name: str) -> Image.Image:
    try:
        return Image.open(io.BytesIO(encoded)).convert("RGB")
    except OSError as error:
        raise BadRequest(f"{name} is {len(encoded)} bytes of another kind; send PNG, JPEG or WebP") from error


def _encode(image: Image.Image, kind: str) -> bytes:
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def _bytes(value: bytes) -> np.ndarray:
    return np.array([value], dtype=np.object_)
