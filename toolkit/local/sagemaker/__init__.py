"""SageMaker hosting: models, endpoint configurations, endpoints, and the runtime that invokes them.

service       the service: assembles the parts
responses     the operations on models, endpoint configurations, endpoints and tags
models        resources by region: names, ARNs, tags, lists; endpoints and their descriptions
exceptions    errors, most of which become a FailureReason
lifecycle     an endpoint's states between two operations
deployment    an update: its policy, and how the traffic shifts from the old fleet to the new one and back
fleet         the variants of one endpoint configuration, and their instances
instance      one instance: a model server process, its health, its log, the limit on its start-up
artifacts     a model's files: from S3 into a directory
access        the execution role, and the credentials that containers get from it
runtime       InvokeEndpoint, InvokeEndpointWithResponseStream, and copies for shadow variants
invocation    one invocation of a container
asynchronous  InvokeEndpointAsync
serverless    instances that start with the first request
metrics       CloudWatch metrics of invocations
"""
