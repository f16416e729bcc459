output "execution_role_arn" {
  description = "ARN of the role that SageMaker runs models in."
  value       = module.execution_role.arn
}

output "execution_role_name" {
  description = "Name of the role that SageMaker runs models in."
  value       = module.execution_role.name
}

output "model_store_bucket" {
  description = "Name of the bucket for model weights."
  value       = module.model_store.bucket
}

output "state_bucket" {
  description = "Name of the bucket that holds Terraform's state."
  value       = aws_s3_bucket.state.bucket
}

output "policy_arns" {
  description = "ARNs of the deployers' policies and the functions' boundaries, by name."
  value       = module.deployer_policies.arns
}

output "ci_role_arns" {
  description = "ARNs of the roles that pipelines assume, by name."
  value       = module.ci_roles.arns
}
