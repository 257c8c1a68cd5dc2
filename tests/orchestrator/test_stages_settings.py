"""Settings: read once, refused early."""

from pathlib import Path

import pytest
from vitrine_orchestrator.settings import BadSettings, Settings


def test_nothing_set_gives_the_defaults():
    """Variables of others are none of our business."""
    assert Settings.from_environment({"PATH": "/bin"}) == Settings()


def test_values_are_read_by_their_type():
    """A number becomes a number, a folder a path."""
    settings = Settings.from_environment({"VITRINE_MAX_PIXELS": "1000", "VITRINE_TRITON_DIR": "/opt/triton"})
    assert settings.max_pixels == 1000
    assert settings.triton_dir == Path("/opt/triton")


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("VITRINE_MAX_PIXEL", "5", "unknown settings"),
        ("VITRINE_MAX_PIXELS", "many", "must be int, got 'many'"),
        ("VITRINE_MAX_PIXELS", "0", "must be at least 1, got 0"),
    ],
)
def test_a_wrong_setting_stops_the_server(name, value, complaint):
    """A misspelt name or a bad value is no silent default."""
    with pytest.raises(BadSettings, match=complaint):
        Settings.from_environment({name: value})
