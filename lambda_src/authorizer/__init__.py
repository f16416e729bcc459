"""A Lambda authorizer that hands the key of a request, or of the caller that a JWT names, to API Gateway."""
