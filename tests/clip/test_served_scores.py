"""Scores of the exported towers, in this process and from a real server, against transformers' CLIPModel."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPTokenizer
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from vitrine import BadRequest, Vitrine
from vitrine_orchestrator.embedded.ports import ANY_PORTS
from vitrine_orchestrator.embedded.server import EmbeddedTriton
from vitrine_orchestrator.manifest import read_manifest
from vitrine_orchestrator.stages.clip import FAMILY

PROMPTS = ["a red photo of the shirts", "blue", "wearing a long top"]


@pytest.fixture(scope="module")
def vitrine(repository):
    """A client of the embedded server, which loads the models of the repository."""
    with (
        EmbeddedTriton(repository, ports=ANY_PORTS) as server,
        Vitrine(server.grpc, timeout_s=120) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def theirs(checkpoint, model, photos):
    """The cosines of transformers' own processor and model."""
    tokenizer = CLIPTokenizer.from_pretrained(checkpoint)
    ids = tokenizer(PROMPTS, padding="max_length", return_tensors="pt")["input_ids"]
    pictures = [Image.fromarray(one) for one in photos]
    pixels = CLIPImageProcessorPil.from_pretrained(checkpoint)(pictures, return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        found = model(input_ids=ids, pixel_values=pixels)
    return (found.image_embeds @ found.text_embeds.T).numpy()


def test_served_cosines_are_transformers_own(vitrine, photos, theirs):
    """Over the wire, from pictures and texts to cosines."""
    scores = vitrine.score(picture=photos, prompt=PROMPTS)
    assert scores.cosine.shape == (2, 3)
    assert np.abs(scores.cosine - theirs).max() < 1e-5
    assert theirs.min() > 0.1
    assert np.ptp(theirs) > 0.05
    assert scores.best == tuple(theirs.argmax(axis=1))
    assert np.allclose(scores.variants["torchmetrics"], 100 * np.maximum(theirs, 0), atol=2e-3)
    assert scores.model == "clip-vit-tiny"
    assert scores.report["pipeline_digest"]


def test_the_export_tells_what_the_pipeline_reads(repository, manifest):
    """The facts that the other tests of this folder use are those of a real export."""
    assert read_manifest(repository / "score" / "1", FAMILY).facts == manifest.facts


def test_one_picture_and_one_prompt_may_be_given_alone(vitrine, photos):
    """The same numbers as among others; a long prompt says how it was read."""
    whole = vitrine.score(picture=photos, prompt=PROMPTS)
    alone = vitrine.score(picture=photos[1], prompt=PROMPTS[2])
    assert abs(alone.cosine[0, 0] - whole.cosine[1, 2]) < 1e-5
    (read,) = vitrine.score(picture=photos[0], prompt="a red photo, " + "x" * 90).prompts
    assert (read.cut, read.scored) == ("clause", "a red photo")


def test_a_served_refusal_is_typed(vitrine, photos):
    """The caller gets the error of the rule."""
    with pytest.raises(BadRequest, match="prompt must be 1 to 16 in one request, got 17"):
        vitrine.score(picture=photos[0], prompt=["red"] * 17)


def test_a_score_is_a_node_of_a_workflow(vitrine, photos):
    """Its cosine is that of the model; it is in the report, since it is no picture."""
    graph = {
        "photo": {"class_type": "load_image", "inputs": {"image": "photo"}},
        "score": {"class_type": "score", "inputs": {"image": ["photo", 0], "prompt": PROMPTS[1]}},
    }
    done = vitrine.run_workflow(graph=graph, pictures={"photo": photos[0]})
    (scored,) = (one for one in done.nodes if one.name == "score")
    assert scored.status == "done", scored.error
    alone = vitrine.score(picture=photos[:1], prompt=PROMPTS[1:2]).cosine
    assert scored.values["cosine"] == pytest.approx(float(alone[0, 0]), abs=1e-6)
