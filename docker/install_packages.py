"""Installs Python packages like `pip install ARGUMENTS`, with uv, which took a tenth of pip's time for ours.

uv is fetched by pip. It does not read pip's settings, so those that say where packages come from and how they
are reached are handed on. Where uv cannot be fetched, or fails, pip does the whole work. Neither compiles
modules: Python does so when it first uses one, and most modules of torch and diffusers are never used.

usage: PYTHON docker/install_packages.py ARGUMENTS   (PYTHON is the one of the environment to install into)
"""

from __future__ import annotations

import ast
import importlib.util
import os
import subprocess
import sys
from collections.abc import Mapping

UV = "uv==0.13.9"
PIP = [sys.executable, "-m", "pip"]
VARIABLES = {  # by pip's setting: https://docs.astral.sh/uv/reference/environment/
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
    "constraint": "UV_CONSTRAINT",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "proxy": "ALL_PROXY",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "timeout": "UV_HTTP_TIMEOUT",
}
SEPARATORS = {"UV_INDEX": " ", "UV_FIND_LINKS": ",", "UV_CONSTRAINT": " ", "UV_INSECURE_HOST": " "}
"""Of lists. Pip's are separated by spaces or lines."""
DEFAULTS = {
    "UV_SYSTEM_CERTS": "1",  # as pip does
    "UV_INDEX_STRATEGY": "unsafe-best-match",  # as pip: the best version of all indexes
}


def main(arguments: list[str]) -> int:
    """Install; return pip's exit code, or 0 where uv did it."""
    if installed_by_uv(arguments):
        return 0
    print("uv was not to be had or failed: pip installs the packages, which takes minutes", file=sys.stderr)
    return subprocess.run([*PIP, "install", "--quiet", "--no-compile", *arguments]).returncode


def installed_by_uv(arguments: list[str]) -> bool:
    """Fetch uv if it is missing, and install with it; return whether both went well."""
    if importlib.util.find_spec("uv") is None:
        fetched = subprocess.run([*PIP, "install", "--quiet", "--no-compile", UV], stderr=subprocess.DEVNULL)
        if fetched.returncode != 0:
            return False
    listed = subprocess.run([*PIP, "config", "list"], capture_output=True, text=True).stdout
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", sys.executable]
    return subprocess.run([*command, *arguments], env=uv_environment(os.environ, listed)).returncode == 0


def uv_environment(environment: Mapping[str, str], listed: str) -> dict[str, str]:
    """Return the environment for uv: pip's settings under uv's names, where uv's own are not set.

    `listed` is what `pip config list` prints: lines like `global.index-url='https://…'`; those of variables
    come as `:env:.index-url='…'` and precede files, as in pip.
    """
    settings: dict[str, str] = {}
    lines = [line.partition("=") for line in listed.splitlines() if "=" in line]
    for name, _, value in sorted(lines, key=lambda line: line[0].startswith(":env:")):
        section, _, setting = name.rpartition(".")
        if section in (":env:", "global", "install") and setting in VARIABLES:
            settings[VARIABLES[setting]] = str(ast.literal_eval(value))
    for name, separator in SEPARATORS.items():
        if name in settings:
            settings[name] = separator.join(settings[name].split())
    return {**DEFAULTS, **settings, **environment}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
