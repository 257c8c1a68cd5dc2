"""Try-ons by a FASHN VTON checkpoint in torch, with the preparation and the schedule that are served.

The pose is drawn from the doll's true joints, so the score is the try-on network's alone; nothing is pasted
back.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from vitrine_export.checkpoint.fashn import open_fashn
from vitrine_export.exporting.families.fashn import facts
from vitrine_export.training.fashn.draws import draw_pose
from vitrine_orchestrator.fashn import canvas
from vitrine_orchestrator.fashn.denoise_request import PICTURES, FashnRequest, read_request
from vitrine_orchestrator.fashn.facts import FashnFacts
from vitrine_orchestrator.fashn.placing import on_its_canvas, placed
from vitrine_orchestrator.sampling.noise import initial_noise
from vitrine_orchestrator.sampling.schedule import advance
from vitrine_world import dolls

from vitrine_measure.score.run import Options, Picture, TryOn


def fashn_try_on(folder: Path, options: Options) -> TryOn:
    """Try-ons by the checkpoint in `folder`; its settings where `options` leave them open."""
    checkpoint = open_fashn(folder)
    return try_on_by(checkpoint.net(), FashnFacts(**facts(checkpoint, {})), options)


def try_on_by(net: nn.Module, facts: FashnFacts, options: Options) -> TryOn:
    """Try-ons by a FashnNet of these facts."""
    steps = facts.default_steps if options.steps is None else options.steps
    guidance = facts.default_guidance if options.guidance is None else options.guidance
    chosen = replace(options, steps=steps, guidance=guidance)

    async def attempt(person: Picture, made: dolls.Sample, garment: Picture) -> tuple[Picture, np.ndarray]:
        size = facts.width, facts.height
        on, flat = (placed(picture, size, "fit") for picture in (person, garment))
        pose = on_its_canvas(draw_pose(made.person), size, pose=True)[0]
        pictures = on.fit.picture, pose, flat.fit.picture, np.zeros_like(pose)
        request = _request(pictures, made.category, chosen, facts)
        picture = canvas.as_picture(sampled(net, request))
        left, top, right, bottom = on.fit.placed
        return picture[top:bottom, left:right], np.ones(person.shape[:2], bool)

    return attempt


@torch.no_grad()
def sampled(net: nn.Module, request: FashnRequest) -> np.ndarray:
    """The finished state (3, H, W) float32 of one job."""
    pictures = [torch.from_numpy(canvas.as_tensor(one))[None] for one in request.pictures.values()]
    nothing = [torch.zeros_like(one) for one in pictures]
    state = initial_noise(request.seed, request.shape)[None]
    for step, time in enumerate(request.schedule.timesteps):
        now, x = torch.tensor([float(time)]), torch.from_numpy(state)
        output: Tensor = net(x, now, *pictures, torch.tensor([request.category]))
        if step < request.guided_steps:
            plain = net(x, now, *nothing, torch.tensor([0]))
            output = plain + request.guidance * (output - plain)
        state, _ = advance(request.schedule.table[step : step + 1], state, output.numpy(), 0.0)
    return state[0]


def _request(
    pictures: tuple[Picture, ...], category: str, options: Options, facts: FashnFacts
) -> FashnRequest:
    arrays = {
        **dict(zip(PICTURES, pictures, strict=True)),
        "category": np.array([category.encode()], object),
        "seed": np.array([options.seed], np.uint64),
        "steps": np.array([options.steps], np.int32),
        "guidance": np.array([options.guidance], np.float32),
    }
    return read_request(arrays, facts)
