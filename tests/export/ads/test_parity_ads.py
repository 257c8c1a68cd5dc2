"""The command `vitrine-export parity` checks whole pictures that diffusers' own pipeline drew."""

from __future__ import annotations

import argparse
import json
import shutil

import numpy as np
import pytest
from vitrine_export import parity
from vitrine_export.parity.ads import engines


def checked(folder, capsys) -> tuple[int, list[dict]]:
    parser = argparse.ArgumentParser()
    parity.add_arguments(parser)
    status = parity.run(parser.parse_args([str(folder), "--json"]))
    out = capsys.readouterr().out
    return status, json.loads(out)["checks"] if out else []


@pytest.mark.timeout(900)
def test_every_case_passes_in_torch_and_from_onnx(folder, capsys):
    """Three prompts pass in one call and alone, and so does guidance against an empty prompt."""
    status, checks = checked(folder, capsys)
    assert status == 0, [check for check in checks if not check["ok"]]
    assert {check["case"] for check in checks} == {"three", "guided"}
    forms = {check["form"] for check in checks if check["case"] == "three"}
    assert forms == {"numpy", "torch batched", "torch single", "onnx batched", "onnx single"}
    quantities = {check["quantity"] for check in checks}
    assert quantities == {"text", "steps", "latents", "pixels", "sigmas", "timesteps"}


def test_a_wrong_array_fails(folder, tmp_path, capsys, monkeypatch):
    """One step's latents moved by 0.01 fail the check, which names the quantity."""
    monkeypatch.setattr(engines, "_in_onnx", lambda name, network, place: engines._in_torch(network))
    copy = shutil.copytree(folder, tmp_path / "copy")
    arrays = dict(np.load(copy / "three.npz"))
    arrays["steps_latents"][1] += 0.01
    np.savez(copy / "three.npz", **arrays)
    status, checks = checked(copy, capsys)
    assert status == 1
    assert {check["quantity"] for check in checks if not check["ok"]} == {"steps"}


def test_an_unknown_kind_is_named(tmp_path, capsys):
    """A folder of this form with another kind ends with status 2."""
    case = {
        "name": "x",
        "kind": "sdxl",
        "model": "m",
        "prompts": ["a"],
        "width": 64,
        "height": 64,
        "steps": 1,
    }
    (tmp_path / "meta.json").write_text(json.dumps({"cases": [case]}))
    assert parity.run(argparse.Namespace(folder=tmp_path, json=False)) == 2
    assert "kind must be one of" in capsys.readouterr().err
