"""The `parity` command on reference arrays of FASHN VTON; their meta.json says how they were made."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from vitrine_export.command import main
from vitrine_export.parity.check import worst_of
from vitrine_export.parity.command import check_folder
from vitrine_export.parity.folder import Folder

DATA = Path(__file__).parents[2] / "data" / "fashn"


@pytest.fixture(scope="module")
def checks():
    """Every check of the folder."""
    return worst_of(check_folder(Folder(DATA)))


def test_every_check_is_within_its_gate(checks):
    """Network, pictures, poses, people and masks are those of the released code."""
    assert [check for check in checks if not check.ok] == []


@pytest.mark.parametrize(
    "quantity", ["velocity", "pictures", "table", "drawn", "mask_hybrid", "schedule_30_1.5"]
)
def test_each_kind_of_file_is_checked(checks, quantity):
    """Every kind of file in the folder has a check."""
    assert quantity in {check.quantity for check in checks}


def test_the_network_is_checked_in_three_forms(checks):
    """The network is checked as published, with the exact savings, and exported to ONNX."""
    assert {check.form for check in checks if check.quantity == "velocity"} == {"plain", "fast", "onnx"}


def test_a_wrong_array_fails_the_command(tmp_path, capsys):
    """The exit status is 1, and the line of the quantity says FAIL."""
    folder = tmp_path / "reference"
    shutil.copytree(DATA, folder, ignore=shutil.ignore_patterns("*forward*", "*pipeline*"))
    with np.load(folder / "a_pose_parts.npz") as given:
        arrays = dict(given)
    arrays["picture"] = arrays["picture"] // 2
    np.savez(folder / "a_pose_parts.npz", **arrays)
    assert main(["parity", str(folder)]) == 1
    assert "FAIL a_pose_parts" in capsys.readouterr().out
