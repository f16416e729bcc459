"""Requests to AWS, or to the embedded cloud, which has the same protocols."""
