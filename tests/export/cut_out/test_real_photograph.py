"""A real photograph cut out by the real U²-Net-p, where the set-up could fetch it."""

import asyncio
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from vitrine.errors import BadRequest
from vitrine_export import command
from vitrine_orchestrator.cut_out.context import CutOutContext
from vitrine_orchestrator.cut_out.pipeline import cut_out
from vitrine_orchestrator.manifest import read_manifest
from vitrine_orchestrator.stages.calls import OnnxStages
from vitrine_orchestrator.stages.cut_out import FAMILY

ROOT = Path(__file__).parents[3]
FILE = ROOT / ".venv" / "cut-out" / "u2netp.onnx"
PHOTOGRAPH = ROOT / "tests" / "data" / "coffee.jpg"

pytestmark = pytest.mark.skipif(
    not FILE.is_file(), reason="make setup could not fetch U²-Net-p: see docs/cut-out.md"
)


@pytest.fixture(scope="module")
def cut(tmp_path_factory):
    """Cuts an encoded picture out: RGBA levels."""
    repository = tmp_path_factory.mktemp("repository")
    assert command.main(["cut-out", "--file", str(FILE), "--out", str(repository)]) == 0
    manifest = read_manifest(repository / "cut_out" / "1", FAMILY)
    context = CutOutContext(OnnxStages(repository, threads=1), manifest)
    assert context.facts.network == "u2netp"

    def run(encoded):
        outputs = asyncio.run(cut_out(context, {"image": np.array([encoded], object)}))
        return np.asarray(Image.open(io.BytesIO(outputs["image"][0])))

    return run


def test_a_cup_of_coffee_is_cut_out(cut):
    """The whole cup with its saucer is opaque, the table is transparent, and little lies between."""
    levels = cut(PHOTOGRAPH.read_bytes())
    alpha = levels[..., 3].astype(int)
    assert alpha.shape == (400, 600)
    assert alpha[120:300, 180:400].min() > 240  # cup and saucer
    assert max(alpha[:, :60].max(), alpha[:, -60:].max()) < 13  # the table at both sides
    assert 0.42 < (alpha > 127).mean() < 0.52
    assert ((alpha > 12) & (alpha < 243)).mean() < 0.04


def test_a_picture_without_a_product_is_refused(cut):
    """A flat ground gives a faint mask, which is not stretched to a full one."""
    file = io.BytesIO()
    Image.new("RGB", (320, 240), (128, 128, 128)).save(file, "PNG")
    with pytest.raises(BadRequest, match="no product found"):
        cut(file.getvalue())
