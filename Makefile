# One word per job; `make help` lists them. Everything lands in .venv of this checkout.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --constraint constraints.txt
JOBS ?= 2

# The prompt travels in the environment: neither make nor the shell looks inside it.
PROMPT ?= a red ball moves right on a grey floor
unexport PROMPT
export KINEOGRAPH_PROMPT := $(value PROMPT)
OUT ?= demo.mp4

.DEFAULT_GOAL := help
.PHONY: help install test lint format demo train-toybox clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(VENV)/.installed ## make .venv with the command .venv/bin/kineograph

test: lint ## all checks: format, lint, types, tests
	$(BIN)/python -m pytest -n $(JOBS) --durations=10

lint: $(VENV)/.checks ## format, lint and types only
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --strict

format: $(VENV)/.checks ## write the house format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

demo: $(VENV)/.installed ## make demo PROMPT="a blue cube bounces": a video from a sentence
	@$(BIN)/kineograph generate --out "$(OUT)" -- "$$KINEOGRAPH_PROMPT"
	@echo "The video is $(CURDIR)/$(OUT)"

train-toybox: $(VENV)/.installed ## train the small model again, from nothing; stop and go on as you like
	$(BIN)/kineograph train-autoencoder --model toybox-64 --out runs/64/autoencoder
	$(BIN)/kineograph cache --model toybox-64 --autoencoder runs/64/autoencoder/weights --out runs/64/latents
	$(BIN)/kineograph train --model toybox-64 --autoencoder runs/64/autoencoder/weights \
	    --data runs/64/latents --out runs/64/denoiser
	$(BIN)/kineograph train-autoencoder --model toybox --start runs/64/denoiser/weights \
	    --out runs/autoencoder
	$(BIN)/kineograph cache --model toybox --autoencoder runs/autoencoder/weights --out runs/latents \
	    --clips 7000
	$(BIN)/kineograph train --model toybox --start runs/64/denoiser/weights \
	    --autoencoder runs/autoencoder/weights --data runs/latents --out runs/denoiser
	$(BIN)/kineograph evaluate runs/denoiser/weights --processes 2

clean: ## remove the environment and all caches
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

# The first Python that is new enough and can make environments; `make PYTHON=...` overrides.
$(BIN)/python:
	@for python in $(PYTHON) python3 python3.13 python3.12 python3.11 python; do \
	    if "$$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' \
	        2>/dev/null; then \
	        echo "making $(VENV) with $$python"; exec "$$python" -m venv $(VENV); \
	    fi; \
	done; \
	echo "kineograph needs Python 3.11 or newer with the venv module; none was found" >&2; exit 1

# torch first and alone: whatever build pip's own configuration prefers, the rest builds on it.
$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing kineograph into $(VENV); the first time takes a few minutes"
	$(PIP) torch
	$(PIP) --editable .
	@touch $@

$(VENV)/.checks: $(VENV)/.installed
	$(PIP) --editable ".[test,dev]"
	@touch $@
