"""Runs the containers' probe docker/alive.py against a real server: for the tests of several folders."""

import subprocess
import sys
from pathlib import Path

PROBE = Path(__file__).parents[1] / "docker" / "alive.py"


def probe(address):
    """Run the probe at a server's HTTP address, host:port; return its exit code and what it complains of."""
    command = [sys.executable, PROBE, "--url", f"http://{address}", "--pause", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr
