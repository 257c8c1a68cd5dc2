"""vitrine.json: every value that cannot be is named with its rule, for each family of checkpoints."""

import json
import re

import pytest
from vitrine_export.checkpoint.fashn import FashnCheckpoint, FashnSettings
from vitrine_export.checkpoint.folder import Settings, read_settings
from vitrine_export.errors import BadCheckpoint

WRONG = [
    ({"picture": [768, 1024]}, "picture must be an object with width and height"),
    ({"picture": {"height": True}}, "picture.height must be a multiple of"),
    ({"default_steps": 0}, "default_steps must be a whole number from 1 to 100, got 0"),
    ({"default_steps": 2.5}, "default_steps must be a whole number from 1 to 100, got 2.5"),
    ({"default_guidance": "2"}, "default_guidance must be a number from 0 to 20, got '2'"),
    ({"default_guidance": -1}, "default_guidance must be a number from 0 to 20, got -1"),
]
WRONG_FASHN = [
    ({"picture": {"width": 200}}, "picture.width must be a multiple of 12 from 12 to 4096, got 200"),
    ({"heads": "10"}, "heads must be a whole number from 1 to 256, got '10'"),
    ({"axes": [16, 0]}, "axes must be a list of positive whole numbers, got [16, 0]"),
    ({"prediction_type": "v"}, "prediction_type must be in ['velocity', 'sample'], got 'v'"),
]


@pytest.mark.parametrize(("values", "message"), WRONG)
def test_a_wrong_value_of_any_family(tmp_path, values, message):
    """Both families read the common values by the same rules."""
    (tmp_path / "vitrine.json").write_text(json.dumps(values))
    with pytest.raises(BadCheckpoint, match=re.escape(message)):
        read_settings(tmp_path, Settings())
    with pytest.raises(BadCheckpoint, match=re.escape(message)):
        _ = FashnCheckpoint(tmp_path).settings


@pytest.mark.parametrize(("values", "message"), WRONG_FASHN)
def test_a_wrong_value_of_fashn_vton(tmp_path, values, message):
    """What only FASHN VTON has."""
    (tmp_path / "vitrine.json").write_text(json.dumps(values))
    with pytest.raises(BadCheckpoint, match=re.escape(message)):
        _ = FashnCheckpoint(tmp_path).settings


def test_without_the_file_the_released_models_values_hold(tmp_path):
    """The file may be missing."""
    assert read_settings(tmp_path, Settings()) == Settings()
    assert FashnCheckpoint(tmp_path).settings == FashnSettings()
