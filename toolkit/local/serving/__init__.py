"""Model servers: processes that keep SageMaker's container contract without a container runtime.

A server listens on 127.0.0.1 at the port in `SAGEMAKER_BIND_TO_PORT`, answers `GET /ping` with 200 once
it can serve and `POST /invocations` with what the model says. Its configuration is in environment
variables, the model's files are in the directory that `MODEL_DIRECTORY` names (a container has them in
`/opt/ml/model`), what it writes to its output is the container's log.
"""
