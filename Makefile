# Everything a person can do here. Each target calls the code that does it.

PYTHON ?= python3.11
# Where PyTorch comes from: empty, PyTorch's own wheel index for your machine, or `default` for your pip's usual one.
TORCH_INDEX ?=
PORT ?= 8080
AWS_PORT ?= 4566
KEEP ?=

BIN := .venv/bin
# PyTorch's waiting threads spin by default, and slow everything else down on a few shared cores.
export OMP_WAIT_POLICY ?= passive
RUN := PYTHONPATH=. $(BIN)/python
PORTS := --port $(PORT) --aws-port $(AWS_PORT)
SOURCES := bootstrap.py build_lambda.py build_templates.py gameforge gpu_service jobs lambda_api local_cloud stacks tests tiny_sdxl bench
SETUP = @command -v $(PYTHON) >/dev/null || { echo "setup: $(PYTHON) is needed and is not installed; or say: make PYTHON=path/to/python3.11" >&2; exit 1; }; TORCH_INDEX="$(TORCH_INDEX)" $(PYTHON) bootstrap.py

.DEFAULT_GOAL := help
.PHONY: help setup setup-all demo up templates lint test test-worker train-tiny eval-tiny bench-pipeline image-check lock clean

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup:  # what running needs
	$(SETUP) api cli cloud worker

setup-all:  # what changing needs
	$(SETUP) api cli cloud dev stacks worker

demo: setup  ## deploy into an emulated AWS, make a sheet of pictures through the API, take it down (TORCH_INDEX, PORT)
	@$(RUN) -m local_cloud.demo $(PORTS)

up: setup  ## keep the laptop cloud running with a live log; KEEP=1 goes on where the last one stopped (PORT, AWS_PORT)
	@$(RUN) -m local_cloud $(PORTS) $(if $(KEEP),--keep)

templates: setup-all  ## render stacks/ into templates/
	@$(RUN) build_templates.py

lint: setup-all  ## ruff, mypy, cfn-lint, hadolint, and whether templates/ is what stacks/ renders
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy $(SOURCES)
	$(RUN) build_templates.py --check
	$(BIN)/cfn-lint templates/*.yaml
	$(BIN)/hadolint gpu_service/Dockerfile

test: setup-all  ## all tests, against the emulator and the real pipeline
	$(BIN)/pytest

test-worker: setup-all  ## the worker's endurance: killed at every phase, stopped, starved of AWS (about 10 minutes)
	$(BIN)/pytest tests/worker -m "endurance or not endurance"

train-tiny: setup-all  ## train the small SDXL again (about an hour on two cores)
	$(RUN) -m tiny_sdxl.train

eval-tiny: setup-all  ## accuracy table and contact sheet of the small SDXL
	$(RUN) -m tiny_sdxl.evaluate

bench-pipeline: setup-all  ## plain diffusers against the worker's plan on this device (ROUNDS)
	@$(RUN) -m bench.pipeline $(if $(ROUNDS),--rounds $(ROUNDS))

image-check:  ## build the CPU image without Docker and draw a picture in it; needs root, buildah, debootstrap (TORCH_INDEX or WHEELS)
	@TORCH_INDEX="$(TORCH_INDEX)" WHEELS="$(WHEELS)" gpu_service/image_check.sh

lock: setup-all  ## pin what is installed now into requirements.lock
	$(BIN)/pip freeze --exclude-editable | sed 's/+cpu$$//' | grep -v ' @ ' > requirements.lock

clean:  ## remove build output and the virtual environment
	rm -rf build .venv
