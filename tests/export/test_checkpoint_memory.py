"""Loading needs the memory of one copy of the weights."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

WIDTH = 64  # of the VAE below: its weights are over 300 MB
CONFIG = {
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "block_out_channels": [2 * WIDTH, 4 * WIDTH, 8 * WIDTH, 8 * WIDTH],
    "layers_per_block": 2,
    "latent_channels": 4,
}

MEASURE = """
import resource, sys
from pathlib import Path
import torch
from vitrine_export.checkpoint import components
from vitrine_export.checkpoint.folder import Checkpoint

def peak():
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

folder, dtype = Path(sys.argv[1]), getattr(torch, sys.argv[2])
before = peak()
net = Checkpoint(folder, folder / "unet").vae(dtype)
touched = sum(tensor.double().sum().item() for tensor in net.state_dict().values())
print(peak() - before, sum(tensor.nbytes for tensor in net.state_dict().values()))
"""


@pytest.fixture(scope="module")
def big_vae(tmp_path_factory) -> Path:
    """A folder whose vae/ has the widths of SDXL: 335 MB in float32."""
    from diffusers import AutoencoderKL

    folder = tmp_path_factory.mktemp("big")
    (folder / "vae").mkdir()
    (folder / "vae" / "config.json").write_text(json.dumps(CONFIG))
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in AutoencoderKL(**CONFIG).state_dict().items()}
    state = {name: torch.full(shape, 0.5) for name, shape in shapes.items()}
    save_file(state, folder / "vae" / "diffusion_pytorch_model.safetensors")
    torch.save(state, folder / "vae" / "diffusion_pytorch_model.bin")
    return folder


@pytest.mark.parametrize(
    ("kind", "dtype", "copies"),
    [("safetensors", "float32", 1.15), ("bin", "float32", 1.15), ("safetensors", "float16", 1.6)],
)
def test_the_peak_is_near_one_copy(big_vae, tmp_path, kind, dtype, copies):
    """The peak is at most 15 % over the weights; a cast adds one mapped chunk of 64 MiB."""
    folder = tmp_path / "checkpoint"
    (folder / "vae").mkdir(parents=True)
    for name in ("config.json", f"diffusion_pytorch_model.{kind}"):
        (folder / "vae" / name).hardlink_to(big_vae / "vae" / name)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, folder, dtype], capture_output=True, text=True, check=True
    )
    peak, size = (int(word) for word in done.stdout.split())
    assert size > 160e6
    assert peak < copies * size
