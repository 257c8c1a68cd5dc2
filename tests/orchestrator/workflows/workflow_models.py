"""Fake models for workflows, and a model repository that says of which release they are."""

from __future__ import annotations

import io
import json

import numpy as np
from PIL import Image
from vitrine_orchestrator.manifest import manifest_text, read_manifest
from vitrine_orchestrator.stages.calls import FakeStages
from vitrine_orchestrator.stages.cut_out import FAMILY as CUT_OUT
from vitrine_orchestrator.stages.z_image import FAMILY as Z_IMAGE

SIDE = 40


def png(colour, size=(SIDE, SIDE), kind="PNG"):
    """An encoded picture of one colour: RGB, or RGBA for four levels."""
    file = io.BytesIO()
    Image.new("RGB" if len(colour) == 3 else "RGBA", size, tuple(colour)).save(file, kind)
    return file.getvalue()


def publish(repository, model, family, checkpoint, version=1):
    """Write a release of a model; the digest of its pipeline."""
    folder = repository / model / str(version)
    folder.mkdir(parents=True, exist_ok=True)
    entry = {"facts": {}, "digest": checkpoint * 64, "exporter": "test", "files": {}}
    (folder / "manifest.json").write_text(manifest_text({family: entry}))
    return read_manifest(folder, family).pipeline_digest


def answer(image, digest, **more):
    """The outputs of a model of pictures."""
    report = {"timings": {}, "sources": {}, "pipeline_digest": digest}
    return {
        "image": np.array([image], np.object_),
        "report": np.array([json.dumps(report).encode()], np.object_),
        **more,
    }


class Models:
    """Fake models: text_to_image draws one colour, which the seed sets; image_to_image darkens it."""

    def __init__(self, repository):
        self.digest = publish(repository, "text_to_image", Z_IMAGE, "a")
        publish(repository, "image_to_image", Z_IMAGE, "a")
        self.cut_digest = publish(repository, "cut_out", CUT_OUT, "b")
        self.stages = FakeStages(
            text_to_image=self.drawn,
            image_to_image=self.changed,
            cut_out=self.cut,
            prepare_ad_prompt=self.prompt,
        )

    def drawn(self, inputs):
        """One colour."""
        seed = np.array([int(inputs["seed"][0]) if "seed" in inputs else 9], np.uint64)
        return answer(png((int(seed[0]) % 256, 100, 100)), self.digest, seed=seed)

    def changed(self, inputs):
        """Half of its light."""
        picture = Image.open(io.BytesIO(inputs["image"][0])).convert("RGB")
        return answer(
            png([level // 2 for level in picture.getpixel((0, 0))]),
            self.digest,
            seed=np.array([1], np.uint64),
        )

    def cut(self, inputs):
        """The same, half transparent."""
        picture = Image.open(io.BytesIO(inputs["image"][0])).convert("RGB")
        alpha = np.array([png((128, 128, 128))], np.object_)
        return answer(png((*picture.getpixel((0, 0)), 128)), self.cut_digest, alpha=alpha)

    def prompt(self, inputs):
        """The sentence, said to be English."""
        said = b"english " + inputs["sentence"][0]
        return {
            "prompt": np.array([said], np.object_),
            "negative_prompt": np.array([b"text"], np.object_),
            "report": answer(b"", "")["report"],
        }

    @property
    def called(self):
        """The names of the models that were called, in order; forgotten when they are read."""
        names = [name for name, _ in self.stages.calls]
        self.stages.calls.clear()
        return names


def node(kind, **inputs):
    """An entry of a graph."""
    return {"class_type": kind, "inputs": inputs}


def pixel(encoded):
    """The first pixel of an encoded picture."""
    with Image.open(io.BytesIO(encoded)) as image:
        return image.getpixel((0, 0))
