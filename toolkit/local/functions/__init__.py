"""AWS Lambda's data plane: runs the functions that moto's control plane knows, from their own zips.

service       how it meets the rest of the cloud
runner        `Runner.invoke`, for the Invoke APIs and for API Gateway
api           the Invoke APIs over HTTP
asynchronous  invocations that nobody waits for, tried again
concurrency   how many may run at once
measure       their metrics
function      what moto says of a function
instances     warm processes by function, one request at a time each
handlers      functions with a handler, driven through Lambda's Runtime API
web           functions that are web servers, behind the Lambda Web Adapter's contract
sandbox       the files and environment variables of a process
"""
