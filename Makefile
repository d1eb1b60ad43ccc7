# `make` alone lists the commands.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
UV_VERSION := 0.11.33
# uv does not read pip's own setting for extra wheel folders (a CPU build of torch, say).
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
export DVC_NO_ANALYTICS := 1
export DO_NOT_TRACK := 1
unexport PYTHONDONTWRITEBYTECODE

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

.venv/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] <= (3, 13) else f"Python 3.11 to 3.13 is needed, this is {sys.version.split()[0]}: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	VIRTUAL_ENV=$(CURDIR)/.venv $(BIN)/uv pip install --compile-bytecode -r requirements.lock
	VIRTUAL_ENV=$(CURDIR)/.venv $(BIN)/uv pip install --no-deps --no-build-isolation --editable .
	@touch $@

setup: .venv/.installed ## install the locked environment into .venv

# torch brings its own CUDA packages, pinned by itself; a machine that has a CPU build of torch needs none of them.
CUDA := cuda-bindings cuda-pathfinder cuda-toolkit triton $(addprefix nvidia-,cublas cuda-cupti cuda-nvrtc cuda-runtime \
  cudnn-cu13 cufft cufile curand cusolver cusparse cusparselt-cu13 nccl-cu13 nvjitlink nvshmem-cu13 nvtx)
# The CPU build of torch 2.13.0 for Linux x86-64 and Python 3.11, which no package registry lists.
TORCH_CPU_SHA256 := 6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b

# Label Studio's server wants older packages than ours, so it has an environment and a lock of its own.
STUDIO := label-studio==1.23.2

lock: ## choose the versions anew and write the two lock files
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-annotate --no-emit-find-links $(addprefix --no-emit-package ,$(CUDA)) -o requirements.lock
	echo $(STUDIO) | $(BIN)/uv pip compile - --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --no-emit-find-links -o flows/studio.lock
	sed -i '/^torch==/a \    --hash=sha256:$(TORCH_CPU_SHA256) \\' requirements.lock

run: setup ## set up, then take the default recipe from its sources to a released model
	$(BIN)/tidemill run $(or $(RECIPE),feedback)

test: setup ## set up, then run the tests (the slow ones are left to check)
	$(BIN)/python -m pytest -m "not slow"

format: setup ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: setup ## write the command reference anew
	$(BIN)/python -m typer flows.cli utils docs --name tidemill --output docs/commands.md

lint: setup ## format, lint, types and import contracts, without changing a file
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint ## all that CI does
	$(BIN)/python -m pytest

.PHONY: help setup lock run test format docs lint check
