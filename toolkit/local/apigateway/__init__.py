"""API Gateway's data plane: serves REST APIs as they were deployed.

documents    moto extended: OpenAPI documents are kept whole, a deployment is a snapshot of one
definition   what a document says, in the terms of a request
service      a request's way: route, authorizer, API key, integration
authorizer, keys, permissions      who may
throttle, quota, plans             how often
stages       when one was made and last changed
integration, events                the function behind it
responses    what the gateway answers by itself
"""
