"""Asynchronous inference: requests and answers in S3, a queue between, instances that take from it.

settings      an endpoint configuration's AsyncInferenceConfig
request       one request, as InvokeEndpointAsync takes it
storage       S3 and SNS, used in the name of the execution role
notification  messages to SNS topics
processing    one request on one instance: fetched, answered, put away, announced
queue         an endpoint's requests that wait or are worked on
gauges        what CloudWatch is told
service       InvokeEndpointAsync
"""
