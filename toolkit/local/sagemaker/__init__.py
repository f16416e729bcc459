"""SageMaker's hosting: models, endpoint configurations, endpoints, and the runtime that invokes them.

store         what there is, by region: names, ARNs, tags, listing
definitions   models and endpoint configurations: operations on what never changes
endpoint      one endpoint, and how it is described
endpoints     endpoints: operations
course        the course of their lives
policy        how an update is to go
updates       how the traffic moves from an old fleet to a new one, and back
fleet         what serves one endpoint configuration: its variants
variant       a variant: its instances
instance      one instance of a variant: a model server process, its health and its log
measure       what CloudWatch is told about invocations
serverless    instances that come with requests
startup       the limit on a container's start-up
artifacts     a model's files, from S3 into a directory
invocation    one invocation of a container
runtime       InvokeEndpoint and InvokeEndpointWithResponseStream
asynchronous  InvokeEndpointAsync
shadows       copies of requests for shadow variants
service       all of it as a part of the cloud
"""
