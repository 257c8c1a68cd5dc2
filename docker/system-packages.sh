#!/bin/sh
# Installs what is needed from the system if it is missing: Python's shared library for the embedded Triton, and
# fonts for texts on pictures. Without the fonts the set-up goes on; texts then need VITRINE_FONT_FOLDER.
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
needed=
[ "$found" = True ] || needed="libpython3.11 python3.11-venv"
fonts="fontconfig fonts-nanum fonts-noto-cjk"
if command -v fc-list >/dev/null && fc-list | grep -q NotoSansCJK && fc-list | grep -q NanumGothic; then
    fonts=
fi
[ -n "$needed$fonts" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    # shellcheck disable=SC2086 # each is a list of packages
    [ -z "$needed" ] || apt-get install -qq -y $needed
    # shellcheck disable=SC2086
    [ -z "$fonts" ] || apt-get install -qq -y --no-install-recommends $fonts || echo "fonts could not be installed" >&2
elif [ -n "$needed" ]; then
    echo "Triton's Python backend needs Python's shared library: sudo apt-get install libpython3.11" >&2
    exit 1
else
    echo "texts on pictures need fonts: sudo apt-get install $fonts" >&2
fi
