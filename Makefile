# Everything runs from a bare machine with Python 3.11+ and git: the first target that needs it builds .venv.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
STAMP := $(VENV)/.installed
NEWEST := .venv-newest
LOCKS := requirements/uv.txt requirements/build.txt requirements/dev.txt
WORKERS ?= 2
TESTS ?= tests
SCRIPTS := .ci/run actions/*.sh requirements/*.sh
WORKFLOWS := .github/workflows/*.yml workflow-templates/*.yml

.PHONY: help demo test test-all test-newest lint format docs bench lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# uv installs everything in seconds; pip does the same work where uv cannot be had. Both take locked hashes only.
$(STAMP): $(LOCKS) pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'Python 3.11 or newer is needed: make PYTHON=python3.12 ...' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	  { echo 'This Python cannot make virtual environments: install its venv package (Debian: apt install python3-venv).' >&2; exit 1; }
	@echo 'Setting up $(VENV) ...'
	@$(PYTHON) -m venv $(VENV)
	@setup() { \
	  "$$@" install --quiet --require-hashes --requirement requirements/build.txt && \
	  "$$@" install --quiet --require-hashes --no-build-isolation --requirement requirements/dev.txt && \
	  "$$@" install --quiet --no-build-isolation --no-deps --editable .; \
	}; \
	export VIRTUAL_ENV='$(CURDIR)/$(VENV)' PIP_DISABLE_PIP_VERSION_CHECK=1; \
	{ $(BIN)/python -m pip install --quiet --require-hashes --requirement requirements/uv.txt && \
	  setup $(BIN)/uv pip; } || setup $(BIN)/python -m pip
	@touch $@

demo: $(STAMP) ## Run the whole loop on the New York flights of 2013
	$(BIN)/tidegate demo

test: $(STAMP) ## Run all tests, simulations reduced (TESTS=tests/unit for a part)
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(BIN)/python -m pytest --numprocesses $(WORKERS) $(TESTS)

test-all: $(STAMP) ## Run all tests with full simulations
	TIDEGATE_SIMULATIONS=full $(BIN)/python -m pytest --numprocesses $(WORKERS) $(TESTS)

test-newest: $(STAMP) ## Run the unit tests with the newest version of every dependency
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(NEWEST)
	VIRTUAL_ENV='$(CURDIR)/$(NEWEST)' $(BIN)/uv pip install --quiet --upgrade --editable '.[demo]' --group test
	@freeze() { VIRTUAL_ENV="$$1" $(BIN)/uv pip freeze --quiet --exclude-editable | sort; }; \
	if [ -z "$$(comm -23 <(freeze '$(CURDIR)/$(NEWEST)') <(freeze '$(CURDIR)/$(VENV)'))" ]; then \
	  echo 'Nothing is newer than what is locked, which make test has tried.'; \
	else \
	  $(NEWEST)/$(notdir $(BIN))/python -m pytest --numprocesses $(WORKERS) -m "not slow" tests/unit; \
	fi

lint: $(STAMP) ## Check style, types, workflows, actions and scripts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/actionlint -shellcheck $(BIN)/shellcheck $(WORKFLOWS)
	$(BIN)/zizmor --quiet --offline --persona auditor --config .github/zizmor.yml action.yml actions .github workflow-templates/*.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-actions action.yml actions/*/action.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows $(WORKFLOWS)
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/shellcheck $(SCRIPTS)

format: $(STAMP) ## Rewrite the code in the project's style
	$(BIN)/ruff check --fix --exit-zero .
	$(BIN)/ruff format .

docs: $(STAMP) ## Write what is generated from the code
	mkdir -p schema
	$(BIN)/tidegate validate --schema > schema/new.json
	mv schema/new.json schema/tidegate.schema.json

bench: $(STAMP) ## Measure speed against other tools
	for script in benchmarks/*.py; do $(BIN)/python "$$script"; done

lock: $(STAMP) ## Move the lock files to the newest versions that pyproject.toml allows
	UV=$(BIN)/uv requirements/lock.sh --upgrade

clean: ## Remove what make made
	rm -rf $(VENV) $(NEWEST) .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist tidegate-out demo-out
