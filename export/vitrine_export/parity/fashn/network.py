"""Compares the network, its sampler and whole pipelines with reference arrays."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import torch
from vitrine_orchestrator.fashn import canvas, masks, pose_picture
from vitrine_orchestrator.fashn.schedule import GUIDANCE, STEPS, UNGUIDED_STEPS
from vitrine_orchestrator.fashn.schedule import times as schedule

from vitrine_export.nets.fashn.net import sinusoids
from vitrine_export.parity.check import Check, compared
from vitrine_export.parity.fashn.activations import activations
from vitrine_export.parity.fashn.folder import FashnFolder
from vitrine_export.parity.fashn.forms import Conditions, Velocity
from vitrine_export.parity.folder import Arrays

CATEGORIES = {"tops": 1, "bottoms": 2, "one-pieces": 3}


def check_forward(folder: FashnFolder) -> Iterator[Check]:
    """Check single evaluations: conditional and unconditional rows, and the activations between blocks."""
    for name, case, given in folder.cases(r"forward_(?!.*bf16).*"):
        conditions, forms = Conditions.of(given), folder.forms(name)
        if "mask" in given:
            conditions = conditions.dropped(~given["mask"])
        wanted = [("velocity", conditions), ("v_c", conditions), ("v_u", conditions.none())]
        for form, velocity in forms.items():
            for quantity, of in wanted:
                if quantity in given:
                    ours = velocity(given["x"], given["times"], of)
                    yield compared(case, form, quantity, "velocity", ours, given[quantity])
        inside = activations(forms.net, given["x"], given["times"], conditions)
        for key in (key for key in given if key.startswith("act.") and key.removeprefix("act.") in inside):
            scale = max(float(np.abs(given[key]).max()), 1e-12)
            ours = np.broadcast_to(inside[key.removeprefix("act.")], given[key].shape)
            yield compared(case, "plain", key, "activation", ours / scale, given[key] / scale)


def check_samples(folder: FashnFolder) -> Iterator[Check]:
    """Check whole sampling runs and time schedules."""
    for name, case, given in folder.cases(r"sample_.*"):
        steps, guidance = int(given["num_timesteps"]), float(given["guidance_scale"])
        plan = schedule(steps, float(given["time_shift_mu"]))
        yield compared(case, "numpy", "schedule", "times", plan, given["schedule"])
        unguided = int(given["skip_cfg_last_n_steps"])
        for form, velocity in folder.forms(name).items():
            states = _sampled(velocity, given["states"][0], plan, Conditions.of(given), guidance, unguided)
            yield compared(case, form, "states", "states", states[:-1], given["states"])
            yield compared(case, form, "last", "states", states[-1], given["last"])
            yield _pictures(case, form, states[-1], given["pictures"])
    for _, case, given in folder.cases("schedules"):
        for key in (key for key in given if key.startswith("schedule_")):
            count, mu = key.removeprefix("schedule_").split("_")
            yield compared(case, "numpy", key, "times", schedule(int(count), float(mu)), given[key])
        waves = sinusoids(torch.from_numpy(given["times"])).numpy()
        yield compared(case, "plain", "sinusoids", "sinusoids", waves, given["sinusoids"])


def check_pipelines(folder: FashnFolder) -> Iterator[Check]:
    """Check pipelines from two photographs, joints and label maps to the finished picture."""
    for name, case, given in folder.cases(r"pipeline_.*"):
        options, config = json.loads(str(given["options"])), folder.config(name)
        size = config.width, config.height
        tensors, padding = _prepared(given, options, size)
        for key, ours in tensors.items():
            yield compared(case, "numpy", key, "tensor", ours, given[key])
        category = np.array([CATEGORIES[options["category"]]])
        plan = schedule(options.get("num_timesteps", STEPS))
        guidance = options.get("guidance_scale", GUIDANCE)
        unguided = options.get("skip_cfg_last_n_steps", UNGUIDED_STEPS)
        conditions = Conditions([tensors[key] for key in Conditions.NAMES], category)
        for form, velocity in folder.forms(name).items():
            last = _sampled(velocity, given["noise"], plan, conditions, guidance, unguided)[-1]
            yield _pictures(case, form, last, given["pictures"], padding)


def _sampled(
    velocity: Velocity, noise: np.ndarray, plan: np.ndarray, given: Conditions, guidance: float, unguided: int
) -> np.ndarray:
    """Return all states (steps + 1, B, 3, H, W): v = v_u + g (v_c - v_u), and v_c in the last steps."""
    states, steps = [noise], len(plan) - 1
    for step in range(steps):
        now = np.full(len(noise), plan[step], np.float32)
        made = velocity(states[-1], now, given)
        if guidance != 1 and step < steps - unguided:
            base = velocity(states[-1], now, given.none())
            made = base + np.float32(guidance) * (made - base)
        states.append(states[-1] + np.float32(plan[step + 1] - plan[step]) * made)
    return np.stack(states)


def _pictures(
    case: str, form: str, last: np.ndarray, wanted: np.ndarray, padding: canvas.Padding | None = None
) -> Check:
    """Check the share of different bytes; infinite if one differs by more than 1."""
    made = np.stack([canvas.as_picture(one) for one in last])
    if padding is not None:
        made = np.stack([padding.cut(one) for one in made])
    if made.shape != wanted.shape:
        return Check(case, form, "pictures", "bytes", float("inf"))
    distance = np.abs(made.astype(int) - wanted)
    return Check(
        case, form, "pictures", "bytes", float("inf") if distance.max() > 1 else float((distance > 0).mean())
    )


def _prepared(
    given: Arrays, options: dict[str, object], size: canvas.Size
) -> tuple[dict[str, np.ndarray], canvas.Padding]:
    """Return the network's four pictures of a pipeline case, and the person's padding."""
    side, category = max(size), str(options["category"])
    person, garment = (canvas.shrunk(given[key], side) for key in ("person", "garment"))
    poses = {key: _pose(given, key, picture) for key, picture in (("person", person), ("garment", garment))}
    if not options.get("segmentation_free", True):
        person = masks.greyed(person, masks.person_masks(given["person_labels"], category).grey)
    if options["garment_photo_type"] == "model":
        garment = masks.garment_only(garment, given["garment_labels"], category)
    placed, padding = canvas.on_canvas(person, size)
    found = {"ca_images": placed, "garment_images": canvas.on_canvas(garment, size)[0]}
    for key, pose in poses.items():
        found[f"{key}_poses"] = canvas.on_canvas(pose, size, pose=True)[0]
    return {key: canvas.as_tensor(picture)[None] for key, picture in found.items()}, padding


def _pose(given: Arrays, key: str, picture: np.ndarray) -> np.ndarray:
    parts = {}
    if f"{key}_hands" in given:
        parts = {"hands": given[f"{key}_hands"], "face": given[f"{key}_faces"][0]}
    pose = pose_picture.Pose(given[f"{key}_candidate"], given[f"{key}_subset"][0], **parts)
    return pose_picture.draw(pose, picture.shape[1], picture.shape[0])
