"""Amazon Bedrock: guardrails with words and regular expressions."""
