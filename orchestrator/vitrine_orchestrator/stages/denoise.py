"""The row of `denoise`, which runs the networks of every family: its inputs are those of all families."""

from __future__ import annotations

from vitrine_orchestrator.stages import fashn, flux, idm_vton, z_image
from vitrine_orchestrator.stages.shared import REPORT, SAMPLING
from vitrine_orchestrator.stages.table import Service, Stage, Tensor, joined, optional

INPUTS = {
    idm_vton.FAMILY: idm_vton.DENOISE_INPUTS,
    fashn.FAMILY: fashn.DENOISE_INPUTS,
    z_image.FAMILY: z_image.DENOISE_INPUTS,
    flux.FAMILY: flux.DENOISE_INPUTS,
}
"""A job's own inputs by family; one row for each family that `denoise` can run."""

ROW = Stage(
    "denoise",
    optional(
        *joined(*INPUTS.values()),
        *SAMPLING,
        Tensor("family", "STRING", (1,)),
        Tensor("job", "STRING", (1,)),
        Tensor("after_step", "INT32", (1,)),
        Tensor("cancel", "BOOL", (1,)),
        Tensor("submission", "STRING", (1,)),
    ),
    (Tensor("latents", "FP32", (-1, -1, -1)), REPORT),
    families=tuple(INPUTS),
    runs=Service(in_flight=64, of_release=False, holds_networks=True, own_queue=True),
)
