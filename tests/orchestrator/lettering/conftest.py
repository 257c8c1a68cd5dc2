"""Fonts for the tests of texts: those of the system, which the set-up installs."""

import pytest
from vitrine_orchestrator.lettering.fonts import open_fonts
from vitrine_orchestrator.lettering.overlay import Setters


@pytest.fixture(scope="session")
def fonts():
    """The system's fonts; the tests are skipped, with the reason, where Noto CJK or Nanum are missing."""
    found = open_fonts(None)
    missing = {"Noto Sans CJK KR", "NanumGothic"} - set(found.families())
    if missing:
        pytest.skip(f"fonts are missing: {sorted(missing)}; docker/system-packages.sh installs them")
    return found


@pytest.fixture(scope="session")
def setters(fonts):
    """What sets texts, with its renderer of HTML."""
    found = Setters(fonts)
    yield found
    found.close()
