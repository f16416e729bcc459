output "execution_role_arn" {
  description = "ARN of SageMaker's execution role."
  value       = module.execution_role.arn
}

output "execution_role_name" {
  description = "Name of SageMaker's execution role."
  value       = module.execution_role.name
}

output "model_store_bucket" {
  description = "Name of the model store, the bucket with model weights."
  value       = module.model_store.bucket
}

output "state_bucket" {
  description = "Name of the bucket with Terraform's state."
  value       = aws_s3_bucket.state.bucket
}

output "policy_arns" {
  description = "ARNs of the deployers' policies and of the functions' permissions boundaries, by name."
  value       = module.deployer_policies.arns
}

output "ci_role_arns" {
  description = "ARNs of the pipelines' roles by name."
  value       = module.ci_roles.arns
}
