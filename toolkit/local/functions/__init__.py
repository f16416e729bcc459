"""AWS Lambda's data plane: runs the functions that moto's control plane knows, from their own zips.

service      `FunctionService.invoke`, for the Invoke APIs and for API Gateway
api          the Invoke APIs over HTTP
concurrency  how many may run at once
measure      their metrics
function     what moto says of a function
instances    warm processes by function, one request at a time each
handlers     functions with a handler, driven through Lambda's Runtime API
web          functions that are web servers, behind the Lambda Web Adapter's contract
sandbox      the files and environment variables of a process
"""
