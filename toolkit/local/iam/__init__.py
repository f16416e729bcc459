"""AWS Identity and Access Management: authorizes requests to the embedded cloud while it is enforced.

service      the service: the switch, and the log of decisions
middleware   authorizes each request; denials in the format of each protocol
enforcement  authorizes requests and services, and logs the decisions
models       users, roles, policies and tags, from moto; moto, extended
exceptions   errors of policies, requests and credentials
callers      from credentials or OIDC tokens to a principal with its policies
principals   principals, and the credentials in a request
policy       policy documents, parsed
patterns     ARNs, wildcards and policy variables
conditions   condition operators
evaluate     AWS's evaluation logic
mapping      from a request to its operation, actions, resources and condition keys
"""
