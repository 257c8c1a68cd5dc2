#!/bin/sh
# Installs what the embedded Triton needs from the system if it is missing: Python's shared library.
set -eu
python=${1:-python3.11}
if ! command -v "$python" >/dev/null; then
    echo "$python is missing: install Python 3.11 (Debian: apt-get install python3.11 python3.11-venv)" >&2
    exit 1
fi
found=$("$python" -c 'import pathlib, sysconfig
library = sysconfig.get_config_var("INSTSONAME") or ""
folder = sysconfig.get_config_var("LIBDIR")
places = [folder, f"{folder}/" + (sysconfig.get_config_var("MULTIARCH") or "")]
print(any((pathlib.Path(place) / library).exists() for place in places) and library.startswith("libpython") and ".so" in library)')
[ "$found" = True ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq && apt-get install -qq -y libpython3.11 python3.11-venv
else
    echo "Triton's Python backend needs Python's shared library: sudo apt-get install libpython3.11" >&2
    exit 1
fi
