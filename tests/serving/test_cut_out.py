"""Cut-outs by a real Triton: the same as in one process, together as alone, typed refusals, the command."""

import asyncio
import io
import json
import urllib.request
from base64 import b64decode, b64encode
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from small_servers import png
from tiny_cut_out import SIDE, add_cut_out, red_disc
from vitrine import BadRequest
from vitrine.command import main
from vitrine_orchestrator.cut_out.context import CutOutContext
from vitrine_orchestrator.cut_out.pipeline import cut_out
from vitrine_orchestrator.manifest import read_manifest
from vitrine_orchestrator.stages.calls import OnnxStages
from vitrine_orchestrator.stages.cut_out import FAMILY, NETWORK

SIZES = ((96, 64), (64, 200), (33, 32), (300, 300))


def disc(size):
    """An encoded picture of a disc that fills it."""
    return png(red_disc(*size, radius=min(size) // 3))


def local(tmp_path, encoded):
    """The RGBA levels by the pipeline in this process."""
    (tmp_path / "cut_out" / "1").mkdir(parents=True)
    repository = add_cut_out(tmp_path)
    manifest = read_manifest(repository / "cut_out" / "1", FAMILY)
    context = CutOutContext(OnnxStages(repository, threads=1), manifest)
    outputs = asyncio.run(cut_out(context, {"image": np.array([encoded], object)}))
    return np.asarray(Image.open(io.BytesIO(outputs["image"][0])))


def test_a_served_cut_out_is_the_one_made_in_this_process(vitrine, tmp_path):
    """The same colours and alpha over the wire; the report has the network and the seconds of each stage."""
    encoded = disc((97, 64))  # no other test sends it: a known one would run no network
    served = vitrine.cut_out(encoded)
    assert np.array_equal(np.asarray(served.image), local(tmp_path, encoded))
    assert np.array_equal(np.asarray(served.alpha), np.asarray(served.image)[..., 3])
    assert served.report["network"] == "red"
    assert {NETWORK, "foreground", "encode", "total"} <= served.timings.keys()


def test_cut_outs_at_the_same_time_equal_those_alone(vitrine):
    """Pictures of different sizes share calls of the network and keep their own answers."""
    pictures = [disc(size) for size in SIZES]
    alone = [vitrine.cut_out(one).encoded for one in pictures]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda one: vitrine.cut_out(one).encoded, pictures * 2))
    assert together == alone * 2
    assert [Image.open(io.BytesIO(one)).size for one in alone] == list(SIZES)


def test_a_known_photograph_runs_no_network(vitrine):
    """The same bytes again are answered from memory, over the wire as before."""
    encoded = disc((98, 64))
    first, again = vitrine.cut_out(encoded), vitrine.cut_out(encoded)
    assert again.encoded == first.encoded
    assert [one.report["sources"] for one in (first, again)] == [{"cut_out": "fresh"}, {"cut_out": "memory"}]
    assert NETWORK in first.timings
    assert again.timings.keys() == {"total"}
    small = vitrine.cut_out(encoded, product_side=32)
    assert max(small.image.size) <= 32
    assert small.report["sources"] == {"cut_out": "fresh"}


def test_rows_of_the_network_equal_single_calls(vitrine):
    """A batch of the stage equals its rows one by one."""
    rows = np.random.default_rng(0).random((3, 3, SIDE, SIDE), np.float32)
    batch = vitrine.infer(NETWORK, {"image": rows})["answer"]
    for index in range(3):
        single = vitrine.infer(NETWORK, {"image": rows[index : index + 1]})["answer"]
        np.testing.assert_allclose(batch[index], single[0], atol=1e-6)


@pytest.mark.parametrize(
    ("picture", "options", "said"),
    [
        (red_disc(96, 64, 0), {}, "no product found: the mask's largest value must be at least 0.5, got 0.0"),
        (red_disc(200, 200, 5), {}, "no product found: it must fill at least 0.5% of the picture"),
        (np.zeros((4000, 1, 3), np.uint8), {}, "image must be at least 32 pixels wide and high, got 1x4000"),
        (red_disc(96, 64, 20), {"format": "jpeg"}, "format must be one of png, webp"),
        (red_disc(96, 64, 20), {"box": (0, 0, 97, 64)}, "box must lie in the picture of 96x64"),
    ],
    ids=["empty", "too small", "a line", "without transparency", "box"],
)
def test_a_served_refusal_is_typed(vitrine, picture, options, said):
    """The caller gets a bad request that says what to do."""
    with pytest.raises(BadRequest) as refused:
        vitrine.cut_out(picture, **options)
    assert said in str(refused.value)


def test_a_caller_of_pure_json_gets_base64(triton):
    """With encoding base64 both pictures of the answer are text."""
    tensors = {"image": b64encode(disc((96, 64))).decode(), "encoding": "base64"}
    inputs = [
        {"name": name, "shape": [1], "datatype": "BYTES", "data": [value]} for name, value in tensors.items()
    ]
    body = json.dumps({"inputs": inputs}).encode()
    request = urllib.request.Request(
        f"http://{triton.http}/v2/models/cut_out/infer", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        outputs = {one["name"]: one["data"][0] for one in json.load(answer)["outputs"]}
    for name, mode in (("image", "RGBA"), ("alpha", "L")):
        assert Image.open(io.BytesIO(b64decode(outputs[name]))).mode == mode


def test_the_command_writes_the_cut_out(triton, tmp_path, capsys):
    """`vitrine cut-out` writes picture and mask, and fails with the advice where there is no product."""
    photo, blank, out, mask = (tmp_path / name for name in ("a.png", "b.png", "out.png", "mask.png"))
    photo.write_bytes(disc((96, 64)))
    blank.write_bytes(png(red_disc(96, 64, 0)))
    server = ["--url", triton.grpc]
    assert main(["cut-out", str(photo), "-o", str(out), "--alpha", str(mask), *server]) == 0
    modes = [Image.open(io.BytesIO(path.read_bytes())).mode for path in (out, mask)]
    assert modes == ["RGBA", "L"]
    assert main(["cut-out", str(blank), "-o", str(tmp_path / "no.png"), *server]) == 1
    assert "no product found" in capsys.readouterr().err
    assert not (tmp_path / "no.png").exists()
