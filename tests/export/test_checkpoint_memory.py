"""Loading needs the memory of one copy of the weights."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

BIG, SMALL = 64, 16  # widths of the VAE below: its weights have 335 and 21 MB in float32


def config(width: int) -> dict:
    """With SDXL's widths for BIG."""
    return {
        "down_block_types": ["DownEncoderBlock2D"] * 4,
        "up_block_types": ["UpDecoderBlock2D"] * 4,
        "block_out_channels": [2 * width, 4 * width, 8 * width, 8 * width],
        "layers_per_block": 2,
        "latent_channels": 4,
    }


MEASURE = """
import os, resource, sys
from pathlib import Path
import torch
from diffusers import AutoencoderKL
from vitrine_export.checkpoint import components
from vitrine_export.checkpoint.folder import Checkpoint

def peak():
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

def load(folder, dtype):
    net = Checkpoint(folder, folder / "unet").vae(getattr(torch, dtype))
    touched = sum(tensor.double().sum().item() for tensor in net.state_dict().values())
    return net

torch.set_num_threads(1)  # a child has no threads of its parent
for folder, dtype in zip(map(Path, sys.argv[1::2]), sys.argv[2::2]):
    if child := os.fork():  # whose peak is its own
        assert os.waitpid(child, 0)[1] == 0
        continue
    # Brings torch's code into memory, since a fork leaves pages of files out; kept, so that none is reused
    small = load(folder / "small", dtype)
    before = peak()
    net = load(folder, dtype)
    print(peak() - before, sum(tensor.nbytes for tensor in net.state_dict().values()), flush=True)
    os._exit(0)
"""

KINDS = [("safetensors", "float32", 1.15), ("bin", "float32", 1.15), ("safetensors", "float16", 1.6)]


@pytest.fixture(scope="module")
def vaes(tmp_path_factory) -> dict[int, Path]:
    """Folders with a VAE as both kinds of files, by its width."""
    from diffusers import AutoencoderKL

    folders = {}
    for width in (BIG, SMALL):
        folder = folders[width] = tmp_path_factory.mktemp("vae")
        (folder / "config.json").write_text(json.dumps(config(width)))
        with torch.device("meta"):
            shapes = {name: one.shape for name, one in AutoencoderKL(**config(width)).state_dict().items()}
        state = {name: torch.full(shape, 0.5) for name, shape in shapes.items()}
        save_file(state, folder / "diffusion_pytorch_model.safetensors")
        torch.save(state, folder / "diffusion_pytorch_model.bin")
    return folders


@pytest.fixture(scope="module")
def peaks(vaes, tmp_path_factory):
    """(peak, bytes of the weights) of a process that loads, by kind of file and dtype."""
    asked = []
    for kind, dtype, _ in KINDS:
        folder = tmp_path_factory.mktemp(kind)
        for part, vae in (("vae", vaes[BIG]), ("small/vae", vaes[SMALL])):
            (folder / part).mkdir(parents=True)
            for name in ("config.json", f"diffusion_pytorch_model.{kind}"):
                (folder / part / name).hardlink_to(vae / name)
        asked += [folder, dtype]
    done = subprocess.run([sys.executable, "-c", MEASURE, *asked], capture_output=True, text=True, check=True)
    lines = zip(KINDS, done.stdout.splitlines(), strict=True)
    return {(kind, dtype): tuple(map(int, line.split())) for (kind, dtype, _), line in lines}


@pytest.mark.parametrize(("kind", "dtype", "copies"), KINDS)
def test_the_peak_is_near_one_copy(peaks, kind, dtype, copies):
    """The peak is at most 15 % over the weights; a cast adds one mapped chunk of 64 MiB."""
    peak, size = peaks[kind, dtype]
    assert size > 160e6
    assert size < peak < copies * size
