#!/bin/sh
# Writes a complete model repository to /out: configs and adapters first, then the networks of a checkpoint.
# usage: export.sh --checkpoint FOLDER [options of `vitrine-export onnx`]
set -eu
cp -R /opt/vitrine/model_repository/. /out/
exec vitrine-export onnx --out /out "$@"
