"""Rules for Terraform of this field, for checkov; without this file checkov loads none of the Python ones."""
