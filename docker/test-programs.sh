#!/bin/sh
# Installs the programs that tests run beside Vitrine, where they are missing: Chromium for the gateway's page,
# PostgreSQL, Redis with Node's own BullMQ in the folder $1, and tesseract, which reads texts in pictures back.
# Tests whose program is still missing are left out, and say so.
set -eu
folder=$1
packages=
command -v chromium >/dev/null || command -v google-chrome >/dev/null || packages="$packages chromium"
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || packages="$packages postgresql"
command -v redis-server >/dev/null || packages="$packages redis-server"
command -v node >/dev/null || packages="$packages nodejs"
command -v npm >/dev/null || packages="$packages npm"
for language in eng kor jpn chi-sim; do
    ls /usr/share/tesseract-ocr/*/tessdata/$(echo $language | tr - _).traineddata >/dev/null 2>&1 ||
        packages="$packages tesseract-ocr-$language"
done
command -v tesseract >/dev/null || packages="$packages tesseract-ocr"
# shellcheck disable=SC2086 # a list of packages
if [ -n "$packages" ]; then
    export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 # the packages' own servers are not started
    if ! { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null && timeout 100 apt-get update -qq &&
        timeout 300 apt-get install -qq -y --no-install-recommends $packages >/dev/null; }; then
        echo "some tests are left out: sudo apt-get install$packages" >&2
    fi
fi
if [ ! -d "$folder/node_modules/ioredis" ] && command -v npm >/dev/null; then
    timeout 60 npm install --silent --no-audit --no-fund --fetch-retries=1 --fetch-timeout=15000 --prefix "$folder" \
        bullmq@6.7.0 ioredis@5.8.2 ||
        echo "the tests of Node's queue are left out: npm could not install bullmq and ioredis" >&2
fi
