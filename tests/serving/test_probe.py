"""The containers' probe docker/alive.py is run against a real server."""

import pytest
from container_probe import probe
from vitrine_orchestrator.embedded.ports import ANY_PORTS
from vitrine_orchestrator.embedded.server import EmbeddedTriton
from vitrine_orchestrator.stages import STAGES
from waiter import write_waiter


@pytest.mark.usefixtures("vitrine")
def test_a_server_without_some_families_is_alive(triton):
    """Models that are not loaded, such as those of pictures from prompts, are not asked."""
    loaded = {name for name, _ in triton.ready()}
    assert {row.name for row in STAGES if row.backend == "python"} - loaded
    assert probe(triton.http) == (0, "")


def test_a_server_without_any_of_our_models_fails(tmp_path):
    """The probe says that nothing is loaded."""
    with EmbeddedTriton(write_waiter(tmp_path / "repository"), ports=ANY_PORTS) as server:
        code, said = probe(server.http)
    assert code == 1
    assert "no Python model is loaded" in said
