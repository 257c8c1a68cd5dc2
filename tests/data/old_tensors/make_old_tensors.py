"""Writes the tensors of this folder as torch writes them, with their values in rows.json.

Run by hand, with torch: python tests/data/old_tensors/make_old_tensors.py
"""

import json
import pickle
from pathlib import Path

import torch

HERE = Path(__file__).parent
SIX = torch.arange(6).reshape(2, 3)
TENSORS = {
    "float32": SIX.float() / 3,
    "float16": SIX.half() / 3,
    "bfloat16": SIX.bfloat16() / 3,
    "float64": SIX.double() / 3,
    "int64": SIX,
    "uint8": SIX.byte(),
    "bool": SIX > 2,
    "transposed": SIX.float().T,
    "slice": torch.arange(20.0)[5:17:2],
    "scalar": torch.tensor(2.5),
    "empty": torch.zeros(0, 3),
    "parameter": SIX.float().requires_grad_(),
}
OF_THE_SERVICE = {  # shaped as the old service's, with a batch of one; only by pickle.dump, as it wrote them
    "hidden": torch.linspace(-1, 1, 154).half().reshape(1, 77, 2),
    "pooled": torch.linspace(-1, 1, 3).half().reshape(1, 3),
    "pixels": torch.linspace(-1, 1, 144).half().reshape(1, 3, 8, 6),
    "not_finite": torch.full((1, 77, 2), torch.nan).half(),
}
WAYS = {
    "pickle": lambda tensor: pickle.dumps(tensor),
    "pickle2": lambda tensor: pickle.dumps(tensor, 2),
    "zip": lambda tensor: _saved(tensor, True),
    "legacy": lambda tensor: _saved(tensor, False),
}


def _saved(tensor: torch.Tensor, as_zip: bool) -> bytes:
    path = HERE / "draft"
    torch.save(tensor, path, _use_new_zipfile_serialization=as_zip)
    data = path.read_bytes()
    path.unlink()
    return data


def main() -> None:
    """Write every tensor in every format."""
    rows = []
    for way, write in WAYS.items():
        for name, tensor in TENSORS.items():
            path = HERE / f"{way}_{name}.pkl"
            path.write_bytes(write(tensor))
            given = tensor.detach().float() if tensor.dtype == torch.bfloat16 else tensor.detach()
            row = {"file": path.name, "shape": list(given.shape), "dtype": str(given.numpy().dtype)}
            rows.append(row | {"values": given.flatten().tolist()})
    for name, tensor in OF_THE_SERVICE.items():
        (HERE / f"pickle_{name}.pkl").write_bytes(pickle.dumps(tensor))
    (HERE / "rows.json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
