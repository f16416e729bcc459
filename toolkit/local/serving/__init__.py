"""Model servers: processes that implement SageMaker's container contract without a container runtime.

A server listens on 127.0.0.1 at the port `SAGEMAKER_BIND_TO_PORT`, answers `GET /ping` with 200 once it is
ready, and serves `POST /invocations`. Environment variables configure it, `MODEL_DIRECTORY` holds the model's
files (`/opt/ml/model` in a container), and its output is the container's log.
"""
