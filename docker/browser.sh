#!/bin/sh
# Installs Chromium for the tests of the gateway's page if it is missing. Without it these tests are left out.
set -eu
for name in chromium google-chrome; do
    if command -v "$name" >/dev/null; then exit 0; fi
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    if apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium; then exit 0; fi
fi
echo "tests of the page are left out: sudo apt-get install chromium" >&2
