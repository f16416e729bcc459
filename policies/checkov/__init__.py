"""checkov rules for LLM hosting on AWS. Without this file, checkov loads no rule written in Python."""
