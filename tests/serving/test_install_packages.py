"""The set-up's packages: installed with uv under pip's settings, and with pip where uv fails."""

import os
import runpy
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("uv", reason="`make setup` installs uv")
SCRIPT = Path(__file__).parents[2] / "docker" / "install_packages.py"


@pytest.fixture
def wheels(tmp_path):
    """A folder with one wheel."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    with zipfile.ZipFile(folder / "tiny_example-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny_example.py", "ANSWER = 42\n")
        about = "tiny_example-1.0.dist-info"
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: tiny-example\nVersion: 1.0\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")
    return folder


@pytest.mark.parametrize("uv_fails", [False, True])
def test_a_package_comes_from_where_pips_settings_say(wheels, tmp_path, uv_fails):
    """Both install the wheel from pip's folder without asking an index; pip only after uv has failed."""
    variables = {"PIP_FIND_LINKS": str(wheels), "PIP_NO_INDEX": "1", "UV_NO_CACHE": "1"}
    if uv_fails:
        variables["UV_CONCURRENT_DOWNLOADS"] = "none"  # which uv refuses
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
    arguments = ["--no-deps", "--target", str(tmp_path / "installed"), "tiny-example"]
    ran = subprocess.run(
        [sys.executable, SCRIPT, *arguments], env={**kept, **variables}, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "installed" / "tiny_example.py").read_text() == "ANSWER = 42\n"
    assert ("pip installs" in ran.stderr) == uv_fails


def test_settings_of_pip_reach_uv():
    """Variables precede files, folders are joined by commas, what uv was told already stays."""
    environment = runpy.run_path(str(SCRIPT))["uv_environment"]
    listed = "\n".join(
        (
            ":env:.index-url='https://mirror.example/simple?a=b'",
            "global.index-url='https://other.example/simple'",
            "global.find-links='/wheels\\n/more'",
            "global.extra-index-url='https://one.example\\nhttps://two.example'",
            "install.cert='/ca.pem'",
            "download.proxy='http://not.example'",
        )
    )
    found = environment({"UV_INDEX_STRATEGY": "first-index", "HOME": "/home/me"}, listed)
    assert found == {
        "UV_SYSTEM_CERTS": "1",
        "UV_INDEX_STRATEGY": "first-index",
        "UV_DEFAULT_INDEX": "https://mirror.example/simple?a=b",
        "UV_FIND_LINKS": "/wheels,/more",
        "UV_INDEX": "https://one.example https://two.example",
        "SSL_CERT_FILE": "/ca.pem",
        "HOME": "/home/me",
    }
