#!/bin/sh
# Starts Triton in the container. PROFILE chooses the configs (cpu, cuda, tensorrt, or your own one);
# MODEL_FOLDER is the model repository (/models); ADMIN_KEY_FILE holds the key for the restricted APIs (loading
# models, statistics and others).
set -eu
profile=${PROFILE:-cuda}
model_folder=${MODEL_FOLDER:-/models}
case $model_folder in *[!A-Za-z0-9._/,=+-]*)
    echo "serve: MODEL_FOLDER must need no quotes in a shell, got $model_folder: Triton would hang" >&2
    exit 1
esac
key_file=${ADMIN_KEY_FILE:-/run/secrets/admin-key}
if [ ! -s "$key_file" ]; then
    echo "serve: $key_file is missing or empty: it must hold the key of the restricted APIs" >&2
    exit 1
fi
# Triton's HTTP library copies a body with a form's content type onto the stack, twice: this fits the largest body
ulimit -S -s 327680 || echo "serve: the stack's hard limit is below 320 MiB: a large HTTP body ends the server \
unless its content type is application/octet-stream" >&2
# A server that was killed leaves its shared memory in /dev/shm, which may outlive it in a pod
shared=vitrine_$(uname -n)_
rm -f "/dev/shm/$shared"*
# The models of the families whose checkpoints /models holds
models=$(python3 -m vitrine_orchestrator.embedded.repository "$model_folder")
# With a memory budget, networks are loaded by need: only the other models at the start (docs/residency.md)
second=""
if [ "${VITRINE_MEMORY:-off}" != off ]; then
    owner=$(mktemp -d)
    port=8001
    before=""
    for option; do
        case $before/$option in */--grpc-port=*) port=${option#*=} ;; --grpc-port/*) port=$option ;; esac
        before=$option
    done
    models=$(python3 -m vitrine_orchestrator.residency.layout "$owner" "$model_folder" "$profile" "$key_file" \
        "localhost:$port")
    second="--model-repository=$owner"
fi
# Concurrent requests that fit into shared memory; 0: as many as the configs allow
if [ -z "${VITRINE_AT_ONCE:-}" ]; then
    VITRINE_AT_ONCE=$(python3 -m vitrine_orchestrator.shared_memory "$model_folder" $models)
    export VITRINE_AT_ONCE
fi
loads=$(printf ' --load-model=%s' $models)
restricted="model-repository,model-config,shared-memory,statistics,trace,logging:vitrine-admin=$(cat "$key_file")"
exec tritonserver \
    --model-repository="$model_folder" \
    $second \
    --model-control-mode=explicit \
    $loads \
    --model-config-name="$profile" \
    --disable-auto-complete-config \
    --backend-config="python,shm-region-prefix-name=$shared" \
    --http-restricted-api="$restricted" \
    --grpc-restricted-protocol="$restricted" \
    --http-max-input-size=134217728 \
    --grpc-http2-max-ping-strikes=0 \
    --grpc-keepalive-permit-without-calls=1 \
    --http-header-forward-pattern='(?i)(host|inference-header-content-length)' \
    --exit-timeout-secs=45 \
    "$@"
