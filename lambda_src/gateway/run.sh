#!/bin/sh
# What the Lambda Web Adapter's /opt/bootstrap starts in place of the Python runtime.
# boto3's packages are part of the runtime: in its site-packages, or in LAMBDA_RUNTIME_DIR.
export PYTHONPATH="${LAMBDA_TASK_ROOT}:${LAMBDA_RUNTIME_DIR:-/var/runtime}"
# Nothing can be written there on Lambda: bytecode need not be made for it.
[ -w "${LAMBDA_TASK_ROOT}" ] || export PYTHONDONTWRITEBYTECODE=1
exec python3 -m gateway
