"""The bench's part that compares two families: what it refuses, and its rate to compare with."""

from types import SimpleNamespace

import pytest
from vitrine.errors import Unavailable
from vitrine_measure.service import two_families


async def test_a_repository_of_one_family_is_refused(tmp_path, monkeypatch):
    """The error names the missing family and the command that adds it."""
    monkeypatch.setattr(two_families, "read_manifests", lambda folder: {"idm_vton": None})
    bench = SimpleNamespace(options=SimpleNamespace(repository=tmp_path))
    with pytest.raises(Unavailable, match=r"no release of \['fashn'\]: run make second"):
        await two_families.families(bench)


def test_two_families_in_turns():
    """Half of the pictures at 1 a second and half at 3 a second: two pictures take 4/3 of a second."""
    assert two_families.in_turns(1.0, 3.0) == 1.5
