# One front door: `make help` lists what there is.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RECORDING ?=
MINUTES ?= 60
ARGS ?=
# Tests run on so many processes, each with servers of its own; a file stays on one. A process that dies ends the run:
# xdist gives the rest to another, which may then wait for ever (pytest-dev/pytest-xdist#784).
WORKERS ?= 2
SPREAD := -n $(WORKERS) --dist loadfile --max-worker-restart 0
PYTEST := $(VENV)/bin/python -m pytest $(SPREAD)
# The system's certificates, as pip takes them; never a Python of uv's own.
UV := UV_SYSTEM_CERTS=true UV_PYTHON_DOWNLOADS=never VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv
SHELL := /bin/bash

.DEFAULT_GOAL := help
.PHONY: help setup demo test unit histories check lint types layers faults faults-all soak bench clean lock

help: ## Show this list.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

setup: $(VENV)/.ready ## Install everything into .venv (nothing outside it).

$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "moodtape needs Python 3.11 or newer; set PYTHON=/path/to/python3.11"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) \
	  || { echo "python's venv module is missing (on Debian: apt-get install python3-venv)"; exit 2; }
	@echo "setup: installing pinned packages into $(VENV) (about 900 MB, once)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check uv
	@$(UV) pip install -q --compile-bytecode --require-hashes -r requirements.lock
	@$(UV) pip install -q --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q api infra moodtape producers schemas sinks streams
	@touch $@
	@echo "setup: done. Next: make demo"

demo: setup ## Run the whole pipeline here and show it live (RECORDING=folder plays a recording).
	@$(BIN)/moodtape demo $(if $(RECORDING),--recording "$(RECORDING)")

test: setup ## Run the whole test suite against real servers.
	@$(PYTEST)
	@echo "tests passed. Next: make check"

histories: setup ## Simulate crashes, zombies and rebalances (N=10000 SEED=0 FLOW=counting|storing|mending|joining|prices|whole|turns|returning).
	@$(BIN)/python -m tests.simulation --count $(or $(N),10000) --seed $(or $(SEED),0) $(if $(FLOW),--flow $(FLOW))

unit: setup ## Run the tests that need no server.
	@$(PYTEST) tests/unit tests/contracts -m "not services"

faults: setup ## Do harm to a running pipeline in twelve ways (minutes); CI does it too.
	@$(BIN)/python -m pytest tests/faults -s

faults-all: setup ## Every fault with three seeds (hours); broken off, it goes on; the table lands in docs/faults.md.
	@$(BIN)/python -m tests.faults --page docs/faults.md

soak: setup ## Random faults for MINUTES=60: zeros, flat memory and files in the end.
	@$(BIN)/python -m tests.faults.soak --minutes $(MINUTES) $(if $(SEED),--seed $(SEED)) --page docs/soak.md

check: lint types layers ## Lint, types, layers, tests with coverage: what CI runs.
	@$(BIN)/python -m tests.simulation --count 10000
	@$(BIN)/python -m coverage erase
	@$(BIN)/python -m coverage run -m pytest $(SPREAD) tests/unit tests/contracts
	@$(BIN)/python -m coverage combine -q
	@$(BIN)/python -m coverage report --fail-under=95 --include="schemas/*,infra/grid.py,streams/bars.py,streams/quotes.py,streams/indicators.py,streams/moods.py,streams/correlations.py,streams/statistics.py,streams/posts.py,streams/matching.py,streams/text.py,streams/engine/core.py,streams/engine/snapshots.py,streams/upgrades.py,streams/engine/watermarks.py"
	@$(PYTEST) tests/faults tests/integration tests/replay
	@echo "check passed."

lint: setup
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .

types: setup
	@$(BIN)/mypy

layers: setup
	@$(BIN)/lint-imports

# Those without ARGS need none; `make bench-sentiment ARGS=speed` and the compact model need requirements-finbert.lock.
bench: ## List the measurements.
	@echo "Each is python -m bench.NAME --help, or make bench-NAME with its options in ARGS:"
	@for name in correlation engine growth latency matching refill safety sink stage throughput \
	  "compact ARGS='fold|show|train|teach --base WHEEL ...'" \
	  "light ARGS='speed|held|train ...'" \
	  "mentions ARGS='--before CHECKOUT'" \
	  "recordings ARGS='--before CHECKOUT'" \
	  "sentiment ARGS='languages|spam|copies|hostile|speed|cascade ...'"; do echo "  make bench-$$name"; done

bench-%: setup ## Run a measurement (minutes); results go to bench/results.
	@$(BIN)/python -m bench.$* $(ARGS)

lock: setup ## Pin the newest versions again.
	@$(UV) pip compile pyproject.toml --extra embedded --extra compact --extra dev --universal --generate-hashes --no-header --no-annotate --upgrade -q -o requirements.lock
	@$(UV) pip compile pyproject.toml --extra finbert --extra export -c requirements.lock --universal --generate-hashes --no-header --no-annotate --upgrade -q -o requirements-finbert.lock
	@$(UV) pip compile --group bench --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade -q -o requirements-bench.lock

clean: ## Remove .venv, caches and the demo's data.
	@test ! -x $(BIN)/moodtape || $(BIN)/moodtape down >/dev/null 2>&1 || true
	@rm -rf $(VENV) .venv-bench .moodtape .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .import_linter_cache
	@echo "clean: done. Downloads stay in the user's cache folder (moodtape doctor names it)."
