"""The σ tables of flow matching against diffusers' scheduler."""

from __future__ import annotations

import numpy as np
import pytest
from diffusers import FlowMatchEulerDiscreteScheduler
from vitrine_export.errors import BadCheckpoint
from vitrine_export.nets.flow_sigmas import flow, read_flow_config
from vitrine_orchestrator.sampling.flow import shift_of
from vitrine_orchestrator.sampling.flow_config import FlowConfig


@pytest.mark.parametrize("settings", [{"shift": 3.0}, {"shift": 1.0}, {"use_dynamic_shifting": True}])
@pytest.mark.parametrize("steps", [1, 4, 9, 28])
@pytest.mark.parametrize("tokens", [16, 1024, 4096])
def test_the_tables_are_those_of_diffusers(settings, steps, tokens):
    """With static and size-dependent shifts, sigmas and timesteps are equal to the bit."""
    scheduler = FlowMatchEulerDiscreteScheduler(**settings)
    config = read_flow_config(settings)
    scheduler.set_timesteps(sigmas=np.linspace(1, 1 / steps, steps), mu=shift_of(config, tokens))
    ours = flow(config, steps, tokens)
    assert np.array_equal(ours.sigmas, scheduler.sigmas.numpy())
    assert np.array_equal(ours.timesteps, scheduler.timesteps.numpy())


@pytest.mark.parametrize(
    ("strength", "steps", "start"),
    [(0.1, 1, 0.3), (0.25, 2, 0.5), (0.5, 4, 0.75), (0.6, 5, 5 / 6), (0.9, 8, 1)],
)
def test_strength_leaves_out_the_first_steps(strength, steps, start):
    """Strength leaves out the first of 8 steps; the start is a mixture of noise and the clean state."""
    found = flow(FlowConfig(shift=3.0), 8, strength=strength)
    assert len(found.timesteps) == steps
    assert found.initial_scale == pytest.approx(start)
    assert found.initial_scale + found.initial_clean == pytest.approx(1)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: flow(FlowConfig(), 4, strength=0.0), "strength must be more than 0"),
        (lambda: flow(FlowConfig(), 4, strength=1e-20), "leaves none of 4 steps"),
        (lambda: flow(FlowConfig(), 0), "steps must be 1 to 1000, got 0"),
        (lambda: flow(FlowConfig(use_dynamic_shifting=True), 4), "needs the picture's tokens"),
        (lambda: read_flow_config({"use_karras_sigmas": True}), "use_karras_sigmas must be False"),
        (lambda: read_flow_config({"shift_terminal": 0.02}), "shift_terminal must be None"),
        (lambda: read_flow_config({"time_shift_type": "linear"}), "time_shift_type must be 'exponential'"),
    ],
)
def test_values_out_of_range_are_refused(call, said):
    """The error names the rule and the value."""
    with pytest.raises(BadCheckpoint, match=said):
        call()
