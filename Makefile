# make demo    a sample photo becomes out/boats.mp4
# make test    lint, types, import contracts, all tests that need no torch
# Everything that is needed is installed by these two: a .venv here, and OpenGL by apt-get where it can.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check
SUDO   := $(shell [ "$$(id -u)" = 0 ] || echo sudo -n)
# What OpenGL without a display needs on Debian and Ubuntu.
GL_PACKAGES := libegl1 libgl1 libgl1-mesa-dri
# Programs that tests drive: a terminal's multiplexer and a browser.
TEST_PACKAGES := tmux chromium
PYTEST_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test test-ml lint types contracts pytest gl terminal bench soak wheel clean

help:
	@sed -n '1,3s/^# //p' Makefile
	@echo "make test-ml the tests of training and export; installs torch"
	@echo "make bench   benchmarks: tables of frames per second and of depth quality"
	@echo "make soak    the long fault and load runs"
	@echo "make wheel   dist/depthflow_studio-*.whl"
	@echo "make clean   remove what was built"

demo: $(VENV)/.user gl
	@mkdir -p out
	$(BIN)/depthflow render config/samples/boats.jpg -o out/boats.mp4 --overwrite

test: lint types contracts pytest

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

contracts: $(VENV)/.dev
	$(BIN)/lint-imports --no-cache

pytest: $(VENV)/.dev gl test-packages
	$(BIN)/python -m pytest -m "not ml and not soak" -n auto --dist loadfile $(PYTEST_ARGS)

test-ml: $(VENV)/.ml gl
	$(BIN)/python -m pytest -m ml $(PYTEST_ARGS)

soak: $(VENV)/.dev gl
	$(BIN)/python -m pytest -m soak --timeout 3600 $(PYTEST_ARGS)

bench: $(VENV)/.dev gl
	$(BIN)/python benchmarks/stages.py

wheel: $(VENV)/.dev
	$(PIP) wheel --no-deps --wheel-dir dist .

# -- set-up: one stamp per set of packages, made again when the packages change ---------------------------------

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) > /dev/null 2>&1 || { rm -rf $(VENV); $(MAKE) --no-print-directory install-venv; }

.PHONY: install-venv
install-venv:
	@echo "python3-venv is missing; installing it"
	@$(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq --no-install-recommends python3-venv > /dev/null \
	  || { echo "Run this line, then make again:  sudo apt-get install -y python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.user: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --quiet -c constraints.txt -e '.[cpu,tui]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --quiet -c constraints.txt -e '.[cpu,dev]'
	@touch $@ $(VENV)/.user

# The newest torch brings gigabytes of CUDA; the version in constraints-ml.txt has a small build.
$(VENV)/.ml: $(VENV)/.dev constraints-ml.txt
	$(PIP) install --quiet -c constraints.txt -c constraints-ml.txt -e '.[cpu,dev,train,export]'
	@touch $@

gl: | $(BIN)/python
	@$(BIN)/python -m depthflow.render.context > /dev/null 2>&1 || $(MAKE) --no-print-directory install-gl

.PHONY: install-gl
install-gl:
	@command -v apt-get > /dev/null || { $(BIN)/python -m depthflow.render.context; exit 1; }
	@echo "OpenGL is missing; installing $(GL_PACKAGES)"
	@$(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq --no-install-recommends $(GL_PACKAGES) > /dev/null \
	  || { echo "Run this line, then make again:  sudo apt-get install -y $(GL_PACKAGES)"; exit 1; }
	@$(BIN)/python -m depthflow.render.context

# Their tests skip without them, but not in CI. Each package's program has its name.
.PHONY: test-packages
test-packages:
	@missing=; for each in $(TEST_PACKAGES); do command -v $$each > /dev/null || missing="$$missing $$each"; done; \
	[ -z "$$missing" ] || ! command -v apt-get > /dev/null || { echo "installing$$missing for the tests"; \
	  $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq --no-install-recommends $$missing > /dev/null; } \
	  || echo "without$$missing some tests skip; to have them:  sudo apt-get install -y$$missing"

clean:
	rm -rf $(VENV) build dist out .cache .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
