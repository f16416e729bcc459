"""The control plane: moto, extended where it falls short of what Terraform's AWS provider asks."""
