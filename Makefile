# Everything runs in .venv, which the first target that needs it creates from the lock file.
PYTHON ?= $(firstword $(foreach name,python3.13 python3.12 python3.11 python3,$(shell \
	$(name) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $(name))))
VENV := .venv
LOCK := $(if $(GPU),requirements-gpu.lock,requirements.lock)
READY := $(VENV)/ready-$(LOCK)
SPACE ?= card
ARGS ?=
quoted = '$(subst ','\'',$(1))'

.PHONY: help setup sweep ui notebook figures test test-all bench record lint lock clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(READY)  ## create .venv and install the locked versions; GPU=1 adds TensorFlow's CUDA libraries

$(READY): $(LOCK) pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed; set PYTHON=/path/to/it"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(LOCK)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

sweep: $(READY)  ## run a sweep: SPACE=card, ARGS="--trials 64 --name my-study"
	$(VENV)/bin/study sweep $(call quoted,$(SPACE)) $(ARGS)

ui: $(READY)  ## open the MLflow UI on the studies: ARGS="--port 5001"
	$(VENV)/bin/study ui $(ARGS)

notebook: $(READY)  ## open JupyterLab on notebooks/
	$(VENV)/bin/jupyter lab --notebook-dir notebooks $(ARGS)

figures: $(READY)  ## draw the README's figures from the recorded studies: ARGS="--run-notebooks"
	$(VENV)/bin/study figures $(ARGS)

test: $(READY)  ## run the tests: ARGS="-k space"
	$(VENV)/bin/python -m pytest -m "not nightly" $(ARGS)

test-all: $(READY)  ## run all tests, every notebook and MLflow's pages in a browser (Chromium) too
	$(VENV)/bin/python -m pytest $(ARGS)

bench: $(READY)  ## time the engines against a user's own loop: ARGS="--trials 200"
	$(VENV)/bin/python benchmarks/bench.py $(ARGS)

record: $(READY)  ## make the recorded studies anew, with their manifest: ARGS="card mre"
	$(VENV)/bin/python benchmarks/record.py $(ARGS)

lint: $(READY)  ## ruff and mypy
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

lock: $(READY)  ## resolve the lock files anew from pyproject.toml
	$(VENV)/bin/python -m pip install --quiet uv
	$(VENV)/bin/uv pip compile $(LOCK_OPTIONS) --extra dev --extra notebook -o requirements.lock pyproject.toml
	$(VENV)/bin/uv pip compile $(LOCK_OPTIONS) --all-extras -o requirements-gpu.lock pyproject.toml

LOCK_OPTIONS := --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url

clean:  ## remove .venv; the studies in mlruns/ stay
	rm -rf $(VENV)
