"""Devices and precisions by their names in the options of commands."""

import torch
from vitrine.errors import BadRequest, Unavailable

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
KINDS = ("cpu", "cuda")


def device_of(name: str) -> torch.device:
    """Return the device "cpu", "cuda" (the first) or "cuda:N".

    Raises BadRequest for another name, Unavailable for a GPU that torch does not see.
    """
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in KINDS:
        raise BadRequest(f"device must be cpu or cuda:N, got {name}")
    if device.type == "cpu":
        return device
    index, seen = device.index or 0, torch.cuda.device_count()
    if index >= seen:
        raise Unavailable(f"torch sees {seen} CUDA devices, and {name} is not among them; use cpu")
    return torch.device("cuda", index)
