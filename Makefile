# Everything a person can do here. Each target calls the code that does it.

PYTHON ?= python3.11
# Where PyTorch comes from: empty, PyTorch's own wheel index for your machine, or `default` for your pip's usual one.
TORCH_INDEX ?=
PORT ?= 8080
AWS_PORT ?= 4566
KEEP ?=
# Options of the commands that speak to AWS, such as ARGS="--with-network --region eu-west-1".
ARGS ?=

# How many processes share the tests out among them, file by file.
TEST_PROCESSES ?= 2

BIN := .venv/bin
# PyTorch's waiting threads spin by default, and slow everything else down on a few shared cores.
export OMP_WAIT_POLICY ?= passive
RUN := PYTHONPATH=. $(BIN)/python
PYTEST := $(BIN)/pytest --numprocesses $(TEST_PROCESSES) --dist loadfile
PORTS := --port $(PORT) --aws-port $(AWS_PORT)
SOURCES := bench bootstrap.py build_lambda.py build_templates.py gameforge gpu_service insights jobs lambda_api local_cloud stacks tests tiny_sdxl
SETUP = @command -v $(PYTHON) >/dev/null || { echo "setup: $(PYTHON) is needed and is not installed; or say: make PYTHON=path/to/python3.11" >&2; exit 1; }; TORCH_INDEX="$(TORCH_INDEX)" $(PYTHON) bootstrap.py

.DEFAULT_GOAL := help
.PHONY: help setup setup-all setup-aws demo up insights doctor diff deploy destroy templates openapi lint mutants test test-api test-worker bench-api bench-pipeline bench-worker train-tiny eval-tiny image-check lock clean

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup:  # what running needs
	$(SETUP) api cli cloud worker

setup-all:  # what changing needs
	$(SETUP) api cli cloud dev stacks worker

setup-aws:  # what deploying needs
	$(SETUP) cli cloud

demo: setup  ## deploy into an emulated AWS, make a sheet of pictures through the API, take it down (TORCH_INDEX, PORT)
	@$(RUN) -m local_cloud.demo $(PORTS)

up: setup  ## keep the laptop cloud running with a live log; KEEP=1 goes on where the last one stopped (PORT, AWS_PORT)
	@$(RUN) -m local_cloud $(PORTS) $(if $(KEEP),--keep)

insights: setup  ## run all saved log queries over the laptop cloud that runs, or the log that the last one kept (ARGS)
	@$(BIN)/gameforge logs --all $(ARGS)

doctor: setup-aws  ## check whether a deployment into your AWS account could work, and what to do if not (ARGS, deploy.toml)
	@$(BIN)/gameforge doctor $(ARGS)

diff: setup-aws  ## show what deploying would change in your AWS account (ARGS, deploy.toml)
	@$(BIN)/gameforge diff $(ARGS)

deploy: setup-aws  ## deploy or update the stacks in your AWS account (ARGS, deploy.toml)
	@$(BIN)/gameforge deploy $(ARGS)

destroy: setup-aws  ## take the stacks down; ARGS=--delete-data deletes what is stored too (ARGS, deploy.toml)
	@$(BIN)/gameforge destroy $(ARGS)

templates: setup-all  ## render stacks/ into templates/
	@$(RUN) build_templates.py

openapi: setup-all  ## write docs/openapi.json from the code
	@$(RUN) -m lambda_api.openapi

# checkov pins old versions of what everything else here needs in new ones, so it lives by itself.
.venv-checkov/installed: requirements-checkov.lock
	@echo "installing checkov into .venv-checkov (about a minute, once)"
	@$(PYTHON) -m venv --clear .venv-checkov && .venv-checkov/bin/pip install --quiet --disable-pip-version-check -r requirements-checkov.lock
	@touch $@

lint: setup-all .venv-checkov/installed  ## ruff, mypy, hadolint, the OpenAPI document, and every gate that a template has to pass
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy $(SOURCES)
	$(BIN)/hadolint gpu_service/Dockerfile
	$(RUN) -m lambda_api.openapi --check
	$(RUN) -m stacks.lint

mutants: setup-all .venv-checkov/installed  ## prove that the gates catch what is wrong: single faults, each caught by at least one
	$(RUN) -m stacks.mutants

test: setup-all  ## the tests, against the emulator and the real pipeline; the API's are in test-api (9 minutes; TEST_PROCESSES)
	$(PYTEST) --ignore=tests/api

test-api: setup-all  ## the deployed API: every route and error, random requests, 1,000 jobs through trouble (minutes)
	$(BIN)/pytest tests/api -m "endurance or not endurance"

bench-api: setup-all  ## how fast the API starts and answers; also in build/bench/api.json
	@$(RUN) -m bench.api

test-worker: setup-all  ## the worker's endurance: killed at every phase, stopped, starved of AWS (10 minutes; TEST_PROCESSES)
	$(PYTEST) tests/worker -m "endurance or not endurance"

bench-worker: setup-all  ## the worker against the bare pipeline, LitServe and Ray Serve (10 minutes on a slow machine)
	$(RUN) -m bench.worker

train-tiny: setup-all  ## train the small SDXL again, into build/tiny_sdxl (about an hour on two cores; goes on where it was stopped)
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
	rm -rf build .venv .venv-checkov
