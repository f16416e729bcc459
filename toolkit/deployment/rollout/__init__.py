"""What SageMaker does while Terraform waits, and whether it serves in the end what was planned."""
