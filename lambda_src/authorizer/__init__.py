"""A Lambda authorizer that hands a bearer token to API Gateway as an API key."""
