# make demo   everything on one machine, against a simulated cloud
# make test   the tests that need nothing but this machine
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO_SECONDS ?= 0

.PHONY: help setup demo test lint types contracts check bench chaos lock clean

help:
	@grep -E '^# make' Makefile | cut -c3-

# The stamp names what was installed: a changed lock file installs again, an unchanged one costs nothing.
$(VENV)/installed: requirements/dev.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements/dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# make setup  the environment in .venv
setup: $(VENV)/installed

demo: setup
	$(BIN)/catchment demo --seconds $(DEMO_SECONDS)

test: setup
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m "not slow"

# make lint   style and format;  make types  types;  make contracts  who may import whom
lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

contracts: setup
	$(BIN)/lint-imports

# make check  lint, types and contracts together
check: lint types contracts

# make bench  throughput, latency and cost on this machine's RabbitMQ, Redis and PostgreSQL; BENCH="--only latency"
bench: setup
	$(BIN)/python -m benchmarks $(BENCH)

# make chaos  the fault tests, ROUNDS times (3), storms of STORM_SECONDS (60), and their report in build/
ROUNDS ?= 3
STORM_SECONDS ?= 60
chaos: setup
	ROUNDS=$(ROUNDS) STORM_SECONDS=$(STORM_SECONDS) $(BIN)/python -m pytest -q tests/chaos -p no:randomly --timeout 900

# make lock   the hashed requirement files, made anew from their .in files (needs uv)
lock:
	uv pip compile --quiet --generate-hashes --no-emit-index-url --no-header --python-version 3.11 requirements/main.in -o requirements/main.txt
	uv pip compile --quiet --generate-hashes --no-emit-index-url --no-header --python-version 3.11 requirements/dev.in -o requirements/dev.txt

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache
