"""Deploys open language models to Amazon SageMaker behind an OpenAI-compatible API."""
