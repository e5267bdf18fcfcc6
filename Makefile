# make demo | test | test-all | lint | bench | figures | screenshots | clean      PYTHON=python3.12 VENV=elsewhere APP=0 DIR=demo
PYTHON ?= python3
VENV ?= .venv
DIR ?= demo
APP ?= 1
BIN = $(VENV)/bin
READY = $(VENV)/.ready

.PHONY: demo test test-all lint bench figures screenshots clean

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $(READY)

demo: $(READY)
	$(BIN)/grounding demo --dir $(DIR) $(if $(filter 0,$(APP)),--no-app)

test: $(READY)
	$(BIN)/pytest -n 2 -m "not slow"

test-all: $(READY)
	$(BIN)/pytest -n 2

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pip check

bench: $(READY)
	$(BIN)/python -m tests.benchmarks.bench_video
	$(BIN)/python -m tests.benchmarks.bench_features
	$(BIN)/python -m tests.benchmarks.bench_explorer
	$(BIN)/python -m tests.benchmarks.bench_evaluate
	$(BIN)/python -m tests.benchmarks.bench_decode
	$(BIN)/python -m tests.benchmarks.bench_annotations
	$(BIN)/python -m tests.benchmarks.bench_glance
	$(BIN)/python -m tests.benchmarks.bench_batch

figures: $(READY)
	$(BIN)/python -m tests.benchmarks.figures
	$(BIN)/python -m tests.benchmarks.supervisions
	$(BIN)/python -m tests.benchmarks.glances

# of every page and of one explained query, from what `make demo` made; needs a Chromium
screenshots: $(READY)
	$(BIN)/python -m tests.screenshots --dir $(DIR)

clean:
	rm -rf $(VENV) demo runs .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
