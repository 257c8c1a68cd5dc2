"""The containers' probe docker/alive.py is run against a real server."""

import subprocess
import sys
from pathlib import Path

import pytest
from vitrine_orchestrator.embedded.ports import ANY_PORTS
from vitrine_orchestrator.embedded.server import EmbeddedTriton
from vitrine_orchestrator.stages import STAGES
from waiter import write_waiter

PROBE = Path(__file__).parents[2] / "docker" / "alive.py"


def probe(server):
    """Run the probe once at a server's HTTP address."""
    command = [sys.executable, PROBE, "--url", f"http://{server.http}", "--pause", "0"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.usefixtures("vitrine")
def test_a_server_without_some_families_is_alive(triton):
    """Models that are not loaded, such as those of pictures from prompts, are not asked."""
    loaded = {name for name, _ in triton.ready()}
    assert {row.name for row in STAGES if row.backend == "python"} - loaded
    done = probe(triton)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_server_without_any_of_our_models_fails(tmp_path):
    """The probe says that nothing is loaded."""
    with EmbeddedTriton(write_waiter(tmp_path / "repository"), ports=ANY_PORTS) as server:
        done = probe(server)
    assert done.returncode == 1
    assert "no Python model is loaded" in done.stderr
