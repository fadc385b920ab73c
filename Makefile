# What a newcomer types. Every target sets up what it needs, once: VENV is the virtual environment, PYTHON the
# interpreter to make it with.

VENV ?= .venv
PYTHON ?=
BIN := $(VENV)/bin
READY := $(VENV)/.cxr-edge-ready
COVERAGE := --cov --cov-report=term
# A process of tests for each core, and 2 GB of memory for each. `make test PROCESSES=0` runs them one after another.
PROCESSES ?= logical
PYTEST := $(BIN)/pytest -n $(PROCESSES) --maxprocesses=8
# tests/conftest.py says which tests have these markers; whole folders of them need not even be read.
FAST := -m "not slow and not browser and not android and not qemu" \
	$(addprefix --ignore=tests/,android browser fault fuzz integration)

export TF_CPP_MIN_LOG_LEVEL ?= 3
export ORT_DISABLE_TELEMETRY ?= 1

.DEFAULT_GOAL := help
.PHONY: help setup demo apk test test-fast lint format docs fuzz bench-self clean

help: ## list these targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

$(READY): setup.cfg constraints.txt scripts/setup.sh
	@PYTHON="$(PYTHON)" bash scripts/setup.sh "$(VENV)"
	@touch $@

setup: $(READY) ## make the virtual environment and install cxr-edge into it

demo: $(READY) ## export the shipped classifier to int8 and measure it on this machine
	@# Exit code 3 is a missed budget: the artifacts are written, and the bench shows what they lose.
	$(BIN)/cxr-edge export --quantize int8 || [ $$? -eq 3 ]
	$(BIN)/cxr-edge bench build/cxr-edge-default --device cpu

apk: $(READY) ## build the Android demo from a bundle, BUNDLE=FOLDER or what export wrote, and sign it
	$(BIN)/python -m android_demo.apk $(BUNDLE)

test: $(READY) ## run all tests, with the coverage gate; installs the programs they need where it can
	@bash scripts/test_tools.sh
	$(PYTEST) $(COVERAGE)

test-fast: $(READY) ## run the tests that take no export, training, browser, Android build or emulator: two minutes
	$(PYTEST) $(FAST)

lint: $(READY) ## check style (ruff), words, layers (import-linter), types (mypy --strict) and known holes (pip-audit)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python scripts/retired_words.py
	bash scripts/check_wheel.sh "$(VENV)"
	$(BIN)/python scripts/audit.py

format: $(READY) ## put the code into the one format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(READY) ## write docs/cli.md from the commands' own help
	$(BIN)/python scripts/help_text.py

fuzz: $(READY) ## try 20,000 mutants of each format, and kill -9 and full disks at length; half an hour or more
	$(BIN)/python -m tests.fuzz.run --mutants 20000
	CXR_EDGE_LONG=1 $(BIN)/pytest tests/fault tests/fuzz tests/attacks

bench-self: $(READY) ## measure our own speed: bench against the runtimes' tools, training, export, classify, score
	$(BIN)/python scripts/bench_fidelity.py
	$(BIN)/python scripts/bench_self.py
	$(BIN)/python scripts/bench_export.py
	$(BIN)/python scripts/bench_score.py

clean: ## remove what was built and cached; the virtual environment stays
	rm -rf build dist .cache .pytest_cache .mypy_cache .ruff_cache .coverage .coverage.* *.egg-info
	find cxr_edge export benchmarks tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +
