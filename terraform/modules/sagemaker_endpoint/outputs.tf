output "endpoint_name" {
  description = "Name of the endpoint; null when disabled."
  value       = one(aws_sagemaker_endpoint.this[*].name)
}

output "endpoint_arn" {
  description = "ARN of the endpoint; null when disabled."
  value       = one(aws_sagemaker_endpoint.this[*].arn)
}

output "endpoint_config_name" {
  description = "Name of the endpoint configuration that the endpoint should be on; null when disabled."
  value       = one(aws_sagemaker_endpoint_configuration.this[*].name)
}

output "model_name" {
  description = "Name of the SageMaker model; null when disabled."
  value       = one(aws_sagemaker_model.this[*].name)
}

output "variant_names" {
  description = "Names of the production variants."
  value       = var.enabled ? [local.variant_name] : []
}

output "log_group_name" {
  description = "Log group of the containers; null when disabled."
  value       = one(aws_cloudwatch_log_group.this[*].name)
}
