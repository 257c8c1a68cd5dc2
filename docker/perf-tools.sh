#!/bin/sh
# Installs perf_analyzer and the two libraries it needs into a separate folder (default .venv/perf), and nothing
# into the system. tritonclient 2.50.0 has the last version that runs on glibc 2.36 (Debian 12).
# usage: sh docker/perf-tools.sh [PYTHON] [FOLDER]
set -eu
python=${1:-.venv/bin/python}
folder=${2:-.venv/perf}
[ -x "$folder/bin/perf_analyzer" ] && [ -e "$folder/lib/libb64.so.0d" ] && exit 0

"$python" -m pip install --quiet --no-deps --upgrade --target "$folder" \
    tritonclient==2.50.0 nvidia-cuda-runtime-cu12==12.9.79
mkdir -p "$folder/lib"

package=$(mktemp -d)
trap 'rm -rf "$package"' EXIT
find_library() { find "$@" -name 'libb64.so.0d' 2>/dev/null | head -n 1; }
library=$(find_library /usr/lib)
if [ -z "$library" ] && command -v apt-get >/dev/null; then
    (
        cd "$package"
        apt-get -qq -o APT::Sandbox::User="$(id -un)" download libb64-0d && dpkg-deb -x libb64-0d_*.deb .
    ) || true
    library=$(find_library "$package")
fi
if [ -z "$library" ]; then
    echo "perf_analyzer needs libb64: sudo apt-get update && sudo apt-get install libb64-0d" >&2
    exit 1
fi
cp -L "$library" "$folder/lib/libb64.so.0d"
