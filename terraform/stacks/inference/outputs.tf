output "region" {
  description = "AWS region of the environment."
  value       = var.region
}

output "api_id" {
  description = "Id of the REST API."
  value       = module.api.api_id
}

output "api_stage" {
  description = "Name of the API's stage."
  value       = module.api.stage
}

output "api_invoke_url" {
  description = "URL of the API's stage."
  value       = module.api.invoke_url
}

output "api_domain_url" {
  description = "URL of the API at its custom domain; null without one."
  value       = module.api.domain_url
}

output "api_execution_arn" {
  description = "Resource ARN for `execute-api:Invoke` permissions, with `auth = \"iam\"`."
  value       = module.api.execution_arn
}

output "usage_plan_ids" {
  description = "Ids of the usage plans by name; empty without API keys."
  value       = module.api.usage_plan_ids
}

output "jwt_keys" {
  description = "Values of the API keys that stand for callers with a JWT, by usage plan; see modules/inference_api."
  value       = module.api.jwt_keys
}

output "models" {
  description = "Resources of each model, by model name; also while the environment is paused."
  value = {
    for name, endpoint in module.endpoint : name => {
      endpoint_name        = endpoint.endpoint_name
      endpoint_type        = local.endpoint_types[name]
      endpoint_config_name = endpoint.endpoint_config_name
      variant_names        = endpoint.variant_names
      model_names          = endpoint.model_names
      instance_types       = { for variant, settings in var.models[name].variants : variant => try(tostring(settings.instance_type), null) }
      alarm_names          = endpoint.alarm_names
      async_output_s3_uri  = endpoint.async_output_s3_uri
    }
  }
}

output "paused" {
  description = "Whether the environment is paused."
  value       = var.paused
}

output "functions" {
  description = "Names of the Lambda functions: `gateway`, and `authorizer` with API keys."
  value       = module.api.functions
}

output "log_groups" {
  description = "Log groups of the functions and of the access log, and of each model as `model/NAME`."
  value = merge(
    module.api.log_groups,
    { for name, endpoint in module.endpoint : "model/${name}" => endpoint.log_group_name },
  )
}
