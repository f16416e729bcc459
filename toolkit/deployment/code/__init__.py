"""The functions' code, updated beside Terraform."""
