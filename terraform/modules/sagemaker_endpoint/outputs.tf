output "endpoint_name" {
  description = "Name of the endpoint, also while paused; null if disabled."
  value       = var.enabled ? var.name : null
}

output "endpoint_config_name" {
  description = "Name of the planned endpoint configuration; null if disabled."
  value       = var.enabled ? local.configuration_name : null
}

output "model_names" {
  description = "Names of the SageMaker models by production variant."
  value       = { for name in keys(var.variants) : name => local.model_names["production/${name}"] if var.enabled }
}

output "variant_names" {
  description = "Names of the production variants."
  value       = var.enabled ? keys(var.variants) : []
}

output "alarm_names" {
  description = "Names of the alarms that roll back an update, including `rollout.alarms.extra`."
  value       = var.enabled && !local.serverless ? local.alarm_names : []
}

output "async_output_s3_uri" {
  description = "S3 prefix of an asynchronous endpoint's responses; null for other types."
  value       = var.enabled ? one(var.endpoint.async[*].output_s3_uri) : null
}

output "log_group_name" {
  description = "Log group of the containers; null if disabled."
  value       = var.enabled ? local.log_group_name : null
}
