"""From an HTTP request to IAM's terms: the actions it needs, on which resources, with which keys."""
