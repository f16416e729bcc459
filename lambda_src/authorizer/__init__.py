"""A Lambda authorizer that hands the key in a request to API Gateway."""
