# The one task file: the same targets at the desk and in CI. Needs /bin/sh and Python 3.11 or newer.
# Every target that needs the virtual environment makes it first; VENV and PYTHON may name others.

VENV = .venv
BIN = $(VENV)/bin
PY = $(BIN)/python
INSTALLED = $(VENV)/.installed
WARMED = $(VENV)/.warmed
KERNELS := $(shell grep -rlE '^@(kernel|.*njit)' app --include='*.py')

# Options, given on the command line only: `FOR` or `NAME` may mean something else in an environment.
# make paper
FOR =
TAPE =
SPEED =
SEED =
LIVE =
# make bench
NAME =
QUICK =
# make test
TESTS = tests
# Handed on as they are.
ARGS =

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup paper test drills gates format format-check lint types imports docs bench clean

help:  ## list these targets
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -e 's/:.*## */@/' | awk -F@ '{ printf "  make %-13s %s\n", $$1, $$2 }'

setup: $(WARMED)  ## make the virtual environment and compile the kernels (other targets do it by themselves)

paper: $(WARMED)  ## trade on paper: FOR=60 TAPE=path SPEED=10 SEED=7 LIVE=bybit, more in ARGS='--help'
	@$(PY) -m app up $(if $(FOR),--for '$(FOR)') $(if $(TAPE),--tape '$(TAPE)') $(if $(SPEED),--speed '$(SPEED)') \
		$(if $(SEED),--seed '$(SEED)') $(if $(LIVE),--live '$(LIVE)') $(ARGS)

test: $(WARMED)  ## run all tests, or TESTS=tests/bus
	@$(PY) -m pytest $(TESTS) $(ARGS)

drills: $(WARMED)  ## long fault drills: processes and Redis killed in mid-run, record by record
	@$(PY) -m pytest tests/drills -m drill -rA $(ARGS)

gates: format-check lint types imports docs  ## everything a change must pass besides the tests

format: $(INSTALLED)  ## put all code into the common form
	@$(BIN)/ruff format .

format-check: $(INSTALLED)
	@$(BIN)/ruff format --check .

lint: $(INSTALLED)  ## look for mistakes
	@$(BIN)/ruff check .

types: $(INSTALLED)  ## check types, strictly
	@$(BIN)/mypy

imports: $(INSTALLED)  ## check that imports point down the layers only
	@$(BIN)/lint-imports --no-logo

docs: $(INSTALLED)  ## check what documents, images and compose file say against the code
	@$(PY) -m pytest tests/house

bench: $(WARMED)  ## list the benchmarks, or run NAME=bus (QUICK=1: within 45 s; more in ARGS)
ifeq ($(NAME),)
	@grep -lE '^if __name__ ==' benchmarks/*.py | sed -e 's|.*/|  make bench NAME=|' -e 's|\.py$$||'
else
	@$(PY) -m benchmarks.$(NAME) $(if $(QUICK),--quick) $(ARGS)
endif

clean:  ## remove the environment and all caches; runs, archives and models stay
	rm -rf '$(VENV)' build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find app tests benchmarks scripts -name __pycache__ -type d -prune -exec rm -rf {} +

$(PY):
	@for python in $(PYTHON) python3.13 python3.12 python3.11 python3; do \
		if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			echo "creating $(VENV) with $$("$$python" --version)"; \
			"$$python" -m venv '$(VENV)' && exit 0; \
			rm -f '$(PY)'; echo "creating $(VENV) failed; on Debian and Ubuntu install python3-venv" >&2; exit 1; \
		fi; \
	done; echo "Aviary needs Python 3.11 or newer; install it, or name one with PYTHON=/path/to/python" >&2; exit 1

# Installed in place, so that the project is run as it lies here.
$(INSTALLED): pyproject.toml | $(PY)
	@echo "installing (a few minutes the first time)"
	@$(PY) -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

# The caches mind the kernels' sources by themselves; this only moves the wait to a place where it is expected.
$(WARMED): $(INSTALLED) $(KERNELS)
	@echo "compiling kernels"
	@$(PY) -m app.features.warm
	@$(PY) -m app.executor.warm
	@touch $@
