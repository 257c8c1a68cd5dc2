"""One compared quantity, its tolerance, and how checks are printed."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike

Kind = Literal[
    "noise",
    "latents",
    "image",
    "exact",
    "pixels",
    "velocity",
    "activation",
    "states",
    "bytes",
    "times",
    "sinusoids",
    "tensor",
    "shares",
    "points",
    "resized",
    "shown",
    "embeds",
    "tables",
    "ad latents",
    "ad pixels",
]

GATES: Final[dict[Kind, float]] = {
    "noise": 2e-4,  # difference of the UNet's predictions, which are at most about 2
    "latents": 3e-3,
    "image": 2e-4,  # difference of pixels in [0, 1]
    "exact": 0.0,
    "pixels": 16.0,  # pixels of a mask that may differ with other versions of OpenCV or Pillow
    "velocity": 2e-4,  # difference of a pixel-space network's velocities, which are at most about 3
    "activation": 2e-4,  # difference as a share of the array's largest value
    "states": 4e-4,
    "bytes": 0.005,  # the share of a picture's bytes that differ by 1; none may differ by more
    "times": 1e-6,
    "sinusoids": 1.5e-4,  # the product 1000 t f is float32 in the released code
    "tensor": 1e-6,
    "shares": 1e-5,  # joints as shares of width and height
    "points": 1e-3,  # pixels
    "resized": 1.0,  # byte values, with other versions of OpenCV or Pillow
    "shown": float("inf"),
    "embeds": 1e-4,
    "tables": 1e-6,  # sigmas and timesteps
    "ad latents": 2e-3,
    "ad pixels": 2e-3,  # difference of pixels in about [-1, 1]
}
"""The largest allowed differences, from the notes of the reference arrays."""


@dataclass(frozen=True)
class Check:
    """The largest difference of one quantity of one case; `form` names our way to compute it."""

    case: str
    form: str
    quantity: str
    kind: Kind
    difference: float

    @property
    def ok(self) -> bool:
        """Whether the difference is within its gate; NaN is not."""
        return self.difference <= GATES[self.kind]


def compared(case: str, form: str, quantity: str, kind: Kind, ours: ArrayLike, theirs: ArrayLike) -> Check:
    """Return the largest absolute difference; infinite if the shapes differ."""
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    difference = float(np.abs(ours - theirs).max(initial=0)) if ours.shape == theirs.shape else float("inf")
    return Check(case, form, quantity, kind, difference)


def counted(case: str, quantity: str, ours: np.ndarray, theirs: np.ndarray) -> Check:
    """Return the number of different pixels; infinite if the shapes differ."""
    difference = float((ours != theirs).sum()) if ours.shape == theirs.shape else float("inf")
    return Check(case, "numpy", quantity, "pixels", difference)


def worst_of(checks: Iterable[Check]) -> list[Check]:
    """Return the worst check of each (case, form, quantity)."""
    worst: dict[tuple[str, str, str], Check] = {}
    for check in checks:
        key = check.case, check.form, check.quantity
        if key not in worst or not check.difference <= worst[key].difference:
            worst[key] = check
    return list(worst.values())


def as_text(checks: Sequence[Check]) -> str:
    """Format the checks as a table with a line per check."""
    names = ("case", "form", "quantity")
    case, form, quantity = (max(len(getattr(check, name)) for check in checks) for name in names)
    return "\n".join(
        f"{'ok  ' if check.ok else 'FAIL'} {check.case:{case}} {check.form:{form}} "
        f"{check.quantity:{quantity}} {check.difference:9.2e}"
        + (f" (at most {GATES[check.kind]:g})" if check.kind != "shown" else "")
        for check in checks
    )


def as_json(checks: Sequence[Check]) -> str:
    """Format the checks as one JSON object: `ok`, and `checks` with their gates."""
    rows = [
        {**asdict(check), "gate": None if check.kind == "shown" else GATES[check.kind], "ok": check.ok}
        for check in checks
    ]
    return json.dumps({"ok": all(check.ok for check in checks), "checks": rows}, indent=1)
