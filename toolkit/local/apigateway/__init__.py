"""API Gateway: REST APIs as they were deployed, and what moto's control plane lacks.

service            the service: assembles the parts
responses          operations that moto lacks
models             REST APIs, stages and tags: moto's models, extended
rest_apis          settings of REST APIs: creation, imports, patches
exceptions         errors, each with a type of gateway response
runtime            a request to a deployed API, check by check
api_request        one such request, and its `$context` variables
openapi            OpenAPI documents: methods, integrations, authorizers
domains            custom domain names
access             IAM authorization, resource policies of functions, policy documents of authorizers
authorizers        Lambda authorizers and their cache
usage_plans        API keys, quotas, and moto's usage plans, extended
throttling         token buckets by API key and by method
integration        Lambda proxy and mock integrations
events             events of Lambda proxy integrations and authorizers
gateway_responses  responses of the gateway itself
metrics            access logs and CloudWatch metrics
"""
