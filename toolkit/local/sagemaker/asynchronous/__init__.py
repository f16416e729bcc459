"""Asynchronous inference: requests and responses in S3, with a queue in front of the instances.

models      an endpoint's AsyncInferenceConfig, and one request
runtime     InvokeEndpointAsync
queue       an endpoint's waiting and running requests
processing  one request on one instance: download, invoke, upload, notify
access      S3 and SNS with the permissions of the execution role
metrics     CloudWatch metrics of requests and backlogs
"""
