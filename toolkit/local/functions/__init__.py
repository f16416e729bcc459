"""AWS Lambda's data plane: runs the functions that moto's control plane keeps.

service         the service: assembles the parts
responses       Invoke and InvokeWithResponseStream over HTTP
models          functions as moto keeps them, and moto's control plane, extended
exceptions      errors of invocations
runtime         runs invocations, for `responses` and API Gateway; concurrency limits
invocation      one invocation: its input and its response stream
asynchronous    invocations of type Event, with retries
lifecycle       the pool of warm instances, one request at a time each
instance        one instance: start, time-out, memory limit, log stream
runtime_api     instances with a handler, driven through Lambda's Runtime API
web_adapter     instances that are web servers, behind the Lambda Web Adapter's contract
python_runtime  a runtime client for machines without AWS's own
sandbox         files and environment variables of an instance
metrics         CloudWatch metrics
"""
