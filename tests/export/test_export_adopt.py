"""Person networks that come as files are used unchanged, under the stage table's names."""

import numpy as np
import onnx
import pytest
import torch
from torch import nn
from vitrine_export.errors import BadCheckpoint
from vitrine_export.exporting.adopted_onnx import adopt
from vitrine_export.exporting.adopted_torchscript import adopt_script
from vitrine_export.exporting.onnx_file import session
from vitrine_orchestrator.stages import stage


def run(repository, name, pictures):
    opened = session(repository / name / "1" / "model.onnx")
    (answer,) = opened.run(None, {"image": pictures})
    return answer


@pytest.mark.parametrize(
    ("name", "side", "looped"), [("parsing_atr", 512, False), ("parsing_lip", 473, True)]
)
def test_the_second_output_becomes_the_logits(tiny_checkpoint, tmp_path, name, side, looped):
    """The logits equal the file's second output, for a batch too, whether or not the graph takes one."""
    source = tiny_checkpoint / "humanparsing" / f"{name}.onnx"
    assert adopt(stage(name), source, tmp_path).looped is looped
    pictures = np.random.default_rng(0).standard_normal((3, 3, side, side), np.float32)
    one_by_one = [session(source).run(["logits.2"], {"input.1": picture[None]})[0] for picture in pictures]
    assert np.allclose(run(tmp_path, name, pictures), np.concatenate(one_by_one), atol=1e-4)


def test_names_that_are_taken_make_room(tiny_checkpoint, tmp_path):
    """A file whose inner tensors have the name of the stage's input still computes the same."""
    source = tiny_checkpoint / "humanparsing" / "parsing_atr.onnx"
    model = onnx.load(source)
    for node in model.graph.node:
        node.input[:] = ["image" if name == "before" else name for name in node.input]
        node.output[:] = ["image" if name == "before" else name for name in node.output]
    onnx.save(model, tmp_path / "other.onnx")
    adopt(stage("parsing_atr"), tmp_path / "other.onnx", tmp_path)
    picture = np.ones((1, 3, 512, 512), np.float32)
    (wanted,) = session(source).run(["logits.2"], {"input.1": picture})
    assert np.array_equal(run(tmp_path, "parsing_atr", picture), wanted)


def test_a_file_of_another_size_is_refused(tiny_checkpoint, tmp_path):
    """The network of ATR in place of LIP's is refused by its input."""
    source = tiny_checkpoint / "humanparsing" / "parsing_atr.onnx"
    with pytest.raises(
        BadCheckpoint, match=r"input\.1 must be \[3, 473, 473\] for a picture, is \[3, 512, 512\]"
    ):
        adopt(stage("parsing_lip"), source, tmp_path)


def test_a_file_that_is_no_onnx_is_refused(tmp_path):
    """A broken download is refused by its name and size."""
    source = tmp_path / "parsing_atr.onnx"
    source.write_bytes(b"no graph " * 3)
    with pytest.raises(BadCheckpoint, match=r"parsing_atr\.onnx is no ONNX file, or cut short \(27 bytes\)"):
        adopt(stage("parsing_atr"), source, tmp_path)


class Darkest(nn.Module):
    """The body part is the darkest channel's value over 11."""

    def forward(self, picture):
        return (picture.amin(dim=-1) // 11).to(torch.uint8)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_torchscript_densepose_is_converted(tmp_path):
    """The ONNX file gives what the TorchScript file gives."""
    source = tmp_path / "densepose.pt"
    torch.jit.script(Darkest()).save(source)
    adopt_script(stage("densepose"), source, tmp_path)
    pictures = np.random.default_rng(0).integers(0, 256, (3, 512, 384, 3), np.uint8)
    assert np.array_equal(run(tmp_path, "densepose", pictures), pictures.min(axis=-1) // 11)
    assert not list(tmp_path.rglob(".converted*"))


def test_a_file_that_is_no_torchscript_is_refused(tmp_path):
    """A pickle named .pt is refused and never run."""
    source = tmp_path / "densepose.pt"
    torch.save({"weight": torch.zeros(1)}, source)
    with pytest.raises(BadCheckpoint, match=r"densepose\.pt is no TorchScript file"):
        adopt_script(stage("densepose"), source, tmp_path)
